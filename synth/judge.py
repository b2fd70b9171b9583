"""A model compares answers, in both orders, or grades them.

How to ask is passed in, so the same code runs through the engine's ledger or on any other model. Nothing is decided by
one order alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal, Protocol

from synth.metrics import mean
from synth.models.base import Completion, Sampling
from synth.parsing import find_json, parse_choice, parse_reason, parse_score
from synth.prompts import Prompt, render
from synth.ranking import Ranking, strengths_of
from synth.records import Record

Ask = Callable[[Prompt, Sampling], Awaitable[Completion]]
Winner = Literal["one", "other", "tie"]

JUDGING = Sampling(temperature=0.0, max_tokens=512)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Which of a record's own answer ("one") and another ("other") a judge took for the better.

    `is_inconsistent`: the verdict changed with the order (then it is a tie). `is_unreadable`: at least one reply held
    no verdict (a tie as well). `was_asked` is False where an empty answer decided without the judge. `said`: what it
    chose in either order ("A" is the answer shown first), None where that cannot be read.
    """

    winner: Winner
    is_inconsistent: bool = False
    is_unreadable: bool = False
    was_asked: bool = True
    reasons: tuple[str, str] = ("", "")
    said: tuple[str | None, str | None] = (None, None)


async def compare(ask: Ask, record: Record, other: str, principle: str = "") -> Comparison:
    """Judge a record's answer and another in both orders (MT-Bench, arXiv 2306.05685, section 3.4): agreement or a tie.

    `principle`: what makes an answer the better one, in place of being right and complete.
    An empty answer loses to one that is not, without a question; equal answers tie.
    """
    one = record.output.strip()
    if not one or not other.strip() or one == other.strip():
        is_tie = bool(one) == bool(other.strip())
        return Comparison("tie" if is_tie else "one" if one else "other", was_asked=False)
    found = await asyncio.gather(*(_verdict(ask, record, other, principle, swapped) for swapped in (False, True)))
    said, reasons = (found[0][0], found[1][0]), (found[0][1], found[1][1])
    if None in said:
        return Comparison("tie", is_unreadable=True, reasons=reasons, said=said)
    winners = [_WINNERS[said[0] or "tie"], _WINNERS[_SWAPPED[said[1] or "tie"]]]
    if winners[0] != winners[1]:
        return Comparison("tie", is_inconsistent=True, reasons=reasons, said=said)
    return Comparison(winners[0], reasons=reasons, said=said)


_WINNERS: dict[str, Winner] = {"A": "one", "B": "other", "tie": "tie"}
_SWAPPED = {"A": "B", "B": "A", "tie": "tie"}


async def _verdict(ask: Ask, record: Record, other: str, principle: str, is_swapped: bool) -> tuple[str | None, str]:
    """A, B or tie as the judge said it (None where that cannot be read), and its reason."""
    answers = (other, record.output) if is_swapped else (record.output, other)
    texts = {"instruction": record.instruction, "input": record.input, "talk": record.talk}
    texts |= {"principle": principle}
    prompt = render("judge_pair", **texts, answer_a=answers[0], answer_b=answers[1])
    text = (await ask(prompt, JUDGING)).text
    return parse_choice(text, "Verdict", tuple(_WINNERS)), parse_reason(text)


async def rank(ask: Ask, record: Record, answers: Sequence[str], principle: str = "") -> Ranking:
    """The answers to a record by comparisons of every two of them (see `compare`), with Bradley-Terry's strengths."""
    pairs = list(combinations(range(len(answers)), 2))
    found = await asyncio.gather(
        *(compare(ask, replace(record, output=answers[one]), answers[other], principle) for one, other in pairs)
    )
    values = {"one": 1, "other": -1, "tie": 0}
    votes = {pair: values[one.winner] for pair, one in zip(pairs, found, strict=True) if not one.is_unreadable}
    counts = Counter(kind for one in found for kind in _kinds(one))
    return Ranking("pairs", strengths_of(len(answers), (votes,)), (votes,), counts)


def _kinds(found: Comparison) -> list[str]:
    """What to count of a comparison."""
    if found.is_unreadable:
        return ["pairs", "unreadable"]
    flips = {("A", "A"): ["first"], ("B", "B"): ["second"]}.get((str(found.said[0]), str(found.said[1])), [])
    return ["pairs", *(["ties"] * (found.winner == "tie")), *(["flips"] * found.is_inconsistent), *flips]


def planted(answered: Sequence[tuple[Record, str]]) -> list[tuple[Record, str, str]]:
    """(record, its answer, a wrong one): by turns the shortest of the other answers, and several put together.

    Those are longer than the right answer, so that a judge which goes by length fails.
    """
    pairs = []
    for number, (record, own) in enumerate(answered):
        after = [text for _, text in (*answered[number + 1 :], *answered[:number]) if text != own]
        if not after:
            continue
        wrong = min(after, key=len)
        if number % 2:
            parts = [after[0]]
            while len("\n\n".join(parts)) <= len(own):
                parts.append(after[len(parts) % len(after)])
            wrong = "\n\n".join(parts)
        pairs.append((record, own, wrong))
    return pairs


# --- grades of one answer --------------------------------------------------------------------------------------------

CRITERIA = {
    "correctness": "Correctness",
    "instruction_following": "Instruction-following",
    "completeness": "Completeness",
}
"""Criterion -> its line in a headed reply. The keys are those of a reply in JSON."""
_GRADE = {"type": "integer", "minimum": 1, "maximum": 5}
GRADES_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}} | dict.fromkeys(CRITERIA, _GRADE),
    "required": ["reason", *CRITERIA],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Grades:
    """Grades of an answer from 1 to 5; with several draws their means. `draws`: how many could be read."""

    correctness: float
    following: float
    completeness: float
    reason: str
    draws: int = 1

    @property
    def overall(self) -> float:
        """The mean of the three."""
        return mean([self.correctness, self.following, self.completeness])

    def to_dict(self) -> dict[str, Any]:
        """As a record's `meta` holds them."""
        criteria = {name: round(getattr(self, name), 3) for name in ("correctness", "following", "completeness")}
        return {"overall": round(self.overall, 3), **criteria, "reason": self.reason, "draws": self.draws}


class AskDraw(Protocol):
    """How `grade` asks: `draw` tells independent answers to one prompt apart, `schema` is the form wanted."""

    async def __call__(
        self, prompt: Prompt, sampling: Sampling, *, schema: dict[str, Any] | None, draw: int
    ) -> Completion: ...


async def grade(
    ask: AskDraw,
    record: Record,
    *,
    num_draws: int = 1,
    temperature: float = 0.7,
    as_json: bool = False,
    prompt: str = "grade",
) -> Grades | None:
    """Three grades of an answer (criteria after UltraFeedback, arXiv 2310.01377); None where no reply can be read.

    Several draws are averaged: an expected grade without log-probabilities (as G-Eval does, arXiv 2303.16634). A reply
    that cannot be read is asked for once more, with `temperature`.
    """
    texts = {"instruction": record.instruction, "input": record.input, "answer": record.output, "talk": record.talk}
    asked = render(prompt, **texts, as_json=as_json)
    schema = GRADES_SCHEMA if as_json else None
    warm = Sampling(temperature=temperature, max_tokens=JUDGING.max_tokens)

    async def drawn(draw: int) -> Grades | None:
        first = parse_grades((await ask(asked, JUDGING if num_draws == 1 else warm, schema=schema, draw=draw)).text)
        return first or parse_grades((await ask(asked, warm, schema=schema, draw=num_draws + draw)).text)

    read = [found for found in await asyncio.gather(*map(drawn, range(num_draws))) if found]
    if not read:
        return None
    one, two, three = (mean([getattr(g, name) for g in read]) for name in ("correctness", "following", "completeness"))
    return Grades(one, two, three, read[0].reason, len(read))


def parse_grades(text: str) -> Grades | None:
    """Grades in a reply of JSON or of headed lines; None unless all three are whole numbers from 1 to 5."""
    found = find_json(text)
    if isinstance(found, dict) and set(CRITERIA) <= set(found):
        values, reason = [found[name] for name in CRITERIA], found.get("reason")
        reason = " ".join(reason.split())[:300] if isinstance(reason, str) else ""
    else:
        values, reason = [parse_score(text, line, 1, 5) for line in CRITERIA.values()], parse_reason(text)
    whole = [v for v in values if isinstance(v, int) and not isinstance(v, bool) and 1 <= v <= 5]
    return Grades(float(whole[0]), float(whole[1]), float(whole[2]), reason) if len(whole) == len(CRITERIA) else None


def flat_grades(grades: Mapping[str, Counter[float]], share: float = 0.8, at_least: int = 20) -> str | None:
    """A warning where one grade makes up more than `share` of all: published graders give most answers the same.

    `grades`: criterion -> grade -> answers; those of fewer answers than `at_least` are passed over.
    """
    flat = []
    for name, counts in grades.items():
        grade, times = counts.most_common(1)[0] if counts else (0.0, 0)
        if counts.total() >= at_least and times > share * counts.total():
            flat.append(f"{name} {grade:g} ({times / counts.total():.0%})")
    if not flat:
        return None
    return (
        f"The grader hardly tells answers apart, nearly all have {', '.join(flat)}; ranks within one grade are chance. "
        "More draws (select.grade.num_draws) or another judge may help."
    )
