"""The one retry loop: which failures are tried again, how often, and after how long.

Full jitter (a uniform wait up to the exponential bound) where the server says nothing; its Retry-After, exactly, where
it does. A 429 and a server that is away are matters of waiting and cost no attempt: only the deadline bounds them. The
SDK's own retries are off.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from synth.errors import RetryableError

BASE_S, LONGEST_S, LONGEST_WAITING_S = 0.5, 60.0, 4.0
T = TypeVar("T")


def is_waiting(error: RetryableError) -> bool:
    """Is this a matter of waiting, not of trying so many times?"""
    return error.is_throttle or error.is_outage


def wait_time(failure: int, error: RetryableError, rng: random.Random) -> float:
    """Seconds to wait after failure number `failure` (1, 2, ...) of its kind."""
    if error.retry_after is not None:
        return error.retry_after
    longest = LONGEST_WAITING_S if is_waiting(error) else LONGEST_S
    return rng.uniform(0.0, min(longest, BASE_S * 2.0 ** min(failure - 1, 16)))


async def with_retries(
    call: Callable[[], Awaitable[T]],
    seed: int,
    max_attempts: int,
    deadline_s: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """`await call()` until it succeeds, waiting by `sleep` in between; `seed` is that of the jitter.

    The last RetryableError is raised after `max_attempts` failures other than those that only need waiting, and as soon
    as the next attempt would start more than `deadline_s` seconds after the first.
    """
    deadline = asyncio.get_running_loop().time() + deadline_s
    try:
        return await call()  # nearly always all there is to do, and much cheaper without the machinery
    except RetryableError as error:
        failed = [error]

    async def attempt() -> T:
        if failed:
            raise failed.pop()
        return await call()

    return await _retrying(random.Random(seed), max_attempts, deadline, sleep)(attempt)


def _retrying(
    rng: random.Random, max_attempts: int, deadline: float, sleep: Callable[[float], Awaitable[None]]
) -> AsyncRetrying:
    failures = {True: 0, False: 0}  # by whether it only needs waiting
    now = asyncio.get_running_loop().time

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, RetryableError)
        failures[is_waiting(error)] += 1
        return wait_time(failures[is_waiting(error)], error, rng)

    def stop(state: RetryCallState) -> bool:
        return failures[False] >= max_attempts or now() + state.upcoming_sleep > deadline

    may_help = retry_if_exception_type(RetryableError)
    return AsyncRetrying(retry=may_help, wait=wait, stop=stop, sleep=sleep, reraise=True)
