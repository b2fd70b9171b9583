"""A model compares or rates answers: every pair in both orders, verdicts turned into win rates with intervals.

How to ask is passed in, so the same code runs through the engine's ledger or on any other model. Nothing is decided by
one order alone, and nothing is called better than the numbers allow.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from synth.errors import UsageError
from synth.metrics import bootstrap_interval, mean, wilson_interval
from synth.models.base import Completion, Sampling
from synth.parsing import find_json, parse_choice, parse_reason, parse_score
from synth.prompts import Prompt, render
from synth.records import Record

if TYPE_CHECKING:
    import numpy as np

    FloatArray = np.ndarray[Any, np.dtype[np.float64]]

Ask = Callable[[Prompt, Sampling], Awaitable[Completion]]
Winner = Literal["one", "other", "tie"]
Level = Literal["A", "B", "C", "D"]

JUDGING = Sampling(temperature=0.0, max_tokens=512)
MIN_FOR_LENGTH_CONTROL = 100  # games; with fewer the fitted rate is too uncertain to be shown


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one task, by the systems "one" and "other". `talk`: see `Record.talk`."""

    instruction: str
    input: str
    one: str
    other: str
    talk: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of a pair. `is_inconsistent`: the verdict changed with the order (then it is a tie).

    `is_unreadable`: at least one reply held no verdict (a tie as well). `was_asked` is False where an empty answer
    decided without the judge.
    """

    pair: Pair
    winner: Winner
    is_inconsistent: bool = False
    is_unreadable: bool = False
    was_asked: bool = True
    reasons: tuple[str, str] = ("", "")

    @property
    def score(self) -> float:
        """1 for a win of "one", 0 for a win of "other", 0.5 for a tie."""
        return {"one": 1.0, "other": 0.0, "tie": 0.5}[self.winner]


async def compare(ask: Ask, pair: Pair) -> Comparison:
    """Judge one pair in both orders (Zheng et al., MT-Bench, arXiv 2306.05685, section 3.4): agreement or a tie.

    An empty answer loses to one that is not, without a question; equal answers tie.
    """
    if not pair.one.strip() or not pair.other.strip() or pair.one.strip() == pair.other.strip():
        is_tie = bool(pair.one.strip()) == bool(pair.other.strip())
        return Comparison(pair, "tie" if is_tie else "one" if pair.one.strip() else "other", was_asked=False)
    first, second = await asyncio.gather(_verdict(ask, pair, False), _verdict(ask, pair, True))
    reasons = (first[1], second[1])
    if first[0] is None or second[0] is None:
        return Comparison(pair, "tie", is_unreadable=True, reasons=reasons)
    if first[0] != second[0]:
        return Comparison(pair, "tie", is_inconsistent=True, reasons=reasons)
    return Comparison(pair, first[0], reasons=reasons)


async def _verdict(ask: Ask, pair: Pair, is_swapped: bool) -> tuple[Winner | None, str]:
    answers = (pair.other, pair.one) if is_swapped else (pair.one, pair.other)
    prompt = render(
        "judge_pair",
        instruction=pair.instruction,
        input=pair.input,
        talk=pair.talk,
        answer_a=answers[0],
        answer_b=answers[1],
    )
    text = (await ask(prompt, JUDGING)).text
    choice = parse_choice(text, "Verdict", ("A", "B", "tie"))
    if choice is None or choice == "tie":
        return ("tie" if choice else None), parse_reason(text)
    return ("one" if (choice == "A") != is_swapped else "other"), parse_reason(text)


async def rate(ask: Ask, record: Record, reference: str = "") -> Level | None:
    """The level A to D of Self-Instruct's rubric; D without a question for an empty answer, None when unreadable."""
    if not record.output.strip():
        return "D"
    texts = {"instruction": record.instruction, "input": record.input, "talk": record.talk}
    texts |= {"answer": record.output, "reference": reference}
    prompt = render("rubric", **texts)
    choice = parse_choice((await ask(prompt, JUDGING)).text, "Level", ("A", "B", "C", "D"))
    return choice  # type: ignore[return-value]


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


# --- what many comparisons say ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WinRate:
    """The share of games that "one" wins, ties counted half, in 0..1, with 95 % intervals.

    `controlled`: the same at equal answer length, None with fewer than MIN_FOR_LENGTH_CONTROL games. `inconsistency`:
    the share of judged games whose verdict changed with the order.
    """

    value: float
    interval: tuple[float, float]
    controlled: float | None
    controlled_interval: tuple[float, float] | None
    inconsistency: float
    inconsistency_interval: tuple[float, float]
    num_games: int
    num_ties: int
    num_unreadable: int

    @property
    def verdict(self) -> str:
        """ "better" or "worse" only where the whole interval (length-controlled if there is one) allows it."""
        low, high = self.controlled_interval or self.interval
        return "better" if low > 0.5 else "worse" if high < 0.5 else "no difference is visible"


def win_rate(comparisons: Sequence[Comparison], seed: int = 0, resamples: int = 1000) -> WinRate:
    """Sum up comparisons. Intervals by bootstrap over pairs. Raises UsageError where there is nothing to sum up."""
    if not comparisons:
        raise UsageError("no pairs were judged", "give at least one pair of answers")
    scores = [comparison.score for comparison in comparisons]
    gaps = [float(len(c.pair.one) - len(c.pair.other)) for c in comparisons]
    has_control = len(comparisons) >= MIN_FOR_LENGTH_CONTROL
    judged = [c for c in comparisons if c.was_asked]
    flipped = sum(c.is_inconsistent for c in judged)
    return WinRate(
        mean(scores),
        bootstrap_interval(scores, seed, resamples),
        length_controlled(scores, gaps) if has_control else None,
        _controlled_interval(scores, gaps, seed, resamples) if has_control else None,
        flipped / len(judged) if judged else 0.0,
        wilson_interval(flipped, len(judged)),
        len(comparisons),
        sum(c.winner == "tie" for c in comparisons),
        sum(c.is_unreadable for c in comparisons),
    )


def length_controlled(scores: Sequence[float], gaps: Sequence[float]) -> float:
    """The win rate that is left when both answers are equally long (after Dubois et al. 2024, arXiv 2404.04475).

    A logistic model of the score in [0, 1] with an intercept and tanh(gap / standard deviation of the gaps), read at
    gap 0. `gaps`: length of "one" minus length of "other", in any unit. AlpacaEval's term for the difficulty of its own
    805 instructions is left out, since it exists for those only.
    """
    import numpy as np

    return float(_fitted_rates(np.asarray([scores], dtype=float), np.asarray([gaps], dtype=float))[0])


def _fitted_rates(scores: FloatArray, gaps: FloatArray) -> FloatArray:
    """The same for many samples at once: arrays of (samples, games) in, (samples,) out; Newton's method, ridge 1e-3."""
    import numpy as np

    spread = gaps.std(axis=1, keepdims=True)
    x = np.tanh(gaps / np.where(spread == 0, 1.0, spread))
    intercept, slope = np.zeros((len(scores), 1)), np.zeros((len(scores), 1))
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(intercept + slope * x, -30, 30)))
        weight, rest = p * (1 - p), scores - p
        grad_i = rest.sum(axis=1, keepdims=True) - 1e-3 * intercept
        grad_s = (rest * x).sum(axis=1, keepdims=True) - 1e-3 * slope
        a = weight.sum(axis=1, keepdims=True) + 1e-3
        b = (weight * x).sum(axis=1, keepdims=True)
        c = (weight * x * x).sum(axis=1, keepdims=True) + 1e-3
        determinant = a * c - b * b
        step_i, step_s = (c * grad_i - b * grad_s) / determinant, (a * grad_s - b * grad_i) / determinant
        intercept, slope = intercept + np.clip(step_i, -2, 2), slope + np.clip(step_s, -2, 2)
    rates: FloatArray = 1 / (1 + np.exp(-intercept[:, 0]))
    return rates


def _controlled_interval(
    scores: Sequence[float], gaps: Sequence[float], seed: int, resamples: int
) -> tuple[float, float]:
    import numpy as np

    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(scores), size=(resamples, len(scores)))
    rates = _fitted_rates(np.asarray(scores)[drawn], np.asarray(gaps)[drawn])
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(low), float(high)


def level_shares(levels: Sequence[Level | None]) -> dict[str, tuple[float, float, float]]:
    """Level -> (share, low, high) among the readable ones, and "A+B" (the paper's "acceptable") beside them."""
    counts: Counter[str] = Counter(level for level in levels if level is not None)
    total = counts.total()
    wanted = {"A": ("A",), "B": ("B",), "C": ("C",), "D": ("D",), "A+B": ("A", "B")}
    shares = {}
    for name, members in wanted.items():
        hits = sum(counts[member] for member in members)
        shares[name] = (hits / total if total else math.nan, *wilson_interval(hits, total))
    return shares


def weighted_kappa(one: Sequence[Level], other: Sequence[Level]) -> float:
    """Agreement of two raters on the ordered levels beyond chance (Cohen 1968, linear weights), 1 at best.

    Raises UsageError for lists of unequal length or none; nan where both raters gave one and the same level throughout.
    """
    if not one or len(one) != len(other):
        raise UsageError("two lists of equal length are needed for an agreement", "rate the same answers twice")
    place = {"A": 0, "B": 1, "C": 2, "D": 3}
    observed = sum(abs(place[a] - place[b]) for a, b in zip(one, other, strict=True)) / len(one)
    counts_one, counts_other = Counter(one), Counter(other)
    pairs = [(a, b) for a in counts_one for b in counts_other]
    chance = sum(counts_one[a] * counts_other[b] * abs(place[a] - place[b]) for a, b in pairs) / len(one) ** 2
    return 1 - observed / chance if chance else math.nan
