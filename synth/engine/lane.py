"""One server among those that a model is behind: the slots towards it, how loaded it is, and whether it is in order.

A model has one such lane, or several where a recipe gives several addresses (see `throttle`, which chooses among them).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from synth.engine.adaptive import AdaptiveLimit
from synth.engine.load import LoadFollower, Look
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
