"""The engine as a stage sees it that a recipe holds under another name than its own."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from synth.engine.ledger import Result
from synth.engine.run import Engine
from synth.engine.work import Ask, Item, Recall, Settle, StagePlan, Work
from synth.records import Rejection


class NamedEngine:
    """Passes everything on to `engine`; `names` maps the names that the stage uses to those it has in this run."""

    def __init__(self, engine: Engine, names: Mapping[str, str]) -> None:
        self._engine = engine
        self._names = names

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def stage(
        self,
        plan: StagePlan,
        items: AsyncIterator[Item],
        work: Work,
        settle: Settle | None = None,
        recall: Recall | None = None,
    ) -> AsyncIterator[list[Result]]:
        """See `Engine.stage`."""

        async def named_work(value: Any, ask: Ask, rng: random.Random) -> list[Result]:
            return self._renamed(await work(value, ask, rng))

        named = None if settle is None else lambda made: self._renamed(settle(made))
        return self._engine.stage(self._plan(plan), items, named_work, named, recall)

    def windowed_stage(self, plan: StagePlan, *rest: Any, **more: Any) -> AsyncIterator[list[Result]]:
        """See `Engine.windowed_stage`."""
        return self._engine.windowed_stage(self._plan(plan), *rest, **more)

    async def targets(self, stage: str, *rest: Any) -> list[tuple[int, int]]:
        """See `Engine.targets`."""
        return await self._engine.targets(self._names.get(stage, stage), *rest)

    async def answer(self, stage: str, *rest: Any) -> Any:
        """See `Engine.answer`."""
        return await self._engine.answer(self._names.get(stage, stage), *rest)

    def _plan(self, plan: StagePlan) -> StagePlan:
        return replace(plan, name=self._names.get(plan.name, plan.name))

    def _renamed(self, results: list[Result]) -> list[Result]:
        return [replace(r, stage=self._names.get(r.stage, r.stage)) if isinstance(r, Rejection) else r for r in results]
