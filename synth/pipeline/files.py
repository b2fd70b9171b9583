"""The stages that make files of a run's records: export, train, evaluate, report, and the ablation beside them."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synth.engine.ledger import LedgerReader
from synth.errors import UsageError
from synth.fileio import atomic_write
from synth.pipeline.folder import RunResult, read_run_recipe, seed_records, split_held_out, write_timings
from synth.recipe import SEED_FILE, Recipe
from synth.records import Record, digest
from synth.stages.seeds import read_seed_tasks
from synth.student.arms import SEEDS_ONLY, answered_records, arms_of_ablation, contamination
from synth.student.items import items_from

if TYPE_CHECKING:
    from synth.stages.evaluate import AblationResult, EvaluateSettings
    from synth.stages.train import TrainResult
    from synth.student.presets import TrainSettings

EVAL_FILE = SEED_FILE.with_name("eval_tasks.jsonl")


def run_file_stages(recipe: Recipe, result: RunResult, wanted: Sequence[str]) -> None:
    """Export, train, evaluate, report, each timed; heavy libraries are imported only if there is work."""
    for name in wanted:
        make = FILE_STAGES.get(name)
        if make is not None and getattr(recipe, name) is not None:
            started = time.monotonic()
            if make(recipe, result):
                result.seconds[name] = time.monotonic() - started
                write_timings(result)


def _export(recipe: Recipe, result: RunResult) -> bool:
    from synth.engine.funnel import family_links
    from synth.stages.export import export, run_facts

    assert recipe.export is not None
    folder = result.run_dir / "export"
    result.paths.append(folder)
    records, held_out = split_held_out(recipe, result.run_dir)
    facts = run_facts(result.run_dir) | {"recipe_hash": recipe.hash, "name": recipe.name}
    reader = LedgerReader(result.run_dir)
    try:
        export(records, folder, recipe.export, facts, family_links(reader))
    finally:
        reader.close()
    if held_out:
        lines = "".join(json.dumps(record.to_dict()) + "\n" for record in held_out)
        atomic_write(result.run_dir / "held_out.jsonl", lines)
    return True


def _train(recipe: Recipe, result: RunResult) -> bool:
    from synth.stages.train import train

    assert recipe.train is not None
    folder = result.run_dir / "student"
    result.paths.append(folder)
    records, _ = split_held_out(recipe, result.run_dir)
    return _worked(train(records, folder, _with_base(recipe, result.run_dir, records)), result)


def _with_base(recipe: Recipe, run_dir: Path, records: Sequence[Record]) -> TrainSettings:
    """The training settings, naming the untrained model that all of the run's students start from."""
    assert recipe.train is not None
    if recipe.train.model is not None:
        return recipe.train
    base = run_dir / "base"
    if not (base / "config.json").is_file():
        from synth.student.fit import make_base

        make_base([*records, *seed_records(read_seed_tasks(recipe.seeds.path))], base, recipe.train)
    return recipe.train.model_copy(update={"model": str(base)})


def _worked(trained: TrainResult, result: RunResult) -> bool:
    """Was the student trained just now, rather than read back?"""
    return (trained.path / "train.json").stat().st_mtime >= result.started


def _evaluate(recipe: Recipe, result: RunResult) -> bool:
    """Examine the untrained model, those of `evaluate.arms` (trained for as long), and the student."""
    from synth.stages.evaluate import evaluate
    from synth.stages.train import train

    assert recipe.train is not None and recipe.evaluate is not None
    path = result.run_dir / "evaluation.json"
    records, held_out = split_held_out(recipe, result.run_dir)
    settings = _with_base(recipe, result.run_dir, records)
    data = comparison_arms(recipe, result.run_dir, held_out)
    arms = {name: train(own, result.run_dir / folder, settings) for name, (folder, own) in data.items()}
    arms["student"] = train(records, result.run_dir / "student", settings)
    weights = [one.weights_sha256 for one in arms.values()]
    mark = digest(recipe.evaluate.model_dump(mode="json"), [r.id for r in held_out], list(arms), weights)
    if path.is_file() and json.loads(path.read_text("utf-8")).get("fingerprint") == mark:
        result.student = json.loads(path.read_text("utf-8"))["table"]
        return False
    students = {"untrained": str(settings.model)} | {name: str(one.path) for name, one in arms.items()}
    source = held_out or read_seed_tasks(EVAL_FILE)
    examined = recipe.evaluate.model_copy(update={"template": recipe.evaluate.template or settings.template})
    training = [*records, *(record for _, own in data.values() for record in own)]
    found = evaluate(students, source, examined, training=training)
    result.student = found.rows()
    atomic_write(path, json.dumps(found.to_dict() | {"fingerprint": mark, "table": found.rows()}, indent=1))
    return True


def comparison_arms(recipe: Recipe, run_dir: Path, held_out: Sequence[Record]) -> dict[str, tuple[str, list[Record]]]:
    """The arms of `evaluate.arms`: name -> (folder in the run folder, records)."""
    assert recipe.evaluate is not None
    gone = {record.id for record in held_out}
    found: dict[str, tuple[str, list[Record]]] = {}
    for name in recipe.evaluate.arms:
        if name == SEEDS_ONLY:
            own = seed_records(read_seed_tasks(recipe.seeds.path))
        else:
            own = [record for record in answered_records(run_dir) if record.id not in gone]
        found[name] = (f"students/{name.replace(' ', '-')}", own)
    return found


def run_ablation(run_dir: Path, tasks: Path | None, settings: EvaluateSettings) -> AblationResult:
    """What each part of the data did: students trained on more and more of it, for equal steps, with several seeds.

    Arms: see `arms_of_ablation`. How much of each evaluation set they give away is part of the result.
    """
    from synth.stages.evaluate import ablation
    from synth.stages.train import train

    recipe = read_run_recipe(run_dir)
    if recipe.train is None:
        raise UsageError(f"{run_dir} trains no student", "add a train: section to its recipe")
    kept, held_out = split_held_out(recipe, run_dir)
    own = seed_records(read_seed_tasks(recipe.seeds.path))
    arms = arms_of_ablation(own, answered_records(run_dir), kept, held_out)
    sets = {EVAL_FILE.name: items_from(read_seed_tasks(EVAL_FILE))}
    sets |= {"held-out inputs": items_from(held_out)} if held_out else {}
    sets |= {tasks.name: items_from(read_seed_tasks(tasks))} if tasks else {}
    source = read_seed_tasks(tasks or EVAL_FILE) if tasks or not held_out else held_out
    training = _with_base(recipe, run_dir, kept)
    result = ablation(arms, source, run_dir / "ablation", train, training, settings)
    result = dataclasses.replace(result, contamination=contamination(arms, sets))
    atomic_write(run_dir / "ablation.json", json.dumps(result.to_dict(), indent=1))
    return result


def _report(recipe: Recipe, result: RunResult) -> bool:
    from synth.stages.report import report

    assert recipe.report is not None
    result.paths.append(report(result.run_dir, recipe.report))
    return True


FILE_STAGES: dict[str, Callable[[Recipe, RunResult], bool]] = {
    "export": _export,
    "train": _train,
    "evaluate": _evaluate,
    "report": _report,
}
