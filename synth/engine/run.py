"""Items in, results out: the only place that starts tasks.

A stage hands over items and one coroutine for an item. The engine runs many at a time, keeps every answer in the
ledger, and hands the results back in item order: neither concurrency nor crashes can change what comes out.
What it does not know: prompts, parsing, checks, files of a stage.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Protocol

from synth.engine.budget import Budget
from synth.engine.crash import crash_point
from synth.engine.ledger import Ledger, Outcome, Result, results_from_json, results_to_json
from synth.engine.payment import Payment, RoleModel, request_key
from synth.engine.progress import RunProgress
from synth.engine.throttle import Throttle
from synth.errors import RequestFailed, RequestRefused, RetryableError, SynthError
from synth.models.base import ChatRequest, Completion, Sampling
from synth.prompts import Prompt
from synth.records import Record, Rejection, canonical_json, digest

__all__ = ["Ask", "Engine", "EngineOptions", "Item", "RoleModel", "StagePlan", "is_quarantined", "request_failure"]

ACTIVE = 1_024
"""Items of a free stage at work at a time: enough to fill all slots, few enough to fit in memory."""
LOOKAHEAD = 8_192
"""Items of a free stage started but not yet committed, at most: one slow answer holds up the order, not the others."""
READY = 32
"""Requests noted as sent that may wait for a slot; they hide the ledger's latency."""
LOST_IN_A_ROW = 20
"""Requests lost for good, all attempts used up, with no answer in between: then the endpoint is down."""
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
    ) -> Completion:
        """One answer. `keep_cut`: an answer cut at max_tokens is wanted as it is, not asked again with a larger cap."""
        ...


Work = Callable[[Any, Ask, random.Random], Awaitable[list[Result]]]
Settle = Callable[[list[Result]], list[Result]]
Recall = Callable[[list[Result]], None]


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of work: its id is unique within the stage; `value` is what the coroutine gets."""

    id: str
    value: Any


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


class Engine:
    """Runs the stages of one run folder. Create it inside the event loop; see `stage`.

    `fatal` is why the run stopped early. From then on nothing is sent: whoever asks gets `fatal` raised, and so it
    comes out of every stage. `drive` runs a chain of them.
    """

    def __init__(
        self,
        ledger: Ledger,
        roles: Mapping[str, RoleModel],
        budget: Budget,
        progress: RunProgress,
        options: EngineOptions = EngineOptions(),
    ) -> None:
        self.ledger = ledger
        self.roles = roles
        self.budget = budget
        self.progress = progress
        self.options = options
        self.ready = Throttle(READY)
        self.stopped = asyncio.Event()
        self.fatal: SynthError | None = None
        self.quarantined = 0
        self._payments: dict[str, Payment] = {}
        self._ranks: dict[str, int] = {}
        self._lost = 0

    # -- stages -----------------------------------------------------------------------------------------------------

    async def stage(
        self,
        plan: StagePlan,
        items: AsyncIterator[Item],
        work: Work,
        settle: Settle | None = None,
        recall: Recall | None = None,
    ) -> AsyncIterator[list[Result]]:
        """Run `work` over `items` as they come and yield each item's results in item order.

        `settle` sees the results of every item in order, stored ones too, and may replace them (novelty across items,
        for instance); what it returns is stored and yielded. It must leave its own results as they are. `recall`, where
        given, takes note of stored results in its place, as long as all items so far are as they were.
        A request that fails for good costs its item a Rejection, nothing else.
        """
        run = await self._begin(plan)
        queue: asyncio.Queue[_Started | None] = asyncio.Queue()
        feeder = asyncio.create_task(run.feed(items, work, queue))
        feeder.add_done_callback(_retrieve)
        try:
            while (started := await queue.get()) is not None:
                yield await run.commit(started, settle, recall)
                run.room.release()
            await feeder
            await run.finish()
        finally:
            feeder.cancel()
            run.cancel()

    async def windowed_stage(
        self,
        plan: StagePlan,
        next_item: Callable[[int], Item],
        may_start: Callable[[int, int], bool],
        work: Work,
        settle: Settle,
        recall: Recall | None = None,
    ) -> AsyncIterator[list[Result]]:
        """As `stage`, for items that depend on what was committed before them (a growing pool).

        After each commit `may_start(started, committed)` says whether item number `started` is to be made now, by
        `next_item(started)`. Both must depend on committed state alone; then so do all items, at any concurrency. The
        stage ends when nothing is under way and `may_start` says no. A failed item stays failed: later ones were made
        without it.
        """
        run = await self._begin(plan)
        under_way: deque[_Started] = deque()
        number = 0
        try:
            while True:
                while may_start(number, run.committed):
                    under_way.append(run.start(next_item(number), work))
                    number += 1
                if not under_way:
                    break
                yield await run.commit(under_way.popleft(), settle, recall, windowed=True)
            await run.finish()
        finally:
            run.cancel()

    async def _begin(self, plan: StagePlan) -> _StageRun:
        """Stages begin from the last to the first, each pulling on the one before: the first has the lowest rank."""
        await self.ledger.begin_stage(plan.name, plan.fingerprint, canonical_json(plan.settings))
        self._ranks.setdefault(plan.name, -len(self._ranks))
        crash_point("stage")
        return _StageRun(self, plan)

    # -- asking -----------------------------------------------------------------------------------------------------

    async def answer(self, stage: str, item: str, role: str, request: ChatRequest) -> Completion:
        """The stored answer to `request`, or a new one; equal requests under way at the same time are asked once."""
        who = self.roles[role]
        request = who.complete_request(request)
        text = canonical_json(request.to_dict())
        key = request_key(who.model.endpoint, who.model.name, text)
        payment = self._payments.get(key)
        if payment is None:
            found = self.ledger.lookup(key)
            if found is not None:
                return found
            self.check()
            if who.offline:
                raise RequestRefused("this request has no stored answer", NO_STORED_ANSWER)
            payment = Payment(self, who, request, (key, text), (stage, item, role), self._ranks.get(stage, 0))
            self._payments[key] = payment
            payment.task.add_done_callback(lambda task: self._paid(key, task))
        return await payment.result()

    def _paid(self, key: str, task: asyncio.Task[Completion]) -> None:
        self._payments.pop(key, None)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, RetryableError):
            self._lost += 1
            if self._lost >= LOST_IN_A_ROW:
                self.stop(
                    SynthError(
                        f"the last {self._lost} requests failed, all attempts used up: {error.message}",
                        "see whether the endpoint is up, then type the same command again; all is kept",
                    )
                )
        elif error is None or isinstance(error, RequestFailed):
            self._lost = 0
        else:
            self.stop(error if isinstance(error, SynthError) else SynthError(f"internal error: {error!r}"))

    # -- stopping ---------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `fatal` when the run has been stopped."""
        if self.fatal is not None:
            raise self.fatal.with_traceback(None)

    def stop(self, reason: SynthError) -> None:
        """Send nothing more. Answers in flight are waited for and kept, for `grace_s` seconds at most."""
        if self.fatal is not None:
            return
        self.fatal = reason
        self.stopped.set()
        self.ready.stop(reason)
        for who in self.roles.values():
            who.throttle.stop(reason)
        asyncio.get_running_loop().call_later(self.options.grace_s, self._give_up)

    def _give_up(self) -> None:
        for payment in self._payments.values():
            payment.task.cancel()

    async def drive(self, stages: Awaitable[None]) -> None:
        """Run a chain of stages to its end, good or bad, and then `drain`. Raises `fatal` when the run was stopped."""
        try:
            with _rare_collections():
                await stages
            self.check()
        finally:
            await self.drain(self.options.grace_s)

    async def drain(self, grace_s: float) -> None:
        """End of the run: send nothing more, wait for the answers in flight, at most `grace_s` seconds."""
        self.stop(SynthError("the run has ended"))
        tasks = [payment.task for payment in self._payments.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
            self._give_up()
            await asyncio.wait(tasks, timeout=5)


Later = asyncio.Task[list[Result]] | list[Result]


@dataclass(slots=True)
class _Started:
    """An item under way, or with results already stored."""

    id: str
    input: str
    later: Later
    stored: Outcome | None


class _StageRun:
    """One stage under way: its tasks, its counters."""

    def __init__(self, engine: Engine, plan: StagePlan) -> None:
        self.engine = engine
        self.name = plan.name
        self.committed = 0
        self.progress = engine.progress.stage(plan.name, plan.expected)
        self.room = asyncio.Semaphore(LOOKAHEAD)
        self._active = asyncio.Semaphore(ACTIVE)
        self._as_before = True
        self._has_stored = engine.ledger.has_outcomes(plan.name)
        self._seen: dict[str, int] = {}
        self._tasks: set[asyncio.Task[list[Result]]] = set()

    async def feed(self, items: AsyncIterator[Item], work: Work, queue: asyncio.Queue[_Started | None]) -> None:
        """Start items as they come and as there is room. An error of the stages before this one stops the run."""
        try:
            async for item in items:
                await self.room.acquire()
                await self._active.acquire()
                started = self.start(item, work)
                queue.put_nowait(started)
                if isinstance(started.later, list):
                    self._active.release()
                else:
                    started.later.add_done_callback(lambda _: self._active.release())
        except SynthError as error:
            self.engine.stop(error)
            raise
        finally:
            queue.put_nowait(None)

    def start(self, item: Item, work: Work) -> _Started:
        """Start the item's coroutine, unless its outcome is known already."""
        self.engine.check()
        repeat = self._seen[item.id] = self._seen.get(item.id, 0) + 1
        item_id = item.id if repeat == 1 else f"{item.id}#{repeat}"
        mark = _mark(item.value)
        stored = self.engine.ledger.outcome(self.name, item_id) if self._has_stored else None
        if stored is not None and stored.final and stored.input == mark:
            return _Started(item_id, mark, results_from_json(stored.results), stored)
        task = asyncio.create_task(self._work(item_id, item, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_retrieve)
        return _Started(item_id, mark, task, None)

    async def _work(self, item_id: str, item: Item, work: Work) -> list[Result]:
        rng = random.Random(int(digest(self.engine.options.run_seed, self.name, item_id)[:16], 16))
        try:
            return await work(item.value, self._asker(item_id), rng)
        except RequestFailed as error:
            record = item.value if isinstance(item.value, Record) else Record("")
            return [request_failure(record, self.name, error)]

    def _asker(self, item_id: str) -> Ask:
        async def ask(
            prompt: Prompt,
            sampling: Sampling = Sampling(),
            *,
            role: str = "teacher",
            schema: dict[str, Any] | None = None,
            draw: int = 0,
            keep_cut: bool = False,
        ) -> Completion:
            request = ChatRequest(prompt.messages, sampling, schema, draw, self.engine.roles[role].kind)
            answer = await self.engine.answer(self.name, item_id, role, request)
            if answer.finish_reason == "length" and not keep_cut:
                answer = await self._ask_longer(item_id, role, request)
            return _usable(answer, keep_cut)

        return ask

    async def _ask_longer(self, item_id: str, role: str, request: ChatRequest) -> Completion:
        cap = self.engine.roles[role].complete_request(request).sampling.max_tokens
        longer = replace(request.sampling, max_tokens=2 * (cap or 2048))
        return await self.engine.answer(self.name, item_id, role, replace(request, sampling=longer))

    async def commit(
        self, started: _Started, settle: Settle | None, recall: Recall | None, windowed: bool = False
    ) -> list[Result]:
        """Wait for the item's results, settle, store and count them."""
        results = started.later if isinstance(started.later, list) else await started.later
        if self.engine.ledger.failed:
            raise self.engine.ledger.failed
        in_place = started.stored is not None and started.stored.ordinal == self.committed
        self._as_before = self._as_before and in_place
        if recall is not None and self._as_before:
            recall(results)
        elif settle is not None:
            made, results = results, settle(results)
            in_place = in_place and results == made
        crash_point("settled")
        self._note(started, results, in_place, windowed)
        self.committed += 1
        self.progress.committed(results)
        return results

    def _note(self, started: _Started, results: list[Result], in_place: bool, windowed: bool) -> None:
        failed = sum(is_quarantined(result) for result in results)
        if windowed and failed:
            self._refuse_gaps(results)
        self.engine.quarantined += 0 if windowed else failed
        if not in_place:
            outcome = Outcome(self.committed, started.input, results_to_json(results), windowed or not failed)
            self.engine.ledger.save_outcome(self.name, started.id, outcome)

    def _refuse_gaps(self, results: list[Result]) -> None:
        """Without calls a growing pool cannot be made again past an answer that is missing."""
        if any(isinstance(result, Rejection) and result.reason == NO_STORED_ANSWER for result in results):
            raise SynthError(
                f"{self.name}: request {self.committed + 1} has no stored answer; from there on the pool differs",
                "`synth run` goes on from there, with calls",
            )

    async def finish(self) -> None:
        """Mark the stage as done."""
        crash_point("finish")
        await self.engine.ledger.finish_stage(self.name, self.committed)
        self.progress.finish()

    def cancel(self) -> None:
        """Let go of what is still under way (answers already asked for are still stored)."""
        for task in self._tasks:
            task.cancel()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python look for cyclic garbage less often: with thousands of tasks alive, a third of the engine's time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _mark(value: Any) -> str:
    """A hash of what goes into an item, so that a stored outcome is not taken for another input of the same id."""
    return blake2b(repr(value).encode(), digest_size=8).hexdigest() if isinstance(value, Record) else ""


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Take note of a task's exception; who needs it awaits the task."""
    if not task.cancelled():
        task.exception()


def _usable(answer: Completion, keep_cut: bool) -> Completion:
    if answer.finish_reason == "content_filter":
        raise RequestRefused("the endpoint's content filter withheld the answer", "content_filter")
    if answer.finish_reason == "unsupported":
        raise RequestRefused("the teacher cannot do this task", "unsupported")
    if answer.finish_reason == "length" and not keep_cut:
        raise RequestRefused(f"cut at max_tokens twice; the text so far: {answer.text[:200]!r}", "cut_off")
    return answer


def request_failure(record: Record, stage: str, error: RequestFailed) -> Rejection:
    """The Rejection of a record whose request failed for good."""
    return Rejection(record, stage, REQUEST_CHECK, error.reason, error.message[:300])


def is_quarantined(result: Result) -> bool:
    """Did this item fail at the endpoint, so that the next run should try it again?"""
    return isinstance(result, Rejection) and result.check == REQUEST_CHECK and result.reason not in NOT_QUARANTINED
