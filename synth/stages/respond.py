"""Respond: the teacher answers every task that has no answer yet. It judges nothing; the checks come after."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth.engine.run import Ask, Engine
from synth.models.base import Sampling
from synth.prompts import version
from synth.prompts.answering import answering
from synth.records import OtherAnswer, Record, Rejection
from synth.stages.stage import Stage, each_record

STAGE = "respond"
Result = Record | Rejection


class RespondSettings(BaseModel):
    """How tasks are answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sampling: Sampling = Field(Sampling(temperature=0.7, max_tokens=2048), description="How an answer is drawn.")
    reanswer: bool = Field(
        False,
        description=(
            "Answer again what has an answer (the way of GPT-4-LLM, arXiv 2304.03277); the old one is kept "
            "among the record's others."
        ),
    )
    num_draws: int = Field(
        1,
        ge=1,
        le=32,
        description=(
            "Answers drawn for each task; of several the one that most agree on is taken (self-consistency, "
            "arXiv 2203.11171). For short checkable answers."
        ),
    )
    min_agreement: float = Field(
        0.5, ge=0, le=1, description="Reject a task on which a smaller share of the draws agrees."
    )
    confirm: bool = Field(False, description="Draw for tasks that have an answer too; it counts as their first draw.")
    prompt_path: str | None = Field(None, description="A .jinja file of your own in place of the prompt answer.")

    @model_validator(mode="after")
    def _confirms_by_drawing(self) -> RespondSettings:
        if self.confirm and self.num_draws < 2:
            raise ValueError("confirm compares an answer with further draws: set num_draws to 2 or more")
        return self

    @property
    def prompt(self) -> str:
        """The prompt to render."""
        return self.prompt_path or "answer"


async def respond(
    engine: Engine, records: AsyncIterator[Record], settings: RespondSettings
) -> AsyncIterator[list[Result]]:
    """Yield each record with its answer, or its rejection, in order."""
    async for results in each_record(engine, STAGE, records, settings, Answering(settings), version(settings.prompt)):
        yield results


@dataclass(frozen=True, slots=True)
class Answering:
    """The work of one record."""

    settings: RespondSettings

    async def __call__(self, record: Record, ask: Ask, _rng: random.Random) -> list[Result]:
        """The record with an answer, its own where it has one and no other is wanted."""
        if record.output and not (self.settings.reanswer or self.settings.confirm):
            return [record]
        answered = await answer(record, ask, self.settings)
        if record.output and self.settings.reanswer and isinstance(answered, Record):
            before = OtherAnswer(record.output, record.lineage.model)
            answered = replace(answered, others=(*record.others, before))
        return [answered]


RESPOND = Stage(STAGE, RespondSettings, respond, is_default=True)


async def answer(record: Record, ask: Ask, settings: RespondSettings, stage: str = STAGE) -> Result:
    """`record` with the teacher's answer, or why there is none.

    Where another than the first draw is taken, the first is noted in `meta.first_answer`.
    """
    prompt = answering(record, settings.prompt)
    given = bool(record.output) and settings.confirm and not settings.reanswer
    drawn = [await ask(prompt, settings.sampling, draw=draw) for draw in range(int(given), settings.num_draws)]
    answers = [(record.output, None)] * given + [(one.text.strip(), one.key) for one in drawn]
    spoken = [" ".join(text.split()).casefold() for text, _ in answers]
    common = max(spoken, key=lambda text: (spoken.count(text), -spoken.index(text)))
    chosen = spoken.index(common)
    answered = record.answered(*answers[chosen])
    if settings.num_draws == 1:
        return answered
    agreement = spoken.count(common) / len(spoken)
    noted: dict[str, Any] = {"agreement": round(agreement, 3)} | ({"first_answer": answers[0][0]} if chosen else {})
    answered = replace(answered, meta=answered.meta | noted)
    if agreement < settings.min_agreement:
        return Rejection(
            answered, stage, "agreement", "draws_disagree", f"{agreement:.2f} of {settings.num_draws} draws"
        )
    return answered
