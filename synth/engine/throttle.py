"""Slots for requests: everyone waits here for a turn, those of a later stage first.

How many slots there are is found by `AdaptiveLimit` for each server, up to a maximum, or told by the server's load
where a model offers a look at it. A request that was refused for load (429) keeps its slot while it waits to try again,
so a server that is full is not hammered by the next in line.

Of several servers the one that would answer soonest is taken: the requests it has, times its mean latency (the "peak
EWMA" of Twitter's Finagle). A prompt whose beginning a server has seen goes there again while it is at most twice as
loaded: servers keep what they computed of a beginning. A server that fails is taken out; see `Lane.rest`.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from synth.engine.adaptive import MAX, START, AdaptiveLimit
from synth.engine.lane import Lane, Prefix
from synth.errors import RequestFailed

AFFINE = 2.0
"""A server that knows the beginning of a prompt is preferred up to this multiple of the least load."""
WINDOW = 8
"""Of this many waiting requests the one whose beginning the free server knows goes first."""


class _Waiter(NamedTuple):
    rank: int
    number: int
    prefix: Prefix
    lane: asyncio.Future[Lane]


class Throttle:
    """Slots towards a model's servers: for each `concurrency`, or fewer if it cannot take them; None finds out."""

    def __init__(
        self,
        concurrency: int | None = None,
        servers: Sequence[Any] = (None,),
        maximum: int = MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`servers`: who can be asked. One may have a `load`; a fixed number of slots has no use for it."""
        self.clock = clock
        self.lanes = [self._lane(server, concurrency, maximum) for server in servers]
        self.peak = 0
        self.noted_limit = 0
        self._waiting: list[_Waiter] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: BaseException | None = None

    def _lane(self, server: Any, concurrency: int | None, maximum: int) -> Lane:
        control = AdaptiveLimit(concurrency or START, concurrency or maximum, self.clock)
        lane = Lane(server, control, self.clock, getattr(server, "load", None) if concurrency is None else None)
        lane.on_change = self._grant
        return lane

    @property
    def limit(self) -> int:
        """How many requests may be in flight now, at the servers that are in order."""
        return sum(lane.control.limit for lane in self._in_order())

    @property
    def in_flight(self) -> int:
        """Slots taken."""
        return sum(lane.in_flight for lane in self.lanes)

    @property
    def throttled(self) -> int:
        """How many 429s came."""
        return sum(lane.throttled for lane in self.lanes)

    async def acquire(self, rank: int = 0, prefix: Prefix = ()) -> Lane:
        """Take one slot; lower `rank` first, then first come first served. Give it back with the lane's `release`."""
        if self._stopped:
            raise self._stopped.with_traceback(None)
        lane = None if self._waiting else self._pick(prefix)
        if lane is not None:
            self._take(lane, prefix)
            return lane
        lane = await self._wait(rank, prefix)
        while self.clock() < lane.control.paused_until and not self._is_trial(lane):
            lane.release()  # a pause came between the grant and this moment
            lane = await self._wait(rank, prefix)
        return lane

    def failed(self, lane: Lane, error: RequestFailed) -> bool:
        """An attempt failed at a lane. Are there others in order, so that nothing follows for the model as a whole?"""
        is_new = lane.failed(error)
        if all(other.is_out for other in self.lanes if other is not lane):
            return False
        if is_new:
            lane.rest()
        return True

    def stop(self, reason: BaseException) -> None:
        """Start nothing more: everyone who waits for a slot, now or later, gets `reason`."""
        self._stopped = reason
        for waiter in self._waiting:
            if not waiter.lane.done():
                waiter.lane.set_exception(reason)
                waiter.lane.exception()
        self._waiting.clear()
        for lane in self.lanes:
            lane.stop()

    # -- the choice ------------------------------------------------------------------------------------------------

    def _in_order(self) -> list[Lane]:
        return [lane for lane in self.lanes if not lane.is_out] or self.lanes

    def _is_trial(self, lane: Lane) -> bool:
        """Is the lane out while others are not, so that it gets one request at a time?"""
        return lane.is_out and lane in self.lanes and not self._in_order()[0].is_out

    def _pick(self, prefix: Prefix) -> Lane | None:
        """The lane for a prompt, None where no slot is free."""
        if len(self.lanes) == 1:
            return self.lanes[0] if self.lanes[0].may_start() else None
        free = [lane for lane in self.lanes if lane.may_start()]
        usual = min((lane.seconds for lane in self.lanes if lane.seconds), default=1.0)
        costs = {lane: (lane.load + 1) * (lane.seconds or usual) for lane in free}
        near = [lane for lane in free if costs[lane] <= AFFINE * min(costs.values())]
        return max(near, key=lambda lane: (lane.shared(prefix), -costs[lane]), default=None)

    def _take(self, lane: Lane, prefix: Prefix) -> None:
        lane.take(prefix)
        self.peak = max(self.peak, self.in_flight)
        if self._is_trial(lane):
            lane.rest()

    def _next(self, lane: Lane) -> int:
        """The place in the queue of the request that a free lane takes: of the first few, the one that gains most."""
        head = self._waiting[0]
        window = [one for one in self._waiting[:WINDOW] if one.rank == head.rank and one.number < head.number + WINDOW]
        others = [other for other in self.lanes if other is not lane]

        def gain(place: int) -> int:
            prefix = window[place].prefix
            return lane.shared(prefix) - max(other.shared(prefix) for other in others)

        return max(range(len(window)), key=gain) if others and len(window) > 1 else 0

    # -- the line --------------------------------------------------------------------------------------------------

    async def _wait(self, rank: int, prefix: Prefix) -> Lane:
        waiter = _Waiter(rank, next(self._order), prefix, asyncio.get_running_loop().create_future())
        bisect.insort(self._waiting, waiter, key=lambda one: one[:2])
        self._grant()
        try:
            return await waiter.lane
        except asyncio.CancelledError:
            done = waiter.lane
            if done.done() and not done.cancelled() and done.exception() is None:
                done.result().release()  # the slot came together with the cancellation
            raise

    def _grant(self) -> None:
        while self._waiting and (lane := self._pick(self._waiting[0].prefix)) is not None:
            waiter = self._waiting.pop(self._next(lane))
            if not waiter.lane.done():
                self._take(lane, waiter.prefix)
                waiter.lane.set_result(lane)
        ends = [lane.control.paused_until for lane in self.lanes if lane.control.paused_until > self.clock()]
        if self._waiting and ends:
            self._wake_in(min(ends) - self.clock())

    def _wake_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None and self._timer.when() <= loop.time() + seconds:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._timer = None
        self._grant()
