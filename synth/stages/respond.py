"""Respond: the teacher answers every task that has no answer yet. It judges nothing; the checks come after."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field, field_validator, model_validator

from synth.checks.base import split_reason
from synth.checks.echo import repeats_rules
from synth.engine.forecast import ANSWER_TOKENS, Flow
from synth.engine.run import Ask, Engine
from synth.given import StrictSettings
from synth.metrics import exact_match
from synth.models.base import Sampling
from synth.parsing.finals import split_final
from synth.prompts import version
from synth.prompts.answering import answering
from synth.prompts.systems import SYSTEMS
from synth.records import OtherAnswer, Record, Rejection, digest
from synth.stages.stage import Stage, each_record
from synth.verify import verify

STAGE = "respond"
Result = Record | Rejection


class RespondSettings(StrictSettings):
    """How tasks are answered."""

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
    steps: bool = Field(
        False,
        description=(
            'Ask for worked steps that end with "The answer is …" (arXiv 2201.11903); draws agree by that answer. '
            "It is refused where the record's check, or with reanswer its old answer, says that it is wrong."
        ),
    )
    systems: list[str] | None = Field(
        None,
        description=(
            "Kinds of system messages; one is drawn for each task that has none and stays with it (the way of Orca, "
            f"arXiv 2306.02707). An empty list stands for all: {', '.join(SYSTEMS)}."
        ),
    )
    confirm: bool = Field(False, description="Draw for tasks that have an answer too; it counts as their first draw.")
    prompt_path: str | None = Field(None, description="A .jinja file of your own in place of the prompt answer.")

    @field_validator("systems")
    @classmethod
    def _systems_exist(cls, value: list[str] | None) -> list[str] | None:
        if unknown := sorted(set(value or ()) - set(SYSTEMS)):
            raise ValueError(f"there is no system message {unknown[0]!r}; there are {', '.join(SYSTEMS)}")
        return value

    @model_validator(mode="after")
    def _confirms_by_drawing(self) -> RespondSettings:
        if self.confirm and self.num_draws < 2:
            raise ValueError("confirm compares an answer with further draws: set num_draws to 2 or more")
        return self

    @property
    def prompt(self) -> str:
        """The prompt to render."""
        return self.prompt_path or ("answer_steps" if self.steps else "answer")


async def respond(
    engine: Engine, records: AsyncIterator[Record], settings: RespondSettings
) -> AsyncIterator[list[Result]]:
    """Yield each record with its answer, or its rejection, in order."""
    versions = (version(settings.prompt), *((digest(SYSTEMS)[:8],) if settings.systems is not None else ()))
    async for results in each_record(engine, STAGE, records, settings, Answering(settings), *versions):
        yield results


@dataclass(frozen=True, slots=True)
class Answering:
    """The work of one record."""

    settings: RespondSettings

    async def __call__(self, record: Record, ask: Ask, rng: random.Random) -> list[Result]:
        """The record with an answer, its own where it has one and no other is wanted."""
        if record.output and not (self.settings.reanswer or self.settings.confirm):
            return [record]
        if self.settings.systems is not None and not record.system:
            kind = rng.choice(self.settings.systems or list(SYSTEMS))
            record = replace(record, system=SYSTEMS[kind], meta=record.meta | {"system": kind})
        answered = await answer(record, ask, self.settings)
        if record.output and self.settings.reanswer and isinstance(answered, Record):
            before = OtherAnswer(record.output, record.lineage.model)
            answered = replace(answered, others=(*record.others, before))
        return [answered]


def forecast(settings: RespondSettings, flow: Flow) -> None:
    """Draws for what has no answer; where answers are confirmed or given anew, for the others too."""
    answered = flow.records - flow.unanswered
    draws = settings.num_draws if settings.reanswer else settings.num_draws - 1 if settings.confirm else 0
    flow.ask("answers", flow.unanswered * settings.num_draws, "answer", ANSWER_TOKENS["answer"])
    flow.ask("further answers", answered * draws, "answer", ANSWER_TOKENS["answer"])
    flow.unanswered = 0


RESPOND = Stage(
    STAGE,
    RespondSettings,
    respond,
    is_default=True,
    forecast=forecast,
    growing=("num_draws", "min_agreement", "confirm"),
)


async def answer(record: Record, ask: Ask, settings: RespondSettings, stage: str = STAGE) -> Result:
    """`record` with the teacher's answer, or why there is none.

    Where another than the first draw is taken, the first is noted in `meta.first_answer`.
    """
    prompt = answering(record, settings.prompt)
    given = bool(record.output) and settings.confirm and not settings.reanswer
    drawn = [await ask(prompt, settings.sampling, draw=draw) for draw in range(int(given), settings.num_draws)]
    answers = [(record.output, None)] * given + [(one.text.strip(), one.key) for one in drawn]
    spoken = [_vote(text, settings.steps) for text, _ in answers]
    votes = [vote for vote in spoken if vote is not None]
    if not votes:
        return Rejection(record.answered(*answers[0]), stage, "steps", "no_final", "there is no “The answer is …”")
    common = max(votes, key=lambda text: (spoken.count(text), -spoken.index(text)))
    chosen = spoken.index(common)
    answered = record.answered(*answers[chosen])
    if drawn and (echo := repeats_rules(prompt.messages, record)(answered)):
        return Rejection(answered, stage, "prompt_echo", *split_reason(echo))
    if settings.num_draws > 1:
        agreement = spoken.count(common) / len(spoken)
        noted: dict[str, Any] = {"agreement": round(agreement, 3)}
        answered = replace(answered, meta=answered.meta | noted | ({"first_answer": answers[0][0]} if chosen else {}))
        if agreement < settings.min_agreement:
            told = f"{agreement:.2f} of {settings.num_draws} draws"
            return Rejection(answered, stage, "agreement", "draws_disagree", told)
    return _worked(answered, record, stage) if settings.steps else answered


def _vote(text: str, steps: bool) -> str | None:
    """What draws agree by: the final answer of worked steps (None without one), else the whole text."""
    found = split_final(text) if steps else ("", text)
    return " ".join(found[1].split()).casefold() if found else None


def _worked(answered: Record, before: Record, stage: str) -> Result:
    """The record with its steps and its final answer noted; a rejection where that is known to be wrong."""
    rationale, final = split_final(answered.output) or ("", answered.output)
    answered = replace(answered, meta=answered.meta | {"rationale": rationale, "final": final})
    check = before.meta.get("check")
    if check is not None:
        verdict = verify(final, check)
        is_right, why = verdict.passed, verdict.reason
    else:
        right = (split_final(before.output) or ("", before.output))[1]
        is_right, why = not right or exact_match(final, right), f"the answer known is {right[:80]!r}"
    return answered if is_right else Rejection(answered, stage, "steps", "wrong_final", why)
