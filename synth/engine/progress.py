"""Counters of a run as it goes. The engine counts, the command line draws; nothing here prints."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from synth.engine.health import Health
from synth.engine.throttle import Throttle
from synth.records import Record, Rejection

if TYPE_CHECKING:
    from synth.models.base import Usage


@dataclass(slots=True)
class StageProgress:
    """One stage. `expected`: kept records it aims at, None where it takes what comes. `ahead`: items that are worked on
    and wait for an earlier one, since they are settled in order. `done_before`: what was done when the first request of
    this process was sent; rates are measured from then on.
    """

    name: str
    expected: int | None = None
    items: int = 0
    ahead: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    num_unpriced: int = 0
    retries: int = 0
    in_flight: int = 0
    done_before: int = 0
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    asks_since: float | None = None

    def committed(self, results: Sequence[Record | Rejection]) -> None:
        """Count the results of one item."""
        self.items += 1
        for result in results:
            if isinstance(result, Record):
                self.kept += 1
            else:
                self.rejected[f"{result.check}: {result.reason}"] += 1

    def flies(self, change: int) -> None:
        """So many more requests are in flight."""
        if change > 0 and self.asks_since is None:
            self.asks_since, self.done_before = time.monotonic(), self.done
        self.in_flight += change

    def answered(self, prompt_tokens: int, completion_tokens: int, cost: float, is_priced: bool = True) -> None:
        """Count one new answer of a model."""
        self.requests += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.cost += cost
        self.num_unpriced += not is_priced

    def finish(self) -> None:
        """The stage is done."""
        self.ended = time.monotonic()

    @property
    def done(self) -> int:
        """Kept records where a number of them is wanted, else items that are worked on."""
        return self.items + self.ahead if self.expected is None else self.kept

    @property
    def tokens_per_s(self) -> float | None:
        """Answer tokens per second since the first request; None before there is a rate."""
        return self.completion_tokens / asking if (asking := self._asking_s) else None

    def share_left(self, total: int) -> float | None:
        """How many times what was done since the first request is still to do; None before there is a rate."""
        now = self.done - self.done_before
        return (total - self.done) / now if self._asking_s and now > 0 and total > self.done else None

    def seconds_left(self, total: int) -> float | None:
        """By the rate since the first request; None before there is one."""
        share = self.share_left(total)
        return None if share is None else share * self._asking_s

    @property
    def _asking_s(self) -> float:
        """Seconds since the first request was sent, 0 before there are two answers."""
        if self.asks_since is None or self.requests < 2:
            return 0.0
        return max((self.ended or time.monotonic()) - self.asks_since, 1e-6)

    @property
    def seconds(self) -> float:
        """Time since the stage began, until it ended."""
        return (self.ended or time.monotonic()) - self.started


@dataclass(slots=True)
class Found:
    """Stored answers that were used, their tokens, and requests that have none and could not be sent."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    missing: int = 0


@dataclass(slots=True)
class RunProgress:
    """All stages of a run in the order they began, with the slots in use now.

    `found`: what was found in the ledger, by stage and role.
    `notes`: sentences for the person at the terminal about what was done otherwise than asked. `order`: the stages of
    the run, first to last. `say`: tells that person something at once. `on_stop`: what `stop`
    does while an engine is at work; `is_stopped` is looked at before and after.
    """

    stages: dict[str, StageProgress] = field(default_factory=dict)
    throttles: list[Throttle] = field(default_factory=list)
    healths: list[Health] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    found: dict[tuple[str, str], Found] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    say: Callable[[str], None] = lambda _line: None
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

    def looked_up(self, stage: str, role: str, usage: Usage | None) -> None:
        """Count a request whose answer was stored, with its tokens, or was not and could not be asked for (None)."""
        count = self.found.setdefault((stage, role), Found())
        if usage is None:
            count.missing += 1
            return
        count.requests += 1
        count.prompt_tokens += usage.prompt_tokens or 0
        count.completion_tokens += usage.completion_tokens or 0

    def ordered(self) -> list[StageProgress]:
        """The stages, first to last; before them the names that ask on behalf of others, while they do."""
        place = {name: number for number, name in enumerate(self.order)}
        seen = [stage for stage in self.stages.values() if not place or stage.name in place or stage.in_flight]
        return sorted(seen, key=lambda stage: place.get(stage.name, -1))

    def total(self, stage: StageProgress) -> int | None:
        """How much a stage is to do; None where what comes before it does not tell yet."""
        if stage.expected is not None or stage.name not in self.order:
            return stage.expected
        number = self.order.index(stage.name)
        before = self.stages.get(self.order[number - 1]) if number else None
        if before is None:
            return None
        return before.kept if before.ended else before.expected

    @property
    def in_flight(self) -> int:
        """Requests sent whose answers have not come."""
        return sum(stage.in_flight for stage in self.stages.values())

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
