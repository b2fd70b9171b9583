"""Tuning the evolving method in a run folder of its own: the engine's caps, ledger and signals apply as in a run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from synth.engine.lock import run_lock
from synth.engine.progress import RunProgress
from synth.pipeline.data import open_engine
from synth.pipeline.folder import RunResult
from synth.recipe import Recipe
from synth.records import Record
from synth.stages.evolve import Tuned, tune


def tune_method(recipe: Recipe, records: Sequence[Record], run_dir: Path) -> Tuned:
    """The best method found on `records`; a second time costs nothing. Raises SynthError."""
    found: list[Tuned] = []

    async def main() -> None:
        async with open_engine(recipe, RunResult(run_dir, RunProgress())) as engine:

            async def work() -> None:
                found.append(await tune(engine, records, recipe.evolve, recipe.evolve.tune))

            await engine.drive(work())

    with run_lock(run_dir):
        asyncio.run(main())
    return found[0]
