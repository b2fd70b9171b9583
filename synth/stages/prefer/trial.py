"""The judge is tried before it ranks anything: known answers beside those of other tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from synth.engine.run import PROBE, Engine
from synth.errors import RequestFailed, StageStopped
from synth.judge import planted
from synth.records import Record
from synth.stages.prefer.answers import Answers
from synth.stages.prefer.ranking import Judging

PLANTED = 12
"""Planted pairs; a judge may be wrong on one in six."""
LEAST = 5
"""With fewer pairs there is no trial."""


class Trial:
    """One trial of a run's judges, held when a record first needs them."""

    def __init__(self, engine: Engine, head: Sequence[Record], answers: Answers, judging: Judging) -> None:
        """`head`: the records whose answers are planted; those of no answer are passed over."""
        self._engine, self._head, self._answers, self._judging = engine, head, answers, judging
        self._ask = engine.asking(PROBE, "planted answers")
        self._lock = asyncio.Lock()
        self._failure: StageStopped | None = None
        self._is_held = False

    async def hold(self) -> None:
        """Hold the trial, once. Raises StageStopped where the judges cannot tell right answers from wrong ones."""
        async with self._lock:
            if not self._is_held:
                self._failure = await self._held()
                self._is_held = True
        if self._failure is not None:
            raise self._failure

    async def _held(self) -> StageStopped | None:
        texts = [text.strip() for text in await asyncio.gather(*map(self._first, self._head))]
        pairs = planted([(record, text) for record, text in zip(self._head, texts, strict=True) if text])
        if len(pairs) < LEAST:
            return None
        told = await asyncio.gather(*(self._is_told(*pair) for pair in pairs))
        right, wanted = sum(told), len(pairs) - len(pairs) // 6
        figures = f"{right} of {len(pairs)} planted pairs right ({wanted} are needed)"
        await self._engine.ledger.set_meta("trial of the judge", figures)
        if right >= wanted:
            return None
        long = sum(len(wrong) > len(own) for _, own, wrong in pairs)
        missed = sum(
            not is_told and len(wrong) > len(own) for is_told, (_, own, wrong) in zip(told, pairs, strict=True)
        )
        return StageStopped(
            f"prefer: the judge got {figures}, so it is not asked further. Each is a record's answer beside other "
            f"records' answers; of {long} with the longer wrong answer it got {missed} wrong, of the other "
            f"{len(pairs) - long} it got {len(pairs) - right - missed}",
            "name another judge:, or try prefer.judge_by=grades; what was paid for is kept",
        )

    async def _first(self, record: Record) -> str:
        try:
            return await self._answers.first(record, self._ask)
        except RequestFailed:
            return ""

    async def _is_told(self, record: Record, own: str, wrong: str) -> bool:
        """Does the right answer come first? A judge that does not answer does not know."""
        try:
            ranking = await self._judging(record, [own, wrong], self._ask)
        except RequestFailed:
            return False
        return None not in ranking.scores and ranking.is_better(0, 1, 0.0)
