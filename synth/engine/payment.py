"""One request on its way: noted, sent in its turn, tried again where that helps, stored before its answer is seen."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from synth.engine.budget import NOTHING, Reservation
from synth.engine.crash import crash_point
from synth.engine.progress import StageProgress
from synth.engine.retry import with_retries
from synth.engine.throttle import Throttle
from synth.errors import RequestFailed, RetryableError, SynthError
from synth.models.base import ChatModel, ChatRequest, Completion, Usage

if TYPE_CHECKING:
    from synth.engine.run import Engine

MAYBE_BILLED = frozenset(
    {"timeout", "connection", "bad_body", "no_choices", "too_few_choices", "broken_off", "body_too_big"}
)
"""Failures after which the provider may charge for an answer that we never saw: they count at their worst."""


@dataclass(slots=True)
class RoleModel:
    """A model in a role (teacher, judge), the slots for its endpoint, and defaults of its requests.

    `offline`: nothing is ever sent to it, only stored answers count (see `synth.engine.stored`).
    """

    model: ChatModel
    throttle: Throttle
    extra_body: dict[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    kind: Literal["chat", "completion"] = "chat"
    offline: bool = False

    def complete_request(self, request: ChatRequest) -> ChatRequest:
        """`request` with the defaults of this role where it leaves them open."""
        if self.extra_body:
            request = replace(request, extra_body=self.extra_body | request.extra_body)
        if request.sampling.max_tokens is None and self.max_tokens is not None:
            request = replace(request, sampling=replace(request.sampling, max_tokens=self.max_tokens))
        return request

    def stop(self, reason: SynthError) -> None:
        """Send nothing more, and do not wait for a server that the model is still starting."""
        self.throttle.stop(reason)
        stop_starting = getattr(self.model, "stop_starting", None)
        if stop_starting is not None:
            stop_starting()


def request_key(endpoint: str, model: str, request: str) -> str:
    """SHA-256 of the canonical JSON of `[endpoint, model, request]`; `request` is given as its canonical JSON."""
    whole = f"[{json.dumps(endpoint)},{json.dumps(model)},{request}]"
    return hashlib.sha256(whole.encode()).hexdigest()


class Payment:
    """Asks one request, for however many items wait for its answer; `result` gives it, or raises why there is none."""

    def __init__(
        self,
        engine: Engine,
        who: RoleModel,
        request: ChatRequest,
        noted: tuple[str, str],
        where: tuple[str, str, str],
        rank: int,
    ) -> None:
        """`noted`: key and canonical JSON of `request`. `where`: stage, item and role. Low `rank` goes first."""
        self.engine, self.who, self.request, self.where, self.rank = engine, who, request, where, rank
        self.key, self.text = noted
        self.progress: StageProgress = engine.progress.stage(where[0])
        self._worst = engine.budget.worst_case(who.model.name, request)
        self._spent = NOTHING
        self._attempts = 0
        self._left_at = 0.0  # wall clock of the last attempt, for the report's time line
        self._waiting = 0
        self._noted = self._reserved = self._has_slot = self._naps = False
        self._in_flight = False  # from the moment it is sent until its answer is stored or it has failed
        self.task = asyncio.create_task(self._pay())

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
        options, ledger = self.engine.options, self.engine.ledger
        try:
            await self._enter()
            seed = int(self.key[:16], 16)
            answer = await with_retries(self._attempt, seed, options.max_attempts, options.deadline_s, self._wait)
            await ledger.save_answer(answer, self._spent, self._attempts, self._left_at)
            self._in_flight = False
            return answer
        except RequestFailed as error:
            await asyncio.shield(ledger.save_failure(self.key, f"{error.reason}: {error.message}", *self._bill()))
            raise
        except BaseException:
            if self._noted and not self._in_flight:
                ledger.save_failure(self.key, "the run stopped before it was answered", *self._bill())
            raise
        finally:
            self._let_go()

    async def _enter(self) -> None:
        """Note in the ledger that the request leaves, then wait for a slot, in that order.

        So the disk's latency is hidden. The few requests that may be noted without having left are bounded by `ready`.
        """
        engine, model = self.engine, self.who.model
        await engine.ready.acquire(self.rank)
        try:
            await self._reserve()
            engine.check()
            self._noted = True
            await engine.ledger.mark_sent(self.key, self.where, (model.name, model.endpoint), self.text, self._worst)
            await self._take_slot(self.rank)
        finally:
            engine.ready.release()

    async def _attempt(self) -> Completion:
        """One try, with budget and a slot of its own. Raises what the model raised."""
        if self._naps:
            self._naps = False
            self.who.throttle.woke()
        if self._has_slot and not self.who.throttle.may_keep():
            self._release()
        if not self._reserved:
            await self._reserve()
        if not self._has_slot:
            await self._take_slot(-1_000_000)
        self.engine.check()
        return await self._send()

    async def _send(self) -> Completion:
        throttle, clock = self.who.throttle, self.who.throttle.clock
        bill = NOTHING
        self._attempts += 1
        crash_point("sent")
        sent_at = clock()
        self._left_at = time.time()
        self._in_flight = True
        try:
            answer = self._received(await self.who.model.complete(self.request))
            crash_point("answered")
            throttle.answered(sent_at)
            self._note_limit()
            bill = self.engine.budget.real(self.who.model.name, answer.usage, self._worst)
            self._count(bill)
            if answer.finish_reason == "stop" and not answer.text.strip():
                raise RetryableError("the model answered with nothing", "empty_answer")
            return replace(answer, usage=Usage(bill.prompt_tokens, bill.completion_tokens), key=self.key)
        except RetryableError as error:
            self._in_flight = False
            self.progress.retries += 1
            bill = self._worst if error.reason in MAYBE_BILLED else bill
            self._refused(error, sent_at)
            raise
        except SynthError as error:
            self._in_flight = False
            if not isinstance(error, RequestFailed):
                self.engine.stop(error)  # before the slot goes to the next in line
            raise
        finally:
            self._spent += bill
            self._reserved = False
            self.engine.budget.settle(self._worst, bill)
            if self._has_slot and not self._naps:
                self._release()

    def _received(self, answer: Completion) -> Completion:
        """The answer with only such text as can be stored: half of a surrogate pair becomes a replacement mark."""
        if answer.text.isascii() and answer.reasoning.isascii():
            return answer
        return replace(answer, text=_whole(answer.text), reasoning=_whole(answer.reasoning))

    def _refused(self, error: RetryableError, sent_at: float) -> None:
        """A 429 keeps its slot. A wish that no deadline allows for ends the run rather than this item."""
        if not error.is_throttle:
            return
        self.who.throttle.refused(sent_at, error.retry_after)
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

    def _count(self, bill: Reservation) -> None:
        self.progress.answered(bill.prompt_tokens, bill.completion_tokens, bill.cost)

    async def _wait(self, seconds: float) -> None:
        """Wait before the next attempt, but not longer than the run lasts."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.engine.stopped.wait(), seconds)
        self.engine.check()

    async def _reserve(self) -> None:
        """Take the worst case out of the budget, without keeping a slot: who has the money may wait for it."""
        budget = self.engine.budget
        if not budget.try_reserve(self._worst):
            if self._has_slot:
                self._release()
            await budget.reserve(self._worst)
        self._reserved = True

    async def _take_slot(self, rank: int) -> None:
        await self.who.throttle.acquire(rank)
        self._has_slot = True

    def _release(self) -> None:
        self._has_slot = False
        self.who.throttle.release()

    def _let_go(self) -> None:
        if self._naps:
            self.who.throttle.woke()
        if self._has_slot:
            self._release()
        if self._reserved:
            self.engine.budget.settle(self._worst, NOTHING)

    def _bill(self) -> tuple[Reservation, int]:
        return self._spent, self._attempts


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
