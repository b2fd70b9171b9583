"""How many requests may be in flight: found by watching what comes back, or told by the server's load. Pure but for the
clock it is given.

Additive increase and multiplicative decrease (Chiu and Jain 1989), as in TCP: doubling at first; less, once per burst
of 429s; then a little more at a time, with longer and longer strides while all goes well. Two things are told by trial:

- A server that queues instead of refusing (vLLM) never says no; its answers only take longer. Where more requests bring
  no more answers per second (requests in flight over latency, Little's law), the limit goes back.
- 429s that do not get fewer when less is sent have nothing to do with us. Once a cut has shown that, they are
  background noise: each is obeyed by its own request, and no longer pauses or shrinks the rest.

Where a server tells how full it is (vLLM by its `/metrics`), the limit follows that instead, and 429s alone still cut
it: as many requests as keep the server full, and a short queue, so that a place that becomes free is filled at the next
step. Such a server takes everything and never refuses; what is sent too early only waits there, where it can no longer
be ordered or withdrawn.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

START, MAX = 16, 256
MAX_LED = 1000
"""The most for a server that tells its load; a client's connections to one server end there too."""
CUT = 0.75
TOO_MANY = 0.05
"""Share of 429s in a round that leads to a cut."""
WEIGHT, FEW = 0.02, 0.01
"""Weight of an outcome in the running share of 429s; below FEW, more is tried than went well before."""
PATIENCE = 14.0
"""More is not tried before so many times the last Retry-After have passed: finding out costs that pause."""
BACKGROUND = 0.25
"""429s beyond this share are never taken for background noise."""
ROUND, TRIAL_ROUND = 8, 32
"""Outcomes that make a round, and one after a cut, at least."""
TRIAL, TRIAL_LENGTH, REST_LENGTH = 0.25, 3, 8
"""With a server that queues: the step of a trial, and the length of a trial and of the rest between two, in answers per
slot. Answers of mixed lengths need that many: their latencies scatter by their own size."""
QUEUE_SHARE, SHORTEST_QUEUE = 0.25, 4
"""How long a queue to keep, as a share of what runs."""
FULL = 0.9
"""Cache use up to which more requests are useful; beyond it answers that grow push others out, to be computed again."""
BUSY = 0.9
"""Share of the slots in use, and of these at work in the server, from which on their number is what holds us back.
Well above 1 / (1 + QUEUE_SHARE): a queue that is empty for a moment does not mean that the server could hold more."""
MEMORY = 8
"""Looks of which the most that ran counts as what the server holds; while it reads prompts it runs fewer."""


@dataclass(slots=True)
class _Round:
    """Outcomes since `start`, under one limit. A `fresh` round counts only requests sent since then."""

    start: float
    fresh: bool = False
    answers: int = 0
    refused: int = 0
    latency: float = 0.0
    peak: int = 0
    busy: int = 0

    @property
    def outcomes(self) -> int:
        """Answers and 429s."""
        return self.answers + self.refused

    @property
    def share(self) -> float:
        """Of 429s."""
        return self.refused / max(1, self.outcomes)

    @property
    def working(self) -> float:
        """Requests the server was working on, on average: in flight and not refused."""
        return self.busy / max(1, self.answers)

    @property
    def speed(self) -> float:
        """Answers per second, by Little's law; does not depend on how the answers bunch."""
        return self.peak * self.answers / max(self.latency, 1e-9)


class AdaptiveLimit:
    """The limit on requests in flight towards one endpoint and model: read `limit` and `paused_until` (on `clock`)."""

    def __init__(self, start: int = START, maximum: int = MAX, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = max(1, min(start, maximum))
        self.maximum = maximum
        self.paused_until = 0.0
        self.cuts = 0
        self.background = 0.0
        self._clock = clock
        self._share = 0.0
        self._round = _Round(clock())
        self._grow = self._double
        self._good = 0
        self._ceiling = maximum + 1
        self._stride = 1
        self._patient_until = 0.0
        self._before: tuple[int, _Round] | None = None
        self._cut_from: tuple[int, _Round] | None = None
        self._is_led = False

    def follow(self, wanted: int | None) -> None:
        """Take the number that the server's load calls for; with None find it by watching answers again."""
        self._is_led = wanted is not None
        if wanted is None:
            self.limit = min(self.limit, self.maximum)
        elif wanted < self.limit or self._share < FEW:  # where 429s came lately, its load is not all there is to it
            self.limit = max(1, min(wanted, MAX_LED))

    def pause(self, retry_after: float | None) -> None:
        """Send nothing for so many seconds."""
        if retry_after is not None:
            self.paused_until = max(self.paused_until, self._clock() + retry_after)

    def on_answer(self, sent_at: float, in_flight: int, working: int) -> None:
        """An answer came while `in_flight` requests (itself included) were out, `working` of them not refused."""
        self._share -= WEIGHT * self._share
        seen = self._round
        if seen.fresh and sent_at < seen.start:
            return
        seen.answers += 1
        seen.latency += self._clock() - sent_at
        seen.peak = max(seen.peak, in_flight)
        seen.busy += working
        if seen.outcomes >= self._length() or self._takes_longer(seen):
            self._end_round()

    def _takes_longer(self, seen: _Round) -> bool:
        """After a doubling: do answers clearly take longer, so that the rest of the round need not be waited for?"""
        if self._grow != self._double or self._before is None or seen.answers < ROUND:
            return False
        _, before = self._before
        return seen.latency / seen.answers > 1.8 * before.latency / max(1, before.answers)

    def on_throttle(self, sent_at: float, retry_after: float | None) -> None:
        """A 429 (or a 503 with a wish) came; `retry_after` in seconds. Sent before the last cut, it is old news."""
        if not self.background:
            self.pause(retry_after)
            self._patient_until = max(self._patient_until, self._clock() + PATIENCE * (retry_after or 0.0))
        seen = self._round
        if sent_at < seen.start:
            return
        self._share += WEIGHT * (1.0 - self._share)
        seen.refused += 1
        if self._cut_from is not None:
            if seen.refused >= ROUND and seen.share > BACKGROUND:
                self._cut()
            elif seen.outcomes >= self._length():
                self._end_round()
        elif seen.refused > self._allowed(retry_after):
            self._cut()

    def _allowed(self, retry_after: float | None) -> float:
        """429s that a round may have. One that pauses everything is one too many, unless it is background."""
        if not self.background:
            return 0.0 if retry_after or self._good < self.limit else TOO_MANY * max(self.limit, 2 * ROUND)
        return 2.0 + 2.0 * self.background * max(self._round.outcomes, 2 * ROUND)

    def _length(self) -> int:
        if self._grow == self._settle:
            return max(self.limit, ROUND) * (TRIAL_LENGTH if self._before else REST_LENGTH)
        return max(self.limit, TRIAL_ROUND if self._cut_from else ROUND)

    def _cut(self) -> None:
        """Back to what went well last, if that is less; else by a quarter, or to what the server was working on."""
        self.cuts += 1
        limit = self._good if 0 < self._good < self.limit else int(self.limit * CUT)
        if self._cut_from and self._round.answers:
            limit = min(limit, round(self._round.working))
        self._cut_from = self._cut_from or (self.limit, self._round)
        self._ceiling = self.limit
        self._grow, self._stride = self._climb, 1
        self._share = min(self._share, 2 * WEIGHT)
        self._good = 0
        self._set(max(1, limit), fresh=True)

    def _set(self, limit: int, fresh: bool = False) -> None:
        self.limit = min(limit, self.maximum)
        self._before = None
        self._round = _Round(self._clock(), fresh)

    def _end_round(self) -> None:
        seen = self._round
        self._round = _Round(self._clock())
        if self._cut_from is not None and not self._judge_cut(seen, *self._cut_from):
            return
        self.background += 0.03 * min(0.0, seen.share - self.background)
        if seen.share > 1.5 * self.background:
            return
        self._good = self.limit
        if seen.peak >= 0.8 * self.limit and not self._is_led:
            self._grow(seen)

    def _judge_cut(self, seen: _Round, limit: int, before: _Round) -> bool:
        """Did the cut help? If not, and it cost answers as well, then the 429s are not about us."""
        if seen.share > TOO_MANY and seen.share >= 0.5 * before.share:
            cut_deep = self.limit <= 0.8 * limit and 0.75 * self.limit <= seen.working <= 0.9 * before.working
            if seen.share > BACKGROUND or not cut_deep:
                self._round = seen
                self._cut()
                return False
            self.background = seen.share
            self._grow = self._double
            self._ceiling = self.maximum + 1
            self._set(limit)
        else:
            self.background = 0.0
        self._cut_from = None
        return True

    def _double(self, seen: _Round) -> None:
        if not self._in_vain(seen) and self.limit < self.maximum:
            self._step(2 * self.limit, seen, fresh=True)

    def _climb(self, seen: _Round) -> None:
        """Back to where the last 429s came; past it only when they are long ago, with longer and longer strides."""
        if self._stride >= 16 and self._in_vain(seen):
            return
        if self.limit < self._ceiling - 1:
            self._step(min(self._ceiling - 1, self.limit + max(1, self.limit // 8)), seen)
        elif self._share < FEW + 1.5 * self.background and self._clock() >= self._patient_until:
            self._step(self.limit + self._stride, seen)
            self._stride *= 2

    def _in_vain(self, seen: _Round) -> bool:
        """Did the last step bring no more answers? If so, goes back, but only after a second look at fresh requests."""
        if self._before is None:
            return False
        limit, before = self._before
        growth = self.limit / limit - 1.0
        if seen.speed >= (1.0 + (0.4 if seen.fresh else 0.5) * growth) * before.speed:
            return False
        if seen.fresh:
            self._grow = self._settle
            self._set(limit)
        else:
            self._round.fresh = True
        return True

    def _settle(self, seen: _Round) -> None:
        """A server that queues: try a little more and a little less in turn, and keep what brings more for less."""
        if self._before:
            limit, before = self._before
            well = seen.speed >= (1.0 + 0.4 * max(0.0, self.limit / limit - 1.0)) * before.speed
            if not well or self.limit < limit:
                self._set(self.limit if well else limit)
                return
        self._stride = -self._stride if not self._before else self._stride
        step = max(1, int(self.limit * TRIAL))
        self._step(max(1, self.limit + (step if self._stride > 0 else -step)), seen, fresh=True)

    def _step(self, limit: int, seen: _Round, fresh: bool = False) -> None:
        before = self.limit
        self._set(limit, fresh)
        self._before = (before, seen)


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
