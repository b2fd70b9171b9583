"""The stage over a run folder: the untrained model, students of other data, and the run's own, on the same items."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synth.engine.forecast import ANSWER_TOKENS, Flow
from synth.errors import UsageError
from synth.fileio import atomic_write
from synth.records import Record, digest
from synth.shipped import EVAL_FILE, SEED_FILE
from synth.stages.evaluate.ablation import AblationResult, ablation
from synth.stages.evaluate.examine import EvaluateSettings, evaluate, examining
from synth.stages.evaluate.judging import PLANTED, judged
from synth.stages.seeds import read_seed_tasks
from synth.stages.stage import RunFolder, Stage
from synth.stages.train import ALIGNED, STUDENT, read_result, told, train, with_base
from synth.student.arms import SEEDS_ONLY, answered_records, arms_of_ablation, contamination
from synth.student.exam import exam
from synth.student.items import EvalItem, items_from
from synth.student.safety import safety_items
from synth.student.task_file import read_tasks

EVALUATION, EXAMINATION, STUDENTS, ABLATION = "evaluation.json", "examination", "students", "ablation"
SIZES = {"held out": 120, "exam": 400, "safety": 120}
"""How many tasks each source has, for the estimate; `hold_out.num_inputs` may make the first one another number."""


def run(folder: RunFolder, settings: EvaluateSettings) -> bool:
    """Examine the untrained model, those of `settings.arms` (trained for as long), and the student."""
    path = folder.path / EVALUATION
    records, held_out = folder.records()
    training = with_base(folder, _training(folder), records)
    data = comparison_arms(folder, settings, held_out)
    data["student"] = (STUDENT, records)
    arms = {}
    for number, (name, (where, own)) in enumerate(data.items(), 1):
        arms[name] = train(
            own, folder.path / where, training, told(folder.show, f"arm {number} of {len(data)}, {name}")
        )
    aligned = read_result(folder.path / ALIGNED) if folder.recipe.align else None
    weights = [one.weights_sha256 for one in (*arms.values(), *([aligned] if aligned else ()))]
    mark = digest(settings.model_dump(mode="json"), [r.id for r in held_out], list(arms), weights)
    if path.is_file() and json.loads(path.read_text("utf-8")).get("fingerprint") == mark:
        folder.table = json.loads(path.read_text("utf-8"))["table"]
        return False
    students = {"untrained": str(training.model)} | {name: str(one.path) for name, one in arms.items()}
    students |= {"aligned": str(aligned.path)} if aligned else {}
    source = examination(settings, held_out)
    examined = settings.model_copy(update={"template": settings.template or training.template})
    seen = [record for _, own in data.values() for record in own]

    store = folder.path / EXAMINATION
    found = evaluate(students, source, examined, training=seen, progress=examining(folder.show), store=store)
    if settings.judge:
        found = judged(found, folder.engine, settings.seed)
    folder.table = found.rows()
    atomic_write(path, json.dumps(found.to_dict() | {"fingerprint": mark, "table": found.rows()}, indent=1))
    return True


def forecast(settings: EvaluateSettings, flow: Flow) -> None:
    """A judge, if there is to be one: its trial, and both orders of two answers to each task, student by student."""
    if not settings.judge:
        return
    num_tasks = sum(SIZES[name] for name in settings.tasks)
    compared = min(num_tasks, settings.max_tasks or num_tasks) * (1 + len(settings.arms))
    flow.ask("students compared", 2 * (PLANTED + compared), "judge", ANSWER_TOKENS["judge"], "judge")


FILES = (EVALUATION, EXAMINATION, STUDENTS, ABLATION, "ablation.json")
EVALUATE = Stage("evaluate", EvaluateSettings, run, "folder", files=FILES, forecast=forecast)


def examination(settings: EvaluateSettings, held_out: Sequence[Record]) -> list[EvalItem]:
    """The tasks that the settings name."""
    items: list[EvalItem] = []
    if "held out" in settings.tasks:
        items += items_from(held_out or read_seed_tasks(EVAL_FILE))
    items += exam(settings.seed) if "exam" in settings.tasks else []
    return items + (safety_items(read_seed_tasks(SEED_FILE)) if "safety" in settings.tasks else [])


def _training(folder: RunFolder) -> Any:
    if folder.recipe.train is None:
        raise UsageError(f"{folder.path} trains no student", "add a train: section to its recipe")
    return folder.recipe.train


def comparison_arms(
    folder: RunFolder, settings: EvaluateSettings, held_out: list[Record]
) -> dict[str, tuple[str, list[Record]]]:
    """The arms of `settings.arms`: name -> (folder in the run folder, records)."""
    gone = {record.id for record in held_out}
    found: dict[str, tuple[str, list[Record]]] = {}
    for name in settings.arms:
        own = folder.seeds() if name == SEEDS_ONLY else [r for r in answered_records(folder.path) if r.id not in gone]
        found[name] = (f"{STUDENTS}/{name.replace(' ', '-')}", own)
    return found


def ablate(folder: RunFolder, tasks: Path | None, settings: EvaluateSettings) -> AblationResult:
    """What each part of the data did: students trained on more and more of it, for equal steps, with several seeds.

    Arms: see `arms_of_ablation`. How much of each evaluation set they give away is part of the result.
    """
    training = _training(folder)
    kept, held_out = folder.records()
    arms = arms_of_ablation(folder.seeds(), answered_records(folder.path), kept, held_out)
    sets = {EVAL_FILE.name: items_from(read_seed_tasks(EVAL_FILE))}
    sets |= {"held-out inputs": items_from(held_out)} if held_out else {}
    sets |= {tasks.name: read_tasks(tasks)} if tasks else {}
    source = read_tasks(tasks) if tasks else examination(settings, held_out)
    training = with_base(folder, training, kept)
    result = ablation(arms, source, folder.path / ABLATION, train, training, settings, folder.show)
    result = dataclasses.replace(result, contamination=contamination(arms, sets))
    atomic_write(folder.path / "ablation.json", json.dumps(result.to_dict(), indent=1))
    return result
