"""Mix: which of the kept records are exported and trained on, and in what order: shares, caps, temperature, curriculum.

It waits for all records, asks no teacher, and draws by the run's seed and the records alone. What was asked and what
was got stands in the run's notes, and on its page.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, model_validator

from synth.engine.run import Engine, Item, StagePlan
from synth.given import StrictSettings
from synth.records import Record, Rejection, digest, record_of
from synth.stages.stage import Stage
from synth.student.mix import allocate, drawn_order, easy_to_hard
from synth.student.presets import Order

STAGE = "mix"
ASKED_AND_GOT = "mixture"
"""The run's note: a list of [group, there were, share asked, records got, share got]."""
By = Literal["source", "task", "cluster", "category", "language", "origin", "steps"]
Result = Record | Rejection


class MixSettings(StrictSettings):
    """Shares of a mixture, and its order."""

    by: By = Field(
        "source", description="What shares are of: source (a set of data, else where a record comes from), task, "
        "cluster, category, language, origin (import, bootstrap ...), or steps (answers with worked steps or direct).",
    )  # fmt: skip
    shares: dict[str, float] | None = Field(
        None, description="Group to its part. Groups that are not named are left out; none: by size and temperature."
    )
    temperature: float = Field(
        1.0, gt=0, le=100, description="Without shares: parts are sizes to the power of 1 / temperature (1: in "
        "proportion to the examples; large: all alike).",
    )  # fmt: skip
    max_per_task: int | None = Field(None, ge=1, description="At most so many records of one task (FLAN: 3,000).")
    num_records: int | None = Field(
        None, ge=1, description="Records in all; none: as many as keep the shares exactly, or all without shares."
    )
    order: Order | Literal["given"] = Field(
        "given", description="given, shuffled, or easy to hard by generation, difficulty (a judge's grade), length or "
        "loss (of loss_model).",
    )  # fmt: skip
    loss_model: str | None = Field(None, description="A student's folder or a model whose loss orders the records.")

    @model_validator(mode="after")
    def _makes_sense(self) -> MixSettings:
        if self.shares is not None and (
            not self.shares or min(self.shares.values()) < 0 or not sum(self.shares.values())
        ):
            raise ValueError("shares must be numbers of 0 or more, at least one of them above 0")
        if (self.order == "loss") != (self.loss_model is not None):
            raise ValueError("order: loss and loss_model go together")
        return self


async def mix(engine: Engine, records: AsyncIterator[Record], settings: MixSettings) -> AsyncIterator[list[Result]]:
    """Yield the records of the mixture in their order, then the rejections of the others."""
    given = [record async for record in records]
    results, told = mixture(given, settings, engine.options.run_seed)
    dump = settings.model_dump(mode="json")

    async def items() -> AsyncIterator[Item]:
        for result in results:
            yield Item(record_of(result).id, result=result)

    if settings.order == "difficulty" and (bare := sum("complexity" not in one.meta for one in given)):
        engine.note(
            f"mix: {bare:,} of {len(given):,} records have no grade of their difficulty and come first, in drawn order;"
            " `select: {grade: {complexity: true}}` grades them"
        )
    ids = digest(*(record.id for record in given))
    async for _, made in engine.map(StagePlan(STAGE, digest(dump, ids), dump), items()):
        yield made
    await engine.ledger.set_meta(ASKED_AND_GOT, json.dumps(told))


def mixture(records: Sequence[Record], settings: MixSettings, seed: int) -> tuple[list[Result], list[list[Any]]]:
    """(the mixture in its order, then who was left out; what was asked and got by group).

    Raises UsageError where a group that has a share has no record.
    """
    capped, over = _capped(records, settings.max_per_task, seed)
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in drawn_order(capped, seed):
        groups[group_of(record, settings.by)].append(record)
    sizes = {name: len(groups[name]) for name in sorted(groups)}
    weights = settings.shares or {name: size ** (1 / settings.temperature) for name, size in sizes.items()}
    total = settings.num_records
    if total is None and settings.shares is None and settings.temperature == 1:
        total = len(capped)
    counts = allocate(sizes, weights, total) if sizes else {}
    chosen = {id(one) for name, group in groups.items() for one in group[: counts.get(name, 0)]}
    kept = [record for record in records if id(record) in chosen]
    if settings.loss_model is not None:
        kept = with_losses(kept, settings.loss_model)
    kept = kept if settings.order == "given" else easy_to_hard(kept, settings.order, seed)
    passed_over = {id(record) for record in over}
    left = [
        Rejection(record, STAGE, STAGE, "over_cap" if id(record) in passed_over else "over_share",
                  f"{settings.by} {group_of(record, settings.by)}"[:200])
        for record in records if id(record) not in chosen
    ]  # fmt: skip
    return [*kept, *left], _told(sizes, weights, counts)


def group_of(record: Record, by: By) -> str:
    """The group of a record; "none" where nothing is known of it."""
    if by == "steps":
        return "steps" if record.meta.get("rationale") else "direct"
    if by == "origin":
        return record.lineage.origin
    value = record.meta.get(by) or (record.meta.get("requested_category") if by == "category" else None)
    if not value and by in ("source", "task"):
        value = record.lineage.origin if by == "source" else record.task()
    return str(value or "none")


def _capped(records: Sequence[Record], most: int | None, seed: int) -> tuple[list[Record], list[Record]]:
    """(at most so many of each task, the rest), both drawn."""
    if most is None:
        return list(records), []
    taken: Counter[str] = Counter()
    kept: list[Record] = []
    over: list[Record] = []
    for record in drawn_order(records, seed):
        task = group_of(record, "task")
        taken[task] += 1
        (kept if taken[task] <= most else over).append(record)
    return kept, over


def _told(sizes: Mapping[str, int], weights: Mapping[str, float], counts: Mapping[str, int]) -> list[list[Any]]:
    whole, got = sum(weights.values()) or 1, sum(counts.values()) or 1
    return [
        [name, sizes.get(name, 0), round(weights.get(name, 0) / whole, 4), counts.get(name, 0),
         round(counts.get(name, 0) / got, 4)]
        for name in sorted({*sizes, *weights})
    ]  # fmt: skip


def with_losses(records: Sequence[Record], model: str) -> list[Record]:
    """The records with a student's mean loss per token of the answer in `meta.loss`, where its window holds one."""
    from synth.student.generate import Student

    losses = Student.load(model).losses(records)
    return [
        replace(one, meta=one.meta | {"loss": round(losses[one.id].total / losses[one.id].num_tokens, 4)})
        if one.id in losses
        else one
        for one in records
    ]


MIX = Stage(STAGE, MixSettings, mix, "checks")
