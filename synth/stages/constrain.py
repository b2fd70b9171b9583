"""Constrain: tasks asked once more with demands on the answer's form that a program can check.

The demands are those of IFEval (arXiv 2311.07911), in wordings of our own; keeping only the answers that meet them is
the way of AutoIF (arXiv 2406.13542) and Tulu 3 (arXiv 2411.15124). Only tasks answered in English prose are taken: to
others most demands would be foreign.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from synth.engine.forecast import ANSWER_TOKENS, SURVIVAL, Flow
from synth.engine.run import Ask, Engine, request_failure
from synth.errors import RequestFailed
from synth.given import StrictSettings
from synth.models.base import Sampling
from synth.prompts import version
from synth.prompts.answering import answering
from synth.records import Record, Rejection, digest
from synth.stages.stage import Stage, each_record
from synth.tokens import unicode_tokens
from synth.verify import verify
from synth.verify.ifeval import count_words
from synth.verify.language import FUNCTION_WORDS, detect_language
from synth.verify.sentences import split_sentences

STAGE = "constrain"
_FEWEST_WORDS = 10
"""A shorter answer is a fact, a label or a line, and no prose."""
ENDINGS = ("I hope this helps.", "Ask me if you need more.", "That covers it.", "Thank you for reading.")
_TITLE = re.compile(r"<<[^\n]*")
"""A title and the rest of its line, which is read once: to look for `>>` after each `<<` takes quadratic time."""
_CLOSE = re.compile(rf"\bP\.\s?S\..*|{'|'.join(map(re.escape, ENDINGS))}", re.IGNORECASE | re.DOTALL)
"""What an answer has at its end for its demands alone: a postscript, a last sentence."""
_LIST_OR_CODE = re.compile(r"```|^[^\S\n]*(?:[-*#|]|\d+[.)])", re.MULTILINE)
_INHERITED = ("language", "domain", "category", "requested_category")
"""Notes that are true of the task with demands too; grades, agreement and worked steps were those of another answer."""
_RUN = 4
"""Words in a row that an answer does not have in common with the demands by chance."""
_SHAPED = re.compile(
    r"\b(?:words?|sentences?|lines?|paragraphs?|bullets?|points|lists?|steps|tables?|json|csv|html|code|program|function"
    r"|script|query|poem|haiku|song|title|headline|translate|rewrite|quote|commas?|capitals?|lower|upper)\b",
    re.IGNORECASE,
)
"""A task that names one of these asks for a form already."""

Demand = tuple[str, dict[str, Any]]  # the sentence that asks for it, the constraint of `synth.verify`
Maker = Callable[[random.Random, str, list[str]], Demand]  # (draws, the answer so far, words of it) -> a demand


class ConstrainSettings(StrictSettings):
    """How tasks are asked again with demands on the form of the answer."""

    share: float = Field(0.5, gt=0, le=1, description="Share of the tasks answered in prose that are asked again.")
    num_variants: int = Field(1, ge=1, le=16, description="How often each of them is asked, with other demands.")
    max_demands: int = Field(2, ge=1, le=4, description="Demands of one task, at most; their number is drawn.")
    num_draws: int = Field(3, ge=1, le=16, description="Answers drawn at most until one meets all demands.")
    sampling: Sampling = Field(Sampling(temperature=0.7, max_tokens=512), description="How an answer is drawn.")


async def constrain(
    engine: Engine, records: AsyncIterator[Record], settings: ConstrainSettings
) -> AsyncIterator[list[Record | Rejection]]:
    """Yield each record, and after some the same task with demands, answered, or its rejection, in order."""
    makers = [maker for group in DEMANDS for maker in group]
    wordings = digest([maker(random.Random(n), "a", ["one", "two"]) for maker in makers for n in range(16)])[:8]
    async for results in each_record(
        engine, STAGE, records, settings, Constraining(settings), version("answer"), wordings
    ):
        yield results


@dataclass(frozen=True, slots=True)
class Constraining:
    """The work of one record."""

    settings: ConstrainSettings

    async def __call__(self, record: Record, ask: Ask, rng: random.Random) -> list[Record | Rejection]:
        """The record, and the task with demands where it is one that takes them."""
        results: list[Record | Rejection] = [record]
        if not takes_demands(record) or rng.random() >= self.settings.share:
            return results
        drawn = (demanding(record, rng, self.settings.max_demands) for _ in range(self.settings.num_variants))
        for child in {one.id: one for one in drawn}.values():
            try:
                results.append(await self._answered(child, record, ask))
            except RequestFailed as error:
                results.append(request_failure(child, STAGE, error))
        return results

    async def _answered(self, child: Record, before: Record, ask: Ask) -> Record | Rejection:
        """The child with the first answer that has no fault."""
        prompt = answering(child)
        for draw in range(self.settings.num_draws):
            reply = await ask(prompt, self.settings.sampling, draw=draw)
            answered = child.answered(reply.text.strip(), reply.key)
            found = fault(answered, before)
            if found is None:
                break
        return Rejection(answered, STAGE, "demands", *found) if found else answered


def fault(child: Record, before: Record) -> tuple[str, str] | None:
    """(reason, detail) why the answer is not taken for the task `before` with demands; None where it is.

    Small models often write the title or the last sentence that was asked for, and nothing else.
    """
    verdict = verify(child.output, child.meta["check"])
    if not verdict.passed:
        return "not_followed", verdict.reason
    if said := repeated(child.output, child.instruction.removeprefix(before.instruction.rstrip())):
        return "repeats_demand", said
    number, least = count_words(beside_form(child.output)), min(_FEWEST_WORDS, count_words(before.output) // 2)
    return ("too_little", f"{number} words beside the form, {least} are needed") if number < least else None


def beside_form(answer: str) -> str:
    """An answer without its titles, postscript and last sentence."""
    return _CLOSE.sub("", _TITLE.sub(lambda line: line[0].rpartition(">>")[2], answer))


def takes_demands(record: Record) -> bool:
    """Is it answered in English prose, and does it say nothing of the answer's form yet?"""
    answer = record.output
    is_prose = count_words(answer) >= _FEWEST_WORDS and not _LIST_OR_CODE.search(answer)
    is_free = "check" not in record.meta and not _SHAPED.search(record.instruction)
    is_english = detect_language(answer) == "en" and detect_language(record.instruction) in ("en", None)
    return is_prose and is_free and is_english


def demanding(record: Record, rng: random.Random, max_demands: int) -> Record:
    """The task with drawn demands, unanswered; what checks them stands in `meta.check`."""
    words = _telling_words(record)
    groups = [group for group in DEMANDS if words or group is not WORDS]
    chosen = rng.sample(groups, rng.randint(1, min(max_demands, len(groups))))
    demands = [rng.choice(group)(rng, record.output, words) for group in chosen]
    asked = record.instruction.rstrip()
    asked += "" if asked.endswith((".", "?", "!", ":")) else "."
    check = {"kind": "constraints", "constraints": [constraint for _, constraint in demands]}
    line = replace(record.lineage, origin="evolve", parents=(record.id,), operator=STAGE)
    lineage = replace(line, generation=line.generation + 1, completion_keys=())
    instruction = " ".join([asked, *(sentence for sentence, _ in demands)])
    meta = {name: record.meta[name] for name in _INHERITED if name in record.meta} | {"check": check}
    return replace(record, instruction=instruction, output="", others=(), lineage=lineage, meta=meta)


def repeated(answer: str, demands: str) -> str | None:
    """Some words of the demands that the answer repeats; what it was to contain stands in quotation marks."""
    said = f" {' '.join(unicode_tokens(answer))} "
    for piece in re.split(r'"[^"]*"|[.,:] ', demands):
        words = list(unicode_tokens(piece))
        for start in range(max(1, len(words) - _RUN + 1)):
            run = " ".join(words[start : start + _RUN])
            if len(words) >= _RUN - 1 and f" {run} " in said:
                return run
    return None


def _telling_words(record: Record) -> list[str]:
    """Words of the answer that are no part of the task, in order; none that a last sentence would need."""
    known = FUNCTION_WORDS["en"] | set(re.findall(r"[a-z]+", " ".join([record.asked(), *ENDINGS]).lower()))
    return sorted({word for word in re.findall(r"\b[a-z]{5,12}\b", record.output) if word not in known})


def _fewer_words(draws: random.Random, answer: str, _words: list[str]) -> Demand:
    limit = max(15, round(count_words(answer) * draws.choice((0.6, 0.8, 1.2)) / 5) * 5)
    said = draws.choice(
        ("Stay below {} words.", "The answer must have fewer than {} words.", "Keep it under {} words.")
    )
    return said.format(limit), {"type": "length_constraints:number_words", "num_words": limit, "relation": "less than"}


def _sentences(draws: random.Random, answer: str, _words: list[str]) -> Demand:
    number = min(6, max(2, len(split_sentences(answer)) + draws.choice((-1, 0, 1))))
    said = draws.choice(("Answer in {} sentences or more.", "It should have no fewer than {} sentences."))
    return said.format(number), {
        "type": "length_constraints:number_sentences",
        "num_sentences": number,
        "relation": "at least",
    }


def _with_word(draws: random.Random, _answer: str, words: list[str]) -> Demand:
    word = draws.choice(words)
    said = draws.choice(('The word "{}" must occur.', 'Mention the word "{}".', 'Include "{}" somewhere.'))
    return said.format(word), {"type": "keywords:existence", "keywords": [word]}


def _without_words(draws: random.Random, _answer: str, words: list[str]) -> Demand:
    found = draws.sample(words, min(len(words), draws.randint(1, 3)))
    said = draws.choice(("Avoid these words: {}.", "These words are not allowed: {}.", "Do without the following: {}."))
    return said.format(", ".join(found)), {"type": "keywords:forbidden_words", "forbidden_words": found}


def _word_often(draws: random.Random, _answer: str, words: list[str]) -> Demand:
    word, number = draws.choice(words), draws.randint(2, 3)
    said = draws.choice(('"{}" must occur {} times or more.', 'Let the word "{}" appear no fewer than {} times.'))
    return said.format(word, number), {
        "type": "keywords:frequency",
        "keyword": word,
        "frequency": number,
        "relation": "at least",
    }


def _bullets(draws: random.Random, _answer: str, _words: list[str]) -> Demand:
    number = draws.randint(2, 5)
    said = ('Give it as {} bullets, each starting with "* ".', 'Answer in exactly {} lines that start with "* ".')
    return draws.choice(said).format(number), {"type": "detectable_format:number_bullet_lists", "num_bullets": number}


def _highlighted(draws: random.Random, _answer: str, _words: list[str]) -> Demand:
    number = draws.randint(1, 3)
    said = "Put asterisks around the {} most important words or passages, *like this*."
    if number == 1:
        said = "Put asterisks around the most important word or passage, *like this*."
    return said.format(number), {"type": "detectable_format:number_highlighted_sections", "num_highlights": number}


def _ending(draws: random.Random, _answer: str, _words: list[str]) -> Demand:
    phrase = draws.choice(ENDINGS)
    said = draws.choice(('The last sentence must be "{}"', 'Close with the words "{}"'))
    return said.format(phrase), {"type": "startend:end_checker", "end_phrase": phrase}


def _fixed(constraint: dict[str, Any], *wordings: str) -> Maker:
    """The same demand for every task, in one of its wordings."""
    return lambda draws, _answer, _words: (draws.choice(wordings), constraint)


_no_comma = _fixed(
    {"type": "punctuation:no_comma"},
    "Commas are not allowed.", "Write it without a single comma.", "Avoid commas altogether.",
)  # fmt: skip
_lower_case = _fixed(
    {"type": "change_case:english_lowercase"},
    "Everything in lower case, please.", "The whole answer must be in lowercase English letters.",
)  # fmt: skip
_upper_case = _fixed(
    {"type": "change_case:english_capital"},
    "WRITE EVERYTHING IN CAPITALS.", "The whole answer must be in English and in capital letters.",
)  # fmt: skip
_titled = _fixed(
    {"type": "detectable_format:title"},
    "First write a title inside << and >>, then the answer.", "Put << and >> around a title above the answer.",
)  # fmt: skip
_quoted = _fixed(
    {"type": "startend:quotation"},
    "Start and end the answer with a double quotation mark.", "The answer as a whole goes in double quotes.",
)  # fmt: skip
_postscript = _fixed(
    {"type": "detectable_content:postscript", "postscript_marker": "P.S."},
    "After the answer add a short note that starts with P.S.", "There should be a P.S. below the answer.",
)  # fmt: skip


WORDS: tuple[Maker, ...] = (_with_word, _without_words, _word_often)
DEMANDS: tuple[tuple[Maker, ...], ...] = (
    (_fewer_words, _sentences),
    WORDS,
    (_no_comma,),
    (_lower_case, _upper_case, _ending, _postscript),
    (_bullets, _titled, _quoted, _highlighted),
)
"""Demands by group; no two of different groups contradict each other."""


def forecast(settings: ConstrainSettings, flow: Flow) -> None:
    """Up to `num_draws` answers for a share of the records; the first often meets the demands."""
    asked = settings.share * settings.num_variants * (flow.records - flow.unanswered)
    flow.ask("answers under demands", asked * (1 + settings.num_draws) / 2, "answer", ANSWER_TOKENS["answer"])
    flow.add(SURVIVAL * asked)


CONSTRAIN = Stage(STAGE, ConstrainSettings, constrain, "children", forecast=forecast, growing=("num_draws",))
