"""Crash points for tests: `SYNTH_CRASH_AT=point:n` kills this process with SIGKILL the n-th time it passes `point`.

The points, in the order of a request's life: sent (noted, about to leave), answered (received, not stored), commit
(rows written, not committed), committed, settled (an item's results ready, not queued), stage (begun), finish (about to
be marked as done), migrate (schema changed, not committed). Without the variable nothing happens.
"""

from __future__ import annotations

import os
import signal

_point, _, _count = os.environ.get("SYNTH_CRASH_AT", "").partition(":")
_left = int(_count or 1)


def crash_point(name: str) -> None:
    """Die here, if the environment says so."""
    global _left
    if name == _point:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
