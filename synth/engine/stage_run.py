"""One stage under way: starts its items, waits for them, settles and stores their results in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, cast

from synth.engine.crash import crash_point
from synth.engine.ledger import Ledger, Outcome, Result, results_from_json, results_to_json
from synth.engine.work import (
    NO_STORED_ANSWER,
    Ask,
    Fold,
    Item,
    Place,
    StagePlan,
    Work,
    is_quarantined,
    request_failure,
)
from synth.errors import RequestFailed, RequestRefused, SynthError
from synth.models.base import ChatRequest, Completion, Sampling
from synth.prompts import Prompt
from synth.records import Lineage, Record, Rejection, digest

if TYPE_CHECKING:
    from synth.engine.run import Engine

PAGE = 500
"""Stored outcomes read at a time."""

Later = asyncio.Task[list[Result]] | list[Result]


@dataclass(slots=True)
class Started:
    """An item under way, or with results already known. `id`: that of the item, or `id#2` for one seen before."""

    item: Item
    id: str
    input: str
    later: Later
    stored: Outcome | None


class StoredOutcomes:
    """What earlier processes stored of a stage. It is looked up ahead, in order, since items mostly come as before."""

    def __init__(self, ledger: Ledger, stage: str) -> None:
        self._ledger, self._stage = ledger, stage
        self._ahead: dict[str, Outcome] = {}
        self._read = 0
        self._is_empty = not ledger.has_outcomes(stage)

    def find(self, item_id: str) -> Outcome | None:
        """The outcome of an item; None where there is none or it is damaged."""
        if self._is_empty:
            return None
        if not self._ahead:
            self._ahead = dict(self._ledger.outcomes(self._stage, self._read, PAGE))
            self._read += PAGE
        found = self._ahead.pop(item_id, None)
        return found or self._ledger.outcome(self._stage, item_id)


class StageRun:
    """One stage under way: its tasks, its counters."""

    def __init__(self, engine: Engine, plan: StagePlan, place: Place | None) -> None:
        self.engine = engine
        self.place = place
        self.name = plan.name
        self.committed = 0
        self.progress = engine.progress.stage(plan.name, plan.expected)
        self.room = asyncio.Semaphore(engine.lookahead)
        self.is_at_gap = False
        self._item_done = asyncio.Event()
        self._as_before = True
        self._stored = StoredOutcomes(engine.ledger, plan.name)
        self._seen: dict[str, int] = {}
        self._tasks: set[asyncio.Task[list[Result]]] = set()

    async def feed(self, items: AsyncIterator[Item], work: Work | None, queue: asyncio.Queue[Started | None]) -> None:
        """Start items as they come and as there is room. An error of the stages before this one stops the run."""
        try:
            async for item in items:
                await self.room.acquire()
                while len(self._tasks) >= self.engine.max_active:
                    self._item_done.clear()
                    await self._item_done.wait()
                queue.put_nowait(self.start(item, work))
                await self.engine.breathe()
        except SynthError as error:
            self.engine.stop(error)
            raise
        finally:
            queue.put_nowait(None)

    def start(self, item: Item, work: Work | None) -> Started:
        """Start the item's work, unless its outcome is known already or there is none to do."""
        self.engine.check()
        repeat = self._seen[item.id] = self._seen.get(item.id, 0) + 1
        item_id = item.id if repeat == 1 else f"{item.id}#{repeat}"
        mark = input_mark(item.value)
        stored = self._stored.find(item_id)
        known = results_from_json(stored.results) if stored and stored.final and stored.input == mark else None
        if item.result is not None:
            return Started(item, item_id, mark, [item.result], stored if known == [item.result] else None)
        if known is not None:
            return Started(item, item_id, mark, known, stored)
        value = item.make() if item.make else item.value
        if work is None:
            return Started(item, item_id, mark, [value], None)
        task = asyncio.create_task(self._work(item_id, value, work))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return Started(item, item_id, mark, task, None)

    def _done(self, task: asyncio.Task[list[Result]]) -> None:
        self._tasks.discard(task)
        self.progress.ahead += not task.cancelled() and task.exception() is None
        self._item_done.set()
        retrieve(task)

    async def _work(self, item_id: str, value: Any, work: Work) -> list[Result]:
        if self.place is None:
            return await work_on(self.engine, self.name, item_id, value, work)
        return await self.place.do(self.name, self.engine.rank(self.name), item_id, value, work)

    async def commit(self, started: Started, fold: Fold | None, windowed: bool = False) -> list[Result]:
        """Wait for the item's results, settle, store and count them."""
        results = started.later if isinstance(started.later, list) else await started.later
        self.progress.ahead -= not isinstance(started.later, list)
        await self.engine.breathe()
        if self.engine.ledger.failed:
            raise self.engine.ledger.failed
        in_place = started.stored is not None and started.stored.ordinal == self.committed
        self._as_before = self._as_before and in_place
        if fold is not None and fold.recall is not None and self._as_before:
            fold.recall(started.item, results)
        elif fold is not None:
            made, results = results, fold.settle(started.item, results)
            in_place = in_place and results == made
        crash_point("settled")
        self._note(started, results, in_place, windowed)
        self.committed += 1
        self.progress.committed(results)
        return results

    def _note(self, started: Started, results: list[Result], in_place: bool, windowed: bool) -> None:
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
            self.is_at_gap = True
            if self.engine.ends_at_gaps:
                return
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


async def work_on(engine: Engine, stage: str, item_id: str, value: Any, work: Work) -> list[Result]:
    """The results of one item; a Rejection where a request of it failed for good."""
    rng = random.Random(int(digest(engine.options.run_seed, stage, item_id)[:16], 16))
    try:
        return await work(value, asker(engine, stage, item_id), rng)
    except RequestFailed as error:
        record = value if isinstance(value, Record) else Record("")
        return [request_failure(record, stage, error)]


def work_at(work: Work, engine: Engine) -> Work:
    """The work as it is to be done where `engine` asks; its method `at` says how, if it needs more than its `ask`."""
    at = getattr(work, "at", None)
    return work if at is None else cast(Work, at(engine))


def input_mark(value: Any) -> str:
    """A hash of what goes into an item, so that a stored outcome is not taken for another input of the same id."""
    if not isinstance(value, Record):
        return ""
    line = [getattr(value.lineage, name) for name in Lineage.__slots__]
    earlier = tuple(value.earlier()) or None
    whole = repr((value.instruction, value.input, value.output, earlier, value.meta, line, *value.others))
    return blake2b(whole.encode("utf-8", "replace"), digest_size=8).hexdigest()


def retrieve(task: asyncio.Task[Any]) -> None:
    """Take note of a task's exception; who needs it awaits the task."""
    if not task.cancelled():
        task.exception()


def asker(engine: Engine, stage: str, item: str) -> Ask:
    """How the item of a stage asks the models of `engine`."""

    async def ask(
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
        own = kind or engine.roles[role].kind
        request = ChatRequest(prompt.messages, sampling, schema, draw, own, logprobs=logprobs)
        answer = await engine.answer(stage, item, role, request)
        if answer.finish_reason == "length" and not keep_cut:
            cap = engine.roles[role].complete_request(request).sampling.max_tokens
            longer = replace(request.sampling, max_tokens=2 * (cap or 2048))
            answer = await engine.answer(stage, item, role, replace(request, sampling=longer))
        return _usable(answer, keep_cut)

    return ask


def _usable(answer: Completion, keep_cut: bool) -> Completion:
    if answer.finish_reason == "content_filter":
        raise RequestRefused("the endpoint's content filter withheld the answer", "content_filter")
    if answer.finish_reason == "unsupported":
        raise RequestRefused("the teacher cannot do this task", "unsupported")
    if answer.finish_reason == "length" and not keep_cut:
        raise RequestRefused(f"cut at max_tokens twice; the text so far: {answer.text[:200]!r}", "cut_off")
    return answer
