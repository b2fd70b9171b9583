"""Every candidate accounted for: what came into each stage, what it made, kept and rejected, read from the ledger.

It counts and checks the sums; drawing is for the report and the card. Works on a run that is still going on.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

from synth.engine.ledger import LedgerReader
from synth.errors import StorageError
from synth.records import Record, Rejection, digest

SAMPLES = 3
"""Rejected records kept as samples for each reason."""
NOTE = "stages"
"""The ledger's note of the stages that make records, in order."""
FOREIGN = ("seed", "import")
Reason = tuple[str, str]


@dataclass(frozen=True, slots=True)
class NotedStage:
    """A stage of this run: its name, its kind (see `synth.stages.stage.Stage`) and the stages that ask for it."""

    name: str
    kind: str = "records"
    helpers: tuple[str, ...] = ()


def note_stages(stages: Iterable[NotedStage]) -> str:
    """The stages of a run as JSON, for the ledger's note."""
    return json.dumps([asdict(stage) for stage in stages])


def noted_stages(ledger: LedgerReader) -> list[NotedStage]:
    """The stages of this run that make records, in order. Raises StorageError for a ledger without the note."""
    noted = ledger.get_meta(NOTE)
    if noted is None:
        raise StorageError(
            "the ledger does not say in which order its stages come",
            "`synth run` once notes it, at no calls if finished",
        )
    return [NotedStage(row["name"], row["kind"], tuple(row["helpers"])) for row in json.loads(noted)]


@dataclass(slots=True)
class StageCount:
    """One stage. `received` from the stage before, `joined` there from outside (seeds, imported data), `made` by it.

    `waiting`: handed over and not yet settled, in a run that is going on. `reasons`: (check, reason) -> rejections.
    """

    stage: str
    received: int = 0
    joined: int = 0
    made: int = 0
    kept: int = 0
    waiting: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)
    samples: dict[Reason, list[Rejection]] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """All that this stage rejected."""
        return self.reasons.total()

    @property
    def by_reason(self) -> dict[str, int]:
        """`check: reason` → rejections, the most frequent first."""
        return {f"{check}: {reason}": count for (check, reason), count in self.reasons.most_common()}


@dataclass(frozen=True, slots=True)
class Funnel:
    """The stages in order; `problems` has one sentence for each sum that does not come out."""

    stages: list[StageCount]
    problems: list[str]

    @property
    def candidates(self) -> int:
        """All that ever came in or was made."""
        return sum(stage.joined + stage.made for stage in self.stages)

    @property
    def rejected(self) -> int:
        """All that was rejected, anywhere."""
        return sum(stage.rejected for stage in self.stages)

    @property
    def kept(self) -> int:
        """What the last stage kept."""
        return self.stages[-1].kept if self.stages else 0


def data_stages(ledger: LedgerReader) -> list[str]:
    """The names of the stages that this run has begun, in order."""
    return [stage.name for stage in begun_stages(ledger)]


def begun_stages(ledger: LedgerReader) -> list[NotedStage]:
    """The stages that this run has begun, in order."""
    begun = ledger.stages()
    return [stage for stage in noted_stages(ledger) if stage.name in begun] if begun else []


def unchecked_stage(ledger: LedgerReader) -> NotedStage | None:
    """The last stage begun before the first that only checks: all that the teacher made is in its results."""
    before: NotedStage | None = None
    for stage in begun_stages(ledger):
        if stage.kind == "checks":
            break
        before = stage
    return before


def final_records(ledger: LedgerReader) -> Iterator[Record]:
    """What the last stage kept, in order; nothing where no stage has begun."""
    names = data_stages(ledger)
    return ledger.records(names[-1]) if names else iter(())


def count_funnel(ledger: LedgerReader, samples: int = SAMPLES) -> Funnel:
    """The funnel of a run, with `samples` rejections for each stage and reason, drawn evenly and always the same."""
    states = ledger.stages()
    stages: list[StageCount] = []
    problems: list[str] = []
    kept_before, foreign_before = 0, 0
    for stage in begun_stages(ledger):
        name = stage.name
        count, results, foreign, foreign_kept = _count_stage(ledger, name, samples)
        items = ledger.query("SELECT count(*) FROM outcomes WHERE stage=?", name)[0][0]
        if stage.kind == "seeds":
            count.made = results
            kept_before, foreign_before = kept_before + count.kept, foreign_before + foreign_kept
        else:
            count.joined = max(0, foreign - foreign_before)
            count.received = kept_before
            count.waiting = max(0, kept_before + count.joined - items) if states[name]["state"] == "running" else 0
            count.made = results - (count.received + count.joined - count.waiting)
            problems += _problems(count, items, stage.kind)
            kept_before, foreign_before = count.kept, foreign_kept
        stages.append(count)
    return Funnel(stages, problems)


def _count_stage(ledger: LedgerReader, name: str, samples: int) -> tuple[StageCount, int, int, int]:
    """(counts, results, results of foreign origin, those of them kept) of one stage."""
    count = StageCount(name)
    results = foreign = foreign_kept = 0
    for result in ledger.results(name):
        results += 1
        if isinstance(result, Record):
            count.kept += 1
            is_foreign = result.lineage.origin in FOREIGN
            foreign_kept += is_foreign
        else:
            is_foreign = result.record.lineage.origin in FOREIGN and result.record.lineage.generation == 0
            _note(count, result, samples)
        foreign += is_foreign
    return count, results, foreign, foreign_kept


def _note(count: StageCount, rejection: Rejection, samples: int) -> None:
    """Count a rejection and keep it as a sample with the chance that makes all of its reason equally likely."""
    reason = (rejection.check, rejection.reason)
    count.reasons[reason] += 1
    kept = count.samples.setdefault(reason, [])
    seen = count.reasons[reason]
    if len(kept) < samples:
        kept.append(rejection)
        return
    place = random.Random(int(digest(count.stage, reason, seen)[:16], 16)).randrange(seen)
    if place < samples:
        kept[place] = rejection


def _problems(count: StageCount, items: int, kind: str) -> list[str]:
    """The sums of one stage that do not come out."""
    came_in = count.received + count.joined - count.waiting
    found = []
    if items != came_in:
        found.append(f"{count.stage}: {came_in} records came in, but the outcomes of {items} are stored")
    if kind != "children" and count.made != 0:
        found.append(f"{count.stage}: kept and rejected add up to {came_in + count.made}, but {came_in} came in")
    if count.made < 0:
        found.append(f"{count.stage}: {-count.made} records that came in have no outcome")
    return list(dict.fromkeys(found))


def family_links(ledger: LedgerReader) -> Iterator[tuple[str, str]]:
    """Pairs of record ids that belong to one family, for splits: a task and all that was evolved from it.

    They come from the outcomes, so families hold together where a link of the chain was rejected later, or where a
    check changed a text and with it the id.
    """
    sql = "SELECT item, results FROM outcomes WHERE stage=? ORDER BY ordinal"
    for stage in noted_stages(ledger):
        for item, text in ledger.rows(sql, stage.name) if stage.kind != "seeds" else ():
            for row in json.loads(text):
                record = row["kept"] if "kept" in row else row["rejected"]["record"]
                if record["id"] != item:
                    yield item, record["id"]
