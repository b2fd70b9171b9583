"""The run's ledger: one SQLite file that holds every request, every raw answer and every item's outcome.

One writing process (see `synth.engine.lock`), any number of readers. An answer counts as received only when its group
commit is on disk (WAL, synchronous=FULL). Nothing paid for is ever thrown out of here; outcomes are, when the settings
of their stage have changed, and are made again from the stored answers.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from synth.engine.budget import Reservation
from synth.engine.schema import MIGRATIONS, migrate, open_database, read_version
from synth.engine.writer import Row, Writer
from synth.errors import StorageError
from synth.models.base import Completion, Usage
from synth.records import Record, Rejection

FILE_NAME = "ledger.sqlite"
_COMPACT = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
Result = Record | Rejection

_INSERT_SENT = (
    "INSERT INTO requests(key, stage, item, role, model, endpoint, request, state, sent_at,"
    " reserved_cost, reserved_tokens) VALUES(?,?,?,?,?,?,?,'sent',?,?,?) ON CONFLICT(key) DO UPDATE SET"
    " cost=cost+CASE state WHEN 'sent' THEN reserved_cost ELSE 0 END,"
    " tokens=tokens+CASE state WHEN 'sent' THEN reserved_tokens ELSE 0 END, resent=resent+(state='sent'),"
    " state='sent', sent_at=excluded.sent_at,"
    " reserved_cost=excluded.reserved_cost, reserved_tokens=excluded.reserved_tokens"
)
_SAVE_ANSWER = (
    "UPDATE requests SET state='answered', text=?, reasoning=?, choices=?, finish_reason=?, answered_by=?,"
    " prompt_tokens=?, completion_tokens=?, checksum=?, cost=cost+?, tokens=tokens+?, attempts=attempts+?,"
    " sent_at=coalesce(?, sent_at), answered_at=?, error=NULL WHERE key=?"
)
_SAVE_FAILURE = (
    "UPDATE requests SET state=?, error=?, cost=cost+?, tokens=tokens+?, attempts=attempts+?, answered_at=? WHERE key=?"
)
_SAVE_OUTCOME = (
    "INSERT OR REPLACE INTO outcomes(stage, item, ordinal, input, results, final, checksum) VALUES(?,?,?,?,?,?,?)"
)
ANSWER_COLUMNS = "text, reasoning, choices, finish_reason, answered_by, prompt_tokens, completion_tokens"
_SELECT_ANSWER = f"SELECT checksum, {ANSWER_COLUMNS} FROM requests WHERE key=? AND state='answered'"
OUTCOME_COLUMNS = "stage, item, ordinal, input, results, final"
_SELECT_OUTCOME = f"SELECT checksum, {OUTCOME_COLUMNS} FROM outcomes WHERE stage=? AND item=?"


def checksum(*values: object) -> str:
    """What `synth verify` compares: 16 hex digits over the columns of a row."""
    return blake2b("\x1f".join(map(str, values)).encode("utf-8", "replace"), digest_size=8).hexdigest()


def results_to_json(results: Sequence[Result]) -> str:
    """The stored form of an item's results: a JSON array of {"kept": ...} and {"rejected": ...}."""
    rows = [{"kept": r.to_dict()} if isinstance(r, Record) else {"rejected": r.to_dict()} for r in results]
    return _COMPACT.encode(rows)


def results_from_json(text: str) -> list[Result]:
    """The inverse of `results_to_json`."""
    return [
        Record.from_dict(row["kept"]) if "kept" in row else Rejection.from_dict(row["rejected"])
        for row in json.loads(text)
    ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """An item's stored results: place in the stage, a hash of what went in, the results as JSON, whether they stand."""

    ordinal: int
    input: str
    results: str
    final: bool


class LedgerReader:
    """Read-only access to the ledger of a run folder, safe while another process writes it."""

    def __init__(self, run_dir: Path) -> None:
        path = run_dir / FILE_NAME
        if not path.is_file():
            raise StorageError(f"{run_dir} holds no ledger", "name the folder of a run made by `synth run`")
        self._db = open_database(path, read_only=True)
        read_version(self._db, path)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def query(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a SELECT."""
        return self._db.execute(sql, values).fetchall()

    def rows(self, sql: str, *values: Any) -> Iterator[Row]:
        """The rows of a SELECT, one at a time."""
        yield from self._db.execute(sql, values)

    def results(self, stage: str) -> Iterator[Result]:
        """Every kept record and every rejection of `stage`, in item order, one at a time."""
        for (text,) in self.rows("SELECT results FROM outcomes WHERE stage=? ORDER BY ordinal", stage):
            yield from results_from_json(text)

    def outcomes(self, stage: str, start: int, count: int) -> list[tuple[str, Outcome]]:
        """(item, outcome) of at most `count` items from number `start` on, in order; damaged ones are left out."""
        sql = f"SELECT checksum, {OUTCOME_COLUMNS} FROM outcomes WHERE stage=? AND ordinal>=? ORDER BY ordinal LIMIT ?"
        rows = self.query(sql, stage, start, count)
        return [(row[2], Outcome(row[3], row[4], row[5], bool(row[6]))) for row in rows if row[0] == checksum(*row[1:])]

    def records(self, stage: str) -> Iterator[Record]:
        """What `stage` kept, in item order."""
        return (result for result in self.results(stage) if isinstance(result, Record))

    def rejections(self, stage: str) -> Iterator[Rejection]:
        """What `stage` threw away, in item order."""
        return (result for result in self.results(stage) if isinstance(result, Rejection))

    def stages(self) -> dict[str, dict[str, Any]]:
        """Stage name -> {fingerprint, settings, state ("running"|"done"), started_at, finished_at}."""
        keys = ("fingerprint", "settings", "state", "started_at", "finished_at")
        rows = self.query(f"SELECT stage, {', '.join(keys)} FROM stages ORDER BY rowid")
        out = {row[0]: dict(zip(keys, row[1:], strict=True)) for row in rows}
        for value in out.values():
            value["settings"] = json.loads(value["settings"])
        return out

    def request_totals(self) -> list[dict[str, Any]]:
        """One row per stage, role and state: requests, tokens, cost, attempts, time of the first and the last."""
        rows = self.query(
            "SELECT stage, role, state, count(*), sum(prompt_tokens), sum(completion_tokens), sum(cost), sum(attempts),"
            " min(sent_at), max(answered_at) FROM requests GROUP BY 1,2,3 ORDER BY 1,2,3"
        )
        keys = ("stage", "role", "state", "requests", "prompt_tokens", "completion_tokens", "cost", "attempts")
        return [dict(zip((*keys, "first", "last"), row, strict=True)) for row in rows]

    def maybe_paid_twice(self) -> tuple[int, float]:
        """Requests sent without a stored answer (now or before a crash) and their cost at worst."""
        count, cost = self.query(
            "SELECT coalesce(sum(resent + (state='sent')), 0),"
            " coalesce(sum((resent + (state='sent')) * reserved_cost), 0) FROM requests"
        )[0]
        return int(count), float(cost)

    def spent(self) -> tuple[float, int]:
        """Cost and tokens of all runs over this folder; a request that was under way at a crash counts at its worst."""
        cost, tokens = self.query(
            "SELECT coalesce(sum(cost + (state='sent') * reserved_cost), 0),"
            " coalesce(sum(tokens + (state='sent') * reserved_tokens), 0) FROM requests"
        )[0]
        return float(cost), int(tokens)

    def get_meta(self, key: str) -> str | None:
        """A value stored by `Ledger.set_meta`."""
        row = self._db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return row[0] if row else None


class Ledger(LedgerReader):
    """The writing side. Open it inside a running event loop; `aclose` commits what is queued.

    Methods that are coroutines return when the row is on disk; the others queue it.
    """

    def __init__(self, run_dir: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        path = run_dir / FILE_NAME
        self._db = open_database(path)
        migrate(self._db, path, migrations)
        self._writer = Writer(path)

    @property
    def failed(self) -> StorageError | None:
        """Why nothing can be written any more."""
        return self._writer.failed

    async def aclose(self) -> None:
        """Commit what is queued and close. Does not raise: a failed write has been reported already."""
        await self._writer.aclose()
        self._db.close()

    async def flush(self) -> None:
        """Wait until everything queued so far is on disk."""
        await asyncio.shield(self._writer.put("SELECT 1"))

    # -- requests ---------------------------------------------------------------------------------------------------

    def lookup(self, key: str) -> Completion | None:
        """The stored answer to a request. None too where it is damaged on disk: better asked again than built upon."""
        row = self._db.execute(_SELECT_ANSWER, (key,)).fetchone()
        if row is None or row[0] != checksum(key, *row[1:]):
            return None
        text, reasoning, choices, finish, model, prompt_tokens, completion_tokens = row[1:]
        usage = Usage(prompt_tokens, completion_tokens)
        return Completion(text, finish, usage, model, reasoning, tuple(json.loads(choices)), key)

    async def mark_sent(
        self, key: str, where: tuple[str, str, str], who: tuple[str, str], request: str, worst: Reservation
    ) -> None:
        """Note that a request is about to leave. `where`: stage, item, role; `who`: model, endpoint."""
        row = (key, *where, *who, request, time.time(), worst.cost, worst.tokens)
        await asyncio.shield(self._writer.put(_INSERT_SENT, row))

    async def save_answer(
        self, answer: Completion, spent: Reservation, attempts: int, left_at: float | None = None
    ) -> None:
        """Store a raw answer under `answer.key`; `spent` by all its attempts, the last of which left at `left_at`."""
        usage, choices = answer.usage, json.dumps(answer.choices)
        said = (answer.text, answer.reasoning, choices, answer.finish_reason, answer.model)
        row = (*said, usage.prompt_tokens, usage.completion_tokens)
        proof = checksum(answer.key, *row)
        whole = (*row, proof, spent.cost, spent.tokens, attempts, left_at, time.time(), answer.key)
        await asyncio.shield(self._writer.put(_SAVE_ANSWER, whole))

    def save_failure(self, key: str, error: str, spent: Reservation, attempts: int) -> asyncio.Future[None]:
        """Queue why a request has no answer; the next run asks it again. Without an attempt it is only planned."""
        words = error[:500].encode("utf-8", "replace").decode()
        state = "failed" if attempts else "planned"
        return self._writer.put(_SAVE_FAILURE, (state, words, spent.cost, spent.tokens, attempts, time.time(), key))

    # -- outcomes ---------------------------------------------------------------------------------------------------

    def outcome(self, stage: str, item: str) -> Outcome | None:
        """An item's stored results; None where there are none or they are damaged."""
        row = self._db.execute(_SELECT_OUTCOME, (stage, item)).fetchone()
        if row is None or row[0] != checksum(*row[1:]):
            return None
        return Outcome(row[3], row[4], row[5], bool(row[6]))

    def save_outcome(self, stage: str, item: str, outcome: Outcome) -> None:
        """Queue an item's results. Not awaited: whatever a crash takes is made again from the answers.

        Not `final`: kept for the report, but worked out again on the next run.
        """
        row = (stage, item, outcome.ordinal, outcome.input, outcome.results, int(outcome.final))
        self._writer.put(_SAVE_OUTCOME, (*row, checksum(*row)))

    def has_outcomes(self, stage: str) -> bool:
        """Is anything stored of this stage?"""
        return bool(self.query("SELECT 1 FROM outcomes WHERE stage=? LIMIT 1", stage))

    async def reopen_outcomes(self) -> None:
        """Let every outcome be worked out again from the stored answers."""
        self._writer.put("UPDATE stages SET fingerprint=''")
        await self.flush()

    async def begin_stage(self, stage: str, fingerprint: str, settings: str) -> None:
        """Start or continue a stage; outcomes made with other settings are dropped."""
        known = self.query("SELECT fingerprint FROM stages WHERE stage=?", stage)
        if known and known[0][0] == fingerprint:
            return
        self._writer.put("DELETE FROM outcomes WHERE stage=?", (stage,))
        self._writer.put(
            "INSERT OR REPLACE INTO stages(stage, fingerprint, settings, state, started_at) VALUES(?,?,?,'running',?)",
            (stage, fingerprint, settings, time.time()),
        )
        await self.flush()

    async def finish_stage(self, stage: str, num_items: int) -> None:
        """Mark a stage as done and drop outcomes of items that are no longer part of it."""
        self._writer.put("DELETE FROM outcomes WHERE stage=? AND ordinal>=?", (stage, num_items))
        done = "UPDATE stages SET state='done', finished_at=coalesce(finished_at, ?) WHERE stage=?"
        self._writer.put(done, (time.time(), stage))
        await self.flush()

    # -- the rest ---------------------------------------------------------------------------------------------------

    def save_event(self, kind: str, value: float, detail: str = "") -> None:
        """Queue a point of a time line (concurrency, throttling) for the report."""
        row = (time.time(), kind, value, detail)
        self._writer.put("INSERT INTO events(at, kind, value, detail) VALUES(?,?,?,?)", row)

    async def set_meta(self, key: str, value: str) -> None:
        """Store a named value of the run."""
        self._writer.put("INSERT OR REPLACE INTO meta(key, value) VALUES(?,?)", (key, value))
        await self.flush()
