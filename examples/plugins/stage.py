"""A stage of your own: answers are drawn again, the shortest is kept. A recipe names it `kind: stage:SHORTEST`."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace

from pydantic import BaseModel, Field

from synth import Ask, Engine, OtherAnswer, Prompt, Record, Rejection, Stage, each_record


class ShortestSettings(BaseModel):
    """How often an answer is drawn again."""

    num_draws: int = Field(2, ge=1, description="Further answers to each record.")


async def shortest(
    engine: Engine, records: AsyncIterator[Record], settings: ShortestSettings
) -> AsyncIterator[list[Record | Rejection]]:
    """Yield each record with its shortest answer; the others stay with it, for preference pairs."""

    async def work(record: Record, ask: Ask, rng: random.Random) -> list[Record | Rejection]:
        asked = Prompt(tuple(replace(record, output="").messages()), "shortest@1")
        drawn = [await ask(asked, draw=number) for number in range(1, settings.num_draws + 1)]
        texts = [text for text in [record.output, *(one.text.strip() for one in drawn)] if text]
        if not texts:
            return [Rejection(record, "shortest", "answer", "empty")]
        best = min(texts, key=len)
        return [replace(record, output=best, others=tuple(OtherAnswer(text) for text in texts if text != best))]

    async for results in each_record(engine, "shortest", records, settings, work):
        yield results


SHORTEST = Stage("shortest", ShortestSettings, shortest)
