"""Win rates: shares with intervals, and what they would be at equal length."""

from __future__ import annotations

import math
import random

import pytest

from synth.student.win_rate import win_rates


def verdicts(number: int, skill: float, taste_for_length: float) -> tuple[list[float], list[tuple[int, int]]]:
    """Wins of a judge that likes longer answers; the student writes 100 characters more on average."""
    rng = random.Random(7)
    wins, lengths = [], []
    for _ in range(number):
        gap = rng.gauss(100, 100)
        lengths.append((int(300 + gap), 300))
        likely = 1 / (1 + math.exp(-skill - taste_for_length * math.tanh(gap / 100)))
        wins.append(float(rng.random() < likely))
    return wins, lengths


def test_a_taste_for_length_is_taken_out_and_none_changes_little() -> None:
    plain, equal = win_rates("new", "old", *verdicts(800, 0.0, 3.0))
    assert plain.value > 0.7 and equal.value == pytest.approx(0.5, abs=0.08) and equal.low < 0.5 < equal.high
    plain, equal = win_rates("new", "old", *verdicts(800, 0.5, 0.0))
    assert plain.low < plain.value < plain.high and equal.value == pytest.approx(plain.value, abs=0.04)
    assert (plain.metric, equal.metric) == ("win rate over old", "win rate over old at equal length")


def test_the_two_sides_add_up_to_one() -> None:
    wins, lengths = verdicts(300, 0.4, 1.0)
    ours = win_rates("new", "old", wins, lengths)
    theirs = win_rates("old", "new", [1 - one for one in wins], [(other, own) for own, other in lengths])
    for one, other in zip(ours, theirs, strict=True):
        assert one.value + other.value == pytest.approx(1, abs=1e-6)


def test_one_side_that_always_wins_and_answers_of_one_length_give_numbers() -> None:
    plain, equal = win_rates("new", "old", [1.0] * 20, [(5 + n, 4) for n in range(20)])
    assert plain.value == 1 and 0.5 < equal.low <= equal.high <= 1
    (alone,) = win_rates("new", "old", [1.0, 0.5, 0.0], [(3, 3)] * 3)
    assert alone.value == 0.5
    (tied,) = win_rates("new", "old", [0.5] * 20, [(n, 3) for n in range(20)])
    assert tied.value == 0.5 and tied.low < 0.45 and tied.high > 0.55
    constant = win_rates("new", "old", [1.0, 0.0] * 10, [(5, 3)] * 20)
    assert constant[1].num_items == 20 and 0 <= constant[1].low <= constant[1].high <= 1
