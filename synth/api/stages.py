"""One stage alone, from Python: each builds a small recipe and runs it in a run folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from synth.api.running import run
from synth.api.teacher import TeacherLike, as_teacher
from synth.api.watch import Progress
from synth.fileio import atomic_write, json_lines
from synth.given import contents_of
from synth.pipeline import RunResult
from synth.records import Record, SeedTask, digest
from synth.shipped import SEED_FILE

Records = str | Path | RunResult | Iterable[Record | Mapping[str, str] | str]
"""Records: a file in any known format, a run, records, rows with instruction, input and output, or instructions."""
Seeds = str | Path | Iterable[SeedTask] | None
"""Seed tasks: a file of them, tasks, or None for the 175 that come with the package."""
OFF: dict[str, Any] = {"respond": None, "select": None, "export": None, "report": None}


def bootstrap(
    seeds: Seeds = None,
    *,
    teacher: TeacherLike,
    num_tasks: int = 100,
    run_dir: str | Path | None = None,
    seed: int = 0,
    progress: Progress = None,
    **settings: Any,
) -> RunResult:
    """Make `num_tasks` new tasks from `seeds`. `settings`: further keys of the recipe's section `bootstrap`.

    The answers are kept in `run_dir`, by default a folder in `runs/` named after all that was asked for: the same call
    again costs nothing. `seed`: the run's. Raises SynthError, InputError where a setting is wrong.
    """
    given = SEED_FILE if seeds is None else seeds
    rows = Path(given) if isinstance(given, str | Path) else json_lines(task.to_dict() for task in given)
    section = {"num_tasks": num_tasks, **settings}
    return _alone("bootstrap", section, teacher, rows, run_dir, seed, progress)


def evolve(
    records: Records,
    *,
    teacher: TeacherLike,
    rounds: int = 4,
    run_dir: str | Path | None = None,
    seed: int = 0,
    progress: Progress = None,
    **settings: Any,
) -> RunResult:
    """Evolve `records` over `rounds` generations. The rest is as in `bootstrap`, for the section `evolve`."""
    return _alone("evolve", {"rounds": rounds, **settings}, teacher, _rows(records), run_dir, seed, progress)


def respond(
    records: Records,
    *,
    teacher: TeacherLike,
    run_dir: str | Path | None = None,
    seed: int = 0,
    progress: Progress = None,
    **settings: Any,
) -> RunResult:
    """Answer those of `records` that have no answer. The rest is as in `bootstrap`, for the section `respond`."""
    return _alone("respond", settings, teacher, _rows(records), run_dir, seed, progress)


def select(
    records: Records,
    *,
    teacher: TeacherLike | None = None,
    run_dir: str | Path | None = None,
    seed: int = 0,
    progress: Progress = None,
    **settings: Any,
) -> RunResult:
    """Which of `records` pass the checks; `.rejected()` has the others, with reasons. Asks nobody without a `teacher`.

    The rest is as in `bootstrap`, for the section `select`.
    """
    return _alone("select", settings, teacher, _rows(records), run_dir, seed, progress)


def _alone(
    stage: str,
    section: dict[str, Any],
    teacher: TeacherLike | None,
    rows: str | Path,
    run_dir: str | Path | None,
    seed: int,
    progress: Progress,
) -> RunResult:
    """Run one stage; `rows` is a file, or the text of one, which is then kept in the run folder."""
    model = {"teacher": as_teacher(teacher).settings.model_dump(mode="json")} if teacher is not None else {}
    contents = (contents_of(str(rows)) or str(rows)) if isinstance(rows, Path) else rows
    place = Path(run_dir) if run_dir else Path("runs") / f"{stage}-{digest(section, model, seed, contents)[:8]}"
    if isinstance(rows, str):
        place.mkdir(parents=True, exist_ok=True)
        atomic_write(place / "given.jsonl", rows)
        rows = place / "given.jsonl"
    file = str(rows.absolute())
    source: dict[str, Any] = {"seeds": {"path": file}} if stage == "bootstrap" else {"input": file}
    data = {**OFF, **model, **source, "seed": seed, "name": stage, stage: section}
    return run(data, place, until=stage, progress=progress)


def _rows(records: Records) -> str | Path:
    """The file of `records`, or the text of one."""
    if isinstance(records, str | Path):
        return Path(records)
    if isinstance(records, RunResult):
        records = records.records()
    return json_lines(_record(one).to_dict() for one in records)


def _record(given: Record | Mapping[str, str] | str) -> Record:
    if isinstance(given, Record):
        return given
    if isinstance(given, str):
        return Record(given)
    return Record(given["instruction"], given.get("input") or "", given.get("output") or "")
