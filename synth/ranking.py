"""From comparisons to an order of answers, and from how a judge erred to what it leans to. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from synth.metrics import binomial_p_value, wilson_interval

Game = tuple[int, int, float]
"""Two players by number, and the share of the game that the first one won: 1, 0, or 0.5 for a tie."""
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
