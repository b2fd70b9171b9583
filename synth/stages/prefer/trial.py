"""The judge is tried before it ranks anything: known answers beside those of other tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from synth.engine.run import PROBE, Engine
from synth.errors import RequestFailed, StageStopped
from synth.judge import planted
from synth.records import Record
from synth.stages.prefer.answers import Answers
from synth.stages.prefer.ranking import Judging

PLANTED = 12
"""Planted pairs; a judge may be wrong on one in six of those it decides."""
LEAST = 5
"""With fewer pairs there is no trial; a judge must decide as many."""


class Trial:
    """One trial of a run's judges, held when a record first needs them."""

    def __init__(self, engine: Engine, head: Sequence[Record], answers: Answers, judging: Judging) -> None:
        """`head`: the records whose answers are planted; those of no answer are passed over."""
        self._engine, self._head, self._answers, self._judging = engine, head, answers, judging
        self._lock = asyncio.Lock()
        self._failure: StageStopped | None = None
        self._is_held = False

    def __reduce__(self) -> tuple[type[Trial], tuple[Any, ...]]:
        """Sent elsewhere it is one that was not held, by an engine that `at` names there."""
        return Trial, (None, self._head, self._answers, self._judging)

    def at(self, engine: Engine) -> Trial:
        """The trial as `engine` holds it."""
        return Trial(engine, self._head, self._answers, self._judging)

    async def hold(self) -> None:
        """Hold the trial, once. Raises StageStopped where the judges cannot tell right answers from wrong ones."""
        async with self._lock:
            if not self._is_held:
                self._failure = await self._held()
                self._is_held = True
        if self._failure is not None:
            raise self._failure

    async def _held(self) -> StageStopped | None:
        self._ask = self._engine.asking(PROBE, "planted answers")
        texts = [text.strip() for text in await asyncio.gather(*map(self._first, self._head))]
        pairs = planted([(record, text) for record, text in zip(self._head, texts, strict=True) if text])
        if len(pairs) < LEAST:
            return None
        told = await asyncio.gather(*(self._is_told(*pair) for pair in pairs))
        sizes = [len(wrong) > len(own) for _, own, wrong in pairs]
        decided = [(is_right, is_long) for is_right, is_long in zip(told, sizes, strict=True) if is_right is not None]
        right, wanted = sum(is_right for is_right, _ in decided), max(LEAST, len(decided) - len(decided) // 6)
        ties = f", {len(pairs) - len(decided)} tied" if len(decided) < len(pairs) else ""
        figures = f"{right} of {len(decided)} planted pairs right ({wanted} are needed{ties})"
        await self._engine.ledger.set_meta("trial of the judge", figures)
        if right >= wanted:
            return None
        long, short = (sum(not is_right for is_right, size in decided if size is is_long) for is_long in (True, False))
        return StageStopped(
            f"prefer: the judge got {figures}, so it is not asked further. Each is a record's answer beside other "
            f"records' answers; it got {long} wrong in which the wrong answer was the longer one, and {short} others",
            "name another judge:, or try prefer.judge_by=grades; what was paid for is kept",
        )

    async def _first(self, record: Record) -> str:
        try:
            return await self._answers.first(record, self._ask)
        except RequestFailed:
            return ""

    async def _is_told(self, record: Record, own: str, wrong: str) -> bool | None:
        """Does the right answer come first? None for a tie, since a weak teacher's own answers may be wrong as well.

        A judge that does not answer, or says something else in the other order, does not know.
        """
        try:
            ranking = await self._judging(record, [own, wrong], self._ask)
        except RequestFailed:
            return False
        if ranking.counts["ties"] and not ranking.counts["flips"]:
            return None
        return None not in ranking.scores and ranking.is_better(0, 1, 0.0)
