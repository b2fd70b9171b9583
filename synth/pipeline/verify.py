"""Is a run folder whole? The ledger row by row, the export's manifest, and every file that a stage noted as made."""

from __future__ import annotations

from pathlib import Path

from synth.engine.audit import ledger_problems
from synth.errors import SynthError
from synth.pipeline.folder import read_run_recipe, read_timings
from synth.pipeline.seals import seal_problems


def run_problems(run_dir: Path) -> list[str]:
    """One line for each thing that is missing or not as it was made; empty for a run folder that is whole."""
    problems = ledger_problems(run_dir)
    try:
        planned = [one for one in read_run_recipe(run_dir).plan() if one.stage.kind == "folder"]
    except SynthError as error:
        problems.append(error.message)
        planned = []
    made = [one.name for one in planned if one.name in read_timings(run_dir)]
    for manifest in sorted(run_dir.glob("*/manifest.json")):  # an export may have any name
        from synth.stages.export import verify_manifest

        problems += verify_manifest(manifest.parent)
    return list(dict.fromkeys(problems + seal_problems(run_dir, made)))
