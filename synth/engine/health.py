"""Does an endpoint work at all? Found out within seconds of a run's first request, and watched from then on.

Before its first answer, an endpoint that cannot be reached, says nothing, or gives ten requests the same error stops
the run. One that has answered may go away for a while: that is waited for (see `retry`). Equal failures without an
answer in between stop the run later on as well. Every reason to stop is in the server's own words.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from synth.errors import RequestFailed, RetryableError, SynthError

FIRST_ANSWER_S = 5.0
"""An endpoint that has given no response at all for so long is looked at more closely."""
LOOK_S = 3.0
"""And so long it has for a response to the smallest of questions."""
EQUAL_AT_FIRST, EQUAL_LATER = 10, 20
"""Equal failures that stop a run before the first answer, and later on with no answer in between."""
AGAIN = "type the same command again when the endpoint is right; what was paid for is kept"
ITEMS_OWN = ("content_filter", "unsupported", "too_long", "context_overflow", "cut_off")
"""Reasons that lie in one request and tell nothing about the endpoint."""


class Health:
    """What is known of one endpoint. `away_since`: when it could no longer be reached, on the monotonic clock."""

    def __init__(self) -> None:
        self.has_answered = False
        self.has_responded = False
        self.away_since: float | None = None
        self.words = ""
        self._failed: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()

    def answered(self) -> None:
        """An answer came, whatever it was worth."""
        self.has_answered = self.has_responded = True
        self.away_since = None
        self._failed.clear()
        self._lost.clear()

    def failed(self, error: RequestFailed) -> SynthError | None:
        """An attempt failed; the reason to stop the run, if that is one."""
        if error.reason in ITEMS_OWN:  # it was read and refused for what it says: the endpoint works
            self.answered()
            return None
        self.words = error.message
        if isinstance(error, RetryableError) and error.is_outage:
            self.away_since = self.away_since or time.monotonic()
            return None
        self.has_responded = self.has_responded or error.reason != "timeout"
        if isinstance(error, RetryableError) and error.is_throttle:
            return None
        return None if self.has_answered else self._count(self._failed, error, EQUAL_AT_FIRST)

    def lost(self, error: RequestFailed) -> SynthError | None:
        """A request failed for good; the reason to stop the run, if that is one."""
        if error.reason in ITEMS_OWN:
            return None
        if isinstance(error, RetryableError) and self._lost.total() + 1 >= EQUAL_LATER:
            return SynthError(f"the last {EQUAL_LATER} requests failed, all attempts used up: {error.message}", AGAIN)
        return self._count(self._lost, error, EQUAL_LATER)

    def _count(self, seen: Counter[str], error: RequestFailed, most: int) -> SynthError | None:
        kind = re.sub(r"[0-9a-f]{8,}|\d+", "#", error.message)
        seen[kind] += 1
        if seen[kind] < most:
            return None
        return SynthError(f"{most} requests in a row failed alike: {error.message}", AGAIN)

    async def look(self, is_there: Callable[[float], Awaitable[bool]] | None) -> SynthError | None:
        """The reason to stop a run whose endpoint has not answered within FIRST_ANSWER_S, None if it may yet."""
        if self.has_answered or self.has_responded:
            return None
        if self.away_since is not None:
            return SynthError(f"the endpoint cannot be reached: {self.words}", AGAIN)
        if is_there is None or await is_there(LOOK_S) or self.has_answered:
            return None
        return SynthError(
            f"the endpoint takes requests and says nothing, not even which models it has, for {LOOK_S:.0f} s",
            "see whether it is up; one that needs longer for its first answer must answer GET /models meanwhile",
        )

    def verdict(self) -> SynthError | None:
        """At the end of a run: why nothing came of it, where not one request was answered."""
        if self.has_answered or not self.words:
            return None
        return SynthError(f"not one request was answered: {self.words}", AGAIN)
