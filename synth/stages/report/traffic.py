"""What was asked of the models and how it went over time: requests, tokens, cost, requests in flight, 429s."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from synth.engine.ledger import LedgerReader

BINS = 120
IDLE_S = 30.0
"""Pauses longer than this, with nothing in flight, are cut out of the time line (the run was stopped and continued)."""
LIMIT_EVENT, THROTTLE_EVENT = "concurrency", "throttled"
"""Kinds of events in the ledger that are drawn: the limit on requests in flight, and a 429 or 503 with a wish."""


@dataclass(slots=True)
class Traffic:
    """`totals`, `servers`: rows of `LedgerReader.request_totals` and `server_totals`. The curves have BINS values over
    `seconds` of activity.

    `in_flight`: mean number of requests out; `answers`: answers a second; `limit`: the limit set, None where not noted;
    `throttles`: when 429s came, as shares 0..1 of the time line.
    """

    totals: list[dict[str, Any]]
    maybe_paid_twice: tuple[int, float]
    servers: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    pauses: int = 0
    in_flight: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    limit: list[float] | None = None
    throttles: list[float] = field(default_factory=list)


def collect_traffic(ledger: LedgerReader) -> Traffic:
    """Totals and time line of the requests in the ledger."""
    traffic = Traffic(ledger.request_totals(), ledger.maybe_paid_twice(), ledger.server_totals())
    spans = ledger.query(
        "SELECT sent_at, answered_at FROM requests WHERE sent_at IS NOT NULL AND answered_at >= sent_at ORDER BY 1"
    )
    if not spans:
        return traffic
    clock = _Clock(spans)
    traffic.seconds, traffic.pauses = clock.total, len(clock.busy) - 1
    traffic.in_flight, traffic.answers = _curves(spans, clock)
    events = ledger.query(
        "SELECT at, kind, value FROM events WHERE kind IN (?, ?) ORDER BY at", LIMIT_EVENT, THROTTLE_EVENT
    )
    traffic.throttles = [clock.share(at) for at, kind, _ in events if kind == THROTTLE_EVENT][:2000]
    limits = [(clock.share(at), float(value)) for at, kind, value in events if kind == LIMIT_EVENT]
    traffic.limit = _steps(limits) if limits else None
    return traffic


class _Clock:
    """Wall time → time of activity: the pauses between sessions are cut out."""

    def __init__(self, spans: list[tuple[Any, ...]]) -> None:
        self.busy: list[list[float]] = []
        for start, end in spans:
            if self.busy and start <= self.busy[-1][1] + IDLE_S:
                self.busy[-1][1] = max(self.busy[-1][1], end)
            else:
                self.busy.append([start, end])
        self.total = max(sum(end - start for start, end in self.busy), 1e-3)

    def seconds(self, at: float) -> float:
        """Seconds of activity up to the moment `at`."""
        return sum(min(max(at - start, 0.0), end - start) for start, end in self.busy)

    def share(self, at: float) -> float:
        """The same as a share of the whole, 0..1."""
        return self.seconds(at) / self.total


def _curves(spans: list[tuple[Any, ...]], clock: _Clock) -> tuple[list[float], list[float]]:
    """(requests in flight, answers a second) in BINS steps of equal length."""
    width = clock.total / BINS
    in_flight, answers = [0.0] * BINS, [0.0] * BINS
    for sent, answered in spans:
        start, end = clock.seconds(sent) / width, clock.seconds(answered) / width
        first, last = min(int(start), BINS - 1), min(int(end), BINS - 1)
        answers[last] += 1 / width
        for number in range(first, last + 1):
            in_flight[number] += min(end, number + 1) - max(start, number)
    return [max(value, 0.0) for value in in_flight], answers


def _steps(points: list[tuple[float, float]]) -> list[float]:
    """The value in force in each bin."""
    values, current, rest = [], points[0][1], list(points)
    for number in range(BINS):
        while rest and rest[0][0] <= (number + 1) / BINS:
            current = rest.pop(0)[1]
        values.append(current)
    return values
