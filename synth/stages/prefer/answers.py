"""The answers to one record: those it came with, and those drawn from the pool of teachers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from synth.engine.run import Ask
from synth.errors import RequestRefused
from synth.models.base import Sampling
from synth.prompts import Prompt
from synth.prompts.answering import answering
from synth.prompts.systems import PRINCIPLES
from synth.records import Record, digest
from synth.stages.prefer.settings import PoolTeacher, PreferSettings


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and who gave it. `drawn`: teacher, temperature and principle of one drawn here; `key`: its request."""

    text: str
    model: str | None = None
    drawn: tuple[str, float, str] | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Draw:
    """How the answer number `number` is to be drawn."""

    number: int
    name: str
    teacher: PoolTeacher
    temperature: float
    principle: str


@dataclass(frozen=True, slots=True)
class Answers:
    """Gives a record's answers. Who gives which depends on the run's seed and the record alone."""

    settings: PreferSettings
    run_seed: int

    async def all(self, record: Record, ask: Ask) -> list[Answer]:
        """The record's own answer, its others, and those that were lacking; what a teacher refuses is left out.

        Raises RequestFailed where no answer can be had.
        """
        answers = _given(record)
        refused: RequestRefused | None = None
        for draw in self._draws(record, len(answers)):
            try:
                answers.append(await self._drawn(record, draw, ask))
            except RequestRefused as error:
                refused = error
        if refused is not None and not answers:
            raise refused
        return answers

    async def first(self, record: Record, ask: Ask) -> str:
        """The first of `all`; "" where there is none. Raises RequestFailed."""
        given = _given(record)
        for draw in self._draws(record, len(given)) if not given else ():
            return (await self._drawn(record, draw, ask)).text
        return given[0].text if given else ""

    def _draws(self, record: Record, given: int) -> Iterator[Draw]:
        rng = random.Random(int(digest(self.run_seed, "answers", record.id)[:16], 16))
        pool = self.settings.teachers or {"teacher": PoolTeacher()}
        weights = [teacher.weight for teacher in pool.values()]
        principles = [""] if self.settings.principles is None else self.settings.principles or list(PRINCIPLES)
        for number in range(given, self.settings.num_answers):
            name = rng.choices(list(pool), weights)[0]
            yield Draw(number, name, pool[name], rng.choice(pool[name].temperatures), rng.choice(principles))

    async def _drawn(self, record: Record, draw: Draw, ask: Ask) -> Answer:
        prompt = answering(record)
        if draw.principle:
            prompt = Prompt(_with_system(prompt.messages, PRINCIPLES[draw.principle]), prompt.version)
        sampling = Sampling(temperature=draw.temperature, max_tokens=draw.teacher.max_tokens)
        found = await ask(prompt, sampling, role=draw.teacher.role(draw.name, "teacher"), draw=draw.number)
        return Answer(found.text.strip(), found.model or None, (draw.name, draw.temperature, draw.principle), found.key)


def _given(record: Record) -> list[Answer]:
    own = [Answer(record.output, record.lineage.model)] * bool(record.output.strip())
    return own + [Answer(other.output, other.model) for other in record.others]


def _with_system(messages: Sequence[dict[str, str]], text: str) -> tuple[dict[str, str], ...]:
    """`text` below the system message there is, or as a new one."""
    first, *rest = messages
    if first["role"] == "system":
        return ({"role": "system", "content": f"{first['content']}\n\n{text}"}, *rest)
    return ({"role": "system", "content": text}, *messages)


def usable(answers: Sequence[Answer]) -> tuple[list[Answer], Counter[str]]:
    """The answers without empty and repeated ones, and how many of either were left out."""
    kept: dict[str, Answer] = {}
    left_out: Counter[str] = Counter()
    for answer in answers:
        text = answer.text.strip()
        if not text or text in kept:
            left_out["identical" if text else "empty"] += 1
        else:
            kept[text] = answer
    return list(kept.values()), left_out


def with_answers(record: Record, answers: Sequence[Answer]) -> Record:
    """The record with the first answer as its own; who gave it and the requests that were made are noted."""
    keys = tuple(answer.key for answer in answers if answer.key)
    best, line = answers[0], record.lineage
    line = replace(line, completion_keys=line.completion_keys + keys, model=best.model or line.model)
    return replace(record, output=best.text, lineage=line)
