"""How many requests to give a server that tells how full it is (vLLM by its `/metrics`): as many as keep it full, and a
short queue, so that a place that becomes free is filled at the next step.

Such a server takes everything and never refuses. What is sent too early only waits there, where it can no longer be
ordered or withdrawn. Arithmetic only; `throttle` asks the server, `adaptive` holds the limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

QUEUE_SHARE, SHORTEST_QUEUE = 0.25, 4
"""How long a queue to keep, as a share of what runs."""
FULL = 0.9
"""Cache use up to which more requests are useful; beyond it answers that grow push others out, to be computed again."""
BUSY = 0.9
"""Share of the slots in use, and of these at work in the server, from which on their number is what holds us back.
Well above 1 / (1 + QUEUE_SHARE): a queue that is empty for a moment does not mean that the server could hold more."""
MEMORY = 8
"""Looks of which the most that ran counts as what the server holds; while it reads prompts it runs fewer."""


class Load(Protocol):
    """What a server does now: requests it works on and keeps waiting, the share of its cache in use (0 to 1), and how
    often, since its start, it had to throw a request out of the cache. Two that are equal were taken in one step."""

    @property
    def running(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def kv_use(self) -> float: ...
    @property
    def preemptions(self) -> int: ...


Look = Callable[[], Awaitable[Load | None]]
"""A model's `load()`, an optional part of the ChatModel protocol: None while it cannot be told."""


class LoadFollower:
    """From one look at the load to the next: how many requests should be in flight."""

    def __init__(self) -> None:
        self._ran: deque[int] = deque(maxlen=MEMORY)
        self._last: Load | None = None

    def wanted(self, load: Load, limit: int, in_flight: int) -> int:
        """The number to allow in place of `limit`, at least 1, while `in_flight` of ours are out.

        Nothing waits: up to twice as many, the fewer the fuller the cache. Something waited at two looks in a row and
        no more run than before: what the server can hold, and a short queue; of that our share, if others use it as
        well. A request was thrown out: a tenth fewer.
        """
        last, self._last = self._last, load
        if load == last:  # not a step of the server since then
            return limit
        self._ran.append(load.running)
        if last is not None and load.preemptions > last.preemptions:
            self._ran.clear()
            return max(1, min(limit, in_flight) * 9 // 10)
        if load.waiting:
            is_full = last is not None and last.waiting and load.running <= last.running
            return max(1, round(self._held(load) * _share(load, in_flight))) if is_full else limit
        if in_flight < BUSY * limit or load.running < BUSY * in_flight:  # little to do, or not yet seen by the server
            return limit
        return limit + int(limit * max(0.0, 1.0 - load.kv_use / FULL))

    def _held(self, load: Load) -> float:
        """What runs at best, and the queue behind it; with a full cache what runs, and no queue."""
        if load.kv_use >= FULL:
            return load.running
        most = max(self._ran)
        return most + max(SHORTEST_QUEUE, most * QUEUE_SHARE)


def _share(load: Load, in_flight: int) -> float:
    return min(1.0, in_flight / (load.running + load.waiting))
