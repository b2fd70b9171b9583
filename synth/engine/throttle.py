"""How many requests may be in flight: a fixed number, or found by additive increase and multiplicative decrease (AIMD).

`AdaptiveLimit` is the controller, pure but for the clock it is given. `Throttle` makes coroutines wait for it, those of
an earlier stage first. The rules: doubling until the first 429 or until more requests bring no more answers; then +1
per round; x0.75 once per burst of 429s; nothing leaves before Retry-After has passed; growth only when the limit was
really used. A server that queues instead of refusing (vLLM) is noticed by its rate of answers, which stops growing.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

START, MAX = 16, 256
CUT = 0.75
COOLDOWN_S = 2.0
GAIN_DOUBLING, GAIN_PROBE = 1.25, 1.05
"""Answers per second must grow by this factor for doubling (for a probe of +1/8) to go on."""
REPROBE_ROUNDS = 10


class AdaptiveLimit:
    """The limit on requests in flight towards one endpoint and model.

    Call `on_answer` and `on_throttle` as they happen; read `limit` and `paused_until` (on the clock given).
    """

    def __init__(self, start: int = START, maximum: int = MAX, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = max(1, min(start, maximum))
        self.maximum = maximum
        self.paused_until = 0.0
        self.cuts = 0
        self._clock = clock
        self._doubling = True
        self._cooldown_until = 0.0
        self._answers = 0
        self._busiest = 0
        self._round_start = clock()
        self._before: tuple[int, float] | None = None
        self._hold = 0

    def on_answer(self, in_flight: int) -> None:
        """An answer came while `in_flight` requests (itself included) were out."""
        now = self._clock()
        self._busiest = max(self._busiest, in_flight)
        if now < self._cooldown_until:
            self._new_round(now)
            return
        self._answers += 1
        if self._answers >= self.limit:
            self._end_round(now)

    def on_throttle(self, retry_after: float | None) -> None:
        """A 429 (or a 503 with a wish) came; `retry_after` in seconds. One cut per burst."""
        now = self._clock()
        if retry_after is not None:
            self.paused_until = max(self.paused_until, now + retry_after)
        if now >= self._cooldown_until:
            self.limit = max(1, int(self.limit * CUT))
            self.cuts += 1
            self._doubling, self._before, self._hold = False, None, 0
        self._cooldown_until = max(self._cooldown_until, now + COOLDOWN_S, self.paused_until)
        self._new_round(now)

    def _new_round(self, now: float) -> None:
        self._answers, self._busiest, self._round_start = 0, 0, now

    def _end_round(self, now: float) -> None:
        rate = self._answers / max(now - self._round_start, 1e-6)
        used = self._busiest >= 0.8 * self.limit
        self._new_round(now)
        if not used or self.limit >= self.maximum:
            return
        if self._hold > 0:
            self._hold -= 1
            return
        if self._before and self._fruitless(rate):
            self.limit, self._before = self._before[0], None
            self._doubling, self._hold = False, REPROBE_ROUNDS
            return
        self._before = (self.limit, rate)
        step = self.limit if self._doubling else max(1, self.limit // 8 if not self.cuts else 1)
        self.limit = min(self.maximum, self.limit + step)

    def _fruitless(self, rate: float) -> bool:
        """Did the last growth bring no more answers? After a cut the 429s decide, not the rate."""
        if self.cuts or self._before is None:
            return False
        before, rate_before = self._before
        wanted = GAIN_DOUBLING if self.limit >= 2 * before else GAIN_PROBE
        return rate < wanted * rate_before


class Throttle:
    """Slots for requests. `concurrency` is a number, or None for an adaptive limit."""

    def __init__(self, concurrency: int | None = None, maximum: int = MAX) -> None:
        if concurrency is None:
            self.control = AdaptiveLimit(START, maximum)
        else:
            self.control = AdaptiveLimit(concurrency, concurrency)
        self._adaptive = concurrency is None
        self.in_flight = 0
        self.peak = 0
        self.throttled = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: BaseException | None = None

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return self.control.limit

    async def acquire(self, priority: int = 0) -> None:
        """Take one slot; lower `priority` first, then first come first served. Give it back with `release`."""
        if self._stopped:
            raise self._stopped
        if self._waiting or not self._may_start():
            await self._wait(priority)
        else:
            self._count(+1)

    def release(self) -> None:
        """Give a slot back."""
        self._count(-1)
        self._grant()

    def answered(self) -> None:
        """Tell the controller about an answer; call it while the slot is held."""
        if self._adaptive:
            self.control.on_answer(self.in_flight)

    def refused(self, retry_after: float | None) -> None:
        """Tell the controller about a 429."""
        self.throttled += 1
        if self._adaptive:
            self.control.on_throttle(retry_after)
        elif retry_after is not None:
            self.control.paused_until = max(self.control.paused_until, time.monotonic() + retry_after)

    def stop(self, reason: BaseException) -> None:
        """Start nothing more: everyone who waits for a slot, now or later, gets `reason`."""
        self._stopped = reason
        for _, _, waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(reason)
                waiter.exception()
        self._waiting.clear()

    def _count(self, change: int) -> None:
        self.in_flight += change
        self.peak = max(self.peak, self.in_flight)

    def _may_start(self) -> bool:
        return self.in_flight < self.control.limit and time.monotonic() >= self.control.paused_until

    async def _wait(self, priority: int) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), waiter))
        self._grant()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._count(-1)
                self._grant()
            raise

    def _grant(self) -> None:
        while self._waiting and self._may_start():
            _, _, waiter = heapq.heappop(self._waiting)
            if not waiter.done():
                self._count(+1)
                waiter.set_result(None)
        pause = self.control.paused_until - time.monotonic()
        if self._waiting and pause > 0 and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(pause, self._resume)

    def _resume(self) -> None:
        self._timer = None
        self._grant()
