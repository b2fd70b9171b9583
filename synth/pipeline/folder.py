"""The folder of a run: the recipe that made it, its timings, and the records in its ledger.

runs/<name>/  recipe.yaml  ledger.sqlite  lock  timings.json  and what the stages make: export/  student/  report.html
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.engine import funnel
from synth.engine.ledger import FILE_NAME, LedgerReader
from synth.engine.progress import RunProgress
from synth.errors import StorageError, UsageError
from synth.fileio import atomic_write
from synth.recipe import Recipe, build_recipe, shaping
from synth.records import Record
from synth.stages.order import STAGES

RECIPE_FILE, TIMINGS = "recipe.yaml", "timings.json"


@dataclass(slots=True)
class RunResult:
    """What a run came to: counters of this process, seconds by stage (kept over restarts), files made.

    `helpers`: stage → the stages that asked on its behalf. `student`: the rows of a table about students.
    """

    run_dir: Path
    progress: RunProgress
    seconds: dict[str, float] = field(default_factory=dict)
    helpers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)
    quarantined: int = 0
    maybe_paid_twice: int = 0
    skipped_rows: int = 0
    student: list[list[str]] = field(default_factory=list)


def read_run_recipe(run_dir: Path) -> Recipe:
    """The recipe a run folder was made by. Raises UsageError where there is none."""
    import yaml

    path = run_dir / RECIPE_FILE
    if not path.is_file():
        raise UsageError(f"{run_dir} is not a run folder: it has no {RECIPE_FILE}", "name a folder made by `synth run`")
    return build_recipe(yaml.safe_load(path.read_text("utf-8")), str(path))


def adopt(recipe: Recipe, run_dir: Path, changed: Sequence[str]) -> None:
    """Refuse a folder made by another recipe, except for the keys in `changed`; then write the resolved recipe."""
    path = run_dir / RECIPE_FILE
    if path.is_file():
        old = flat(shaping(read_run_recipe(run_dir).model_dump(mode="json")))
        new = flat(shaping(recipe.model_dump(mode="json")))
        allowed = tuple(changed)
        different = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
        refused = [key for key in different if not key.startswith(allowed)] if allowed else different
        if refused:
            lines = "\n  ".join(f"{key}: {old.get(key)!r} there, {new.get(key)!r} now" for key in refused[:20])
            raise UsageError(
                f"{run_dir} was made by another recipe:\n  {lines}",
                "choose another --run, give the change with --set key=value to go on with it, or --fresh to start over",
            )
    try:
        atomic_write(path, recipe.to_yaml())
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error


def flat(data: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    if not isinstance(data, dict):
        return {prefix: data}
    return {
        key: value for name, inner in data.items() for key, value in flat(inner, f"{prefix}.{name}".lstrip(".")).items()
    }


def empty(run_dir: Path) -> None:
    """Remove what a run made (never anything else in the folder)."""
    made = {name for stage in STAGES for name in stage.files} | {RECIPE_FILE, TIMINGS}
    if (run_dir / RECIPE_FILE).is_file():
        with suppress(UsageError):
            made |= {name for planned in read_run_recipe(run_dir).plan() for name in planned.files}
    for path in [*(run_dir / name for name in made), *run_dir.glob(f"{FILE_NAME}*")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def read_timings(run_dir: Path) -> dict[str, float]:
    """Seconds by stage, of earlier processes too; empty where none are noted."""
    try:
        return dict(json.loads((run_dir / TIMINGS).read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def write_timings(result: RunResult) -> None:
    """Note the seconds by stage in the folder."""
    text = json.dumps({name: round(seconds, 3) for name, seconds in result.seconds.items()}, indent=1)
    atomic_write(result.run_dir / TIMINGS, text)


def final_records(run_dir: Path) -> list[Record]:
    """What the last stage that makes records kept, in order."""
    reader = LedgerReader(run_dir)
    try:
        return list(funnel.final_records(reader))
    finally:
        reader.close()


def checked_records(run_dir: Path) -> list[Record]:
    """What went into the checks of a run: the records kept by the last stage before them."""
    reader = LedgerReader(run_dir)
    try:
        last = funnel.unchecked_stage(reader)
        return list(reader.records(last.name)) if last else []
    finally:
        reader.close()
