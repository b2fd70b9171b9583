"""Held-out inputs: of a task with several instances one is kept back, to examine a student on inputs it never saw.

Whole unseen tasks are another question; `seed_tasks/eval_tasks.jsonl` and an export's test split are for that.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from synth.given import StrictSettings
from synth.records import Record, digest


class HoldOutSettings(StrictSettings):
    """What is kept back to examine a student on."""

    num_inputs: int = Field(
        0, ge=0, description="Instances kept out of the export and of training, at most one of a task."
    )


def hold_out_inputs(records: Sequence[Record], number: int, seed: int) -> tuple[list[Record], list[Record]]:
    """(what stays, what is held out): one instance each of up to `number` tasks that have two or more.

    Seeds are never held out. Which tasks are chosen depends on their wording and `seed` alone.
    """
    tasks: dict[str, list[Record]] = {}
    for record in records:
        if record.lineage.origin != "seed" and record.output:
            tasks.setdefault(record.task(), []).append(record)
    several = [group for group in tasks.values() if len({record.input for record in group}) > 1]
    several.sort(key=lambda group: digest(seed, group[0].task()))
    held = [group[-1] for group in several[:number]]
    gone = {record.id for record in held}
    return [record for record in records if record.id not in gone], held
