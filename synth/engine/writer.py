"""The one thread that writes the ledger, many rows to a commit. A row is on disk when its future is done."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from synth.engine.crash import crash_point
from synth.engine.schema import open_database
from synth.errors import StorageError

GROUP_SIZE = 16
"""With this many rows waiting, the writer commits at once."""
LINGER_S = 0.01
"""How long it waits for company otherwise, in seconds."""

Row = tuple[Any, ...]
Job = tuple[str, Row]


class Writer:
    """Group commits to the SQLite file at `path`. Make it inside a running event loop.

    After a failed commit every later row fails as well; all of them are kept in memory and tried once more at the end,
    for the case that the disk has room again by then.
    """

    def __init__(self, path: Path) -> None:
        self.failed: StorageError | None = None
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._jobs: list[Job] = []
        self._done: asyncio.Future[None] | None = None
        self._wake = threading.Event()
        self._closing = False
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def put(self, sql: str, row: Row = ()) -> asyncio.Future[None]:
        """Queue one statement. The future is the whole group's: await it under `asyncio.shield`, or not at all.

        Raises ValueError for a value that SQLite cannot store, so that no row can make the others of its group fail.
        """
        for value in row:
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError("a number of more than 64 bits cannot be stored")
            if isinstance(value, str) and not value.isascii():
                value.encode()  # half of a surrogate pair is a UnicodeEncodeError
        with self._guard:
            if self._done is None:
                self._done = self._loop.create_future()
                self._done.add_done_callback(_retrieve)
            self._jobs.append((sql, row))
            done, first = self._done, len(self._jobs) == 1
        if first:
            self._wake.set()
        return done

    async def aclose(self) -> None:
        """Commit what is queued and end the thread. Does not raise: a failed write has been reported by then."""
        self._closing = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        db: sqlite3.Connection | None = None
        unsaved: list[Job] = []
        while True:
            self._wake.wait()
            if not self._closing and len(self._jobs) < GROUP_SIZE:
                time.sleep(LINGER_S)
            closing = self._closing
            jobs, done = self._take()
            try:
                db = db or open_database(self._path)
                if self.failed is None or closing:
                    _commit(db, unsaved + jobs)
                    unsaved, jobs = [], []
            except Exception as error:
                self.failed = self.failed or self._failure(error)
            unsaved += jobs
            if done is not None:
                with suppress(RuntimeError):  # the event loop is gone, and with it all who wait
                    self._loop.call_soon_threadsafe(_settle, done, self.failed)
            if closing and not self._jobs:
                break
        if db is not None:
            db.close()

    def _take(self) -> tuple[list[Job], asyncio.Future[None] | None]:
        with self._guard:
            jobs, done = self._jobs, self._done
            self._jobs, self._done = [], None
            self._wake.clear()
            if self._closing:
                self._wake.set()
        return jobs, done

    def _failure(self, error: Exception) -> StorageError:
        return StorageError(
            f"{self._path} cannot be written ({error}); every answer acknowledged so far is kept",
            "free some disk space, then type the same command again",
        )


def _commit(db: sqlite3.Connection, jobs: list[Job]) -> None:
    if not jobs:
        return
    try:
        db.execute("BEGIN IMMEDIATE")
        for sql, row in jobs:
            db.execute(sql, row)
        crash_point("commit")
        db.execute("COMMIT")
        crash_point("committed")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _retrieve(done: asyncio.Future[None]) -> None:
    if not done.cancelled():
        done.exception()


def _settle(done: asyncio.Future[None], error: StorageError | None) -> None:
    if done.done():
        return
    if error:
        done.set_exception(error)
    else:
        done.set_result(None)
