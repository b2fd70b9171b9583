"""From comparisons to an order of answers, and from how a judge erred to what it leans to. Pure functions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from synth.metrics import binomial_p_value, wilson_interval

Game = tuple[int, int, float]
"""Two players by number, and the share of the game that the first one won: 1, 0, or 0.5 for a tie."""
Pair = tuple[int, int]
Votes = dict[Pair, int]
"""Pair of answers → 1 where the first was found better, -1 the second, 0 a tie; those nobody could read are missing."""
DECIDED_BY = 1e-5
"""A leaning this unlikely of an honest judge is called a bias: over a hundred runs, one false alarm in five hundred."""


def bradley_terry(num_players: int, games: Sequence[Game]) -> list[float]:
    """The strength of each player in log-odds (Bradley and Terry 1952): i beats j with 1 / (1 + exp(s_j - s_i)).

    A tie counts as half a win for both. Every player also has one tied game against a player of strength 0: that keeps
    the strength of one who won or lost all finite, and equal results equal. Fitted by the MM steps of Hunter (2004).
    """
    wins = [0.5] * num_players
    for one, other, share in games:
        wins[one] += share
        wins[other] += 1 - share
    strengths = [1.0] * num_players
    for _ in range(1000):
        meets = [1 / (strength + 1) for strength in strengths]
        for one, other, _share in games:
            chance = 1 / (strengths[one] + strengths[other])
            meets[one] += chance
            meets[other] += chance
        before, strengths = strengths, [won / met for won, met in zip(wins, meets, strict=True)]
        if all(math.isclose(old, new, rel_tol=1e-10) for old, new in zip(before, strengths, strict=True)):
            break
    return [math.log(strength) for strength in strengths]


def strengths_of(num_answers: int, votes: Sequence[Votes]) -> tuple[float | None, ...]:
    """By all judges' votes; each stands for two games, since it was asked for in both orders."""
    games: list[Game] = [(*pair, (vote + 1) / 2) for one in votes for pair, vote in one.items() for _ in range(2)]
    judged = {player for one, other, _ in games for player in (one, other)}
    strengths = bradley_terry(num_answers, games)
    return tuple(strength if n in judged else None for n, strength in enumerate(strengths))


@dataclass(frozen=True, slots=True)
class Ranking:
    """Answers by score; None for one that could not be judged. `by`: verify, pairs or grades; `votes`: of each judge.

    `counts`: how the judges judged: `pairs`, and of them `ties`, `flips` (another verdict in the other order), `first`
    and `second` (flips that took that place twice), `longer` and `shorter` (the better one), `unreadable`; and pairs of
    judges that `agree` or `differ`.
    """

    by: str
    scores: tuple[float | None, ...]
    votes: tuple[Votes, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)

    def order(self) -> list[int]:
        """The answers that have a score, the best first, equal ones as they came."""
        return sorted((n for n, score in enumerate(self.scores) if score is not None), key=lambda n: -self.score(n))

    def score(self, number: int) -> float:
        """The score of an answer that has one."""
        return self.scores[number] or 0.0

    def of_first(self) -> dict[str, int]:
        """How often the first answer won, lost and tied."""
        found = Counter(vote for votes in self.votes for (one, _), vote in votes.items() if one == 0)
        return {name: found[vote] for name, vote in (("won", 1), ("lost", -1), ("tied", 0)) if found[vote]}

    def is_better(self, one: int, other: int, min_margin: float) -> bool:
        """Is `one` better by more than the margin, and not against what the judges said of just these two?"""
        direct = sum(votes.get((one, other), -votes.get((other, one), 0)) for votes in self.votes)
        return self.score(one) - self.score(other) > max(min_margin, 1e-6) and (not self.votes or direct > 0)


@dataclass(frozen=True, slots=True)
class Leaning:
    """How often something went one way, and how often the other; `expected` is the share `toward` without a bias."""

    toward: int
    away: int
    expected: float = 0.5

    @property
    def total(self) -> int:
        """All cases."""
        return self.toward + self.away

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share `toward`."""
        return wilson_interval(self.toward, self.total)

    @property
    def p_value(self) -> float:
        """How likely so uneven a split is without a bias (exact binomial test, two-sided)."""
        return binomial_p_value(self.toward, self.total, self.expected)

    @property
    def is_bias(self) -> bool:
        """Is it too uneven to be chance?"""
        return self.p_value < DECIDED_BY


def position_leaning(first: int, second: int) -> Leaning:
    """Pairs of which a judge took the answer shown first, or the one shown second, in both orders.

    An honest judge that errs at random errs both ways alike, whatever the answers are: no truth is needed.
    """
    return Leaning(first, second)


def length_leaning(long_wrong: int, long_errors: int, short_wrong: int, short_errors: int) -> Leaning:
    """Errors of a judge by whether the wrong answer was the longer one.

    `long_wrong`, `short_wrong`: pairs with a known truth in which it was, and was not; `..._errors`: those of them in
    which the judge took the wrong answer. An honest judge errs as often in both, so truth and length are kept apart.
    """
    pairs = long_wrong + short_wrong
    return Leaning(long_errors, short_errors, long_wrong / pairs if pairs else 0.5)
