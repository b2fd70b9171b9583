"""Slots for requests: everyone waits here for a turn, those of a later stage first.

How many slots there are towards each server is found in `limits`. A request that was refused for load (429) keeps its
slot while it waits to try again, so a server that is full is not hammered by the next in line.

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

from synth.engine.limits import MAX, START, AdaptiveLimit, LoadFollower, Look
from synth.errors import RequestFailed, RetryableError

LOOK_S, LONGEST_LOOK_S = 0.25, 2.0
"""Seconds between two looks at a server's load: after a change of the limit, and at most."""
SMOOTHING = 0.1
"""Weight of an answer in the running mean of latencies."""
FAILURES = 3
"""Failures in a row, without an answer in between, that take a server out; where it is away, one does."""
REST_S, LONGEST_REST_S = 1.0, 4.0
"""A server that was taken out gets one trial request after this many seconds; each rest doubles."""
BLOCK = 256
"""Characters of a prompt that are remembered as one piece of it."""
REMEMBERED = 50_000
"""Pieces that are remembered of each server, the latest ones: more than its cache holds."""
AFFINE = 2.0
"""A server that knows the beginning of a prompt is preferred up to this multiple of the least load."""
WINDOW = 8
"""Of this many waiting requests the one whose beginning the free server knows goes first."""

ASKED, ANSWERED = "asked", "answered"
"""Kinds of events in the ledger: how many attempts were sent to a server, and how many answers it gave."""
Prefix = Sequence[int]
"""A prompt's pieces from its beginning; each number stands for all the text up to the end of its piece."""


def prefix_of(messages: Sequence[dict[str, str]]) -> Prefix:
    """The pieces of a prompt: every message in blocks, so that the turns of a conversation begin alike."""
    found: list[int] = []
    so_far = 0
    for message in messages:
        text = message["content"]
        for start in range(0, len(text), BLOCK):
            so_far = hash((so_far, text[start : start + BLOCK]))
            found.append(so_far)
    return found


class Lane:
    """Slots towards one server. `server`: the ChatModel that asks it, None where a model is its own only server.

    `asked`, `answers`, `failures`: attempts sent, answered and failed in this process; `is_out`: taken out for failing.
    """

    def __init__(self, server: Any, control: AdaptiveLimit, clock: Callable[[], float], look: Look | None) -> None:
        self.server, self.control, self.clock = server, control, clock
        self.in_flight = self.napping = self.throttled = 0
        self.asked = self.answers = self.failures = 0
        self.seconds = 0.0
        self._noted = (0, 0)
        self.is_out = False
        self._in_a_row = 0
        self._rest_s = REST_S
        self._others = 0
        self._seen: dict[int, None] = {}
        self._look = look
        self._watcher: asyncio.Task[None] | None = None
        self.on_change: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """The server's address, or what identifies it."""
        return str(getattr(self.server, "address", "") or getattr(self.server, "endpoint", ""))

    @property
    def load(self) -> int:
        """Requests that the server has to deal with: ours, and those of others where it tells of them."""
        return self.in_flight + self._others

    def may_start(self) -> bool:
        """Is there a slot now?"""
        return self.in_flight < self.control.limit and self.clock() >= self.control.paused_until

    def may_keep(self) -> bool:
        """May a request that kept its slot while it waited go on at once? Not if there are fewer slots by now."""
        return self.in_flight <= self.control.limit and self.clock() >= self.control.paused_until

    def take(self, prefix: Prefix) -> None:
        """A request with this prompt takes a slot."""
        self.in_flight += 1
        for piece in prefix:
            self._seen.pop(piece, None)
            self._seen[piece] = None
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        if self._look is not None and (self._watcher is None or self._watcher.done()):
            self._watcher = asyncio.create_task(self._watch(self._look))

    def release(self) -> None:
        """Give a slot back."""
        self.in_flight -= 1
        self.on_change()

    def shared(self, prefix: Prefix) -> int:
        """How many pieces of the prompt, from its beginning, the server has seen."""
        return next((number for number, piece in enumerate(prefix) if piece not in self._seen), len(prefix))

    def answered(self, sent_at: float) -> None:
        """An answer came to a request that left at `sent_at`; call it while its slot is held."""
        self.answers += 1
        self.is_out, self._in_a_row, self._rest_s = False, 0, REST_S
        seconds = self.clock() - sent_at
        self.seconds += (seconds - self.seconds) * (SMOOTHING if self.seconds else 1.0)
        self.control.on_answer(sent_at, self.in_flight, self.in_flight - self.napping)

    def refused(self, sent_at: float, retry_after: float | None) -> None:
        """A 429 came to a request that left at `sent_at`. It naps, with its slot held, until `woke` is called."""
        self.throttled += 1
        self.napping += 1
        self.control.on_throttle(sent_at, retry_after)

    def woke(self) -> None:
        """A napping request goes on, or gives up."""
        self.napping -= 1

    def failed(self, error: RequestFailed) -> bool:
        """An attempt failed. Was the server taken out by it?"""
        self.failures += 1
        if not isinstance(error, RetryableError) or error.is_throttle:
            return False
        self._in_a_row += 1
        is_new = not self.is_out and (error.is_outage or self._in_a_row >= FAILURES)
        self.is_out = self.is_out or is_new
        return is_new

    def rest(self) -> None:
        """Send nothing for a while, longer each time; then one request as a trial, and the next after another rest."""
        self.control.pause(self._rest_s)
        self._rest_s = min(LONGEST_REST_S, 2 * self._rest_s)

    def note(self, least: int, save: Callable[[str, float, str], None]) -> None:
        """Save how often the server was asked and answered since the last note, from `least` times on."""
        asked, answers = self.asked - self._noted[0], self.answers - self._noted[1]
        if max(asked, answers) >= least:
            self._noted = self.asked, self.answers
            save(ASKED, asked, self.url)
            save(ANSWERED, answers, self.url)

    def stop(self) -> None:
        """Look at the server no more."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def _watch(self, look: Look) -> None:
        """Follow the server's load while requests are out; look less often while nothing changes."""
        follower, pause = LoadFollower(), LOOK_S
        while self.in_flight:
            load, before = await look(), self.control.limit
            self._others = 0 if load is None else max(0, load.running + load.waiting - self.in_flight)
            self.control.follow(None if load is None else follower.wanted(load, before, self.in_flight))
            self.on_change()
            is_new = load is None or self.control.limit != before
            pause = LOOK_S if is_new else min(LONGEST_LOOK_S, 1.5 * pause)
            await asyncio.sleep(pause)


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
