"""An event loop whose clock jumps to the next thing to happen: hours pass in milliseconds, the same way every time."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from synth.engine.throttle import Throttle
from synth.errors import RetryableError

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.loop.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now


def run_virtual(main: Callable[[VirtualLoop], Awaitable[T]]) -> T:
    """Run `main(loop)` on a virtual clock and clear up."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(loop))  # type: ignore[arg-type]
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@dataclass
class FakeServer:
    """A server of so many seats by schedule ((from second, seats), ...). It refuses beyond them, or queues.

    `wish`: the Retry-After it sends. `rate`: requests per second, from a bucket of one second's worth. `noise`: share of
    429s that have nothing to do with load. `spread`: of latencies, uniform; `sigma`: log-normal instead.
    """

    loop: VirtualLoop
    seats: tuple[tuple[float, int], ...] = ((0.0, 8),)
    latency: float = 1.0
    spread: float = 0.2
    sigma: float = 0.0
    wish: float | None = None
    queue: bool = False
    noise: float = 0.0
    rate: float | None = None
    seed: int = 0
    inside: int = 0
    peak_line: int = 0
    closed_until: float = -1.0
    calls_while_closed: int = 0
    log: list[tuple[float, int]] = field(default_factory=list)
    busy: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.line: list[asyncio.Future[None]] = []
        self.tokens, self.filled_at = self.rate or 0.0, 0.0

    def capacity(self) -> int:
        """Seats now."""
        return [seats for start, seats in self.seats if start <= self.loop.now][-1]

    async def call(self) -> int:
        """200 or 429."""
        if self.loop.now < self.closed_until - 1e-9:
            self.calls_while_closed += 1
        if self.noise and self.rng.random() < self.noise:
            await asyncio.sleep(self._thinking())
            return self._note(429)
        full = self._is_full()
        if full and not self.queue:
            await asyncio.sleep(0.005)
            self.closed_until = max(self.closed_until, self.loop.now + (self.wish or 0.0))
            return self._note(429)
        while full:
            place: asyncio.Future[None] = self.loop.create_future()
            self.line.append(place)
            self.peak_line = max(self.peak_line, len(self.line))
            await place
            full = self._is_full()
        self.inside += 1
        started = self.loop.now
        try:
            await asyncio.sleep(self._thinking())
        finally:
            self.inside -= 1
            while self.line and self.line[0].done():
                self.line.pop(0)
            if self.line:
                self.line.pop(0).set_result(None)
        self.busy.append((started, self.loop.now))
        return self._note(200)

    def _is_full(self) -> bool:
        if self.rate is None:
            return self.inside >= self.capacity()
        self.tokens = min(self.rate, self.tokens + (self.loop.now - self.filled_at) * self.rate)
        self.filled_at = self.loop.now
        if self.tokens < 1:
            return True
        self.tokens -= 1
        return False

    def _thinking(self) -> float:
        if self.sigma:
            return self.latency * self.rng.lognormvariate(-(self.sigma**2) / 2, self.sigma)
        return self.latency * (1 + self.spread * self.rng.uniform(-1, 1))

    def _note(self, status: int) -> int:
        self.log.append((self.loop.now, status))
        return status

    def working(self, start: float, end: float) -> float:
        """Requests worked on, on average, from `start` to `end`."""
        return sum(max(0.0, min(b, end) - max(a, start)) for a, b in self.busy) / (end - start)

    def share_refused(self, start: float, end: float) -> float:
        """Share of 429s among the outcomes from `start` to `end`."""
        codes = [status for at, status in self.log if start <= at < end]
        return codes.count(429) / max(1, len(codes))


async def flood_two(
    first: FakeServer, second: FakeServer, throttle: Throttle, seconds: float, backlog: int = 150
) -> None:
    """More work than two queueing servers can do, for so long; `throttle` has a lane for each."""

    async def worker() -> None:
        while True:
            lane = await throttle.acquire()
            sent_at = first.loop.now
            await (first, second)[throttle.lanes.index(lane)].call()
            lane.answered(sent_at)
            lane.release()

    workers = [asyncio.create_task(worker()) for _ in range(backlog)]
    await asyncio.sleep(seconds)
    for task in workers:
        task.cancel()


async def flood(server: FakeServer, throttle: Throttle, seconds: float, backlog: int = 600) -> list[tuple[float, int]]:
    """More work than the server can do, for so long, the way the engine does it; the limit at each second."""
    from synth.engine.retry import wait_time

    rng = random.Random(server.seed)

    async def request() -> None:
        attempt, lane = 0, None
        while True:
            if lane is not None and not lane.may_keep():
                lane.release()
                lane = None
            if lane is None:
                lane = await throttle.acquire(-1 if attempt else 0)
            sent_at = server.loop.now
            status = await server.call()
            attempt += 1
            if status == 200:
                lane.answered(sent_at)
                lane.release()
                return
            lane.refused(sent_at, server.wish)
            error = RetryableError("", "rate_limit", retry_after=server.wish, is_throttle=True)
            await asyncio.sleep(wait_time(attempt, error, rng))
            lane.woke()

    async def worker() -> None:
        while True:
            await request()

    workers = [asyncio.create_task(worker()) for _ in range(backlog)]
    trace = []
    while server.loop.now < seconds:
        await asyncio.sleep(1.0)
        trace.append((server.loop.now, throttle.limit))
    for task in workers:
        task.cancel()
    return trace
