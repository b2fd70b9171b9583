"""Slots for requests: everyone waits here for a turn, those of a later stage first.

How many slots there are is found by `AdaptiveLimit`, up to a maximum, or told by the server's load where a model offers
a look at it. A request that was refused for load (429) keeps its slot while it waits to try again, so a server that is
full is not hammered by the next in line.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

from synth.engine.adaptive import MAX, START, AdaptiveLimit
from synth.engine.load import LoadFollower, Look

LOOK_S, LONGEST_LOOK_S = 0.25, 2.0
"""Seconds between two looks at a server's load: after a change of the limit, and at most."""


class Throttle:
    """Slots towards one endpoint and model: `concurrency`, or fewer if the server cannot take them; None finds out."""

    def __init__(
        self,
        concurrency: int | None = None,
        maximum: int = MAX,
        clock: Callable[[], float] = time.monotonic,
        look: Look | None = None,
    ) -> None:
        """`look`: the load of the server, where it can be had; a fixed number of slots has no use for it."""
        self.control = AdaptiveLimit(concurrency or START, concurrency or maximum, clock)
        self.clock = clock
        self.in_flight = 0
        self.napping = 0
        self.peak = 0
        self.throttled = 0
        self.noted_limit = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: BaseException | None = None
        self._look = look if concurrency is None else None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return self.control.limit

    async def acquire(self, priority: int = 0) -> None:
        """Take one slot; lower `priority` first, then first come first served. Give it back with `release`."""
        if self._stopped:
            raise self._stopped.with_traceback(None)
        if not self._waiting and self._may_start():
            self._count(+1)
            return
        await self._wait(priority)
        while self.clock() < self.control.paused_until:  # a pause came between the grant and this moment
            self.release()
            await self._wait(priority)

    def release(self) -> None:
        """Give a slot back."""
        self._count(-1)
        self._grant()

    def may_keep(self) -> bool:
        """May a request that kept its slot while it waited go on at once? Not if there are fewer slots by now."""
        return self.in_flight <= self.limit and self.clock() >= self.control.paused_until

    def answered(self, sent_at: float) -> None:
        """An answer came to a request that left at `sent_at`; call it while its slot is held."""
        self.control.on_answer(sent_at, self.in_flight, self.in_flight - self.napping)

    def refused(self, sent_at: float, retry_after: float | None) -> None:
        """A 429 came to a request that left at `sent_at`. It naps, with its slot held, until `woke` is called."""
        self.throttled += 1
        self.napping += 1
        self.control.on_throttle(sent_at, retry_after)

    def woke(self) -> None:
        """A napping request goes on, or gives up."""
        self.napping -= 1

    def stop(self, reason: BaseException) -> None:
        """Start nothing more: everyone who waits for a slot, now or later, gets `reason`."""
        self._stopped = reason
        for _, _, waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(reason)
                waiter.exception()
        self._waiting.clear()
        if self._watcher is not None:
            self._watcher.cancel()

    def _count(self, change: int) -> None:
        self.in_flight += change
        self.peak = max(self.peak, self.in_flight)
        if change > 0 and self._look is not None and (self._watcher is None or self._watcher.done()):
            self._watcher = asyncio.create_task(self._watch(self._look))

    async def _watch(self, look: Look) -> None:
        """Follow the server's load while requests are out; look less often while nothing changes."""
        follower, pause = LoadFollower(), LOOK_S
        while self.in_flight:
            load, before = await look(), self.limit
            self.control.follow(None if load is None else follower.wanted(load, before, self.in_flight))
            self._grant()
            is_new = load is None or self.limit != before
            pause = LOOK_S if is_new else min(LONGEST_LOOK_S, 1.5 * pause)
            await asyncio.sleep(pause)

    def _may_start(self) -> bool:
        return self.in_flight < self.limit and self.clock() >= self.control.paused_until

    async def _wait(self, priority: int) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), waiter))
        self._grant()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release()  # the slot came together with the cancellation
            raise

    def _grant(self) -> None:
        while self._waiting and self._may_start():
            _, _, waiter = heapq.heappop(self._waiting)
            if not waiter.done():
                self._count(+1)
                waiter.set_result(None)
        pause = self.control.paused_until - self.clock()
        if self._waiting and pause > 0 and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(pause, self._resume)

    def _resume(self) -> None:
        self._timer = None
        self._grant()
