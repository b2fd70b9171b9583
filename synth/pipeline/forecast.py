"""What a recipe will ask for: requests, tokens, money and time by stage and role, low, likely and high. Prints nothing.

From a pilot, a small run of the same recipe: what it measured, scaled to the whole, with the uncertainty of its size.
Without one: from the recipe's settings and rough figures of what prompts and answers are long, to a factor of two.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.engine.budget import FREE, Price
from synth.engine.forecast import Flow, Load

if TYPE_CHECKING:
    from synth.recipe import Recipe

LEAST_PILOT = 10
"""Tasks of a pilot, at least."""
ROUGH = 2.0
"""Without a pilot the truth may be this many times less or more."""
SLOTS = 16
"""Requests in flight assumed where the recipe leaves them open and no pilot tells."""


def table(loads: list[Load], prices: dict[str, Price], slots: int) -> list[dict[str, Any]]:
    """One row for each stage, purpose, role and case, and one for the whole. Money is None where a price is missing."""
    rows = []
    for case in ("low", "likely", "high"):
        cases = [load.at(case) for load in loads]
        rows += [_row((load.stage, load.purpose, load.role), case, [load], prices, slots) for load in cases]
        rows.append(_row(("all", "", ""), case, cases, prices, slots))
    return rows


def _row(
    names: tuple[str, str, str], case: str, loads: list[Load], prices: dict[str, Price], slots: int
) -> dict[str, Any]:
    known = all(load.role in prices for load in loads)
    cost = sum(prices.get(x.role, FREE).cost(round(x.prompt_tokens), round(x.completion_tokens)) for x in loads)
    return {
        "stage": names[0],
        "purpose": names[1],
        "role": names[2],
        "case": case,
        "requests": round(sum(load.requests for load in loads)),
        "prompt_tokens": round(sum(load.prompt_tokens for load in loads)),
        "completion_tokens": round(sum(load.completion_tokens for load in loads)),
        "cost": round(cost, 6) if known else None,
        "seconds": round(sum(load.requests * load.latency_s for load in loads) / slots, 1),
    }


# -- from a pilot ------------------------------------------------------------------------------------------------------


def pilot_recipe(recipe: Recipe, share: float, folder: Path) -> Recipe:
    """The same recipe for a share of its tasks; the tasks of an input file are copied to `folder`."""
    changes: dict[str, Any] = {"name": f"{recipe.name[:57]}-pilot", "train": None, "evaluate": None, "report": None}
    if recipe.bootstrap:
        changes["bootstrap"] = recipe.bootstrap.model_copy(
            update={"num_tasks": _some(recipe.bootstrap.num_tasks, share)}
        )
        changes["seeds"] = recipe.seeds.model_copy(update={"evolve": False, "export": False})
        changes["input"] = None
    elif recipe.input:
        from synth.pipeline import read_input

        records = read_input(recipe).records
        folder.mkdir(parents=True, exist_ok=True)
        path = folder.absolute() / "pilot_tasks.jsonl"
        some = records[: _some(len(records), share)]
        path.write_text("".join(json.dumps(record.to_dict()) + "\n" for record in some), "utf-8")
        changes["input"] = path
    if recipe.annotate:
        sources = {name: _capped(name, one, share) for name, one in recipe.annotate.sources.items()}
        changes["annotate"] = recipe.annotate.model_copy(update={"sources": sources})
    return recipe.model_copy(update=changes)


def _capped(name: str, source: Any, share: float) -> Any:
    """A source of labelled rows with a share of its rows, the first ones."""
    from synth.sources.annotated import annotated

    rows = sum(1 for _ in annotated(name, source, 0)) // source.prompts_per_row
    return source.model_copy(update={"max_rows": _some(max(1, rows), share)})


def _some(count: int, share: float) -> int:
    return min(count, max(LEAST_PILOT, math.ceil(count * share)))


def from_pilot(recipe: Recipe, folder: Path) -> list[Load]:
    """The whole run's load: what the pilot's ledger measured, as many times as the whole has to ask more than it."""
    from synth.engine.ledger import LedgerReader
    from synth.pipeline import read_run_recipe

    whole, small = _by_role(rough(recipe)), _by_role(rough(read_run_recipe(folder)))
    with LedgerReader(folder) as reader:
        kept, surplus = _bootstrap_counts(reader)
        loads = []
        for stage, role, *numbers in reader.query(
            "SELECT stage, role, count(*), sum(prompt_tokens), sum(completion_tokens), avg(answered_at - sent_at)"
            " FROM requests WHERE state='answered' GROUP BY 1, 2"
        ):
            purpose, factor, items = "", 1.0, numbers[0]  # what belongs to no item, a judge's trial, is asked once
            if (stage, role) in whole and (stage, role) in small:
                (purpose, more), (_, less) = whole[stage, role], small[stage, role]
                factor = more / less
                items = reader.query("SELECT count(*) FROM outcomes WHERE stage=?", stage)[0][0] or items
            if stage == "bootstrap":
                items = kept + surplus
                factor = (recipe.bootstrap.num_tasks + surplus) / max(1, items)
            error = 0.05 + 1 / math.sqrt(max(1, items))
            loads.append(Load(stage, purpose, role, *numbers).times(factor, error))
        return loads


def _by_role(loads: list[Load]) -> dict[tuple[str, str], tuple[str, float]]:
    """(stage, role) → its purposes, and how many requests."""
    found: dict[tuple[str, str], tuple[str, float]] = {}
    for load in loads:
        purpose, requests = found.get((load.stage, load.role), ("", 0.0))
        found[load.stage, load.role] = (", ".join(filter(None, [purpose, load.purpose])), requests + load.requests)
    return found


def _bootstrap_counts(reader: Any) -> tuple[int, int]:
    """Tasks accepted, and tasks that would have been had they come earlier."""
    kept = sum(1 for _ in reader.records("bootstrap"))
    surplus = sum(rejection.reason == "surplus" for rejection in reader.rejections("bootstrap"))
    return kept, surplus


def _given(recipe: Recipe) -> tuple[int, int]:
    """Records that enter beside those that stages make, and how many of them have no answer."""
    from synth.pipeline import read_input
    from synth.stages.seeds import read_seed_tasks

    records = read_input(recipe).records
    seeds = read_seed_tasks(recipe.seeds.path) if recipe.seeds.evolve else []
    unanswered = sum(not record.output.strip() for record in records)
    return len(records) + sum(len(seed.instances) for seed in seeds), unanswered


# -- without one -------------------------------------------------------------------------------------------------------


def rough(recipe: Recipe) -> list[Load]:
    """The whole run's load, by what each stage says of itself."""
    from synth.stages.seeds import read_seed_tasks

    flow = Flow()
    flow.add(*_given(recipe))
    joins = recipe.seeds.export and not recipe.seeds.evolve
    for planned in recipe.plan():
        if joins and planned.stage.kind == "checks":
            flow.add(sum(len(seed.instances) for seed in read_seed_tasks(recipe.seeds.path)))
            joins = False
        flow.stage = planned.name
        planned.stage.forecast(planned.settings, flow)
    return [load.times(1.0, ROUGH - 1.0) for load in flow.loads]
