"""The engine on a virtual clock, over a simulated teacher: how long a run of any size takes, found in seconds.

What is real: `Engine` with its windows, order, priorities and look-ahead, `Payment`, the slots (`Throttle` with its
adaptive limit) and the retries, all as they are, on an event loop whose clock jumps to the next thing to happen.
What is simulated: the teacher (latencies and failures are drawn, by request and attempt), the ledger (a row is on disk
after `COMMIT_S`), and the CPU time of the one event loop, which each request needs for `cpu_s` and nothing else may use
meanwhile. The rule by which `bootstrap` starts requests is written down once more (see `Bootstrap.may_start`).
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "engine")]

from virtual_time import VirtualLoop, run_virtual  # noqa: E402

from synth.engine.budget import Budget  # noqa: E402
from synth.engine.progress import RunProgress  # noqa: E402
from synth.engine.run import Engine, EngineOptions, Fold, Item, RoleModel, StagePlan  # noqa: E402
from synth.engine.throttle import Throttle  # noqa: E402
from synth.errors import RetryableError  # noqa: E402
from synth.models.base import ChatRequest, Completion, Usage  # noqa: E402
from synth.prompts import Prompt  # noqa: E402
from synth.records import Record  # noqa: E402

COMMIT_S = 0.012
"""From putting a row in the writer's queue until it is on disk: the writer's wait for company, and a commit."""
WINDOW = 256
"""The default of `bootstrap.window`."""
PRIOR, RAMP = 0.9, 50
"""Of `synth.stages.bootstrap.pool`: the share of tasks expected to be accepted, and the requests begun at first."""
REAL_SHAPE = (
    *(0.11, 0.18, 0.22, 0.28, 0.33, 0.38, 0.42, 0.50, 0.58, 0.62, 0.71),
    *(0.79, 0.87, 1.01, 1.25, 1.38, 1.58, 1.78, 2.05, 2.31, 5.67),
)
"""Latencies of 153 answers of Qwen2.5-Coder-1.5B on vLLM, every 5th percentile, as shares of their mean."""


def lognormal(sigma: float) -> tuple[float, ...]:
    """A shape with mean 1 and this spread of logarithms, at 201 points of even probability."""
    normal = NormalDist(-(sigma**2) / 2, sigma)
    points = [(n + 0.5) / 201 for n in range(201)]
    found = [2.718281828459045 ** normal.inv_cdf(p) for p in points]
    mean = sum(found) / len(found)
    return tuple(value / mean for value in found)


@dataclass(frozen=True)
class World:
    """A teacher and a machine. Seconds and shares.

    `slots`: requests in flight at most; None: found by the engine. `seats`: requests that the server works on at a
    time, the others wait there; None: all. `latency` is the mean, `shape` quantiles of it at even steps. `errors`,
    `throttled`: shares of the attempts that end in a 500, or in a 429 that asks for `retry_after`. `cpu_s`: of the
    event loop, for each request.
    """

    slots: int | None = 64
    seats: int | None = None
    latency: float = 2.0
    shape: tuple[float, ...] = REAL_SHAPE
    errors: float = 0.007
    throttled: float = 0.0
    retry_after: float = 0.05
    cpu_s: float = 0.0018
    seed: int = 0


@dataclass
class Seen:
    """What the simulated server saw."""

    first: float = -1.0
    last: float = 0.0
    attempts: int = 0
    busy: float = 0.0
    answered: list[float] = field(default_factory=list)

    @property
    def span_s(self) -> float:
        """From the first request to the last answer."""
        return self.last - self.first

    @property
    def rate(self) -> float:
        """Answers a second in the middle half of the run, without its start and its end."""
        quarter = len(self.answered) // 4
        return 2 * quarter / (self.answered[3 * quarter] - self.answered[quarter])


class Teacher:
    """Answers after a while, or fails, by lot; the lots depend on the request and the attempt alone."""

    name, endpoint = "simulated", "nowhere"

    def __init__(self, world: World, loop: VirtualLoop, seen: Seen) -> None:
        self.world, self.loop, self.seen = world, loop, seen
        self._tries: Counter[str] = Counter()
        self._cpu_free = 0.0
        self._seats = asyncio.Semaphore(world.seats) if world.seats else None

    async def complete(self, request: ChatRequest) -> Completion:
        """One attempt."""
        text = request.messages[0]["content"]
        self._tries[text] += 1
        rng = random.Random(f"{self.world.seed} {text} {self._tries[text]}")
        await self._think(self.world.cpu_s / 2)
        self.seen.attempts += 1
        self.seen.first = self.loop.now if self.seen.first < 0 else self.seen.first
        if self._seats is None:
            await self._work(rng)
        else:
            async with self._seats:
                await self._work(rng)
        await self._think(self.world.cpu_s / 2)
        self._fail(rng)
        self.seen.answered.append(self.loop.now)
        return Completion("yes", usage=Usage(1, 1))

    async def _work(self, rng: random.Random) -> None:
        place = rng.random() * (len(self.world.shape) - 1)
        low, high = self.world.shape[int(place)], self.world.shape[int(place) + 1]
        thinking = self.world.latency * (low + (high - low) * (place % 1)) / _mean(self.world.shape)
        self.seen.busy += thinking
        await asyncio.sleep(thinking)
        self.seen.last = self.loop.now

    def _fail(self, rng: random.Random) -> None:
        lot = rng.random()
        if lot < self.world.throttled:
            wish = self.world.retry_after
            raise RetryableError("too many requests", "rate_limit", retry_after=wish, is_throttle=True)
        if lot < self.world.throttled + self.world.errors:
            raise RetryableError("a server error", "server_error")

    async def _think(self, seconds: float) -> None:
        """Use the event loop for so long, after all who use it now."""
        self._cpu_free = max(self.loop.now, self._cpu_free) + seconds
        await asyncio.sleep(self._cpu_free - self.loop.now)

    async def close(self) -> None:
        """Nothing to close."""


def _mean(shape: tuple[float, ...]) -> float:
    """Of values drawn between the points of a shape."""
    return (sum(shape) - (shape[0] + shape[-1]) / 2) / (len(shape) - 1)


class MemoryLedger:
    """Takes rows and keeps none; those that are waited for take their time."""

    failed = None

    def __init__(self) -> None:
        self.out = self

    def entry(self, key: str) -> None:
        """No request was ever asked before."""

    def answer_under_another_cap(self, question: int, request: str) -> None:
        """Nor a like one."""

    def has_outcomes(self, stage: str) -> bool:
        """No stage was ever run before."""
        return False

    async def plan(self, *row: Any) -> None:
        """A row on disk."""
        await asyncio.sleep(COMMIT_S)

    save = begin_stage = finish_stage = plan

    def left(self, *row: Any) -> None:
        """A row that is not waited for."""

    back = save_event = save_outcome = left


class StillEngine(Engine):
    """Lets others run at each chance: what the real one does by the real clock, which here stands still."""

    async def breathe(self) -> None:
        """One turn for all who are ready."""
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Asking:
    """Asks once for the text of its item."""

    async def __call__(self, text: str, ask: Any, rng: random.Random) -> list[Record]:
        """A record for the answer."""
        await ask(Prompt.of(text, "simulated"))
        return [Record(text)]


@dataclass
class Bootstrap:
    """The growing pool, as far as its requests go: `per_request` tasks a reply, of which `accepted` are kept."""

    tasks: int
    per_request: int = 1
    accepted: float = 0.9
    window: int = WINDOW
    seed: int = 0
    kept: int = 0
    settled: int = field(default=0, init=False)

    def may_start(self, started: int, committed: int) -> bool:
        """The rule of `Pool.may_start`: no more is under way than the acceptance so far says is needed."""
        under_way, missing = started - committed, self.tasks - self.kept
        if missing <= 0 or under_way >= min(self.window, RAMP + committed):
            return False
        per_request = (self.kept + PRIOR * self.per_request) / (committed + 1)
        return under_way == 0 or under_way * per_request < missing

    async def run(self, engine: Engine) -> AsyncIterator[str]:
        """The tasks kept, in order."""
        plan, fold = StagePlan("bootstrap", "", {}), Fold(lambda _item, made: made)

        def make(number: int) -> Item:
            return Item(f"new-{number}", value=f"new tasks {number}")

        async for item, _ in engine.grow(plan, make, self.may_start, Asking(), fold):
            rng = random.Random(f"{self.seed} kept of {item.id}")
            good = sum(rng.random() < self.accepted for _ in range(self.per_request))
            for number in range(min(good, self.tasks - self.kept)):
                self.kept += 1
                yield f"{item.id}-{number}"


async def _given(tasks: int) -> AsyncIterator[str]:
    for number in range(tasks):
        yield f"given-{number}"


async def _answered(engine: Engine, name: str, tasks: AsyncIterator[str]) -> AsyncIterator[str]:
    """A stage that asks once for each record, such as `respond`."""

    async def items() -> AsyncIterator[Item]:
        async for task in tasks:
            yield Item(task, value=f"{name} {task}")

    async for item, _ in engine.map(StagePlan(name, "", {}), items(), Asking()):
        yield item.id


def simulate(world: World, tasks: int, bootstrap: Bootstrap | None = None, answers: int = 1) -> Seen:
    """Run stages over a simulated teacher: `bootstrap`, where given, then `answers` stages that ask once a record."""
    seen = Seen()

    async def main(loop: VirtualLoop) -> None:
        teacher = Teacher(world, loop, seen)
        roles = {"teacher": RoleModel(teacher, Throttle(world.slots, clock=loop.time), max_tokens=64)}
        budget = Budget({}, (teacher.name,), None, None)
        engine = StillEngine(MemoryLedger(), roles, budget, RunProgress(), EngineOptions())  # type: ignore[arg-type]
        stream = bootstrap.run(engine) if bootstrap else _given(tasks)
        for number in range(answers):
            stream = _answered(engine, f"answer {number}", stream)
        await engine.drive(_drain(stream))

    run_virtual(main)
    return seen


async def _drain(stream: AsyncIterator[str]) -> None:
    async for _ in stream:
        pass
