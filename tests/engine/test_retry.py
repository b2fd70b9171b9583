"""What is tried again, how often, and when, on a virtual clock."""

from __future__ import annotations

import itertools
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import VirtualLoop, run_virtual

from synth.engine.retry import wait_time, with_retries
from synth.errors import RequestRefused, RetryableError


def tried(failures: list[Exception], *, max_attempts: int = 8, deadline_s: float = 900.0) -> tuple[list[float], object]:
    """The times of the attempts, and what came of them: `failures` in turn, the last one for ever."""

    async def main(loop: VirtualLoop) -> tuple[list[float], object]:
        times: list[float] = []

        async def call() -> str:
            times.append(loop.now)
            if len(times) <= len(failures):
                raise failures[len(times) - 1]
            return "answer"

        try:
            return times, await with_retries(call, 1, max_attempts, deadline_s)
        except Exception as error:
            return times, error

    return run_virtual(main)


def test_hard_failures_end_after_max_attempts_and_raise_the_last() -> None:
    last = RetryableError("5", "server_error")
    times, result = tried([RetryableError("x", "server_error")] * 4 + [last] * 9, max_attempts=5)
    assert len(times) == 5 and result is last


def test_rate_limits_cost_no_attempt_only_time() -> None:
    busy = RetryableError("busy", "rate_limit", is_throttle=True)
    times, result = tried([busy] * 60, max_attempts=3)
    assert len(times) == 61 and result == "answer"
    times, result = tried([busy] * 10_000, max_attempts=3, deadline_s=100.0)
    assert result is busy and times[-1] <= 100.0


def test_what_will_never_succeed_is_not_tried_again() -> None:
    refused = RequestRefused("no", "bad_request")
    assert tried([refused])[1] is refused


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 300), min_size=1, max_size=12), st.floats(1, 600))
def test_retry_after_is_obeyed_exactly_and_capped_by_the_deadline(wishes: list[float], deadline: float) -> None:
    failures = [RetryableError("", "rate_limit", retry_after=wish, is_throttle=True) for wish in wishes]
    times, _ = tried(list(failures), deadline_s=deadline)
    waits = [b - a for a, b in itertools.pairwise(times)]
    assert waits == pytest.approx(wishes[: len(waits)])
    assert times[-1] <= deadline
    assert len(times) == len(wishes) + 1 or times[-1] + wishes[len(times) - 1] > deadline


def test_jitter_is_full() -> None:
    rng = random.Random(3)
    waits = [wait_time(4, RetryableError("", "timeout"), rng) for _ in range(4000)]
    assert 0 <= min(waits) < 0.01 and 3.99 < max(waits) <= 4.0
    assert statistics.mean(waits) == pytest.approx(2.0, abs=0.1)
    assert statistics.stdev(waits) == pytest.approx(4.0 / 12**0.5, abs=0.1)
    assert wait_time(90, RetryableError("", "timeout"), rng) <= 60.0
