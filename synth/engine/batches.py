"""Requests that are answered in batches: gathered into files, waited for over hours, handed back one by one.

Whoever asks waits for its row as for any answer. A file goes when it is full or when no more requests come. Which
requests a batch holds is in the ledger before the batch is made (`batch_journal`), so that the next process finds it at
the provider by its metadata and takes its rows, instead of sending anything twice.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Annotated, ClassVar, TypeVar

from pydantic import Field

from synth.engine.batch_journal import BatchJournal, Noted
from synth.engine.crash import crash_point
from synth.engine.retry import with_retries
from synth.errors import RequestFailed, RetryableError, SynthError
from synth.models.base import ChatRequest, Completion
from synth.models.batch_api import BatchApi, BatchState

LEAST_LINGER_S = 0.01
FIRST_LOOK_S = 1.0
"""Seconds before the first look at a batch; each pause is half as long again as the one before."""
NAME = 40
"""Characters of a request's key that name its row: 160 bits, within every provider's limit for such names."""
TURN = 500
"""Rows handed out before others get a turn."""
QUEUE_FULL = "token_limit_exceeded"
"""Why a batch fails where the account's other batches have to end first."""
AGAIN = "type the same command again: the batches go on at the provider, and their answers are picked up"
SMALLER = "if it is too big, set teacher.batch.max_requests or max_bytes lower; every answer that came is kept"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What goes into a batch, and how it is waited for."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    max_requests: Annotated[
        int,
        Field(
            ge=1,
            le=50_000,
            description="Requests in one file. With `concurrency: auto` this number waits at once, at some 20 kB each.",
        ),
    ] = 20_000
    max_bytes: Annotated[int, Field(ge=10_000, description="Bytes of one file; OpenAI takes 200 MB.")] = 100_000_000
    linger_s: Annotated[
        float,
        Field(ge=0, description="A file that is not full is sent after this many seconds without a request."),
    ] = 5.0
    max_poll_s: Annotated[
        float, Field(gt=0, description="Longest time between two looks at a batch, in seconds; they begin after one.")
    ] = 60.0
    price_share: Annotated[
        float, Field(ge=0, le=1, description="What a batch costs, as a share of the usual price.")
    ] = 0.5
    cancel_on_stop: Annotated[
        bool,
        Field(
            description="On Ctrl-C cancel the batches that are out; what is done by then is billed and kept. Otherwise "
            "they go on at the provider, and the same command picks their answers up."
        ),
    ] = False


@dataclass(slots=True, eq=False)
class Batch:
    """One file of requests. `is_out`: the provider has it and is not done. `rows`: result lines that nobody has asked
    for yet.
    """

    noted: Noted
    is_out: bool = False
    file: IO[bytes] | None = None
    size: int = 0
    waiting: dict[str, asyncio.Future[bytes | None]] = field(default_factory=dict)
    rows: dict[str, bytes] | None = None
    task: asyncio.Task[None] | None = None


class Batches:
    """The batches of one model. `answer` gives a request's answer, after a batch or two."""

    def __init__(
        self,
        api: BatchApi,
        journal: BatchJournal,
        settings: BatchSettings,
        say: Callable[[str], None],
        max_attempts: int,
        deadline_s: float,
    ) -> None:
        """`max_attempts`, `deadline_s`: of a question about a batch, before the run is stopped."""
        self.settings = settings
        self._api, self._journal, self._say = api, journal, say
        self._max_attempts, self._deadline_s = max_attempts, deadline_s
        self._open: dict[str, Batch] = {}  # being filled, by path
        self._closed: set[Batch] = set()  # those after that, until their rows are handed out
        self._of = {key: batch for batch in map(Batch, journal.read()) for key in batch.noted.keys}
        self._added, self._working = 0.0, 0
        self._timer: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._stopped: SynthError | None = None
        self._last: asyncio.Task[None] | None = None

    @property
    def under_way(self) -> tuple[int, int]:
        """How many requests are in how many batches at the provider."""
        out = [batch for batch in self._closed if batch.is_out]
        return sum(len(batch.waiting) for batch in out), len(out)

    @property
    def filling(self) -> int:
        """How many requests are in files that have not gone."""
        return sum(len(batch.noted.keys) for batch in self._open.values())

    async def answer(self, key: str, stage: str, request: ChatRequest) -> Completion:
        """The answer to `request`, whose key in the ledger is `key`. Raises what went wrong with its row."""
        line: bytes | None = None
        while line is None:
            if self._stopped is not None:
                raise self._stopped.with_traceback(None)
            batch = self._of.get(key) or self._add(key, stage, request)
            if batch.rows is not None:
                line = batch.rows.pop(key, b"")
                break
            future = batch.waiting[key] = asyncio.get_running_loop().create_future()
            if batch.task is None and batch.file is None:  # one of an earlier process
                self._start(batch)
            line = await future
        self._of.pop(key, None)
        outcome = self._api.read(line, request)
        if isinstance(outcome, SynthError):
            raise outcome
        return outcome

    @contextmanager
    def working(self) -> Iterator[None]:
        """While the ledger stores something, more requests are to come, however long that takes: no file goes."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            self._added = asyncio.get_running_loop().time()

    def stop(self, reason: SynthError) -> None:
        """Wait for nothing more: whoever waits gets `reason`. The batches go on at the provider."""
        if self._stopped is not None:
            return
        self._stopped = reason
        ids = sorted(batch.noted.id for batch in self._closed if batch.is_out)
        for batch in {*self._closed, *self._open.values()}:
            if batch.task is not None:
                batch.task.cancel()
            _fail(batch, reason)
        if ids and self.settings.cancel_on_stop and reason.exit_code > 128:
            self._last = asyncio.create_task(self._cancel(ids))

    async def close(self) -> None:
        """Close the connections, after what `stop` has begun."""
        if self._timer is not None:
            self._timer.cancel()
        if self._last is not None:
            await asyncio.wait([self._last], timeout=30)
        await self._api.close()

    async def _cancel(self, ids: list[str]) -> None:
        for one in ids:
            try:
                await self._api.cancel(one)
                self._say(f"batch {one} is cancelled; the same command picks up what was done")
            except SynthError as error:
                self._say(f"batch {one} could not be cancelled: {error.message}")

    # -- filling files ----------------------------------------------------------------------------------------------

    def _add(self, key: str, stage: str, request: ChatRequest) -> Batch:
        name = key[:NAME] + (f"-{request.draw}" if request.draw else "")
        path, line = self._api.line(name, request)
        batch = self._open.get(path)
        if batch is not None and batch.size + len(line) > self.settings.max_bytes:
            self._send_off(batch)
            batch = None
        if batch is None:
            batch = self._open[path] = Batch(self._journal.new(path), file=tempfile.TemporaryFile())
        assert batch.file is not None
        batch.file.write(line)
        batch.size += len(line)
        batch.noted.add(key, stage)
        self._of[key] = batch
        if len(batch.noted.keys) >= self.settings.max_requests:
            self._send_off(batch)
        loop = asyncio.get_running_loop()
        self._added = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self.settings.linger_s, self._send_when_quiet)
        return batch

    def _send_when_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        left = self._added + self.settings.linger_s - loop.time()
        if left > 0 or self._working:
            left = max(left, self.settings.linger_s, LEAST_LINGER_S) if self._working else left
            self._timer = loop.call_later(left, self._send_when_quiet)
            return
        for batch in list(self._open.values()):
            self._send_off(batch)

    def _send_off(self, batch: Batch) -> None:
        del self._open[batch.noted.path]
        self._start(batch)

    def _start(self, batch: Batch) -> None:
        batch.task = asyncio.create_task(self._see_through(batch))

    # -- one batch --------------------------------------------------------------------------------------------------

    async def _see_through(self, batch: Batch) -> None:
        """Send a batch, or find it where an earlier process has; wait until it is over; hand its rows out."""
        self._closed.add(batch)
        try:
            if await self._is_there(batch):
                state = await self._over(batch)
                batch.is_out = False
                await (self._refused if state.status == "failed" else self._take)(batch, state)
        except RequestFailed as error:
            hint = AGAIN if isinstance(error, RetryableError) else SMALLER
            _fail(batch, SynthError(f"a batch could not be made or followed: {error.message}", hint))
        except SynthError as error:
            _fail(batch, error)
        finally:
            self._closed.discard(batch)
            if batch.file is not None:
                batch.file.close()

    async def _is_there(self, batch: Batch) -> bool:
        """See to it that the provider has the batch. False: it never got this one of an earlier process."""
        noted, is_known = batch.noted, bool(batch.noted.id)
        if batch.file is not None:
            noted.id = await self._create(batch, batch.file)
            self._say(f"batch {noted.id} is sent: {len(noted.keys):,} requests of {', '.join(noted.stages)}")
        elif not is_known:
            found = await self._asked(noted, lambda: self._api.find(noted.metadata))
            if found is None:
                await self._never_sent(batch)
                return False
            noted.id = found
            self._say(f"batch {found} of an earlier process is found again: {len(noted.keys):,} requests")
        batch.is_out = True
        if not is_known:
            await self._journal.save(noted)
        return True

    async def _create(self, batch: Batch, file: IO[bytes]) -> str:
        """Send the file and make a batch of it. An attempt of unknown outcome is looked for before the next."""
        noted = batch.noted
        await self._room.wait()
        file_id = await self._asked(noted, lambda: self._api.upload(file))
        await self._journal.save(noted)
        crash_point("batch_noted")
        failed = False

        async def create() -> str:
            nonlocal failed
            known = await self._api.find(noted.metadata) if failed else None
            failed = True
            return known or await self._api.create(file_id, noted.path, noted.metadata)

        found = await self._asked(noted, create)
        crash_point("batch_made")
        return found

    async def _never_sent(self, batch: Batch) -> None:
        """Its requests are asked as if they had been in no batch."""
        await self._journal.drop(batch.noted)
        for key in batch.noted.keys:
            self._of.pop(key, None)
        waiting, batch.waiting = batch.waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_result(None)

    async def _over(self, batch: Batch) -> BatchState:
        """The state of a batch once it is over."""
        noted, pause = batch.noted, min(FIRST_LOOK_S, self.settings.max_poll_s)
        while True:
            state = await self._asked(noted, lambda: self._api.look(noted.id))
            if state.is_over:
                return state
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, self.settings.max_poll_s)

    async def _take(self, batch: Batch, state: BatchState) -> None:
        """Read the rows, note which requests are answered, and hand the rows out in the order of the requests."""
        self._room.set()
        noted, order = batch.noted, batch.noted.keys
        rows = await self._rows(noted, state)
        answered = [key for key in order if key in rows and rows[key][0]]
        lost = len(order) - len(answered)
        failed = f", {lost:,} failed or missing" if lost else ""
        self._say(f"batch {noted.id} is {state.status}: {len(answered):,} answered{failed}")
        await self._journal.done(noted, answered)
        await self._hand_out(batch, {key: rows[key][1] if key in rows else b"" for key in order})

    async def _rows(self, noted: Noted, state: BatchState) -> dict[str, tuple[bool, bytes]]:
        """Key → is it an answer, and its line. Of several rows for one request the first answer counts."""
        keys = {key[:NAME]: key for key in noted.keys}
        rows: dict[str, tuple[bool, bytes]] = {}
        for file_id in state.files:
            for name, is_answer, line in await self._asked(noted, partial(self._api.rows, file_id)):
                key = keys.get(name[:NAME])
                if key is not None and (key not in rows or (is_answer and not rows[key][0])):
                    rows[key] = (is_answer, line)
        return rows

    async def _hand_out(self, batch: Batch, lines: dict[str, bytes]) -> None:
        waiting, batch.waiting, batch.rows = batch.waiting, {}, lines
        for number, key in enumerate(list(lines)):
            future = waiting.get(key)
            if future is not None and not future.done():
                self._of.pop(key, None)
                future.set_result(lines.pop(key))
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)

    async def _refused(self, batch: Batch, state: BatchState) -> None:
        """A batch that failed as a whole: nothing of it was done or billed."""
        is_full = state.code == QUEUE_FULL
        if is_full and any(other.is_out for other in self._closed):
            self._say(f"batch {batch.noted.id} has to wait until another is over: {state.words}")
            self._room.clear()
            await self._never_sent(batch)
            return
        await self._journal.drop(batch.noted)
        hint = "set teacher.batch.max_requests lower" if is_full else "see the provider's page of batches"
        raise SynthError(f"the provider refused batch {batch.noted.id}: {state.words}", f"{hint}; nothing is lost")

    async def _asked(self, noted: Noted, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` gives, tried again as requests are."""
        return await with_retries(call, noted.number, self._max_attempts, self._deadline_s)


def _fail(batch: Batch, error: SynthError) -> None:
    """Tell all who wait for a row of this batch why there is none."""
    for future in batch.waiting.values():
        if not future.done():
            future.set_exception(error)
            future.exception()
    batch.waiting.clear()
