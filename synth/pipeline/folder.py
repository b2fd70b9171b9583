"""The folder of a run: the recipe that made it, its timings, and the records in its ledger.

runs/<name>/  recipe.yaml  identity.json  ledger.sqlite  lock  timings.json  seals.json
              and what the stages make: export/  student/  report.html
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synth.engine import funnel
from synth.engine.between import drop_results
from synth.engine.ledger import FILE_NAME, LedgerReader
from synth.engine.progress import RunProgress
from synth.engine.shards import FOLDER as SHARDS
from synth.errors import StorageError, UsageError
from synth.fileio import atomic_write
from synth.given import parse_yaml, read_text
from synth.pipeline.seals import SEALS, made_anew
from synth.recipe import Recipe, build_recipe
from synth.records import Record, Rejection
from synth.stages.export.frame import arrow_table
from synth.stages.order import STAGES
from synth.stages.report.stage import FILE_NAME as REPORT_FILE
from synth.stages.report.stage import report as write_report

RECIPE_FILE, IDENTITY, TIMINGS = "recipe.yaml", "identity.json", "timings.json"


COPY = f"{FILE_NAME}.before"
"""The ledger as it was before `synth reparse`, while that runs."""


@dataclass(frozen=True, slots=True)
class Steering:
    """How a run may change its folder.

    `accept_changes`: ask anew what a changed recipe leaves behind. `same_teacher`: a server with another address is the
    same one. `only_from`: no stage before this one is made again. `fresh`: start over, with the paid answers at hand;
    `forget`: without them.
    """

    accept_changes: bool = False
    same_teacher: bool = False
    only_from: str | None = None
    fresh: bool = False
    forget: bool = False


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

    def records(self) -> list[Record]:
        """What the last stage kept, in order."""
        return final_records(self.run_dir)

    def rejected(self) -> list[Rejection]:
        """Everything that was rejected, stage after stage, each with its check and reason."""
        with LedgerReader(self.run_dir) as reader:
            return [one for name in funnel.data_stages(reader) for one in reader.rejections(name)]

    def to_pandas(self) -> Any:
        """The kept records as a `pandas.DataFrame`: texts, origin, operator, teacher; `scores` is JSON text."""
        return arrow_table(self.records()).to_pandas()

    def to_dataset(self) -> Any:
        """The kept records as a `datasets.Dataset`. Raises UsageError where `datasets` is not installed."""
        try:
            from datasets import Dataset
        except ImportError as error:
            raise UsageError("the package datasets is not installed", "pip install datasets") from error
        return Dataset(arrow_table(self.records()))

    def report(self) -> Path:
        """Write the page about the run anew, `report.html` in its folder, and return its path."""
        with made_anew(self.run_dir, REPORT_FILE):
            return write_report(self.run_dir)


def read_run_recipe(run_dir: Path) -> Recipe:
    """The recipe a run folder was made by. Raises UsageError where there is none."""
    path = run_dir / RECIPE_FILE
    if not path.is_file():
        raise UsageError(f"{run_dir} is not a run folder: it has no {RECIPE_FILE}", "name a folder made by `synth run`")
    try:
        data, _ = parse_yaml(read_text(path), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read: {error}", "restore a copy") from error
    return build_recipe(data if isinstance(data, dict) else {}, str(path))


def empty(run_dir: Path, forget: bool) -> None:
    """Remove what a run made (never anything else in the folder); the paid answers only to `forget` them."""
    made = {name for stage in STAGES for name in stage.files} | {RECIPE_FILE, IDENTITY, TIMINGS, SEALS}
    if (run_dir / RECIPE_FILE).is_file():
        with suppress(UsageError):
            made |= {name for planned in read_run_recipe(run_dir).plan() for name in planned.files}
    if (run_dir / FILE_NAME).is_file() and not forget:
        drop_results(run_dir)
    paid = [*run_dir.glob(f"{FILE_NAME}*"), run_dir / SHARDS] if forget else []
    for path in [*(run_dir / name for name in made), *paid]:
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
    with LedgerReader(run_dir) as reader:
        return list(funnel.final_records(reader))


def keep_copy(run_dir: Path) -> int:
    """Copy the ledger aside before its outcomes are worked out anew; how many final records there are."""
    copy_ledger(run_dir, run_dir / f"{COPY}.tmp")
    os.replace(run_dir / f"{COPY}.tmp", run_dir / COPY)
    return len(final_records(run_dir))


def copy_ledger(run_dir: Path, path: Path) -> None:
    """Copy the ledger of a run to `path`."""
    source, copy = sqlite3.connect(run_dir / FILE_NAME), sqlite3.connect(path)
    try:
        source.backup(copy)
    finally:
        source.close()
        copy.close()


def take_copy_back(run_dir: Path) -> None:
    """Put the ledger back as it was, where a copy is aside: what was worked out anew is not to be kept."""
    if (run_dir / COPY).is_file():
        for end in ("-wal", "-shm"):
            (run_dir / f"{FILE_NAME}{end}").unlink(missing_ok=True)
        os.replace(run_dir / COPY, run_dir / FILE_NAME)


def drop_copy(run_dir: Path) -> None:
    """What was worked out anew stands."""
    (run_dir / COPY).unlink(missing_ok=True)


def checked_records(run_dir: Path) -> list[Record]:
    """What went into the checks of a run: the records kept by the last stage before them."""
    with LedgerReader(run_dir) as reader:
        last = funnel.unchecked_stage(reader)
        return list(reader.records(last.name)) if last else []
