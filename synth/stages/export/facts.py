"""What a run folder tells for the dataset card: name, date, teacher, funnel, settings. Reads; keeps nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synth.engine.funnel import StageCount, count_funnel, data_stages
from synth.engine.ledger import NOTE, LedgerReader


def run_facts(run_dir: Path) -> dict[str, Any]:
    """The facts of `export` for the run in `run_dir`: see `card.FACTS`. Raises StorageError where there is no run."""
    with LedgerReader(run_dir) as ledger:
        funnel = count_funnel(ledger, samples=0)
        begun = ledger.stages()
        stages = {name: begun[name] for name in data_stages(ledger)}
        ends = [stage["finished_at"] or stage["started_at"] for stage in stages.values()]
        models = ledger.query("SELECT DISTINCT role, model FROM requests ORDER BY role DESC, model")
        notes = ledger.query("SELECT DISTINCT detail FROM events WHERE kind=? ORDER BY detail", NOTE)
        contamination = _contamination(funnel.stages, stages)
    facts: dict[str, Any] = {"name": run_dir.resolve().name, "contamination": contamination}
    facts |= {"date": datetime.fromtimestamp(max(ends), UTC).date().isoformat()} if ends else {}
    facts["models"] = {
        role: [name for one, name in models if one == role] for role in dict.fromkeys(r for r, _ in models)
    }
    facts["asked_otherwise"] = [note for (note,) in notes]
    facts["funnel"] = [_row(stage) for stage in funnel.stages]
    facts["funnel_problems"] = funnel.problems
    facts["settings"] = {name: stage["settings"] for name, stage in stages.items()}
    return facts


def _row(stage: StageCount) -> dict[str, Any]:
    came_in = stage.received + stage.joined
    return {"stage": stage.stage, "in": came_in, "made": stage.made, "kept": stage.kept, "reasons": stage.by_reason}


def _contamination(stages: list[StageCount], begun: dict[str, Any]) -> str:
    """What is known about overlap with evaluation sets, as sentences."""
    found = sum(
        count for stage in stages for (check, _), count in stage.reasons.items() if check.startswith("contamination")
    )
    if not any("contamination" in str(stage["settings"]) for stage in begun.values()):
        return "Overlap with evaluation sets was not checked in this run."
    return f"Every record was compared with the evaluation sets named in the recipe; {found} were refused for overlap."
