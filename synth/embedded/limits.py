"""The limits a served teacher can be given: requests a minute, and requests at once on a schedule. No HTTP in here."""

from __future__ import annotations

import asyncio
import re
from collections import deque

from synth.errors import UsageError


class RateLimit:
    """A token bucket: `rpm` requests a minute, at most one second's worth of them at once."""

    def __init__(self, rpm: float) -> None:
        self._rate = rpm / 60.0
        self._burst = max(1.0, self._rate)
        self._tokens = self._burst
        self._at = 0.0

    def take(self, now: float) -> float:
        """0 when the request may pass, else the seconds until there is room for it."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate


def read_capacity(text: str) -> list[tuple[float, int]]:
    """`"8,32@20,4@40"` → `[(0, 8), (20, 32), (40, 4)]`: 8 at once, 32 from second 20 on, 4 from second 40 on."""
    steps = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:@(\d+(?:\.\d+)?))?\s*", part)
        if not found:
            raise UsageError(f"capacity {part!r} cannot be read", "write it like 8 or 8,32@20,4@40")
        steps.append((float(found[2] or 0), int(found[1])))
    return sorted(steps)


class Gate:
    """So many at once, by a schedule that starts with the first request. The rest is refused, or waits in line."""

    def __init__(self, capacity: str, queue: bool) -> None:
        self._steps = read_capacity(capacity)
        self._queue = queue
        self._inside = 0
        self._limit = self._steps[0][1]
        self._line: deque[asyncio.Future[None]] = deque()
        self._started = False

    async def enter(self) -> bool:
        """Whether the request may go on; a queueing gate waits until it may. Pair with `leave`."""
        if not self._started:
            self._started = True
            for seconds, limit in self._steps:
                asyncio.get_running_loop().call_later(seconds, self._set_limit, limit)
        if self._inside < self._limit and not self._line:
            self._inside += 1
            return True
        if not self._queue:
            return False
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()
            raise
        return True

    def leave(self) -> None:
        """The request is done."""
        self._inside -= 1
        self._admit()

    def _set_limit(self, limit: int) -> None:
        self._limit = limit
        self._admit()

    def _admit(self) -> None:
        while self._line and self._inside < self._limit:
            place = self._line.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)
