"""Items in, results out: the only place that starts tasks.

A stage hands over items and one coroutine for an item. The engine runs many at a time, keeps every answer in the ledger,
and hands the results back in item order, so that neither concurrency nor crashes can change what comes out.
What it does not know: prompts, parsing, checks, files of a stage.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from synth.engine.budget import Budget, Reservation
from synth.engine.ledger import Ledger, Result, results_from_json
from synth.engine.progress import RunProgress, StageProgress
from synth.engine.retry import with_retries
from synth.engine.throttle import Throttle
from synth.errors import RequestFailed, RequestRefused, RetryableError, SynthError
from synth.models.base import ChatModel, ChatRequest, Completion, Sampling, Usage
from synth.prompts import Prompt
from synth.records import Record, Rejection, canonical_json, digest

LOOKAHEAD = 2_000
"""Items of a free stage started but not yet committed, at most."""
READY = 32
"""Requests marked as sent that may wait for a slot; they hide the ledger's latency."""
REQUEST_CHECK = "request"
NOT_QUARANTINED = ("unsupported", "content_filter")
"""Reasons for a failed request that asking again on the next run would not change."""


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


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of work: its id is unique within the stage; `value` is what the coroutine gets."""

    id: str
    value: Any


@dataclass(slots=True)
class RoleModel:
    """A model in a role (teacher, judge), the slots for its endpoint, and defaults of its requests."""

    model: ChatModel
    throttle: Throttle
    extra_body: dict[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    kind: Literal["chat", "completion"] = "chat"

    def complete_request(self, request: ChatRequest) -> ChatRequest:
        """`request` with the defaults of this role where it leaves them open."""
        if self.extra_body:
            request = replace(request, extra_body=self.extra_body | request.extra_body)
        if request.sampling.max_tokens is None and self.max_tokens is not None:
            request = replace(request, sampling=replace(request.sampling, max_tokens=self.max_tokens))
        return request


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What the ledger must know of a stage: outcomes stored under another `fingerprint` are dropped and made again."""

    name: str
    fingerprint: str
    settings: dict[str, Any]
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """`max_attempts` per request; `deadline_s` for all attempts of one together; `grace_s` for answers in flight at a stop."""

    run_seed: int = 0
    max_attempts: int = 8
    deadline_s: float = 900.0
    grace_s: float = 60.0


class Engine:
    """Runs the stages of one run folder. Create it inside the event loop; see `stage`."""

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
        self.fatal: SynthError | None = None
        self.quarantined = 0
        self._owner = asyncio.current_task()
        self._stopping: asyncio.Task[None] | None = None
        self._pending: dict[str, asyncio.Task[Completion]] = {}
        self._ready = Throttle(READY)
        self._rank: dict[str, int] = {}

    # -- stages -----------------------------------------------------------------------------------------------------

    async def stage(
        self, plan: StagePlan, items: AsyncIterator[Item], work: Work, settle: Settle | None = None
    ) -> AsyncIterator[list[Result]]:
        """Run `work` over `items` as they come and yield each item's results in item order.

        `settle` sees the results of every item in order, stored ones too, and may replace them (novelty across items,
        for instance); what it returns is stored and yielded. It must leave its own results as they are. A request that
        fails for good costs its item a Rejection, nothing else.
        """
        run = await self._begin(plan)
        queue: asyncio.Queue[tuple[Item, Later] | None] = asyncio.Queue()
        room = asyncio.Semaphore(LOOKAHEAD)
        feeder = asyncio.create_task(self._feed(run, items, work, queue, room))
        try:
            while (entry := await queue.get()) is not None:
                yield await run.commit(*entry, settle)
                room.release()
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
    ) -> AsyncIterator[list[Result]]:
        """As `stage`, for items that depend on what was committed before them (a growing pool).

        After each commit `may_start(started, committed)` says whether item number `started` is to be made now, by
        `next_item(started)`. Both must depend on committed state alone; then so do all items, at any concurrency. The
        stage ends when nothing is under way and `may_start` says no.
        """
        run = await self._begin(plan)
        under_way: deque[tuple[Item, Later]] = deque()
        started = 0
        try:
            while True:
                while may_start(started, run.committed):
                    item = next_item(started)
                    under_way.append((item, run.start(item, work)))
                    started += 1
                if not under_way:
                    break
                yield await run.commit(*under_way.popleft(), settle, always_final=True)
            await run.finish()
        finally:
            run.cancel()

    async def _begin(self, plan: StagePlan) -> _StageRun:
        await self.ledger.begin_stage(plan.name, plan.fingerprint, canonical_json(plan.settings))
        self._rank.setdefault(plan.name, len(self._rank))
        stored = self.ledger.stored_outcomes(plan.name)
        return _StageRun(self, plan.name, stored, self.progress.stage(plan.name, plan.expected))

    async def _feed(
        self,
        run: _StageRun,
        items: AsyncIterator[Item],
        work: Work,
        queue: asyncio.Queue[tuple[Item, Later] | None],
        room: asyncio.Semaphore,
    ) -> None:
        try:
            async for item in items:
                await room.acquire()
                queue.put_nowait((item, run.start(item, work)))
        finally:
            queue.put_nowait(None)

    # -- asking -----------------------------------------------------------------------------------------------------

    async def answer(self, stage: str, item: str, role: str, request: ChatRequest) -> Completion:
        """The stored answer to `request`, or a new one; equal requests under way at the same time are asked once."""
        who = self.roles[role]
        request = who.complete_request(request)
        key = request_key(who.model, request)
        pending = self._pending.get(key)
        if pending is None:
            found = self.ledger.lookup(key)
            if found is not None:
                return found
            payment = _Payment(self, who, request, key, self._rank.get(stage, 0), self.progress.stage(stage))
            pending = self._pending[key] = asyncio.create_task(payment.pay(stage, item, role))
            pending.add_done_callback(lambda task: self._paid(key, task))
        return await asyncio.shield(pending)

    def _paid(self, key: str, task: asyncio.Task[Completion]) -> None:
        self._pending.pop(key, None)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, RequestFailed):
            self.stop(error if isinstance(error, SynthError) else SynthError(f"internal error: {error!r}"))

    # -- stopping ---------------------------------------------------------------------------------------------------

    def stop(self, reason: SynthError) -> None:
        """Send nothing more, wait for the answers in flight, then end the run with `reason`."""
        if self._stopping is not None:
            return
        self.fatal = reason
        self._ready.stop(reason)
        for who in self.roles.values():
            who.throttle.stop(reason)
        self._stopping = asyncio.get_running_loop().create_task(self._drain_and_cancel())

    async def _drain_and_cancel(self) -> None:
        await self.drain(self.options.grace_s)
        if self._owner is not None:
            self._owner.cancel()

    async def drain(self, grace_s: float) -> None:
        """Wait for the answers in flight, at most `grace_s` seconds, and let go of the rest."""
        tasks = list(self._pending.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=5)


Later = asyncio.Task[list[Result]] | asyncio.Future[list[Result]]


class _StageRun:
    """One stage under way: its stored outcomes, its tasks, its counters."""

    def __init__(self, engine: Engine, name: str, stored: dict[str, str], progress: StageProgress) -> None:
        self.engine = engine
        self.name = name
        self.committed = 0
        self.progress = progress
        self._stored = stored
        self._seen: dict[str, int] = {}
        self._tasks: set[asyncio.Task[list[Result]]] = set()

    def start(self, item: Item, work: Work) -> Later:
        """Start the item's coroutine, unless its outcome is known already."""
        repeat = self._seen[item.id] = self._seen.get(item.id, 0) + 1
        item_id = item.id if repeat == 1 else f"{item.id}#{repeat}"
        stored = self._stored.get(item_id)
        if stored is not None:
            known: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
            known.set_result(results_from_json(stored))
            return known
        task = asyncio.create_task(self._work(item_id, item, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

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

    async def commit(self, item: Item, later: Later, settle: Settle | None, always_final: bool = False) -> list[Result]:
        """Wait for the item's results, settle, store and count them."""
        made = await later
        results = made if settle is None else settle(made)
        repeat = self._seen[item.id]
        item_id = item.id if repeat == 1 else f"{item.id}#{repeat}"
        failed = sum(is_quarantined(result) for result in results)
        self.engine.quarantined += failed
        if item_id not in self._stored or results != made:
            self.engine.ledger.save_outcome(self.name, item_id, self.committed, results, always_final or not failed)
        self._stored.pop(item_id, None)
        self.committed += 1
        self.progress.committed(results)
        return results

    async def finish(self) -> None:
        """Mark the stage as done."""
        await self.engine.ledger.finish_stage(self.name, self.committed)
        self.progress.finish()

    def cancel(self) -> None:
        """Let go of what is still under way (answers already asked for are still stored)."""
        for task in self._tasks:
            task.cancel()


class _Payment:
    """One request on its way: budget, slot, retries, ledger."""

    def __init__(
        self, engine: Engine, who: RoleModel, request: ChatRequest, key: str, rank: int, progress: StageProgress
    ) -> None:
        self.engine, self.who, self.request, self.key, self.rank, self.progress = (
            engine,
            who,
            request,
            key,
            rank,
            progress,
        )
        self._attempts = 0
        self._holds_slot = False

    async def pay(self, stage: str, item: str, role: str) -> Completion:
        """Ask and store. Raises what the model raised once it is final."""
        engine, model = self.engine, self.who.model
        worst = engine.budget.worst_case(model.name, self.request)
        await engine.budget.reserve(worst)
        real: Reservation | None = None
        try:
            await self._take_slot(stage, item, role, worst)
            rng = random.Random(int(self.key[:16], 16))
            answer = await with_retries(self._attempt, rng, engine.options.max_attempts, engine.options.deadline_s)
            real = engine.budget.real(model.name, answer.usage, worst)
            answer = replace(answer, usage=Usage(real.prompt_tokens, real.completion_tokens), key=self.key)
            await engine.ledger.save_answer(self.key, answer, real.cost, self._attempts)
            self.progress.answered(real.prompt_tokens, real.completion_tokens, real.cost)
            return answer
        except RequestFailed as error:
            await engine.ledger.save_failure(self.key, f"{error.reason}: {error.message}", 0.0, self._attempts)
            raise
        finally:
            if self._holds_slot:
                self.who.throttle.release()
            await engine.budget.settle(worst, real)

    async def _take_slot(self, stage: str, item: str, role: str, worst: Reservation) -> None:
        """Note in the ledger that the request leaves, then wait for a slot, in that order: see READY."""
        model = self.who.model
        await self.engine._ready.acquire(self.rank)
        try:
            request = canonical_json(self.request.to_dict())
            await self.engine.ledger.mark_sent(
                self.key, stage, item, role, (model.name, model.endpoint), request, worst.cost
            )
            await self.who.throttle.acquire(self.rank)
            self._holds_slot = True
        finally:
            self.engine._ready.release()

    async def _attempt(self) -> Completion:
        throttle = self.who.throttle
        if not self._holds_slot:
            await throttle.acquire(self.rank)
            self._holds_slot = True
        self._attempts += 1
        try:
            answer = await self.who.model.complete(self.request)
            throttle.answered()
        except RetryableError as error:
            self.progress.retries += 1
            if error.is_throttle:
                throttle.refused(error.retry_after)
            raise
        finally:
            self._holds_slot = False
            throttle.release()
        if answer.finish_reason == "stop" and not answer.text.strip():
            raise RetryableError("the model answered with nothing", "empty_answer")
        return answer


def _usable(answer: Completion, keep_cut: bool) -> Completion:
    if answer.finish_reason == "content_filter":
        raise RequestRefused("the endpoint's content filter withheld the answer", "content_filter")
    if answer.finish_reason == "unsupported":
        raise RequestRefused("the teacher cannot do this task", "unsupported")
    if answer.finish_reason == "length" and not keep_cut:
        raise RequestRefused(f"cut at max_tokens twice; the text so far: {answer.text[:200]!r}", "cut_off")
    return answer


def request_key(model: ChatModel, request: ChatRequest) -> str:
    """SHA-256 of the canonical JSON of all that determines an answer: endpoint, model and the whole request."""
    return digest(model.endpoint, model.name, request.to_dict())


def request_failure(record: Record, stage: str, error: RequestFailed) -> Rejection:
    """The Rejection of a record whose request failed for good."""
    return Rejection(record, stage, REQUEST_CHECK, error.reason, error.message[:300])


def is_quarantined(result: Result) -> bool:
    """Did this item fail at the endpoint, so that the next run should try it again?"""
    return isinstance(result, Rejection) and result.check == REQUEST_CHECK and result.reason not in NOT_QUARANTINED
