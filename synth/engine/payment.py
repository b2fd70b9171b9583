"""One request on its way: noted, sent in its turn, tried again where that helps, stored before its answer is seen."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from synth.engine.batches import Batches
from synth.engine.budget import NOTHING, Reservation
from synth.engine.crash import crash_point
from synth.engine.entries import Entry
from synth.engine.health import Health
from synth.engine.progress import StageProgress
from synth.engine.retry import with_retries
from synth.engine.throttle import Lane, Throttle, prefix_of
from synth.errors import CredentialsError, RequestFailed, RequestRefused, RetryableError, SynthError
from synth.models.base import ChatModel, ChatRequest, Completion, Usage

if TYPE_CHECKING:
    from synth.engine.run import Engine

NOTE_EVERY = 64
"""Attempts after which it is noted what a server, of several, was asked and answered."""
MOST_TOKENS = 10**9
"""A server that counts more for one answer is not believed; the worst case is charged."""


@dataclass(slots=True)
class RoleModel:
    """A model in a role (teacher, judge), the slots for its servers, and defaults of its requests.

    `offline`: nothing is ever sent to it, only stored answers count (see `synth.engine.stored`). `known_as`: the
    endpoint under which its answers are stored, where its server has moved since. `batches`: where its requests are
    answered in batches.
    """

    model: ChatModel
    throttle: Throttle
    max_tokens: int | None = None
    kind: Literal["chat", "completion"] = "chat"
    offline: bool = False
    health: Health = field(default_factory=Health)
    known_as: str = ""
    batches: Batches | None = None
    _checked: asyncio.Future[None] | None = None

    @property
    def endpoint(self) -> str:
        """What stands in the keys of its requests."""
        return self.known_as or self.model.endpoint

    @property
    def several(self) -> bool:
        """Are there several servers?"""
        return len(self.throttle.lanes) > 1

    def complete_request(self, request: ChatRequest) -> ChatRequest:
        """`request` with the defaults of this role where it leaves them open."""
        if request.sampling.max_tokens is None and self.max_tokens is not None:
            request = replace(request, sampling=replace(request.sampling, max_tokens=self.max_tokens))
        return request

    async def check_servers(self) -> None:
        """Before the first request, of several servers: does each have the model? Raises CredentialsError."""
        if self.several:
            self._checked = self._checked or asyncio.ensure_future(check_all(self.throttle.lanes))
            await asyncio.shield(self._checked)

    def stop(self, reason: SynthError) -> None:
        """Send nothing more, and do not wait for a server that the model is still starting."""
        self.throttle.stop(reason)
        if self.batches is not None:
            self.batches.stop(reason)
        stop_starting = getattr(self.model, "stop_starting", None)
        if stop_starting is not None:
            stop_starting()

    async def close(self) -> None:
        """Close connections and processes."""
        if self.batches is not None:
            await self.batches.close()
        await self.model.close()


def batch_price(model: str) -> str:
    """The name under which the price of `model` in batches is known."""
    return f"{model} in batches"


async def check_all(lanes: Sequence[Lane]) -> None:
    """Ask every server that can be asked so whether it has the model. Raises CredentialsError for one that has not."""
    await asyncio.gather(*(lane.server.check() for lane in lanes if hasattr(lane.server, "check")))


class Payment:
    """Asks one request, for however many items wait for its answer; `result` gives it, or raises why there is none."""

    def __init__(
        self, engine: Engine, who: RoleModel, request: ChatRequest, entry: Entry, rank: int, alone: bool = False
    ) -> None:
        """`entry`: the row of `request` in the ledger as it is. Low `rank` goes first. `alone`: not in a batch."""
        self.engine, self.who, self.request, self.rank = engine, who, request, rank
        self.progress: StageProgress = engine.progress.stage(entry.stage)
        self._batches = None if alone else who.batches
        self._price = batch_price(who.model.name) if self._batches else who.model.name
        self._worst = engine.budget.worst_case(self._price, request)
        self._entry = entry
        self._spent = NOTHING
        self._attempts = 0
        self._out = 0  # attempts noted as out whose cost is not in the ledger yet
        self._left_at: float | None = None  # wall clock of the last attempt, for the report's time line
        self._waiting = 0
        self._planned = self._reserved = self._naps = False
        self._lane: Lane | None = None  # whose slot it has
        self._prefix = prefix_of(request.messages) if who.several else ()
        self._flies = False
        self.task = asyncio.create_task(self._pay())

    @property
    def _in_flight(self) -> bool:
        """From the moment it is sent until its answer is stored or it has failed."""
        return self._flies

    @_in_flight.setter
    def _in_flight(self, flies: bool) -> None:
        self.progress.flies(flies - self._flies)
        self._flies = flies

    async def result(self) -> Completion:
        """The answer. When all who waited are gone before it was sent, it is not sent."""
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            if self.task.cancelled():
                self.engine.check()
            raise
        finally:
            self._waiting -= 1
            if not self._waiting and not self._in_flight:
                self.task.cancel()

    async def _pay(self) -> Completion:
        options, key = self.engine.options, self._entry.key
        try:
            self._entry = await self.engine.known(self._entry)
            if (found := self._entry.answer()) is not None:
                return found
            self._entry = self._entry.planned(self._worst)
            await self._enter()
            seed = int(key[:16], 16)
            deadline_s = math.inf if self._batches else options.deadline_s  # a batch takes hours
            answer = await with_retries(self._attempt, seed, options.max_attempts, deadline_s, self._wait)
            await self._save(self._entry.answered(answer, *self._account()))
            return answer
        except RequestFailed as error:
            await asyncio.shield(self._save(self._entry.failed(f"{error.reason}: {error.message}", *self._account())))
            raise
        except BaseException:
            if self._planned and not self._in_flight:
                why = self._entry.failed("the run stopped before it was answered", *self._account())
                self.engine.later(self._save(why))
            raise
        finally:
            self._let_go()

    def _account(self) -> tuple[Reservation, int, float | None, float]:
        return self._spent, self._attempts, self._left_at, time.time()

    async def _save(self, entry: Entry) -> None:
        """Store what became of it; then nothing of it is out any more."""
        with self._working():
            await self.engine.ledger.save(entry)
        self._in_flight = False
        self.engine.ledger.out.back(entry.key, self._out)

    def _working(self) -> AbstractContextManager[None]:
        return self._batches.working() if self._batches is not None else nullcontext()

    async def _enter(self) -> None:
        """Store in the ledger that the request is planned, then wait for a slot, in that order.

        So the disk's latency is hidden. `ready` bounds how many are planned before their turn.
        """
        engine = self.engine
        place = await engine.ready.acquire(self.rank)
        try:
            await self.who.check_servers()
            await self._reserve()
            engine.check()
            self._planned = True
            with self._working():
                await engine.ledger.plan(self._entry)
            self._lane = await self.who.throttle.acquire(self.rank, self._prefix)
        finally:
            place.release()

    async def _attempt(self) -> Completion:
        """One try, with budget and a slot of its own. Raises what the model raised."""
        self._wake()
        if self._lane is not None and not self._lane.may_keep():
            self._release()
        if not self._reserved:
            await self._reserve()
        if self._lane is None:
            self._lane = await self.who.throttle.acquire(-1_000_000, self._prefix)
        self.engine.check()
        return await self._send(self._lane)

    async def _send(self, lane: Lane) -> Completion:
        bill = NOTHING
        self._attempts += 1
        try:
            self._leave()
            lane.asked += 1
            sent_at = lane.clock()
            answer = storable(await self._complete(lane))
            crash_point("answered")
            self.who.health.answered()
            lane.answered(sent_at)
            self._note_limit()
            bill = self._billed(answer.usage)
            if answer.finish_reason == "stop" and not answer.text.strip():
                raise RetryableError("the model answered with nothing", "empty_answer")
            return replace(answer, usage=Usage(bill.prompt_tokens, bill.completion_tokens), key=self._entry.key)
        except RequestFailed as error:
            self._in_flight = False
            bill = self._billed(Usage(*error.billed)) if error.billed else bill
            self.engine.failed(self.who, lane, error)
            if isinstance(error, RetryableError):
                self.progress.retries += 1
                self._refused(lane, error, sent_at)
            raise
        except SynthError as error:
            self._in_flight = False
            self.engine.stop(error)  # before the slot goes to the next in line
            raise
        finally:
            self._spent += bill
            self._reserved = False
            if self.who.several:
                lane.note(NOTE_EVERY, self.engine.ledger.save_event)
            self.engine.budget.settle(self._worst, bill)
            if bill is NOTHING and not self._in_flight:
                self._came_back()
            if not self._naps:
                self._release()

    async def _complete(self, lane: Lane) -> Completion:
        try:
            if self._batches is not None:
                return await self._batches.answer(self._entry.key, self._entry.stage, self.request)
            return await (lane.server or self.who.model).complete(self.request)
        except CredentialsError as error:
            has_answered = lane.answers if self.who.several else self.who.health.has_answered
            if not error.is_address or not has_answered:
                raise
            if self.who.several:  # it serves another model by now
                raise RetryableError(error.message, "bad_address") from None
            raise RequestRefused(error.message, "bad_address", error.hint) from None

    def _leave(self) -> None:
        """Note that the request is out. One in a batch is found again after a crash, and needs no such note."""
        if self._batches is None:
            self.engine.ledger.out.left(self._entry.key)
            self._out += 1
        crash_point("sent")
        self._left_at = time.time()
        self._in_flight = True
        self.engine.watch(self.who)

    def _came_back(self) -> None:
        """Nothing was charged for the last attempt."""
        if self._out:
            self.engine.ledger.out.back(self._entry.key)
            self._out -= 1

    def _billed(self, usage: Usage) -> Reservation:
        """What was charged, counted at once; what the server did not count, or not credibly, is taken at its worst."""
        known = [
            n if n is not None and 0 <= n <= MOST_TOKENS else None
            for n in (usage.prompt_tokens, usage.completion_tokens)
        ]
        bill = self.engine.budget.real(self._price, Usage(*known), self._worst)
        is_priced = self.who.model.name not in self.engine.budget.unpriced
        self.progress.answered(bill.prompt_tokens, bill.completion_tokens, bill.cost, is_priced)
        return bill

    def _refused(self, lane: Lane, error: RetryableError, sent_at: float) -> None:
        """A 429 keeps its slot. A wish that no deadline allows for ends the run rather than this item."""
        if not error.is_throttle:
            return
        lane.refused(sent_at, error.retry_after)
        self._naps = True
        self.engine.ledger.save_event("throttled", error.retry_after or 0.0, self.who.model.name)
        self._note_limit()
        if (error.retry_after or 0.0) > self.engine.options.deadline_s:
            self.engine.stop(
                SynthError(
                    f"the endpoint wants {error.retry_after:.0f} s of rest, more than deadline_s: {error.message}",
                    "type the same command again then, or raise engine.deadline_s; all is kept",
                )
            )

    def _note_limit(self) -> None:
        """Write down a change of the number of slots, for the report's time line."""
        throttle = self.who.throttle
        if throttle.noted_limit != throttle.limit:
            throttle.noted_limit = throttle.limit
            self.engine.ledger.save_event("concurrency", throttle.limit, self.who.model.name)

    async def _wait(self, seconds: float) -> None:
        """Wait before the next attempt, but not longer than the run lasts."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.engine.stopped.wait(), seconds)
        self.engine.check()

    async def _reserve(self) -> None:
        """Take the worst case out of the budget, without keeping a slot: who has the money may wait for it."""
        budget = self.engine.budget
        if not budget.try_reserve(self._worst):
            self._release()
            await budget.reserve(self._worst)
        self._reserved = True

    def _release(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.release()

    def _wake(self) -> None:
        if self._naps and self._lane is not None:
            self._lane.woke()
        self._naps = False

    def _let_go(self) -> None:
        self._wake()
        self._release()
        if self._reserved:
            self.engine.budget.settle(self._worst, NOTHING)


def storable(answer: Completion) -> Completion:
    """The answer with only such text as can be stored: half of a surrogate pair becomes a replacement mark."""
    texts = (answer.text, answer.reasoning, answer.model, *answer.choices)
    if all(text.isascii() for text in texts):
        return answer
    text, reasoning, model, *choices = map(_whole, texts)
    return replace(answer, text=text, reasoning=reasoning, model=model, choices=tuple(choices))


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
