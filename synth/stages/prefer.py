"""Prefer: a judge compares a record's answers, the best becomes its own. The export `preference` writes the pairs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field

from synth.engine.run import PROBE, Ask, Engine
from synth.errors import RequestFailed
from synth.judge import compare
from synth.models.base import Completion, Sampling
from synth.prompts import Prompt, version
from synth.records import OtherAnswer, Record, Rejection
from synth.stages.stage import Stage, each_record

STAGE = "prefer"
PLANTED = 6
"""Answers that the judge is tried with; one mistake is allowed."""


class PreferSettings(BaseModel):
    """How a record's answers are compared: each other one with the best so far, in both orders."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calibrate: bool = Field(
        True,
        description=(
            "Try the judge first: answers of the first tasks against those of other tasks, in both orders. One that "
            "cannot tell them apart is not asked, and nothing is compared."
        ),
    )
    only_pairs: bool = Field(False, description="Reject records of which no answer is better than another.")


async def prefer(
    engine: Engine, records: AsyncIterator[Record], settings: PreferSettings
) -> AsyncIterator[list[Record | Rejection]]:
    """Yield each record with its best answer as its own; the others keep what share of comparisons they won."""

    head, rest = await _first(records, PLANTED if settings.calibrate else 0)
    trusted = await _can_tell(engine, head)

    async def work(record: Record, ask: Ask, _rng: random.Random) -> list[Record | Rejection]:
        async def judge(prompt: Prompt, sampling: Sampling) -> Completion:
            return await ask(prompt, sampling, role="judge", keep_cut=True)

        if not trusted:
            return [record]
        best, counts = replace(record, others=()), Counter[str]()
        for other in record.others:
            found = await compare(judge, best, other.output)
            counts[{"one": "won", "other": "lost"}.get(found.winner, "tied")] += 1
            if found.winner == "other":
                lost = OtherAnswer(best.output, best.lineage.model, 0.0)
                beaten = tuple(replace(one, grade=0.0) for one in best.others)
                best = replace(best, output=other.output, others=(*beaten, lost))
            else:
                grade = 0.5 if found.winner == "tie" else 0.0
                best = replace(best, others=(*best.others, replace(other, grade=grade)))
        if settings.only_pairs and not any(other.grade == 0.0 for other in best.others):
            return [Rejection(record, STAGE, "judge", "no_pair", f"{len(record.others)} other answers")]
        return [replace(best, meta=best.meta | {"compared": dict(counts)}) if counts else best]

    async for results in each_record(engine, STAGE, rest, settings, work, version("judge_pair")):
        yield results


async def _first(records: AsyncIterator[Record], count: int) -> tuple[list[Record], AsyncIterator[Record]]:
    """The first answered records, and all of them again."""
    seen: list[Record] = []
    answered: list[Record] = []
    while len(answered) < count and (record := await anext(records, None)) is not None:
        seen.append(record)
        answered += [record] * bool(record.output.strip())

    async def again() -> AsyncIterator[Record]:
        for record in seen:
            yield record
        async for record in records:
            yield record

    return answered, again()


async def _can_tell(engine: Engine, planted: Sequence[Record]) -> bool:
    """Does the judge take the records' own answers for better than those of other records? True with too few to try."""
    pairs = [(one, other.output) for one, other in pairwise([*planted, *planted[:1]]) if one.output != other.output]
    if len(pairs) < PLANTED - 1:
        return True
    ask = engine.asking(PROBE, "planted answers")

    async def judge(prompt: Prompt, sampling: Sampling) -> Completion:
        return await ask(prompt, sampling, role="judge", keep_cut=True)

    async def told(record: Record, other: str) -> bool:
        try:
            return (await compare(judge, record, other)).winner == "one"
        except RequestFailed:
            return False

    right = sum(await asyncio.gather(*(told(*pair) for pair in pairs)))
    if right >= len(pairs) - 1:
        return True
    engine.note(
        f"prefer: the judge is switched off. Of {len(pairs)} answers beside another task's it knew {right} "
        f"({len(pairs) - 1} are needed), so nothing is compared. Name another judge: in the recipe."
    )
    return False


PREFER = Stage(STAGE, PreferSettings, prefer)
