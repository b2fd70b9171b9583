"""The run's ledger: one SQLite file that holds every request, every raw answer and every item's outcome.

One writer thread, one writing process (see `synth.engine.lock`), any number of readers. An answer counts as received
only when its group commit is on disk (WAL, synchronous=FULL). Nothing is ever thrown out of here but the outcomes of a
stage whose settings have changed; they are made again from the stored answers.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from synth.engine.schema import MIGRATIONS
from synth.errors import StorageError
from synth.models.base import Completion, Usage
from synth.records import Record, Rejection, digest

FILE_NAME = "ledger.sqlite"
GROUP_SIZE = 16
"""With this many rows waiting, the writer commits at once."""
LINGER_S = 0.01
"""How long it waits for company otherwise, in seconds."""

Row = tuple[Any, ...]
Result = Record | Rejection

_INSERT_SENT = (
    "INSERT INTO requests(key, stage, item, role, model, endpoint, request, state, sent_at, reserved, attempts)"
    " VALUES(?,?,?,?,?,?,?,'sent',?,?,0) ON CONFLICT(key) DO UPDATE SET"
    " state='sent', sent_at=excluded.sent_at, reserved=excluded.reserved, resent=resent+(state='sent')"
)
_SAVE_ANSWER = (
    "UPDATE requests SET state='answered', text=?, reasoning=?, choices=?, finish_reason=?, answered_by=?,"
    " prompt_tokens=?, completion_tokens=?, cost=?, attempts=attempts+?, answered_at=?, checksum=?, error=NULL WHERE key=?"
)
_SAVE_FAILURE = "UPDATE requests SET state='failed', error=?, attempts=attempts+?, answered_at=?, cost=? WHERE key=?"
_SAVE_OUTCOME = "INSERT OR REPLACE INTO outcomes(stage, item, ordinal, results, final, checksum) VALUES(?,?,?,?,?,?)"
_SELECT_ANSWER = (
    "SELECT text, reasoning, choices, finish_reason, answered_by, prompt_tokens, completion_tokens, checksum"
    " FROM requests WHERE key=? AND state='answered'"
)


def answer_checksum(key: str, text: str, reasoning: str, choices: str) -> str:
    """What `synth verify` compares: 16 hex digits over a request's key and all that was answered."""
    return digest(key, text, reasoning, choices)[:16]


def results_to_json(results: Sequence[Result]) -> str:
    """The stored form of an item's results: a JSON array of {"kept": ...} and {"rejected": ...}."""
    rows = [{"kept": r.to_dict()} if isinstance(r, Record) else {"rejected": r.to_dict()} for r in results]
    return json.dumps(rows, ensure_ascii=True, separators=(",", ":"))


def results_from_json(text: str) -> list[Result]:
    """The inverse of `results_to_json`."""
    return [
        Record.from_dict(row["kept"]) if "kept" in row else Rejection.from_dict(row["rejected"])
        for row in json.loads(text)
    ]


class LedgerReader:
    """Read-only access to the ledger of a run folder, safe while another process writes it."""

    def __init__(self, run_dir: Path) -> None:
        path = run_dir / FILE_NAME
        if not path.is_file():
            raise StorageError(f"{run_dir} holds no ledger", "name the folder of a run made by `synth run`")
        self._db = _open(path, read_only=True)
        _refuse_newer(self._db, path)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def query(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a SELECT."""
        return self._db.execute(sql, values).fetchall()

    def results(self, stage: str) -> Iterator[Result]:
        """Every kept record and every rejection of `stage`, in item order, one at a time."""
        for (text,) in self._db.execute("SELECT results FROM outcomes WHERE stage=? ORDER BY ordinal", (stage,)):
            yield from results_from_json(text)

    def records(self, stage: str) -> Iterator[Record]:
        """What `stage` kept, in item order."""
        return (result for result in self.results(stage) if isinstance(result, Record))

    def rejections(self, stage: str) -> Iterator[Rejection]:
        """What `stage` threw away, in item order."""
        return (result for result in self.results(stage) if isinstance(result, Rejection))

    def stages(self) -> dict[str, dict[str, Any]]:
        """Stage name -> {fingerprint, settings, state ("running"|"done"), started_at, finished_at}."""
        rows = self.query(
            "SELECT stage, fingerprint, settings, state, started_at, finished_at FROM stages ORDER BY rowid"
        )
        keys = ("fingerprint", "settings", "state", "started_at", "finished_at")
        out = {row[0]: dict(zip(keys, row[1:], strict=True)) for row in rows}
        for value in out.values():
            value["settings"] = json.loads(value["settings"])
        return out

    def request_totals(self) -> list[dict[str, Any]]:
        """One row per stage, role and state: requests, tokens, cost, attempts."""
        rows = self.query(
            "SELECT stage, role, state, count(*), sum(prompt_tokens), sum(completion_tokens), sum(cost), sum(attempts),"
            " min(sent_at), max(answered_at) FROM requests GROUP BY 1,2,3 ORDER BY 1,2,3"
        )
        keys = (
            "stage",
            "role",
            "state",
            "requests",
            "prompt_tokens",
            "completion_tokens",
            "cost",
            "attempts",
            "first",
            "last",
        )
        return [dict(zip(keys, row, strict=True)) for row in rows]

    def maybe_paid_twice(self) -> tuple[int, float]:
        """Requests sent without a stored answer (now or before a crash) and their cost at worst."""
        count, cost = self.query(
            "SELECT coalesce(sum(resent + (state='sent')), 0), coalesce(sum(CASE WHEN resent OR state='sent'"
            " THEN reserved END), 0) FROM requests"
        )[0]
        return int(count), float(cost)


class Ledger(LedgerReader):
    """The writing side. Open it inside a running event loop; `close` commits what is queued."""

    def __init__(self, run_dir: Path) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        path = run_dir / FILE_NAME
        self._db = _open(path)
        _migrate(self._db, path)
        self._loop = asyncio.get_running_loop()
        self._jobs: list[tuple[str, Row]] = []
        self._done: asyncio.Future[None] | None = None
        self._wake = threading.Event()
        self._closing = False
        self._failed: StorageError | None = None
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._write_loop, args=(path,), name="ledger", daemon=True)
        self._thread.start()

    # -- requests ---------------------------------------------------------------------------------------------------

    def lookup(self, key: str) -> Completion | None:
        """The stored answer to a request, or None."""
        row = self._db.execute(_SELECT_ANSWER, (key,)).fetchone()
        if row is None:
            return None
        text, reasoning, choices, finish, model, prompt_tokens, completion_tokens, checksum = row
        if checksum != answer_checksum(key, text, reasoning, choices):
            return None  # damaged on disk: ask again rather than build on it; `synth verify` names it
        usage = Usage(prompt_tokens, completion_tokens)
        return Completion(text, finish, usage, model, reasoning, tuple(json.loads(choices)), key)

    def mark_sent(
        self, key: str, stage: str, item: str, role: str, who: tuple[str, str], request: str, reserved: float
    ) -> asyncio.Future[None]:
        """Note that a request is about to leave; await the result before it does."""
        model, endpoint = who
        return self._put(_INSERT_SENT, (key, stage, item, role, model, endpoint, request, time.time(), reserved))

    def save_answer(self, key: str, answer: Completion, cost: float, attempts: int) -> asyncio.Future[None]:
        """Store a raw answer; it is received once the result is awaited."""
        choices = json.dumps(list(answer.choices))
        checksum = answer_checksum(key, answer.text, answer.reasoning, choices)
        tokens = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        row = (answer.text, answer.reasoning, choices, answer.finish_reason, answer.model, *tokens)
        return self._put(_SAVE_ANSWER, (*row, cost, attempts, time.time(), checksum, key))

    def save_failure(self, key: str, error: str, cost: float, attempts: int) -> asyncio.Future[None]:
        """Store why a request has no answer; the next run asks it again."""
        return self._put(_SAVE_FAILURE, (error[:500], attempts, time.time(), cost, key))

    # -- outcomes ---------------------------------------------------------------------------------------------------

    def save_outcome(self, stage: str, item: str, ordinal: int, results: Sequence[Result], final: bool = True) -> None:
        """Queue an item's results. Not awaited: whatever is lost in a crash is made again from the answers.

        Not `final`: kept for the report, but worked out again on the next run.
        """
        text = results_to_json(results)
        self._put(_SAVE_OUTCOME, (stage, item, ordinal, text, final, digest(stage, item, text)[:16]))

    def stored_outcomes(self, stage: str) -> dict[str, str]:
        """Item id -> final results as stored, for `results_from_json`. Damaged rows are left out and made again."""
        rows = self._db.execute("SELECT item, results, checksum FROM outcomes WHERE stage=? AND final", (stage,))
        return {item: text for item, text, checksum in rows if checksum == digest(stage, item, text)[:16]}

    async def begin_stage(self, stage: str, fingerprint: str, settings: str) -> None:
        """Start or continue a stage; outcomes made with other settings or another input are dropped."""
        known = self._db.execute("SELECT fingerprint FROM stages WHERE stage=?", (stage,)).fetchone()
        if known and known[0] == fingerprint:
            return
        self._put("DELETE FROM outcomes WHERE stage=?", (stage,))
        row = (stage, fingerprint, settings, time.time())
        await self._put(
            "INSERT OR REPLACE INTO stages(stage, fingerprint, settings, state, started_at) VALUES(?,?,?,'running',?)",
            row,
        )

    async def finish_stage(self, stage: str, num_items: int) -> None:
        """Mark a stage as done and drop outcomes of items that are no longer part of it."""
        self._put("DELETE FROM outcomes WHERE stage=? AND ordinal>=?", (stage, num_items))
        await self._put(
            "UPDATE stages SET state='done', finished_at=coalesce(finished_at, ?) WHERE stage=?", (time.time(), stage)
        )

    def save_event(self, kind: str, value: float, detail: str = "") -> None:
        """Queue a point of a time line (concurrency, throttling) for the report."""
        self._put("INSERT INTO events(at, kind, value, detail) VALUES(?,?,?,?)", (time.time(), kind, value, detail))

    async def set_meta(self, key: str, value: str) -> None:
        """Store a named value of the run."""
        await self._put("INSERT OR REPLACE INTO meta(key, value) VALUES(?,?)", (key, value))

    def get_meta(self, key: str) -> str | None:
        """A value stored by `set_meta`."""
        row = self._db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return row[0] if row else None

    # -- the writer -------------------------------------------------------------------------------------------------

    def _put(self, sql: str, row: Row) -> asyncio.Future[None]:
        if self._failed:
            raise self._failed
        with self._guard:
            if self._done is None:
                self._done = self._loop.create_future()
                self._done.add_done_callback(_retrieve)
            self._jobs.append((sql, row))
            done = self._done
            if len(self._jobs) == 1:
                self._wake.set()
        return done

    def _take(self) -> tuple[list[tuple[str, Row]], asyncio.Future[None] | None]:
        with self._guard:
            jobs, done = self._jobs, self._done
            self._jobs, self._done = [], None
            self._wake.clear()
        return jobs, done

    def _write_loop(self, path: Path) -> None:
        db = _open(path)
        while True:
            self._wake.wait()
            if not self._closing and len(self._jobs) < GROUP_SIZE:
                time.sleep(LINGER_S)
            jobs, done = self._take()
            error: StorageError | None = None
            if jobs and not self._failed:
                error = self._failed = _commit(db, jobs, path)
            if done is not None:
                self._loop.call_soon_threadsafe(_settle, done, error or self._failed)
            if self._closing and not self._jobs:
                break
        db.close()

    async def flush(self) -> None:
        """Wait until everything queued so far is on disk."""
        while self._done is not None:
            await self._done
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Commit what is queued and stop the writer. Does not raise: a failed write has been reported already."""
        self._closing = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)
        self._db.close()


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


def _commit(db: sqlite3.Connection, jobs: list[tuple[str, Row]], path: Path) -> StorageError | None:
    try:
        db.execute("BEGIN IMMEDIATE")
        for sql, row in jobs:
            db.execute(sql, row)
        db.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        return StorageError(
            f"{path} cannot be written ({error}); every answer acknowledged so far is kept",
            "free some disk space, then type the same command again",
        )
    return None


def _open(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    try:
        if read_only:
            db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
        else:
            db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA busy_timeout=30000")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return db
    except sqlite3.Error as error:
        raise StorageError(
            f"{path} cannot be opened: {error}", "see `synth verify`, or use another run folder"
        ) from error


def _refuse_newer(db: sqlite3.Connection, path: Path) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        raise StorageError(
            f"{path} has schema {version}, this synth knows up to {len(MIGRATIONS)}", "upgrade synth to read this run"
        )
    return version


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    version = _refuse_newer(db, path)
    if version == len(MIGRATIONS):
        return
    if version:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy2(path, path.with_suffix(f".v{version}.backup"))
    steps: Sequence[str] = MIGRATIONS[version:]
    _apply(db, steps, lambda: db.execute(f"PRAGMA user_version={len(MIGRATIONS)}"))


def _apply(db: sqlite3.Connection, steps: Sequence[str], finish: Callable[[], object]) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in steps:
            for statement in step.split(";"):
                if statement.strip():
                    db.execute(statement)
        finish()
    except sqlite3.Error as error:
        db.execute("ROLLBACK")
        raise StorageError(f"the ledger could not be brought to this version: {error}") from error
    db.execute("COMMIT")
