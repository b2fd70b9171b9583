"""Prefer: a judge compares a record's answers, the best becomes its own. The export `preference` writes the pairs."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from synth.engine.run import Ask, Engine
from synth.judge import compare
from synth.models.base import Completion, Sampling
from synth.prompts import Prompt, version
from synth.records import OtherAnswer, Record, Rejection
from synth.stages.stage import Stage, each_record

STAGE = "prefer"


class PreferSettings(BaseModel):
    """How a record's answers are compared: each other one with the best so far, in both orders."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    only_pairs: bool = Field(False, description="Reject records of which no answer is better than another.")


async def prefer(
    engine: Engine, records: AsyncIterator[Record], settings: PreferSettings
) -> AsyncIterator[list[Record | Rejection]]:
    """Yield each record with its best answer as its own; the others keep what share of comparisons they won."""

    async def work(record: Record, ask: Ask, _rng: random.Random) -> list[Record | Rejection]:
        async def judge(prompt: Prompt, sampling: Sampling) -> Completion:
            return await ask(prompt, sampling, role="judge", keep_cut=True)

        best = replace(record, others=())
        for other in record.others:
            found = await compare(judge, best, other.output)
            if found.winner == "other":
                lost = OtherAnswer(best.output, best.lineage.model, 0.0)
                beaten = tuple(replace(one, grade=0.0) for one in best.others)
                best = replace(best, output=other.output, others=(*beaten, lost))
            else:
                grade = 0.5 if found.winner == "tie" else 0.0
                best = replace(best, others=(*best.others, replace(other, grade=grade)))
        if settings.only_pairs and not any(other.grade == 0.0 for other in best.others):
            return [Rejection(record, STAGE, "judge", "no_pair", f"{len(record.others)} other answers")]
        return [best]

    async for results in each_record(engine, STAGE, records, settings, work, version("judge_pair")):
        yield results


PREFER = Stage(STAGE, PreferSettings, prefer)
