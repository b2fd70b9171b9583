"""Converse: a record becomes a conversation. The teacher plays the user, then answers with the whole talk before it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field, field_validator, model_validator

from synth.checks.echo import Echo
from synth.checks.talk import agreement, answer_echo, drifts, user_echo
from synth.engine.forecast import ANSWER_TOKENS, Flow
from synth.engine.run import Ask, Engine
from synth.errors import RequestRefused
from synth.given import StrictSettings
from synth.metrics import is_number
from synth.models.base import Sampling
from synth.prompts import Prompt, render, version
from synth.prompts.answering import answering
from synth.prompts.domains import DOMAINS
from synth.records import Record, Rejection, digest
from synth.sources.languages import check_code, language_name
from synth.stages.stage import Stage, each_record

STAGE = "converse"
SIMILAR = "the same for a case a little different, which the person names."
WISHES = {
    "follow up": (
        "one more question about the same matter, which the last answer leads to.",
        "a request for an example of what the last answer says.",
        SIMILAR,
        "what one word or part of the last answer means.",
    ),
    "correction": (
        "the last answer once more, but shorter.",
        "the last answer once more, in simpler words.",
        "the last answer once more, as a list of short points.",
        "the last answer once more, in another tone: friendlier, more formal or more lively.",
        "the last answer once more, with one named thing added.",
        "the last answer once more, with one named thing left out.",
    ),
    "deeper": (
        "why or how, about one point of the last answer.",
        "how one part of the last answer works, step by step.",
    ),
    "change of topic": tuple(f"something quite different, to do with {domain}." for domain in DOMAINS),
    "unclear": ("short and vague, from somebody who did not understand the last answer.",),
    "thanks": ("thanks, and nothing more is asked.",),
}
"""What the user may do next → how the prompt words it; one wording is drawn."""
KINDS = tuple(WISHES)
SHARES = {"follow up": 0.4, "correction": 0.15, "deeper": 0.2, "change of topic": 0.1, "unclear": 0.05, "thanks": 0.1}
LAST, TOPIC, AGAIN = "thanks", "change of topic", "correction"
END = "END"
TOO_LONG = ("max_tokens", "context")
"""Why a talk that has reached a limit ends."""
DRAWS = 2
"""How often a turn is drawn before its fault ends the talk."""
WARM = 0.7
"""The temperature at least of the draws that an answer is compared with: at 0 they would all be the same."""
EXAMPLES = (
    ("follow up", 0, "Name three herbs that grow in shade.", "Mint, parsley and chervil grow in shade.",
     "Which of them comes back each year without sowing?"),
    ("follow up", 3, "Write Python that takes the first word of a line.", "line.split()[0]",
     "What does split do with two spaces in a row?"),
    ("follow up", 2, "How do I write 3/4 as a percentage?", "Divide 3 by 4 and multiply by 100: 75 %.", "And 5/8?"),
    ("correction", 0, "What does a notary do?",
     "A notary checks who signs a paper, watches the signing and confirms both with a seal, so that courts trust it.",
     "That is too long for my slide. Can you say it in ten words?"),
    ("deeper", 0, "Why do onions make people cry?", "Cutting an onion sets free a gas that stings the eyes.",
     "Where does that gas come from when the knife goes through?"),
    ("deeper", 1, "How long does the dough rest?", "One hour in a warm place, until it is twice as high.",
     "What happens in the dough during that hour?"),
    ("change of topic", DOMAINS.index("school kitchen"),
     "Convert 3 miles to kilometres.", "3 miles are about 4.83 kilometres.",
     "OK. What can I cook tonight from rice, two eggs and a carrot?"),
    ("unclear", 0, "What is a lease?", "You use a thing for a monthly fee and give it back at its residual value.",
     "Residual what? I don't get it."),
    ("correction", 4, "Write a notice: the gym is closed on Friday.",
     "Dear members, kindly note that our premises will remain closed this coming Friday.",
     "Please write it again and add that we open on Saturday at eight."),
    ("thanks", 0, "How long do I boil a soft egg?", "About six minutes once the water boils.",
     "Six minutes it is, thanks!"),
    ("correction", 3, "Name the planets between the sun and Mars.", "Mercury, Venus and Earth.",
     "Could you put that into a lively sentence for children?"),
)  # fmt: skip
"""Kind, which of its wordings, question, answer, and what the user says next."""
SHOWN = tuple(f"{question} {answer}" for _, _, question, answer, _ in EXAMPLES)


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
            "Answers drawn for each question. The first is taken; where the others say something else the talk ends "
            "before its question, since what a model makes up differs from draw to draw (SelfCheckGPT, arXiv "
            "2303.08896). Answers to a correction and to thanks are drawn once."
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
    versions = version(settings.prompt), version("answer"), digest(WISHES, EXAMPLES)[:8]
    async for results in each_record(engine, STAGE, records, settings, Conversing(settings), *versions):
        yield results


def forecast(settings: ConverseSettings, flow: Flow) -> None:
    """A question of the user and an answer to it for each turn that is reached; prompts hold the talk before it."""
    thanks = settings.shares.get(LAST, 0) / sum(settings.shares.values())
    reached = sum((1 - thanks) ** max(0, turn - settings.min_turns) for turn in range(settings.num_turns))
    talks = flow.records - flow.unanswered
    flow.ask("the user's turns", talks * reached, "talk", ANSWER_TOKENS["turn"])
    flow.ask("their answers", talks * reached * settings.num_draws, "talk", ANSWER_TOKENS["answer"])


CONVERSE = Stage(STAGE, ConverseSettings, converse, forecast=forecast)


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
        talk, done, why = record, 0, "num_turns"
        try:
            for kind in kinds:
                talk = await self._further(talk, kind, rng.choice(WISHES[kind]), persona, ask)
                done += 1
                why = "user_ended" if kind == LAST else why
        except Ended as reason:
            why = str(reason)
        except RequestRefused as error:
            why = "context" if error.reason in ("too_long", "context_overflow") else error.reason
            if done < self.settings.min_turns and why not in TOO_LONG:
                raise
        noted: dict[str, Any] = {"turns": kinds[:done], "ended": why} | ({"persona": persona} if persona else {})
        talk = replace(talk, meta=talk.meta | noted)
        if done < self.settings.min_turns and not (done == 0 and why in TOO_LONG):
            return [Rejection(talk, STAGE, "talk", why, f"in turn {done + 1} of {len(kinds)}")]
        return [talk]

    def _drawn(self, rng: random.Random) -> list[str]:
        """What the user does in each turn; thanks come last, and not too early."""
        shares = [self.settings.shares.get(kind, 0.0) for kind in KINDS]
        others = [share if kind != LAST else 0.0 for kind, share in zip(KINDS, shares, strict=True)]
        drawn: list[str] = []
        while len(drawn) < self.settings.num_turns and LAST not in drawn:
            may_end = len(drawn) + 1 >= self.settings.min_turns and drawn
            drawn += rng.choices(KINDS, shares if may_end else others)
        return drawn

    async def _further(self, talk: Record, kind: str, wish: str, persona: str, ask: Ask) -> Record:
        """The talk with one more question and its answer. Raises Ended."""
        settings = self.settings
        prompt = self._prompt(talk, kind, wish, persona)
        echo = Echo(prompt.messages, (_so_far(talk),))

        def user_fault(text: str) -> str | None:
            is_echo = echo.find(text, 3) or (kind != TOPIC and drifts(text, talk, SHOWN))
            return "prompt_echo" if is_echo else user_echo(text, talk, settings.language)

        said, key = await _taken(ask, prompt, settings.user_sampling, user_fault)
        if said.strip(" .\"'") == END:
            raise Ended("user_ended")
        line = replace(talk.lineage, completion_keys=(*talk.lineage.completion_keys, key))
        history = (*talk.history, (talk.question, talk.output))
        asked = Record(said, "", "", talk.system, history, (), line, talk.meta)
        if _size(asked) > settings.max_tokens:
            raise Ended("max_tokens")
        answer, key = await _taken(
            ask,
            answering(asked),
            settings.sampling,
            lambda text: answer_echo(text, asked, settings.language, may_copy=kind == AGAIN or wish == SIMILAR),
        )
        if settings.num_draws > 1 and kind not in (AGAIN, LAST):
            asked = await self._repeated(asked, answer, ask)
        return asked.answered(answer, key)

    async def _repeated(self, asked: Record, answer: str, ask: Ask) -> Record:
        """The talk with a note of how far further draws say the same. Raises Ended at the first that does not."""
        settings, prompt = self.settings, answering(asked)
        warm = replace(settings.sampling, temperature=max(settings.sampling.temperature or 0.0, WARM))
        before = asked.meta.get("agreement")
        least = before if is_number(before) else 1.0
        for number in range(1, settings.num_draws):
            other = await ask(prompt, warm, draw=DRAWS + number, keep_cut=True)
            share = round(agreement(answer, other.text, asked.question), 3)
            if share < settings.min_agreement:
                raise Ended("draws_disagree")
            least = min(least, share)
        return replace(asked, meta=asked.meta | {"agreement": least})

    def _prompt(self, talk: Record, kind: str, wish: str, persona: str) -> Prompt:
        examples = [
            {"kind": name, "wish": WISHES[name][number], "message": message}
            | {"so_far": f"User: {question}\n\nAssistant: {answer}"}
            for name, number, question, answer, message in EXAMPLES
        ]
        texts = {"so_far": _so_far(talk), "kind": kind, "wish": wish, "persona": persona}
        texts["language"] = language_name(self.settings.language) or ""
        return render(self.settings.prompt, examples=examples, **texts)


async def _taken(ask: Ask, prompt: Prompt, sampling: Sampling, fault: Any) -> tuple[str, str]:
    """(text, request key) of the first of two draws without a fault. Raises Ended with the fault of the second."""
    why = ""
    for draw in range(DRAWS):
        found = await ask(prompt, sampling, draw=draw)
        text = found.text.strip()
        why = fault(text) or ""
        if not why:
            return text, found.key
    raise Ended(why)


def _so_far(talk: Record) -> str:
    """What user and assistant have said, without the system text, which a user does not see."""
    turns = [turn for turn in talk.messages() if turn["role"] != "system"]
    return "\n\n".join(f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns)


def _size(talk: Record) -> int:
    return sum(len(turn["content"].encode()) for turn in talk.messages()) // 4
