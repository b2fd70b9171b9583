"""The engine as a stage sees it that a recipe holds under another name than its own."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from synth.engine.ledger import Result
from synth.engine.run import Engine
from synth.engine.stage_run import work_at
from synth.engine.work import Ask, Fold, Item, StagePlan, Work
from synth.records import Rejection


class NamedEngine:
    """Passes everything on to `engine`; `names` maps the names that the stage uses to those it has in this run."""

    def __init__(self, engine: Engine, names: Mapping[str, str]) -> None:
        self._engine = engine
        self._names = names

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def map(
        self, plan: StagePlan, items: AsyncIterator[Item], work: Work | None = None, fold: Fold | None = None
    ) -> AsyncIterator[tuple[Item, list[Result]]]:
        """See `Engine.map`."""
        named = None if work is None else _NamedWork(work, self._names)
        return self._engine.map(self._plan(plan), items, named, self._fold(fold or Fold(lambda _item, made: made)))

    def grow(
        self,
        plan: StagePlan,
        make: Callable[[int], Item],
        may_start: Callable[[int, int], bool],
        work: Work,
        fold: Fold,
    ) -> AsyncIterator[tuple[Item, list[Result]]]:
        """See `Engine.grow`."""
        return self._engine.grow(self._plan(plan), make, may_start, _NamedWork(work, self._names), self._fold(fold))

    def _fold(self, fold: Fold) -> Fold:
        return Fold(lambda item, made: _renamed(fold.settle(item, made), self._names), fold.recall)

    async def targets(self, stage: str, *rest: Any) -> list[tuple[int, int]]:
        """See `Engine.targets`."""
        return await self._engine.targets(self._names.get(stage, stage), *rest)

    async def answer(self, stage: str, *rest: Any) -> Any:
        """See `Engine.answer`."""
        return await self._engine.answer(self._names.get(stage, stage), *rest)

    def _plan(self, plan: StagePlan) -> StagePlan:
        return replace(plan, name=self._names.get(plan.name, plan.name))


@dataclass(frozen=True, slots=True)
class _NamedWork:
    work: Work
    names: Mapping[str, str]

    def at(self, engine: Engine) -> _NamedWork:
        return replace(self, work=work_at(self.work, engine))

    async def __call__(self, value: Any, ask: Ask, rng: random.Random) -> list[Result]:
        return _renamed(await self.work(value, ask, rng), self.names)


def _renamed(results: list[Result], names: Mapping[str, str]) -> list[Result]:
    return [replace(r, stage=names.get(r.stage, r.stage)) if isinstance(r, Rejection) else r for r in results]
