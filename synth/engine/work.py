"""What a stage and the engine say to each other: items, a coroutine for each, how to ask, and how a failure looks."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from synth.engine.ledger import Result
from synth.errors import RequestFailed, SynthError
from synth.models.base import Completion, Sampling
from synth.prompts import Prompt
from synth.records import Record, Rejection

REQUEST_CHECK = "request"
NOT_QUARANTINED = ("unsupported", "content_filter")
"""Reasons for a failed request that asking again on the next run would not change."""
NO_STORED_ANSWER = "no_stored_answer"


class Ask(Protocol):
    """What a stage's coroutine may do: ask a model. The ledger is looked at first, so a repeated question is free."""

    async def __call__(
        self,
        prompt: Prompt,
        sampling: Sampling = Sampling(),
        *,
        role: str = "teacher",
        schema: dict[str, Any] | None = None,
        draw: int = 0,
        keep_cut: bool = False,
        kind: Literal["chat", "completion"] | None = None,
        logprobs: bool = False,
    ) -> Completion:
        """One answer. `keep_cut`: an answer cut at max_tokens is wanted as it is, not asked again with a larger cap.

        `kind`: the endpoint, where it is not to be the role's own. `logprobs`: also how probable its words were.
        """
        ...


class Work(Protocol):
    """What is done with one item: a frozen dataclass that can be pickled, so that it may run elsewhere too."""

    def __call__(self, value: Any, ask: Ask, rng: random.Random, /) -> Awaitable[list[Result]]:
        """The results of the item with this `value`; `rng` is seeded by the run and the item."""
        ...


class Place(Protocol):
    """Where items that do not depend on each other are worked on, if not in this process (see `synth.engine.crew`)."""

    @property
    def max_active(self) -> int:
        """Items that may be there at once."""
        ...

    async def open(self) -> None:
        """Make it ready; nothing is asked before."""
        ...

    async def do(self, stage: str, rank: int, item: str, value: Any, work: Work) -> list[Result]:
        """The results of the item; `rank`: the stage's place at the slots."""
        ...

    def stop(self, reason: SynthError) -> None:
        """Send nothing more."""
        ...

    async def drain(self, grace_s: float) -> None:
        """The run ends: wait so long for the answers in flight there."""
        ...

    def verdict(self) -> SynthError | None:
        """Why nothing came of the requests sent from there, where not one was answered."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of work: its id is unique within the stage; `value` is what the work gets.

    `make`, where given, makes the value as the item starts; it is not called for an item whose outcome is stored.
    `result`, where given, is what was decided of it elsewhere; there is nothing left to do but to store it.
    """

    id: str
    value: Any = None
    make: Callable[[], Any] | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Fold:
    """A plain function over the items of a stage in their order, for what depends on the items before (novelty, say).

    `settle` sees the results of every item, stored ones too, and may replace them; what it returns is stored. It must
    leave its own results as they are. `recall`, where given, takes note of stored results in its place, as long as all
    items so far are as they were.
    """

    settle: Callable[[Item, list[Result]], list[Result]]
    recall: Callable[[Item, list[Result]], None] | None = None


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What the ledger must know of a stage: outcomes stored under another `fingerprint` are dropped and made again."""

    name: str
    fingerprint: str
    settings: dict[str, Any]
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How hard to try.

    `max_attempts` per request, 429s not counted. Seconds: `deadline_s` for all attempts of one together, `grace_s` for
    answers in flight at a stop.
    """

    run_seed: int = 0
    max_attempts: int = 8
    deadline_s: float = 900.0
    grace_s: float = 60.0


def request_failure(record: Record, stage: str, error: RequestFailed) -> Rejection:
    """The Rejection of a record whose request failed for good."""
    return Rejection(record, stage, REQUEST_CHECK, error.reason, error.message[:300])


def is_quarantined(result: Result) -> bool:
    """Did this item fail at the endpoint, so that the next run should try it again?"""
    return isinstance(result, Rejection) and result.check == REQUEST_CHECK and result.reason not in NOT_QUARANTINED
