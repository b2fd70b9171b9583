"""A worker: does the work of items in a process of its own, with an engine of its own over a shard.

Its driver (see `synth.engine.crew`) gives it items and is told the results. Before a request is sent the driver
is asked for it, so that an equal request is asked once by all workers together, and never where an answer is stored.
Messages are tuples, the kind first; both sides send them in batches.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from synth.engine.budget import Budget, Price, Reservation
from synth.engine.entries import Entry
from synth.engine.progress import RunProgress
from synth.engine.run import Engine, EngineOptions, RoleModel
from synth.engine.shards import Shard
from synth.engine.stage_run import work_at, work_on
from synth.engine.work import Work
from synth.errors import BudgetReached, CredentialsError, StageStopped, StorageError, SynthError, UsageError
from synth.models.base import Completion

Message = tuple[Any, ...]
BATCH = 1_000
"""Messages in one batch, at most."""
LINGER_S, SILENCE_S = 0.025, 5.0
"""Seconds to wait for company before a batch is told, and for something to tell at all."""

SENT = (SynthError, UsageError, BudgetReached, StorageError, CredentialsError, StageStopped)
"""Errors whose kind is known on the other side too."""


class Worker:
    """The worker's side of the line to its driver. Make it inside the event loop, and give it its `engine`."""

    engine: WorkerEngine

    def __init__(self) -> None:
        self._told: list[Message] = []
        self._is_news = asyncio.Event()
        self._numbers = itertools.count()
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._works: dict[int, Work] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # -- to the driver ----------------------------------------------------------------------------------------------

    def tell(self, *message: Any) -> None:
        """Have the driver told."""
        self._told.append(message)
        self._is_news.set()

    async def ask(self, kind: str, *about: Any) -> Any:
        """The driver's reply. Raises what it refuses with."""
        number = next(self._numbers)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        self.tell(kind, number, *about)
        try:
            return await reply
        finally:
            del self._replies[number]

    async def told(self) -> list[Message]:
        """What there is to tell, after at most SILENCE_S; how busy the worker is comes first."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_news.wait(), SILENCE_S)
        await asyncio.sleep(LINGER_S)
        return self.take()

    def take(self) -> list[Message]:
        """The next batch as it is now."""
        batch, self._told = self._told[:BATCH], self._told[BATCH:]
        if not self._told:
            self._is_news.clear()
        engine = self.engine
        in_flight = {name: stage.in_flight for name, stage in engine.progress.stages.items()}
        return [("busy", in_flight, engine.max_active, engine.has_answered, engine.verdict()), *batch]

    # -- from the driver --------------------------------------------------------------------------------------------

    def give(self, messages: Sequence[Message]) -> None:
        """Take what the driver says."""
        for kind, *about in messages:
            getattr(self, f"_take_{kind}")(*about)

    def _take_work(self, number: int, work: Work) -> None:
        self._works[number] = work_at(work, self.engine)

    def _take_item(self, number: int, stage: str, rank: int, item: str, value: Any, work: int) -> None:
        self.engine.set_rank(stage, rank)
        task = asyncio.create_task(self._do(number, stage, item, value, self._works[work]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _take_reply(self, number: int, reply: Any, refusal: SynthError | None) -> None:
        waiting = self._replies.get(number)
        if waiting is None or waiting.done():
            return
        if refusal is None:
            waiting.set_result(reply)
        else:
            waiting.set_exception(refusal)

    def _take_halt(self, reason: SynthError) -> None:
        self.engine.stop(reason)
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(reason)

    def _take_close(self, grace_s: float) -> None:
        self._tasks.add(asyncio.create_task(self._close(grace_s)))

    async def _close(self, grace_s: float) -> None:
        await self.engine.drain(grace_s)
        await self.engine.ledger.flush()
        self.tell("closed")

    async def _do(self, number: int, stage: str, item: str, value: Any, work: Work) -> None:
        try:
            self.tell("done", number, await work_on(self.engine, stage, item, value, work), None)
        except Exception as error:
            self.tell("done", number, None, portable(error))


class WorkerEngine(Engine):
    """The engine of a worker: the driver knows which requests are answered, and which are under way elsewhere."""

    def __init__(
        self,
        worker: Worker,
        shard: Shard,
        roles: Mapping[str, RoleModel],
        budget: Budget,
        options: EngineOptions,
    ) -> None:
        super().__init__(shard, roles, budget, RunProgress(), options)
        self._worker = worker

    @property
    def has_answered(self) -> bool:
        """Has any endpoint answered?"""
        return any(who.health.has_answered for who in self._watched)

    async def known(self, entry: Entry) -> Entry:
        """The row from which to go on: one that answers this request, the driver's own, or `entry`."""
        rows: list[Entry] = await self._worker.ask("claim", entry.key, entry.question)
        for row in rows:
            if row.state == "answered" and (row.key == entry.key or row.also_answers(entry.request)):
                return row
        return next((row for row in rows if row.key == entry.key), entry)

    def stop(self, reason: SynthError) -> None:
        """Stop, and have the whole run stopped."""
        if self.fatal is None:
            self._worker.tell("fatal", portable(reason))
        super().stop(reason)

    def _paid(self, key: str, who: RoleModel, task: asyncio.Task[Completion]) -> None:
        super()._paid(key, who, task)
        self._worker.tell("free", key)


class DriverBudget(Budget):
    """The worker's view of a budget with a cap: the driver keeps it, for all workers together."""

    def __init__(self, prices: Mapping[str, Price], models: tuple[str, ...], worker: Worker) -> None:
        super().__init__(prices, models, None, None)
        self._worker = worker

    def try_reserve(self, worst: Reservation) -> bool:
        """Never at once."""
        return False

    async def reserve(self, worst: Reservation) -> None:
        """See `Budget.reserve`."""
        await self._worker.ask("reserve", worst)

    def settle(self, worst: Reservation, real: Reservation) -> None:
        """See `Budget.settle`."""
        self._worker.tell("settle", worst, real)


def portable(error: Exception) -> SynthError:
    """The error as it can be sent to another process: one of ours by its kind, any other as what Python says of it."""
    if type(error) in SENT:
        assert isinstance(error, SynthError)
        return error
    if isinstance(error, SynthError):
        return SynthError(error.message, error.hint)
    return SynthError(f"internal error in a worker: {error!r}", "run it without --on, with --debug, to see where")
