"""Counters of a run as it goes. The engine counts, the command line draws; nothing here prints."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from synth.engine.health import Health
from synth.engine.throttle import Throttle
from synth.records import Record, Rejection


@dataclass(slots=True)
class StageProgress:
    """One stage: `expected`: kept records it aims at, None where it takes what comes."""

    name: str
    expected: int | None = None
    items: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    retries: int = 0
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    first_request: float | None = None

    def committed(self, results: Sequence[Record | Rejection]) -> None:
        """Count the results of one item."""
        self.items += 1
        for result in results:
            if isinstance(result, Record):
                self.kept += 1
            else:
                self.rejected[f"{result.check}: {result.reason}"] += 1

    def answered(self, prompt_tokens: int, completion_tokens: int, cost: float) -> None:
        """Count one new answer of a model."""
        self.first_request = self.first_request or time.monotonic()
        self.requests += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.cost += cost

    def finish(self) -> None:
        """The stage is done."""
        self.ended = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time since the stage began, until it ended."""
        return (self.ended or time.monotonic()) - self.started


@dataclass(slots=True)
class RunProgress:
    """All stages of a run in the order they began, with the slots in use now.

    `notes`: sentences for the person at the terminal about what was done otherwise than asked. `on_stop`: what `stop`
    does while an engine is at work; `is_stopped` is looked at before and after.
    """

    stages: dict[str, StageProgress] = field(default_factory=dict)
    throttles: list[Throttle] = field(default_factory=list)
    healths: list[Health] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_stopped: bool = False
    on_stop: Callable[[], None] | None = None

    def stop(self) -> None:
        """End the run as Ctrl-C does: nothing more is sent, the answers in flight are awaited. Safe from any thread."""
        self.is_stopped = True
        if self.on_stop is not None:
            self.on_stop()

    def stage(self, name: str, expected: int | None = None) -> StageProgress:
        """The counters of stage `name`, made on first use."""
        found = self.stages.setdefault(name, StageProgress(name))
        if expected is not None:
            found.expected = expected
        return found

    @property
    def waiting_for(self) -> str:
        """What the run waits for now, where an endpoint is away; else empty."""
        now = time.monotonic()
        away = [(one.away_since, one.words) for one in self.healths if one.away_since is not None]
        return "; ".join(f"waiting for {now - since:.0f} s: {words}" for since, words in away)

    @property
    def requests(self) -> int:
        """New answers paid for in this process."""
        return sum(stage.requests for stage in self.stages.values())
