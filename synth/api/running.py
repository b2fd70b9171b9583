"""`synth.run` and `synth.arun`: a whole recipe in a run folder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from synth.api.loops import blocking
from synth.api.watch import Progress, Watch
from synth.errors import UsageError
from synth.given import load_env
from synth.pipeline import RunResult, Steering
from synth.pipeline import run as run_pipeline
from synth.recipe import Recipe, beside, build_recipe, read_recipe

RecipeLike = Recipe | Mapping[str, Any] | str | Path
"""A recipe, its sections as plain data (files named in them are relative to the working folder), or its YAML file."""


def run(
    recipe: RecipeLike,
    run_dir: str | Path | None = None,
    *,
    until: str | None = None,
    accept_changes: bool = False,
    fresh: bool = False,
    progress: Progress = None,
) -> RunResult:
    """Run `recipe` in the folder `run_dir` (`runs/<name>` by default), going on where an earlier run stopped.

    `until`: the last stage to run. The folder follows its recipe; `accept_changes`: also where a change leaves paid
    answers behind. `fresh`: start over, with the paid answers at hand for equal requests. `progress`: "bar" for bars
    and a line about training, or a function that is called with the counters (`synth.RunProgress`); in it
    `counters.stop()` ends the run as Ctrl-C does.
    May be called in a notebook's cell, which it then blocks. What is finished is neither made nor paid for again.
    Raises SynthError (see `synth.errors`); all that was paid for is in the folder by then.
    """
    watch = Watch(progress)
    return blocking(_work(recipe, run_dir, watch, until, Steering(accept_changes, fresh=fresh)), watch.stop)


async def arun(
    recipe: RecipeLike,
    run_dir: str | Path | None = None,
    *,
    until: str | None = None,
    accept_changes: bool = False,
    fresh: bool = False,
    progress: Progress = None,
) -> RunResult:
    """As `run`, for code that runs in an event loop, which stays free: `await synth.arun("recipe.yaml", "runs/x")`.

    Cancelling it ends the run as Ctrl-C does: it returns once the answers in flight have come, or training has ended.
    """
    watch = Watch(progress)
    work = asyncio.ensure_future(
        asyncio.to_thread(_work(recipe, run_dir, watch, until, Steering(accept_changes, fresh=fresh)))
    )
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        watch.stop()
        await asyncio.wait([work])
        raise


def _work(
    recipe: RecipeLike, run_dir: str | Path | None, watch: Watch, until: str | None, steering: Steering
) -> partial[RunResult]:
    resolved = as_recipe(recipe)
    place = Path(run_dir) if run_dir is not None else Path("runs") / resolved.name
    return partial(run_pipeline, resolved, place, until=until, steering=steering, show=watch, show_work=watch.work)


def as_recipe(recipe: RecipeLike) -> Recipe:
    """The recipe of any form. Raises InputError with every mistake; UsageError where it needs a teacher and names none.

    Keys of services are read from the environment or from `.env`.
    """
    if isinstance(recipe, Mapping):
        data = dict(recipe)
        load_env(Path(), data)
        recipe = beside(build_recipe(data), Path.cwd())
    elif not isinstance(recipe, Recipe):
        recipe = read_recipe(Path(recipe))
    if recipe.needs_teacher and "teacher" not in recipe.model_fields_set:
        raise UsageError(
            "the recipe names no teacher", 'give it a section such as teacher: {"backend": "openai", "model": "..."}'
        )
    return recipe
