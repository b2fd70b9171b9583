"""The stages in order over one run folder. What is done is not done again; what is interrupted goes on."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from pathlib import Path

from synth.engine.lock import run_lock
from synth.engine.progress import RunProgress
from synth.engine.run import Engine
from synth.errors import UsageError
from synth.given import flat
from synth.pipeline.adopt import adopt
from synth.pipeline.data import Interrupted, open_engine, read_input, run_data_stages
from synth.pipeline.folder import (
    RECIPE_FILE,
    RunResult,
    Steering,
    checked_records,
    drop_copy,
    empty,
    final_records,
    keep_copy,
    read_run_recipe,
    read_timings,
    take_copy_back,
    write_timings,
)
from synth.pipeline.seals import made_since, read_seals, seal, tidy
from synth.recipe import Recipe
from synth.stages.order import STAGES
from synth.stages.stage import OpenEngine, Planned, RunFolder

__all__ = [
    "RECIPE_FILE",
    "STAGES",
    "Interrupted",
    "RunFolder",
    "RunResult",
    "Steering",
    "checked_records",
    "engine_of",
    "final_records",
    "flat",
    "read_input",
    "read_run_recipe",
    "run",
]

Show = Callable[[RunProgress], AbstractContextManager[None]]


def run(
    recipe: Recipe,
    run_dir: Path,
    *,
    until: str | None = None,
    steering: Steering = Steering(),
    offline: bool = False,
    fewer: bool = False,
    show: Show = lambda _progress: nullcontext(),
    tell: Callable[[str], None] = lambda _line: None,
    show_work: Callable[[str, bool], None] = lambda _text, _is_over: None,
) -> RunResult:
    """Run `recipe` in `run_dir` up to and with the stage `until` (None: all), going on where an earlier run stopped.

    A folder follows its recipe: what a change does not concern stays; `steering` says what else may happen. `offline`:
    parse and check the stored answers anew and send nothing; where fewer records would be left than there are, only
    with `fewer`. `show` is called with the counters and returns a context manager that draws them; `tell` with each
    line about a changed recipe and about rows of the input file, before anything is sent; `show_work` with how far
    training and examining are, and whether that was the end of it.
    Raises SynthError; what was paid for is in the ledger by then.
    """
    wanted = _until(recipe, until)
    with run_lock(run_dir):
        tidy(run_dir)
        take_copy_back(run_dir)
        if steering.fresh:
            empty(run_dir, steering.forget)
        adopt(recipe, run_dir, steering, tell)
        progress = RunProgress(say=tell, order=tuple(planned.name for planned in recipe.plan()))
        result = RunResult(run_dir, progress, read_timings(run_dir), {one.name: one.helpers for one in recipe.plan()})
        given = read_input(recipe)
        result.skipped_rows = given.num_skipped
        for line in given.told(recipe.input):
            tell(line)
        with show(progress):
            before = keep_copy(run_dir) if offline else 0
            asyncio.run(run_data_stages(recipe, result, wanted, given.records, offline))
            _accept(run_dir, 0 if fewer else before)
        _run_folder_stages(recipe, result, wanted, show_work, lambda: open_engine(recipe, result, offline))
        return result


def engine_of(run_dir: Path, recipe: Recipe) -> AbstractAsyncContextManager[Engine]:
    """The engine of a finished run, to ask its models something more; `recipe`: its own, perhaps with another cap."""
    return open_engine(recipe, RunResult(run_dir, RunProgress(), read_timings(run_dir)))


def _accept(run_dir: Path, least: int) -> None:
    """Let the new results stand. Raises UsageError, and puts the old ones back, where there are fewer than `least`."""
    left = len(final_records(run_dir)) if least else 0
    if left < least:
        take_copy_back(run_dir)
        raise UsageError(
            f"{left} records would be left of the {least} there are; nothing was changed",
            "`synth status` shows why records are rejected; add --fewer to have it so all the same",
        )
    drop_copy(run_dir)


def _until(recipe: Recipe, until: str | None) -> list[Planned]:
    """The stages of the recipe that come no later than `until`, which may be one that it leaves out."""
    order = recipe.order
    if until is not None and until not in order:
        raise UsageError(f"there is no stage {until!r}", f"the stages are {', '.join(order)}")
    wanted = order if until is None else order[: order.index(until) + 1]
    return [planned for planned in recipe.plan() if planned.name in wanted]


def _run_folder_stages(
    recipe: Recipe,
    result: RunResult,
    wanted: Sequence[Planned],
    show: Callable[[str, bool], None],
    engine: OpenEngine,
) -> None:
    """Those that make files of the finished records, each timed if there was work."""
    folder = RunFolder(result.run_dir, recipe, paths=result.paths, show=show, engine=engine)
    for planned in wanted:
        if result.progress.is_stopped:
            raise Interrupted(signal.SIGINT)
        if planned.stage.kind == "folder":
            started, folder.name = time.monotonic(), planned.name
            if planned.stage.run(folder, planned.settings):
                result.seconds[planned.name] = time.monotonic() - started
                write_timings(result)
            is_new = made_since(result.run_dir, planned.files, folder.started)
            if is_new or planned.name not in read_seals(result.run_dir):
                seal(result.run_dir, planned.name, planned.files)
    result.student = folder.table
