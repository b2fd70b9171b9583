"""The driver of workers: gives them items, keeps who asks what, and stores what they tell in the run's ledger.

A worker that dies is replaced; what it had stored is read from its shard, and its items are given to the new one. So a
kill costs the requests in flight there, nothing else. Items come back in any order; the stage settles them in theirs.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from synth.engine.budget import NOTHING, Reservation
from synth.engine.entries import SELECT_ENTRY, Entry, read_entry
from synth.engine.ledger import NOTE, Result
from synth.engine.shards import merge
from synth.engine.work import Work
from synth.engine.worker import Message, portable
from synth.errors import SynthError

if TYPE_CHECKING:
    from synth.engine.run import Engine

DEATHS = 3
"""A worker that dies so often in a row with no item done between is not replaced any more."""
LOGS = "Ray's logs say why; type the same command again to go on, all that was stored is kept"
LAST_S = 10.0
"""Seconds for the last words of a worker, beyond the wait for its answers in flight."""
ROWS, AFTER_ROWS = ("saved", "left"), ("free", "done", "read", "ready", "closed")
"""Kinds of messages: rows for the ledger, and those that build on rows."""
_KNOWN = f"{SELECT_ENTRY} WHERE key=?1 OR (question=?2 AND state='answered') ORDER BY key<>?1, rowid"


class WorkerLost(SynthError):
    """The process of a worker is gone; the message says what is known of its end."""

    def __init__(self, message: str) -> None:
        super().__init__(message, LOGS)


class Line(Protocol):
    """The line to one worker; each method raises WorkerLost once its process is gone."""

    async def give(self, messages: Sequence[Message]) -> None:
        """Hand over messages, in order."""
        ...

    async def told(self) -> list[Message]:
        """The next messages of the worker."""
        ...

    async def discard(self) -> None:
        """Everything it told is in the run's ledger: have it remove its shards and end."""
        ...


Hire = Callable[[int, Collection[str], str], Awaitable[tuple[str, Line]]]
"""Called with a place's number, the names of shards that have been read, and the shard of the worker that died there
("" for the first): the name of the new worker's shard, and the line to it."""


@dataclass(slots=True)
class _Job:
    message: Message
    work: Work
    done: asyncio.Future[list[Result]]


@dataclass(slots=True)
class _Member:
    """One worker: from the start of its process to its end."""

    place: int
    line: Line
    shard: str
    jobs: dict[int, _Job] = field(default_factory=dict)
    works: set[int] = field(default_factory=set)
    outbox: list[Message] = field(default_factory=list)
    is_mail: asyncio.Event = field(default_factory=asyncio.Event)
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    is_closed: bool = False
    is_gone: bool = False
    has_worked: bool = False
    has_answered: bool = False
    verdict: SynthError | None = None
    claimed: set[str] = field(default_factory=set)
    reserved: list[Reservation] = field(default_factory=list)
    in_flight: dict[str, int] = field(default_factory=dict)
    max_active: int = 1

    def send(self, *message: Any) -> None:
        self.outbox.append(message)
        self.is_mail.set()


class Crew:
    """Workers as a place where items are worked on (see `synth.engine.work.Place`); they start at the first of them."""

    def __init__(self, engine: Engine, hire: Hire, size: int) -> None:
        self.engine = engine
        self._hire = hire
        self._size = size
        self._members: dict[int, _Member] = {}
        self._numbers = itertools.count()
        self._works: dict[int, tuple[int, Work]] = {}
        self._claims: dict[str, deque[tuple[_Member, int, int]]] = {}
        self._read: set[str] = set()
        self._deaths = 0
        self._is_closing = False
        self._opening: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Start the workers, unless they are there. Nothing is asked before shards that were left behind are read."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        await asyncio.shield(self._opening)

    async def _open(self) -> None:
        try:
            await asyncio.gather(*(self._start(place) for place in range(self._size)))
        except Exception as error:
            self.engine.stop(portable(error))
            raise portable(error) from None
        self._tasks += [asyncio.create_task(self._keep(place)) for place in range(self._size)]

    # -- items ------------------------------------------------------------------------------------------------------

    @property
    def max_active(self) -> int:
        """Items that may be with the workers."""
        return max(self._size, sum(member.max_active for member in self._members.values()))

    async def do(self, stage: str, rank: int, item: str, value: Any, work: Work) -> list[Result]:
        """The results of an item, worked on by whoever has least to do."""
        await self.open()
        self.engine.check()
        number = next(self._numbers)
        done: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        known, _ = self._works.setdefault(id(work), (len(self._works), work))
        job = _Job(("item", number, stage, rank, item, value, known), work, done)
        member = min(self._members.values(), key=lambda one: len(one.jobs) / one.max_active)
        self._assign(member, number, job)
        return await done

    def _assign(self, member: _Member, number: int, job: _Job) -> None:
        member.jobs[number] = job
        work = job.message[-1]
        if work not in member.works:
            member.works.add(work)
            member.send("work", work, job.work)
        member.send(*job.message)

    # -- workers ----------------------------------------------------------------------------------------------------

    async def _start(self, place: int, after: str = "") -> _Member:
        """A new worker, once what it found left behind is in the run's ledger; `after`: the shard of a dead one."""
        shard, line = await self._hire(place, self._read, after)
        member = _Member(place, line, shard)
        while not member.is_ready.is_set():
            await self._hear(member, await line.told())
        self._members[place] = member
        return member

    async def _keep(self, place: int) -> None:
        """Serve the worker of this place, and each that follows it, until the run ends."""
        try:
            while not (member := self._members[place]).is_closed:
                talk = asyncio.create_task(self._talk(member))
                try:
                    while not member.is_closed:
                        await self._hear(member, await member.line.told())
                except WorkerLost as lost:
                    await self._replace(member, str(lost))
                finally:
                    talk.cancel()
            await member.line.discard()
        except Exception as error:
            self._fail(portable(error))

    async def _talk(self, member: _Member) -> None:
        try:
            while True:
                await member.is_mail.wait()
                member.is_mail.clear()
                messages, member.outbox = member.outbox, []
                await member.line.give(messages)
        except WorkerLost:
            pass  # whoever listens to it learns that too
        except Exception as error:
            self._fail(portable(error))

    async def _replace(self, member: _Member, why: str) -> None:
        """Read what the dead worker stored, then give its items to a new one."""
        member.is_gone = True
        if member.has_worked:
            self._deaths = 0
        fresh = None
        while fresh is None:
            self._deaths += 1
            if self._is_closing or self._deaths > DEATHS:
                raise SynthError(f"{self._deaths} workers died one after the other: {why}", LOGS)
            try:
                fresh = await self._start(member.place, member.shard)
            except WorkerLost as lost:
                why = str(lost)
        self._bury(member)
        for number, job in member.jobs.items():
            self._assign(fresh, number, job)

    def _bury(self, member: _Member) -> None:
        """What was out with a dead worker is out no more; what it may have cost counts at its worst."""
        member.is_gone = True
        self._in_flight(member, {})
        for worst in member.reserved:
            self.engine.budget.settle(worst, worst)
        for key in list(member.claimed):
            self._on_free(member, key)

    def _fail(self, reason: SynthError) -> None:
        """Stop the run, and everybody who waits for an item."""
        self.engine.stop(reason)
        for job in [job for member in self._members.values() for job in member.jobs.values()]:
            if not job.done.done():
                job.done.set_exception(reason)
                job.done.exception()

    # -- what workers tell ------------------------------------------------------------------------------------------

    async def _hear(self, member: _Member, messages: Sequence[Message]) -> None:
        """Questions are answered at once. Results and ends of claims count when the rows told with them are on disk."""
        for kind, *about in messages:
            if kind not in (*ROWS, *AFTER_ROWS):
                getattr(self, f"_on_{kind}")(member, *about)
        for known, now in await merge(self.engine.ledger, [about[0] for kind, *about in messages if kind in ROWS]):
            self._count(known, now)
        for kind, *about in messages:
            if kind in AFTER_ROWS:
                getattr(self, f"_on_{kind}")(member, *about)

    def _count(self, known: Entry | None, now: Entry) -> None:
        attempts = now.attempts - (known.attempts if known else 0)
        stage = self.engine.progress.stage(now.stage)
        if now.state == "answered" and attempts:
            cost = now.cost - (known.cost if known else 0.0)
            stage.answered(now.prompt_tokens or 0, now.completion_tokens or 0, cost)
            stage.retries += attempts - 1

    def _on_busy(
        self, member: _Member, in_flight: dict[str, int], active: int, answered: bool, verdict: SynthError | None
    ) -> None:
        self._in_flight(member, in_flight)
        member.max_active, member.has_answered, member.verdict = active, answered, verdict

    def _on_closed(self, member: _Member) -> None:
        member.is_closed = True

    def _in_flight(self, member: _Member, now: dict[str, int]) -> None:
        for stage in {*member.in_flight, *now}:
            change = now.get(stage, 0) - member.in_flight.get(stage, 0)
            self.engine.progress.stage(stage).flies(change)
        member.in_flight = now

    def _on_read(self, _member: _Member, shard: str) -> None:
        self._read.add(shard)

    def _on_unreadable(self, _member: _Member, reason: SynthError) -> None:
        raise reason

    def _on_ready(self, member: _Member) -> None:
        member.is_ready.set()

    def _on_claim(self, member: _Member, number: int, key: str, question: int) -> None:
        if key in self._claims:
            self._claims[key].append((member, number, question))
        else:
            self._claims[key] = deque()
            self._grant(member, number, key, question)

    def _grant(self, member: _Member, number: int, key: str, question: int) -> None:
        rows = map(read_entry, self.engine.ledger.rows(_KNOWN, key, question))
        member.claimed.add(key)
        member.send("reply", number, [row for row in rows if row is not None], None)

    def _on_free(self, member: _Member, key: str) -> None:
        """The next who asked for it may have it."""
        member.claimed.discard(key)
        waiting = self._claims.get(key, deque())
        while waiting and waiting[0][0].is_gone:
            waiting.popleft()
        if not waiting:
            self._claims.pop(key, None)
            return
        other, number, question = waiting.popleft()
        self._grant(other, number, key, question)

    def _on_reserve(self, member: _Member, number: int, worst: Reservation) -> None:
        self.engine.later(self._reserve(member, number, worst))

    async def _reserve(self, member: _Member, number: int, worst: Reservation) -> None:
        try:
            await self.engine.budget.reserve(worst)
        except SynthError as error:
            member.send("reply", number, None, error)
            return
        if member.is_gone:
            self.engine.budget.settle(worst, NOTHING)
            return
        member.reserved.append(worst)
        member.send("reply", number, None, None)

    def _on_settle(self, member: _Member, worst: Reservation, real: Reservation) -> None:
        member.reserved.remove(worst)
        self.engine.budget.settle(worst, real)

    def _on_event(self, _member: _Member, kind: str, value: float, detail: str) -> None:
        if kind == NOTE:
            self.engine.note(detail)
        else:
            self.engine.ledger.save_event(kind, value, detail)

    def _on_meta(self, _member: _Member, key: str, value: str) -> None:
        self.engine.later(self.engine.ledger.set_meta(key, value))

    def _on_fatal(self, _member: _Member, reason: SynthError) -> None:
        self.engine.stop(reason)

    def _on_done(self, member: _Member, number: int, results: list[Result] | None, error: SynthError | None) -> None:
        member.has_worked = True
        job = member.jobs.pop(number, None)
        if job is None or job.done.done():
            return
        if error is None:
            job.done.set_result(results or [])
        else:
            job.done.set_exception(self.engine.fatal or error)

    # -- the end ----------------------------------------------------------------------------------------------------

    def stop(self, reason: SynthError) -> None:
        """Send nothing more; what is in flight is waited for."""
        for member in self._members.values():
            member.send("halt", portable(reason))

    async def drain(self, grace_s: float) -> None:
        """End every worker, with the last that it has to tell."""
        self._is_closing = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        for member in self._members.values():
            member.send("close", grace_s)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s + LAST_S)
        for task in self._tasks:
            task.cancel()

    def verdict(self) -> SynthError | None:
        """Why the workers got no answer at all; None where one of them did."""
        members = self._members.values()
        if any(member.has_answered for member in members):
            return None
        return next((member.verdict for member in members if member.verdict is not None), None)
