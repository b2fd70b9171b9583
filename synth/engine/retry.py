"""The one retry loop: which failures are tried again, how often, and after how long.

Full jitter (a uniform wait up to the exponential bound) where the server says nothing; its Retry-After, exactly, where
it does. A 429 is a matter of waiting and costs no attempt: only the deadline bounds it. The SDK's own retries are off.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from synth.errors import RetryableError

BASE_S, LONGEST_S, LONGEST_THROTTLED_S = 0.5, 60.0, 4.0
T = TypeVar("T")


def wait_time(failure: int, error: RetryableError, rng: random.Random) -> float:
    """Seconds to wait after failure number `failure` (1, 2, ...) of its kind."""
    if error.retry_after is not None:
        return error.retry_after
    longest = LONGEST_THROTTLED_S if error.is_throttle else LONGEST_S
    return rng.uniform(0.0, min(longest, BASE_S * 2.0 ** min(failure - 1, 16)))


async def with_retries(
    call: Callable[[], Awaitable[T]],
    seed: int,
    max_attempts: int,
    deadline_s: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """`await call()` until it succeeds, waiting by `sleep` in between; `seed` is that of the jitter.

    The last RetryableError is raised after `max_attempts` failures other than 429s, and as soon as the next attempt
    would start more than `deadline_s` seconds after the first.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + deadline_s
    failed: RetryableError | None = None
    failures = {True: 0, False: 0}  # by whether it was a 429
    try:
        return await call()  # nearly always all there is to do, and much cheaper without the machinery
    except RetryableError as error:
        failed = error
    rng = random.Random(seed)

    async def attempt() -> T:
        nonlocal failed
        if failed is not None:
            first, failed = failed, None
            raise first
        return await call()

    def wait(state: RetryCallState) -> float:
        error = _error(state)
        failures[error.is_throttle] += 1
        return wait_time(failures[error.is_throttle], error, rng)

    def stop(state: RetryCallState) -> bool:
        return failures[False] >= max_attempts or now() + state.upcoming_sleep > deadline

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(RetryableError),
        wait=wait,
        stop=stop,
        sleep=sleep,
        reraise=True,
    )
    return await retrying(attempt)


def _error(state: RetryCallState) -> RetryableError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, RetryableError)
    return error
