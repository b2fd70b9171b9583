"""Strengths from games, and biases of judges from how they erred."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth.metrics import binomial_p_value
from synth.ranking import Game, Leaning, bradley_terry, length_leaning, position_leaning


def test_who_beats_all_others_is_strongest_and_results_without_an_order_are_equal() -> None:
    a, b, c = bradley_terry(3, [(0, 1, 1), (1, 2, 1), (0, 2, 1)])
    assert a > b > c and abs(a + c) < 1e-6 and abs(b) < 1e-6
    assert bradley_terry(3, [(0, 1, 1), (1, 2, 1), (2, 0, 1)]) == pytest.approx([0, 0, 0], abs=1e-6)
    assert bradley_terry(2, [(0, 1, 0.5)]) == pytest.approx([0, 0], abs=1e-6)
    assert bradley_terry(2, []) == [0, 0]


GAMES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0])), max_size=20).map(
    lambda games: [game for game in games if game[0] != game[1]]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(GAMES, st.permutations(range(4)))
def test_names_of_players_and_the_side_they_are_written_on_do_not_matter(games: list[Game], names: list[int]) -> None:
    found = bradley_terry(4, games)
    renamed = bradley_terry(4, [(names[b], names[a], 1 - share) for a, b, share in games])
    assert [renamed[names[player]] for player in range(4)] == pytest.approx(found, abs=1e-4)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(GAMES)
def test_one_more_win_never_makes_weaker(games: list[Game]) -> None:
    assert bradley_terry(4, [*games, (0, 1, 1.0)])[0] >= bradley_terry(4, games)[0] - 1e-4


def test_the_exact_binomial_test_gives_known_values() -> None:
    assert binomial_p_value(8, 8, 0.5) == pytest.approx(2 / 256)
    assert binomial_p_value(1, 10, 0.5) == pytest.approx(22 / 1024)
    assert binomial_p_value(5, 10, 0.5) == pytest.approx(1) and binomial_p_value(0, 0, 0.3) == 1.0
    assert binomial_p_value(3, 3, 1.0) == 1.0 and binomial_p_value(2, 3, 1.0) == 0.0


# --- judges made on purpose ------------------------------------------------------------------------------------------

PAIRS = 400


def leanings(seed: int, position: float = 0.0, length: float = 0.0, noise: float = 0.1) -> tuple[Leaning, Leaning]:
    """(by position, by length) of a judge over PAIRS pairs of a right and a wrong answer, in both orders.

    It takes the answer shown first with the share `position`, else the longer one with the share `length`, else the
    right one, and errs at random with the share `noise`. Right answers are longer in seven pairs of ten.
    """
    rng, first, second = random.Random(seed), 0, 0
    errors = {True: 0, False: 0}
    wrong = {True: 0, False: 0}
    for _ in range(PAIRS):
        wrong_is_longer = rng.random() < 0.3
        wrong[wrong_is_longer] += 1
        goes_by_length = rng.random() < length
        said = []  # in either order: does it take the right answer?
        for right_is_first in (True, False):
            if rng.random() < position:
                said.append(right_is_first)
            elif goes_by_length:
                said.append(not wrong_is_longer)
            else:
                said.append(rng.random() >= noise)
        first += said == [True, False]
        second += said == [False, True]
        errors[wrong_is_longer] += said == [False, False]
    return position_leaning(first, second), length_leaning(wrong[True], errors[True], wrong[False], errors[False])


def test_a_position_biased_judge_is_found_in_100_of_100_trials_and_not_called_length_biased() -> None:
    found = [leanings(seed, position=0.4) for seed in range(100)]
    assert [by_position.is_bias for by_position, _ in found] == [True] * 100
    assert not any(by_length.is_bias for _, by_length in found)


def test_a_length_biased_judge_is_found_in_100_of_100_trials_and_not_called_position_biased() -> None:
    found = [leanings(seed, length=0.4) for seed in range(100)]
    assert [by_length.is_bias for _, by_length in found] == [True] * 100
    assert not any(by_position.is_bias for by_position, _ in found)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
def test_an_honest_judge_is_never_called_biased_however_often_it_errs(noise: float) -> None:
    found = [leanings(seed, noise=noise) for seed in range(100)]
    assert not any(leaning.is_bias for pair in found for leaning in pair)
