"""The stages in order over one run folder. What is done is not done again; what is interrupted goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from synth.engine.lock import run_lock
from synth.engine.progress import RunProgress
from synth.errors import UsageError
from synth.pipeline.data import Interrupted, connect_role, run_data_stages
from synth.pipeline.files import EVAL_FILE, comparison_arms, run_ablation, run_file_stages
from synth.pipeline.folder import (
    DATA_STAGES,
    RECIPE_FILE,
    RunResult,
    adopt,
    checked_records,
    empty,
    final_records,
    flat,
    read_run_recipe,
    read_timings,
    seed_records,
    split_held_out,
)
from synth.recipe import STAGES, Recipe

__all__ = [
    "DATA_STAGES",
    "EVAL_FILE",
    "RECIPE_FILE",
    "Interrupted",
    "RunResult",
    "checked_records",
    "comparison_arms",
    "connect_role",
    "final_records",
    "flat",
    "read_run_recipe",
    "run",
    "run_ablation",
    "seed_records",
    "split_held_out",
]

Show = Callable[[RunProgress], AbstractContextManager[None]]


def run(
    recipe: Recipe,
    run_dir: Path,
    *,
    until: str = STAGES[-1],
    changed: Sequence[str] = (),
    fresh: bool = False,
    offline: bool = False,
    show: Show = lambda _progress: nullcontext(),
) -> RunResult:
    """Run `recipe` in `run_dir` up to and with the stage `until`, going on where an earlier run stopped.

    `changed`: dotted keys that may differ from the folder's recipe. `offline`: parse and check the stored answers anew
    and send nothing. `show` is called with the counters and returns a context manager that draws them.
    Raises SynthError; what was paid for is in the ledger by then.
    """
    if until not in STAGES:
        raise UsageError(f"there is no stage {until!r}", f"the stages are {', '.join(STAGES)}")
    with run_lock(run_dir):
        if fresh:
            empty(run_dir)
        adopt(recipe, run_dir, changed)
        progress = RunProgress()
        result = RunResult(run_dir, progress, read_timings(run_dir))
        wanted = STAGES[: STAGES.index(until) + 1]
        with show(progress):
            asyncio.run(run_data_stages(recipe, result, wanted, offline))
            run_file_stages(recipe, result, wanted)
        return result
