"""The simulation of the engine obeys what must hold of any run, and the tables of docs/scale.md are its own."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import scale  # noqa: E402
from virtual_engine import REAL_SHAPE, Bootstrap, World, lognormal, simulate  # noqa: E402

STEADY = (1.0, 1.0)


def test_answers_of_equal_length_fill_all_slots_in_rounds() -> None:
    seen = simulate(World(8, latency=2.0, shape=STEADY, errors=0.0, cpu_s=0.0), 80)
    assert seen.attempts == 80
    assert 20.0 <= seen.span_s < 20.5


def test_every_failed_attempt_is_made_again_and_no_other() -> None:
    seen = simulate(World(16, errors=0.1, throttled=0.1), 400)
    assert len(seen.answered) == 400
    assert 450 < seen.attempts < 560


def test_a_run_is_the_same_each_time() -> None:
    one, two = (simulate(World(16, errors=0.05), 60, Bootstrap(60, 5, 0.8)) for _ in range(2))
    assert (one.answered, one.attempts, one.busy) == (two.answered, two.attempts, two.busy)


def test_no_more_is_asked_than_one_event_loop_can_do() -> None:
    seen = simulate(World(512, latency=1.0, cpu_s=0.01), 1000)
    assert 60 < seen.attempts / seen.span_s < 100.2


def test_bootstrap_asks_for_what_its_acceptance_calls_for() -> None:
    seen = simulate(World(8, errors=0.0), 200, Bootstrap(200, 5, 0.5), answers=0)
    assert 200 / 2.5 <= seen.attempts < 1.3 * 200 / 2.5


@pytest.mark.parametrize("shape", [REAL_SHAPE, lognormal(0.6)])
def test_latencies_have_the_mean_that_was_asked_for(shape: tuple[float, ...]) -> None:
    seen = simulate(World(32, latency=3.0, shape=shape), 1500)
    assert seen.busy / seen.attempts == pytest.approx(3.0, rel=0.1)


def test_the_page_shows_the_tables_that_are_printed() -> None:
    text = (ROOT / "docs" / "scale.md").read_text("utf-8")
    for table in "\n".join(scale.page()).split("\n\n"):
        assert table.strip() in text, table


@pytest.mark.parametrize("kind", ["records", pytest.param("window 256", marks=pytest.mark.slow)])
def test_the_rates_of_the_page_are_simulated(kind: str) -> None:
    assert scale.simulated(kind, 64) == pytest.approx(scale.RATES[kind, 64], rel=0.1)


def test_time_and_ledger_grow_with_the_rows() -> None:
    stage = scale.STAGES[0]
    assert math.isclose(stage.requests * 150, 184)
    small, large = ("\n".join(scale.by_stage(rows)) for rows in (1_000_000, 10_000_000))
    assert "5.56 GB" in small and "55.6 GB" in large
