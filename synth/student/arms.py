"""Which records each arm of a comparison learns from, read from a run folder. Nothing is trained here.

The arms of an ablation stand in the order in which each adds to the one before. What the checks refused is in the
ledger, so the arm without checks needs no second run: it is all that the teacher answered, as it first answered it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from synth.engine.funnel import unchecked_stage
from synth.engine.ledger import LedgerReader
from synth.records import Lineage, Record, Rejection
from synth.student.items import EvalItem, given_away

SEEDS_ONLY, NO_CHECKS = "seeds only", "no checks"
MAKERS: dict[str, Callable[[Lineage], bool]] = {
    "+ imported": lambda line: line.origin == "import",
    "+ bootstrap": lambda line: line.origin == "bootstrap",
    "+ evolution": lambda line: line.origin == "evolve" and line.operator not in ("rephrase", "constrain"),
    "+ wordings": lambda line: line.operator == "rephrase",
    "+ demands": lambda line: line.operator == "constrain",
}
"""Arms of an ablation that one way of making tasks is added in, and whether a record is of it."""


def answered_records(run_dir: Path) -> list[Record]:
    """Every task that the teacher answered, with its first answer, whether or not it was kept afterwards.

    What the stages that make tasks reject themselves (those too like others, say) is no part of it.
    """
    with LedgerReader(run_dir) as reader:
        last = unchecked_stage(reader)
        results = list(reader.results(last.name)) if last else []
    only_answers = last is not None and last.kind == "records"
    records = [r.record if isinstance(r, Rejection) else r for r in results if only_answers or isinstance(r, Record)]
    return [replace(r, output=str(r.meta.get("first_answer", r.output))) for r in records if r.output]


def arms_of_ablation(
    seeds: Sequence[Record], answered: Sequence[Record], kept: Sequence[Record], held_out: Sequence[Record]
) -> dict[str, list[Record]]:
    """Arm -> its records: the untrained base, the seeds, what each way of making tasks adds, what the checks leave.

    Wordings are those of the stage `rephrase`, demands of `constrain`. Where the run exports its seeds, all later arms
    have them, too. An arm that a run has nothing for, since it does not evolve, say, is left out.
    """
    gone = {record.id for record in held_out}
    before = [record for record in answered if record.id not in gone]
    own = [record for record in kept if record.lineage.origin == "seed"]
    arms: dict[str, list[Record]] = {"untrained": [], SEEDS_ONLY: list(seeds)}
    so_far: list[Callable[[Lineage], bool]] = []
    for arm, makes in MAKERS.items():
        so_far.append(makes)
        if any(makes(record.lineage) for record in before):
            arms[arm] = own + [record for record in before if any(of_arm(record.lineage) for of_arm in so_far)]
    arms["+ checks"] = list(kept)
    return {name: records for name, records in arms.items() if records or name == "untrained"}


def contamination(
    arms: Mapping[str, Sequence[Record]], eval_sets: Mapping[str, Sequence[EvalItem]]
) -> dict[str, dict[str, int]]:
    """Evaluation set -> arm -> how many of its items the arm's records give away (see `items.given_away`)."""
    return {
        name: {arm: len(given_away(items, records)) for arm, records in arms.items() if records}
        for name, items in eval_sets.items()
    }
