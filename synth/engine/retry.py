"""The one retry loop: which failures are tried again, how often, and after how long.

Full jitter (a uniform wait up to the exponential bound) where the server says nothing; its Retry-After, exactly, where it
does. The SDK's own retries are off.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, stop_after_delay

from synth.errors import RetryableError

BASE_S, LONGEST_S = 0.5, 60.0
T = TypeVar("T")


def wait_time(attempt: int, retry_after: float | None, rng: random.Random) -> float:
    """Seconds to wait after failed attempt number `attempt` (1, 2, ...)."""
    if retry_after is not None:
        return retry_after
    return rng.uniform(0.0, min(LONGEST_S, BASE_S * 2.0 ** min(attempt, 16)))


async def with_retries(
    call: Callable[[], Awaitable[T]], rng: random.Random, max_attempts: int, deadline_s: float | None = None
) -> T:
    """`await call()` until it succeeds; the last RetryableError is raised after `max_attempts` or `deadline_s` seconds."""

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        retry_after = error.retry_after if isinstance(error, RetryableError) else None
        return wait_time(state.attempt_number, retry_after, rng)

    stop = stop_after_attempt(max_attempts)
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(RetryableError),
        wait=wait,
        stop=stop if deadline_s is None else stop | stop_after_delay(deadline_s),
        reraise=True,
    )
    return await retrying(call)
