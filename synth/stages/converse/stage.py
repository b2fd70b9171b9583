"""Converse: a record becomes a conversation. The teacher plays the user, then answers with the whole talk before it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field, field_validator, model_validator

from synth.checks.echo import MIN_WORDS, Echo
from synth.checks.talk import agreement, answer_echo, drifts, is_personal, telling, user_echo
from synth.engine.forecast import ANSWER_TOKENS, Flow
from synth.engine.run import Ask, Engine
from synth.errors import RequestRefused
from synth.given import StrictSettings
from synth.metrics import is_number
from synth.models.base import Sampling
from synth.prompts import Prompt, render, version
from synth.prompts.answering import answering
from synth.records import Record, Rejection, digest
from synth.sources.languages import check_code, language_name
from synth.stages.converse.conditions import PLAIN
from synth.stages.converse.wishes import KINDS, LAST, LEAD, SHARES, TOPIC, WISHES, Drawn, draw, examples
from synth.stages.stage import Stage, each_record

STAGE = "converse"
END = "END"
TOO_LONG = ("max_tokens", "context")
"""Why a talk that has reached a limit ends."""
TRIES = 5
"""How often a turn is tried, each time with a wish drawn anew, before its fault ends the talk."""
TRIED = 1.4
"""Tries of a turn on average: 1.3 of the embedded teacher, 1.6 of a model of 1.5 billion parameters, 4 about texts."""
WARM = 1.0
"""The temperature at least of the draws that an answer is compared with: at 0 they would all be the same."""
SHOWN = tuple(
    f"{example.question} {example.answer}" for wishes in WISHES.values() for wish in wishes for example in wish.examples
)


class ConverseSettings(StrictSettings):
    """How records are made conversations: further questions of a user whom the teacher plays, each answered."""

    num_turns: int = Field(2, ge=1, le=50, description="Further questions of a talk, at most.")
    min_turns: int = Field(1, ge=1, description="Further questions that a talk must have; the user thanks after them.")
    shares: dict[str, float] = Field(
        SHARES, description=f"How often the user does what: {', '.join(KINDS)} (which ends the talk)."
    )
    personas: list[str] = Field(default_factory=list, description="Sentences about users; one is drawn for each talk.")
    language: str | None = Field(None, description="ISO 639-1 code of the language that both sides are to write.")
    max_tokens: int = Field(
        8192, ge=64, description="A talk is not made longer than this, by a quarter of its bytes; it ends before."
    )
    user_sampling: Sampling = Field(
        Sampling(temperature=0.6, top_p=0.9, max_tokens=200), description="How the user's turns are drawn."
    )
    sampling: Sampling = Field(Sampling(temperature=0.7, max_tokens=1024), description="How the answers are drawn.")
    num_draws: int = Field(
        1,
        ge=1,
        le=16,
        description=(
            "Answers drawn for each question. The first is taken; where the others say something else the question is "
            "dropped, since what a model makes up differs from draw to draw (SelfCheckGPT, arXiv 2303.08896). Answers "
            "to what a text says, to corrections and to thanks, and sentences with a word in them are drawn once."
        ),
    )
    min_agreement: float = Field(
        0.2, ge=0, le=1, description="Least share of telling words that an answer has in common with each other draw."
    )
    prompt_path: str | None = Field(None, description="A .jinja file of your own in place of the prompt user_turn.")

    @field_validator("language")
    @classmethod
    def _is_a_language(cls, value: str | None) -> str | None:
        return None if value is None else check_code(value)

    @field_validator("shares")
    @classmethod
    def _are_shares(cls, value: dict[str, float]) -> dict[str, float]:
        if unknown := set(value) - set(KINDS):
            raise ValueError(f"there is no {sorted(unknown)[0]!r}; the user may: {', '.join(KINDS)}")
        if min(value.values(), default=-1) < 0 or not sum(value.get(kind, 0) for kind in KINDS if kind != LAST):
            raise ValueError("shares are numbers from 0, and something else than thanks must have one above it")
        return value

    @model_validator(mode="after")
    def _fits(self) -> ConverseSettings:
        if self.min_turns > self.num_turns:
            raise ValueError("min_turns is more than num_turns")
        return self

    @property
    def prompt(self) -> str:
        """The prompt to render."""
        return self.prompt_path or "user_turn"


async def converse(
    engine: Engine, records: AsyncIterator[Record], settings: ConverseSettings
) -> AsyncIterator[list[Record | Rejection]]:
    """Yield each answered record with further turns, or its rejection, in order; one without an answer as it is."""
    versions = version(settings.prompt), version("answer"), digest(examples())[:8]
    async for results in each_record(engine, STAGE, records, settings, Conversing(settings), *versions):
        yield results


def forecast(settings: ConverseSettings, flow: Flow) -> None:
    """A question of the user and an answer to it for each turn that is reached; prompts hold the talk before it."""
    thanks = settings.shares.get(LAST, 0) / sum(settings.shares.values())
    reached = sum((1 - thanks) ** max(0, turn - settings.min_turns) for turn in range(settings.num_turns))
    tries = (flow.records - flow.unanswered) * reached * TRIED
    flow.ask("the user's turns", tries, "talk", ANSWER_TOKENS["turn"])
    flow.ask("their answers", tries * settings.num_draws, "talk", ANSWER_TOKENS["answer"])


CONVERSE = Stage(STAGE, ConverseSettings, converse, forecast=forecast)


class Fault(Exception):
    """A message or an answer is refused, and why."""


class Ended(Exception):
    """The talk goes no further, and why."""


@dataclass(frozen=True, slots=True)
class Conversing:
    """The work of one record."""

    settings: ConverseSettings

    async def __call__(self, record: Record, ask: Ask, rng: random.Random) -> list[Record | Rejection]:
        """The record with its further turns. Where one is refused the talk ends before it, if it is long enough.

        A record that is too long as it is stays as it is. Raises RequestRefused for a talk that is not long enough.
        """
        if not record.output:
            return [record]
        kinds = self._drawn(rng)
        persona = rng.choice(self.settings.personas) if self.settings.personas else ""
        talk, why = record, "num_turns"
        done: list[str] = []
        try:
            for kind in kinds:
                talk, was = await self._further(talk, kind, persona, ask, rng, TOPIC in done)
                done.append(was)
                why = "user_ended" if kind == LAST else why
        except Ended as reason:
            why = str(reason)
        except RequestRefused as error:
            why = "context" if error.reason in ("too_long", "context_overflow") else error.reason
            if len(done) < self.settings.min_turns and why not in TOO_LONG:
                raise
        noted: dict[str, Any] = {"turns": done, "ended": why} | ({"persona": persona} if persona else {})
        talk = replace(talk, meta=talk.meta | noted)
        if len(done) < self.settings.min_turns and (done or why not in TOO_LONG):
            return [Rejection(talk, STAGE, "talk", why, f"in turn {len(done) + 1} of {len(kinds)}")]
        return [talk]

    def _drawn(self, rng: random.Random) -> list[str]:
        """What the user does in each turn; thanks come last, and not too early. The subject changes once at most."""
        drawn: list[str] = []
        while len(drawn) < self.settings.num_turns and LAST not in drawn:
            shares = self.settings.shares.copy()
            if not drawn or len(drawn) + 1 < self.settings.min_turns:
                shares[LAST] = 0
            if TOPIC in drawn and any(share for kind, share in shares.items() if kind not in (TOPIC, LAST)):
                shares[TOPIC] = 0
            drawn += rng.choices(KINDS, [shares.get(kind, 0) for kind in KINDS])
        return drawn

    async def _further(
        self, talk: Record, kind: str, persona: str, ask: Ask, rng: random.Random, has_left: bool
    ) -> tuple[Record, str]:
        """The talk with one more exchange, and what its user did. Raises Ended, also with the last try's fault."""
        if _size(talk) > self.settings.max_tokens:
            raise Ended("max_tokens")
        fault, tried = "", set[str]()
        for number in range(TRIES):
            drawn = draw(kind, talk, rng, has_left, tried)
            tried.add(drawn.about)
            try:
                asked = await self._asked(talk, drawn, persona, ask, number)
                return await self._answered(talk, asked, drawn, ask, number), drawn.kind
            except Fault as reason:
                fault = str(reason)
        raise Ended(fault)

    async def _asked(self, talk: Record, drawn: Drawn, persona: str, ask: Ask, number: int) -> Record:
        """The talk with one more question. Raises Fault, and Ended where the user has nothing more to say."""
        settings, prompt = self.settings, self._prompt(talk, drawn, persona)
        found = await ask(prompt, settings.user_sampling, draw=number)
        said = found.text.strip()
        if said.strip(" .\"'") == END:
            raise Ended("user_ended")
        echo = Echo(prompt.messages, (_so_far(talk), LEAD))
        repeats = echo.find(said, 3) or any(echo.find(line, MIN_WORDS) for line in said.splitlines())
        if repeats and not telling(said) <= PLAIN:
            raise Fault("prompt_echo")
        if said.count("```") % 2 or (drawn.kind != TOPIC and drifts(said, talk, SHOWN)):
            raise Fault("prompt_echo")
        if fault := user_echo(said, talk, settings.language):
            raise Fault(fault)
        if not drawn.is_said(said, talk):
            raise Fault("not_said")
        line = replace(talk.lineage, completion_keys=(*talk.lineage.completion_keys, found.key))
        history = (*talk.history, (talk.question, talk.output))
        asked = Record(said, "", "", talk.system, history, (), line, talk.meta)
        if _size(asked) > settings.max_tokens:
            raise Ended("max_tokens")
        return asked

    async def _answered(self, talk: Record, asked: Record, drawn: Drawn, ask: Ask, number: int) -> Record:
        """The talk `asked`, answered. Raises Fault."""
        settings, prompt = self.settings, answering(asked)
        found = await ask(prompt, settings.sampling, draw=number)
        said = found.text.strip()
        answer = drawn.taken(asked, said)
        if fault := answer_echo(answer, asked, settings.language, drawn.wish.may_copy):
            raise Fault(fault)
        if drawn.wish.is_open and is_personal(answer) and not is_personal(talk.output):
            raise Fault("assistant_is_personal")
        if not drawn.is_done(asked, answer):
            raise Fault("not_done")
        if drawn.wish.is_open:
            asked = await self._repeated(asked, said, ask, number)
        return asked.answered(answer, found.key)

    async def _repeated(self, asked: Record, answer: str, ask: Ask, number: int) -> Record:
        """The talk with a note of how far further draws say the same. Raises Fault at the first that does not."""
        settings, prompt = self.settings, answering(asked)
        warm = replace(settings.sampling, temperature=max(settings.sampling.temperature or 0.0, WARM))
        before = asked.meta.get("agreement")
        least = before if is_number(before) else 1.0
        for other in range(1, settings.num_draws):
            again = await ask(prompt, warm, draw=TRIES * other + number, keep_cut=True)
            share = round(agreement(answer, again.text, asked.question), 3)
            if share < settings.min_agreement:
                raise Fault("draws_disagree")
            least = min(least, share)
        return asked if settings.num_draws == 1 else replace(asked, meta=asked.meta | {"agreement": least})

    def _prompt(self, talk: Record, drawn: Drawn, persona: str) -> Prompt:
        language = language_name(self.settings.language) or ""
        texts = {"so_far": _so_far(talk), "kind": drawn.kind, "wish": drawn.text, "persona": persona}
        return render(self.settings.prompt, examples=examples(drawn), language=language, **texts)


def _so_far(talk: Record) -> str:
    """What user and assistant have said, without the system text, which a user does not see."""
    turns = [turn for turn in talk.messages() if turn["role"] != "system"]
    return "\n\n".join(f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns)


def _size(talk: Record) -> int:
    return sum(len(turn["content"].encode()) for turn in talk.messages()) // 4
