"""What people accepted in a run, as seed tasks for the next one."""

from __future__ import annotations

from pathlib import Path

from synth.errors import UsageError
from synth.pipeline import final_records
from synth.records import SeedTask
from synth.stages.seeds import seed_tasks_of
from synth.verdicts import FILE_NAME, decisions, edited, read_verdicts, row_key


def accepted_seeds(run_dir: Path) -> list[SeedTask]:
    """The final records that people accepted, or edited (with their texts), as seed tasks: one for each instruction.

    Raises UsageError where nobody accepted one.
    """
    decided = decisions(read_verdicts(run_dir / FILE_NAME))
    chosen = []
    for record in final_records(run_dir) if decided else ():
        verdict = decided.get(row_key(record))
        if verdict is not None and verdict.kind != "reject":
            chosen.append(edited(record, verdict) if verdict.kind == "edit" else record)
    tasks = seed_tasks_of(chosen)
    if not tasks:
        raise UsageError(f"no row of {run_dir} has been accepted", f"judge some with: synth review {run_dir}")
    return tasks
