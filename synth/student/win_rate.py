"""How often one student's answers are preferred to another's, and how often they would be at equal length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from synth.metrics import wilson_interval
from synth.student.scores import Score, score

RESAMPLES = 2000
RIDGE = 0.01  # keeps the regression finite where one side always wins


def win_rates(
    student: str, against: str, wins: Sequence[float], lengths: Sequence[tuple[int, int]], seed: int = 0
) -> list[Score]:
    """The win rate and the length-controlled one, with 95 % bootstrap intervals over items.

    `wins`: 1, 0 or 0.5 (a tie) for each item; `lengths`: of both answers. Length control is AlpacaEval 2's idea
    (arXiv 2404.04475): a logistic regression of the wins on the tanh of the difference in length, in units of its
    spread; the rate is what it foretells where the difference is 0. Unlike there, no item has a term of its own.
    """
    import numpy as np

    found = [score(student, f"win rate over {against}", wins, seed)]
    if set(wins) == {0.5}:  # redrawing ties shows no spread: as wide as the share of decided items may be
        spread = wilson_interval(0, len(wins))[1] / 2
        return [replace(found[0], low=0.5 - spread, high=0.5 + spread)]
    gaps = np.array([own - other for own, other in lengths], dtype=np.float64)
    if not gaps.any():
        return found
    terms = np.stack([np.ones(len(gaps)), np.tanh(gaps / gaps.std() if gaps.std() else np.sign(gaps))], axis=1)
    every = np.ones((1, len(gaps)))
    drawn = np.random.default_rng(seed).multinomial(len(gaps), np.full(len(gaps), 1 / len(gaps)), RESAMPLES)
    rates = _at_equal_length(terms, np.array(wins, dtype=np.float64), np.concatenate([every, drawn]))
    low, high = np.quantile(rates[1:], [0.025, 0.975])
    name = f"win rate over {against} at equal length"
    return [*found, Score(student, name, float(rates[0]), float(low), float(high), len(gaps))]


def _at_equal_length(terms: Any, wins: Any, weights: Any) -> Any:
    """The rate where the second term is 0, of a regression for each row of `weights`, by Newton's method."""
    import numpy as np

    fitted = np.zeros((len(weights), 2))
    for _ in range(25):
        likely = 1 / (1 + np.exp(-np.clip(fitted @ terms.T, -30, 30)))
        slope = (weights * (wins - likely)) @ terms - RIDGE * fitted
        bend = np.einsum("rn,ni,nj->rij", weights * likely * (1 - likely), terms, terms) + RIDGE * np.eye(2)
        fitted += np.clip(np.linalg.solve(bend, slope[:, :, None])[:, :, 0], -2, 2)
    return 1 / (1 + np.exp(-fitted[:, 0]))
