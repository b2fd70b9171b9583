"""Items in, results out: the only place that starts tasks.

A stage hands over items and one coroutine for an item. The engine runs many at a time, keeps every answer in the
ledger, and hands the results back in item order: neither concurrency nor crashes can change what comes out.
What it does not know: prompts, parsing, checks, files of a stage.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from synth.engine.budget import Budget
from synth.engine.crash import crash_point
from synth.engine.entries import Entry, question_of, request_key
from synth.engine.health import FIRST_ANSWER_S
from synth.engine.ledger import NOTE, Ledger, Result
from synth.engine.payment import Payment, RoleModel
from synth.engine.progress import RunProgress
from synth.engine.stage_run import StageRun, Started, asker, retrieve
from synth.engine.throttle import Lane, Throttle
from synth.engine.work import (
    NO_STORED_ANSWER,
    Ask,
    EngineOptions,
    Fold,
    Item,
    Place,
    StagePlan,
    Work,
    is_quarantined,
    request_failure,
)
from synth.errors import RequestFailed, RequestRefused, RetryableError, SynthError
from synth.models.base import ChatRequest, Completion
from synth.models.structured import PROBE as SCHEMA_PROBE
from synth.models.structured import obeys
from synth.records import canonical_json

__all__ = [
    "PROBE",
    "Ask",
    "Engine",
    "EngineOptions",
    "Fold",
    "Item",
    "RoleModel",
    "StagePlan",
    "is_quarantined",
    "request_failure",
]

ACTIVE_PER_SLOT = 4
"""Items of a free stage at work for each slot: enough that none runs idle, few enough that they are done one after the
other. With all of them at work at once all would be done at the end, and later stages would be idle till then."""
BREATH_S, BREATHS, IDLE_S = 0.001, 20, 0.0005
"""Ready results are settled for so long before the network gets turns again: until one is this short, but not more."""
LOOKAHEAD, FILES_AHEAD = 8_192, 4
"""Items of a stage started but not yet committed, at most: one slow answer holds up the order, not the others. With
batches so many files of them: a request that failed comes with the next file, which is full of further ones."""
READY = 64
"""Requests noted as sent that may wait for a slot; they hide the ledger's latency."""
OUTAGE_PAUSE_S = 1.0
"""After an attempt to reach a server that is away nothing is sent for so long."""
PROBE = "probe"
"""The name under which a run keeps what it asked to know its models: it belongs to no item of a stage."""


class Engine:
    """Runs the stages of one run folder. Create it inside the event loop; see `map`.

    `fatal` is why the run stopped early. From then on nothing is sent: whoever asks gets `fatal` raised, and so it
    comes out of every stage. `drive` runs a chain of them. `place`: where items of `map` are worked on, None for here.
    `ends_at_gaps`: a growing pool ends where a stored answer is missing, and that is no error.
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
        self.place: Place | None = None
        self.ends_at_gaps = False
        self.quarantined = 0
        self._payments: dict[str, Payment] = {}
        self._later: set[asyncio.Task[None]] = set()
        self._ranks: dict[str, int] = {}
        self._watched: list[RoleModel] = []
        self._breathed = 0.0

    # -- stages -----------------------------------------------------------------------------------------------------

    async def map(
        self, plan: StagePlan, items: AsyncIterator[Item], work: Work | None = None, fold: Fold | None = None
    ) -> AsyncIterator[tuple[Item, list[Result]]]:
        """Run `work` over independent `items` as they come; yield each with its results, in item order.

        Without `work` an item's result is its `result`, or its value. A request that fails for good costs its item a
        Rejection, nothing else.
        """
        run = await self._begin(plan, self.place)
        queue: asyncio.Queue[Started | None] = asyncio.Queue()
        feeder = asyncio.create_task(run.feed(items, work, queue))
        feeder.add_done_callback(retrieve)
        try:
            while (started := await queue.get()) is not None:
                yield started.item, await run.commit(started, fold)
                run.room.release()
            await feeder
            await run.finish()
        finally:
            feeder.cancel()
            run.cancel()

    async def grow(
        self,
        plan: StagePlan,
        make: Callable[[int], Item],
        may_start: Callable[[int, int], bool],
        work: Work,
        fold: Fold,
    ) -> AsyncIterator[tuple[Item, list[Result]]]:
        """As `map`, for items that depend on what was committed before them (a growing pool).

        After each commit `may_start(started, committed)` says whether item number `started` is to be made now, by
        `make(started)`. Both must depend on committed state alone; then so do all items, at any concurrency. The stage
        ends when nothing is under way and `may_start` says no. A failed item stays failed: later ones were made
        without it.
        """
        run = await self._begin(plan)
        under_way: deque[Started] = deque()
        number = 0
        try:
            while True:
                while not run.is_at_gap and may_start(number, run.committed):
                    under_way.append(run.start(make(number), work))
                    number += 1
                    await self.breathe()
                if not under_way:
                    break
                started = under_way.popleft()
                yield started.item, await run.commit(started, fold, windowed=True)
            await run.finish()
        finally:
            run.cancel()

    async def _begin(self, plan: StagePlan, place: Place | None = None) -> StageRun:
        """Stages begin from the last to the first, each pulling on the one before; the last goes first at the slots.

        So records leave as soon as they can, and no later stage is left with all its work at the end.
        """
        await self.ledger.begin_stage(plan.name, plan.fingerprint, canonical_json(plan.settings))
        self.set_rank(plan.name, len(self._ranks))
        crash_point("stage")
        return StageRun(self, plan, place)

    def rank(self, stage: str) -> int:
        """The stage's place at the slots; 0 goes first."""
        return self._ranks.get(stage, 0)

    def set_rank(self, stage: str, rank: int) -> None:
        """Note a stage's place at the slots, unless it has one."""
        self._ranks.setdefault(stage, rank)

    def note(self, text: str) -> None:
        """Keep a sentence about what was done otherwise than asked: said to who watches, and stored in the ledger."""
        if text not in self.progress.notes:
            self.progress.notes.append(text)
            self.ledger.save_event(NOTE, 0.0, text)

    # -- asking -----------------------------------------------------------------------------------------------------

    def asking(self, stage: str, item: str) -> Ask:
        """How to ask for something that belongs to no item of a stage, such as a trial of the judge."""
        return asker(self, stage, item)

    async def takes_schema(self, role: str) -> bool:
        """Does the model of `role` keep to a JSON schema? A model that does not say is asked once in a run's life."""
        who = self.roles[role]
        known = getattr(who.model, "structured_outputs", False)
        if known is not None or who.kind != "chat":
            return bool(known) and who.kind == "chat"
        try:
            answer = await self.answer(PROBE, f"schema of {role}", role, SCHEMA_PROBE)
        except RequestFailed:
            return False
        return obeys(answer)

    async def answer(self, stage: str, item: str, role: str, request: ChatRequest) -> Completion:
        """The stored answer to `request`, or a new one; equal requests under way at the same time are asked once."""
        who = self.roles[role]
        request = who.complete_request(request)
        text = canonical_json(request.to_dict())
        key = request_key(who.endpoint, who.model.name, text)
        payment = self._payments.get(key)
        if payment is None:
            entry = self.ledger.entry(key) or self._new_entry(key, (stage, item, role), text)
            found = entry.answer() or self.ledger.answer_under_another_cap(entry.question, text)
            if found is not None:
                self.progress.looked_up(stage, role, found.usage)
                return found
            self.check()
            if who.offline:
                self.progress.looked_up(stage, role, None)
                raise RequestRefused("this request has no stored answer", NO_STORED_ANSWER)
            payment = Payment(self, who, request, entry, self.rank(stage), alone=stage == PROBE)
            self._payments[key] = payment
            payment.task.add_done_callback(lambda task: self._paid(key, who, task))
        return await payment.result()

    async def known(self, entry: Entry) -> Entry:
        """The row from which a request goes on, answered where others have asked it already; workers look further."""
        if self.place is not None:
            await self.place.open()
        return entry

    def _new_entry(self, key: str, where: tuple[str, str, str], request: str) -> Entry:
        who = self.roles[where[2]]
        question = question_of(who.endpoint, who.model.name, request)
        return Entry(key, *where, who.model.name, who.endpoint, request, question)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` beside everything else; `drain` waits for it."""
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        task.add_done_callback(retrieve)

    def _paid(self, key: str, who: RoleModel, task: asyncio.Task[Completion]) -> None:
        self._payments.pop(key, None)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, RequestFailed):
            self._stop_if(who.health.lost(error))
        elif error is None:
            for note in getattr(who.model, "notes", ()):
                self.note(note)
        else:
            self.stop(error if isinstance(error, SynthError) else SynthError(f"internal error: {error!r}"))

    def watch(self, who: RoleModel) -> None:
        """Before the first request to an endpoint leaves: see to it that it answers at all."""
        if who not in self._watched:
            self._watched.append(who)
            asyncio.get_running_loop().call_later(FIRST_ANSWER_S, lambda: self.later(self._look(who)))

    async def _look(self, who: RoleModel) -> None:
        reason = await who.health.look(getattr(who.model, "is_there", None)) if self.fatal is None else None
        if reason is not None:
            self.stop(reason)
            self._give_up()  # an endpoint that never answered is not waited for

    def failed(self, who: RoleModel, lane: Lane, error: RequestFailed) -> None:
        """An attempt failed. While other servers of the model are in order, that says nothing about the model."""
        was_out = lane.is_out
        if who.throttle.failed(lane, error):
            if lane.is_out and not was_out:
                self.progress.say(f"{error.message}; the other servers get its requests, and it is tried again")
            return
        self._stop_if(who.health.failed(error))
        if isinstance(error, RetryableError) and error.is_outage:
            lane.control.pause(OUTAGE_PAUSE_S)

    def _stop_if(self, reason: SynthError | None) -> None:
        if reason is not None:
            self.stop(reason)

    @property
    def max_active(self) -> int:
        """Items of one stage that may be at work now. In batches all of a file go and come together."""
        if self.place is not None:
            return self.place.max_active
        slots = {who.throttle: 1 if who.batches else ACTIVE_PER_SLOT for who in self.roles.values()}
        return max(ACTIVE_PER_SLOT, sum(times * throttle.limit for throttle, times in slots.items()))

    @property
    def in_batches(self) -> tuple[int, int]:
        """How many requests are in how many batches at providers."""
        found = [batches.under_way for batches in {who.batches for who in self.roles.values()} if batches]
        return sum(requests for requests, _ in found), sum(count for _, count in found)

    @property
    def lookahead(self) -> int:
        """Items of a stage that may have started and not be committed yet."""
        return max(LOOKAHEAD, *(FILES_AHEAD * who.throttle.limit for who in self.roles.values() if who.batches), 0)

    async def breathe(self) -> None:
        """Every few milliseconds let other tasks run, until they have little to do: answers and requests come first."""
        now = time.monotonic()
        if now - self._breathed < BREATH_S:
            return
        for _ in range(BREATHS):
            await asyncio.sleep(0)
            before, now = now, time.monotonic()
            if now - before < IDLE_S:
                break
        self._breathed = now

    async def targets(self, stage: str, fingerprint: str, wanted: int) -> list[tuple[int, int]]:
        """See `Ledger.targets`."""
        return await self.ledger.targets(stage, fingerprint, wanted)

    async def repair(self) -> None:
        """Ask again the requests whose rows were damaged on disk, so that the ledger is whole; what was made stays."""
        for key, stage, item, role, *about in self.ledger.damaged_requests():
            model, endpoint, request = about[:3]
            who = self.roles.get(role)
            is_known = who is not None and (who.model.name, who.endpoint) == (model, endpoint)
            if not is_known or key != request_key(endpoint, model, request):
                await self.ledger.drop_request(key)
                continue
            with suppress(RequestFailed):
                await self.answer(stage, item, role, ChatRequest.from_dict(json.loads(request)))

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
            who.stop(reason)
        if self.place is not None:
            self.place.stop(reason)
        asyncio.get_running_loop().call_later(self.options.grace_s, self._give_up)

    def _give_up(self) -> None:
        for payment in self._payments.values():
            payment.task.cancel()

    async def drive(self, stages: Awaitable[None]) -> None:
        """Run a chain of stages to its end, good or bad, and then `drain`. Raises `fatal` when the run was stopped."""
        try:
            with rare_collections():
                await stages
            self._stop_if(self.verdict())
            self.check()
        finally:
            await self.drain(self.options.grace_s)

    def verdict(self) -> SynthError | None:
        """Why nothing came of the requests to an endpoint, here or elsewhere, where not one was answered."""
        found = [self.place.verdict() if self.place else None, *(who.health.verdict() for who in self._watched)]
        return next((reason for reason in found if reason is not None), None)

    async def drain(self, grace_s: float) -> None:
        """End of the run: send nothing more, wait for the answers in flight, at most `grace_s` seconds."""
        self.stop(SynthError("the run has ended"))
        if self.place is not None:
            await self.place.drain(grace_s)
        tasks = [payment.task for payment in self._payments.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
            self._give_up()
            await asyncio.wait(tasks, timeout=5)
        if self._later:
            await asyncio.wait(self._later, timeout=5)
        for who in self.roles.values():
            for lane in who.throttle.lanes if who.several else ():
                lane.note(1, self.ledger.save_event)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python look for cyclic garbage less often: with thousands of tasks alive, a third of the engine's time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
