"""The run's ledger: one SQLite file that holds every request, every raw answer and every item's outcome.

One writing process (see `synth.engine.lock`), any number of readers. An answer counts as received only when its group
commit is on disk (WAL, synchronous=FULL). Nothing paid for is ever thrown out of here; outcomes are, when the settings
of their stage have changed, and are made again from the stored answers.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from synth.engine.entries import SAVE_ENTRY, SELECT_ENTRY, Entry, checksum, read_entry
from synth.engine.outlog import OutLog, read_out
from synth.engine.schema import MIGRATIONS, migrate, open_database, read_version
from synth.engine.writer import Row, Writer
from synth.errors import StorageError, UsageError
from synth.models.base import Completion
from synth.records import Record, Rejection

FILE_NAME = "ledger.sqlite"
_COMPACT = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
Result = Record | Rejection

_SAVE_OUTCOME = (
    "INSERT OR REPLACE INTO outcomes(stage, item, ordinal, input, results, final, checksum) VALUES(?,?,?,?,?,?,?)"
)
OUTCOME_COLUMNS = "stage, item, ordinal, input, results, final"
_SELECT_OUTCOME = f"SELECT checksum, {OUTCOME_COLUMNS} FROM outcomes WHERE stage=? AND item=?"
STAGE_COLUMNS = "stage, fingerprint, settings, state, started_at, finished_at"
_BEGIN_STAGE = f"INSERT OR REPLACE INTO stages({STAGE_COLUMNS}, checksum) VALUES(?,?,?,?,?,?,?)"
_FINISH_STAGE = (
    "UPDATE stages SET state='done', finished_at=coalesce(finished_at, ?1), checksum="
    "checksum_of(stage, fingerprint, settings, 'done', started_at, coalesce(finished_at, ?1)) WHERE stage=?2"
)
_REOPEN = "UPDATE stages SET fingerprint='', checksum=checksum_of(stage, '', settings, state, started_at, finished_at)"
EVENT_COLUMNS = "at, kind, value, detail"
_SAVE_EVENT = "INSERT INTO events(at, kind, value, detail, checksum) VALUES(?,?,?,?,?)"
_SET_META = "INSERT OR REPLACE INTO meta(key, value, checksum) VALUES(?,?,?)"
NOTE = "note"
"""Kind of the events that say what was done otherwise than asked, for the card."""
OUT_LOG, SEAL = "out_log", "rows"
"""Named values: the file of requests that are out which was last counted; the rows of each table at a proper end."""
RUN_ID = "run_id"
"""Named value: what tells the run from others."""
UNPRICED = "unpriced"
"""Named value: the models that are paid for at a price that is not known, as a JSON list."""
COUNT_ROWS = (
    "SELECT json_object('requests', (SELECT count(*) FROM requests), 'outcomes', (SELECT count(*) FROM outcomes),"
    " 'stages', (SELECT count(*) FROM stages), 'events', (SELECT count(*) FROM events),"
    f" 'meta', (SELECT count(*) FROM meta WHERE key<>'{SEAL}')) AS value"
)
_SEAL = (
    "INSERT OR REPLACE INTO meta(key, value, checksum)"
    f" SELECT '{SEAL}', value, checksum_of('{SEAL}', value) FROM ({COUNT_ROWS})"
)


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
            what = "holds no run" if run_dir.is_dir() else "is not there"
            raise UsageError(f"the folder {run_dir} {what}", "name the folder of a run made by `synth run`")
        self.path = path
        self._db = open_database(path, read_only=True)
        read_version(self._db, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

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
        """One row per stage, role and state: requests, tokens, cost, attempts, time of the first and the last.

        `tokens` and `cost` are what was charged for all attempts; `prompt_tokens` and `completion_tokens` are those of
        the answers stored. `unpriced`: requests that were charged for at a price that was not known.
        """
        rows = self.query(
            "SELECT stage, role, state, count(*), sum(prompt_tokens), sum(completion_tokens), sum(tokens), sum(cost),"
            " sum(attempts), sum(tokens > 0 AND cost = 0 AND model IN (SELECT value FROM json_each(?))),"
            " min(sent_at), max(answered_at) FROM requests GROUP BY 1,2,3 ORDER BY 1,2,3",
            self.get_meta(UNPRICED) or "[]",
        )
        keys = (
            "stage",
            "role",
            "state",
            "requests",
            "prompt_tokens",
            "completion_tokens",
            "tokens",
            "cost",
            "attempts",
            "unpriced",
        )
        return [dict(zip((*keys, "first", "last"), row, strict=True)) for row in rows]

    def server_totals(self) -> list[dict[str, Any]]:
        """One row per server of models that have several: `server`, `asked` and `answered`; see `engine.throttle`."""
        rows = self.query(
            "SELECT detail, sum(value * (kind='asked')), sum(value * (kind='answered')) FROM events"
            " WHERE kind IN ('asked', 'answered') GROUP BY 1 ORDER BY 1"
        )
        return [{"server": server, "asked": int(asked), "answered": int(answered)} for server, asked, answered in rows]

    def maybe_paid_twice(self) -> tuple[int, float]:
        """Requests that left and never came back (now, or before a crash), and their cost: the mean of their kind."""
        count, cost, _ = self._lost()
        return count, cost

    def spent(self) -> tuple[float, int]:
        """Cost and tokens of all runs over this folder, with `maybe_paid_twice`."""
        cost, tokens = self.query("SELECT coalesce(sum(cost), 0), coalesce(sum(tokens), 0) FROM requests")[0]
        _, lost_cost, lost_tokens = self._lost()
        return float(cost) + lost_cost, int(tokens) + lost_tokens

    def _lost(self) -> tuple[int, float, int]:
        """Number, cost and tokens of the requests whose answers went with a killed process.

        Each counts as the mean of the answers to its stage and role, or as its worst case where there are none yet.
        """
        name, out = read_out(self.path)
        lost = Counter() if name == self.get_meta(OUT_LOG) else out
        lost.update(dict(self.query("SELECT key, resent FROM requests WHERE resent > 0")))
        means = "SELECT stage, role, avg(cost), avg(tokens) FROM requests WHERE state='answered' GROUP BY 1, 2"
        mean = {row[:2]: row[2:] for row in self.query(means)}
        count, cost, tokens = 0, 0.0, 0.0
        for key, times in lost.items():
            worst = "SELECT stage, role, reserved_cost, reserved_tokens FROM requests WHERE key=?"
            for row in self.query(worst, key):
                each = mean.get(row[:2], row[2:])
                count, cost, tokens = count + times, cost + times * each[0], tokens + times * each[1]
        return count, cost, round(tokens)

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
        self.path = run_dir / FILE_NAME
        self._db = open_database(self.path)
        migrate(self._db, self.path, migrations)
        self._take_over_lost()
        self._writer = Writer(self.path)
        self.out = OutLog(self.path)

    def _take_over_lost(self) -> None:
        """Count in the rows themselves what an earlier process had out when it died; and break the seal."""
        name, out = read_out(self.path)
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM meta WHERE key=?", (SEAL,))
        for table, columns in (("stages", STAGE_COLUMNS), ("events", EVENT_COLUMNS), ("meta", "key, value")):
            self._db.execute(f"DELETE FROM {table} WHERE checksum<>checksum_of({columns})")  # damaged: made anew
        if name and name != self.get_meta(OUT_LOG):
            for key, times in out.items():
                entry = self.entry(key)
                if entry is not None:
                    self._db.execute(SAVE_ENTRY, replace(entry, resent=entry.resent + times).row)
            self._db.execute(_SET_META, (OUT_LOG, name, checksum(OUT_LOG, name)))
        self._db.execute("COMMIT")

    @property
    def failed(self) -> StorageError | None:
        """Why nothing can be written any more."""
        return self._writer.failed

    async def aclose(self) -> None:
        """Commit what is queued and close. Does not raise: a failed write has been reported already."""
        if self.failed is None:
            self._writer.put(_SEAL)
        await self._writer.aclose()
        self.out.close()
        self._db.close()

    async def flush(self) -> None:
        """Wait until everything queued so far is on disk."""
        await asyncio.shield(self._writer.put("SELECT 1"))

    # -- requests ---------------------------------------------------------------------------------------------------

    def entry(self, key: str) -> Entry | None:
        """A request's row. None too where it is damaged on disk: better asked again than built upon."""
        row = self._db.execute(f"{SELECT_ENTRY} WHERE key=?", (key,)).fetchone()
        return read_entry(row) if row else None

    def lookup(self, key: str) -> Completion | None:
        """The stored answer to a request."""
        entry = self.entry(key)
        return entry.answer() if entry else None

    def answer_under_another_cap(self, question: int, request: str) -> Completion | None:
        """An answer to the same request but for `max_tokens` that would be the same under this one's."""
        for row in self.query(f"{SELECT_ENTRY} WHERE question=? AND state='answered' ORDER BY rowid", question):
            entry = read_entry(row)
            if entry is not None and entry.also_answers(request):
                return entry.answer()
        return None

    def damaged_requests(self) -> list[tuple[Any, ...]]:
        """The rows of requests that are not as they were written, in the columns of `Entry`."""
        return [row for row in self.rows(SELECT_ENTRY) if read_entry(row) is None]

    async def drop_request(self, key: Any) -> None:
        """Remove a row that is damaged beyond knowing what was asked."""
        await asyncio.shield(self._writer.put("DELETE FROM requests WHERE key IS ?", (key,)))

    async def plan(self, entry: Entry) -> None:
        """Store that a request is about to be asked, with what it may cost."""
        await asyncio.shield(self._writer.put(SAVE_ENTRY, entry.row))

    async def save(self, entry: Entry) -> None:
        """Store a request's answer, or why there is none."""
        await asyncio.shield(self._writer.put(SAVE_ENTRY, entry.row))

    async def save_all(self, entries: Sequence[Entry]) -> None:
        """Store the rows of several requests."""
        if entries:
            queued = [self._writer.put(SAVE_ENTRY, entry.row) for entry in entries]
            await asyncio.shield(queued[-1])

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
        self._writer.put(_REOPEN)
        await self.flush()

    async def begin_stage(self, stage: str, fingerprint: str, settings: str) -> None:
        """Start or continue a stage; outcomes made with other settings are dropped."""
        known = self.query("SELECT fingerprint FROM stages WHERE stage=?", stage)
        if known and known[0][0] == fingerprint:
            return
        self._writer.put("DELETE FROM outcomes WHERE stage=?", (stage,))
        row = (stage, fingerprint, settings, "running", time.time(), None)
        self._writer.put(_BEGIN_STAGE, (*row, checksum(*row)))
        await self.flush()

    async def finish_stage(self, stage: str, num_items: int) -> None:
        """Mark a stage as done and drop outcomes of items that are no longer part of it."""
        gone = "DELETE FROM outcomes WHERE stage=? AND NOT (typeof(ordinal)='integer' AND ordinal BETWEEN 0 AND ?)"
        self._writer.put(gone, (stage, num_items - 1))
        self._writer.put("DELETE FROM outcomes WHERE stage NOT IN (SELECT stage FROM stages)")
        self._writer.put(_FINISH_STAGE, (time.time(), stage))
        await self.flush()

    async def targets(self, stage: str, fingerprint: str, wanted: int) -> list[tuple[int, int]]:
        """How many results a growing stage wanted, from which item on: [(0, 20), (7, 30)].

        The items of a run that was extended were made under the target of their time. Noted, so that the folder is
        made again just so; `wanted` is the target from the first item on that is not stored yet.
        """
        known = self.query("SELECT fingerprint FROM stages WHERE stage=?", stage)
        is_same = bool(known) and known[0][0] in (fingerprint, "")
        noted = json.loads(self.get_meta(f"targets/{stage}") or "[]") if is_same else []
        if not noted or noted[-1][1] != wanted:
            stored = self.query("SELECT count(*) FROM outcomes WHERE stage=?", stage)[0][0] if noted else 0
            noted = [[start, target] for start, target in noted if start < stored] + [[stored, wanted]]
            await self.set_meta(f"targets/{stage}", json.dumps(noted))
        return [(start, target) for start, target in noted]

    # -- the rest ---------------------------------------------------------------------------------------------------

    def save_event(self, kind: str, value: float, detail: str = "") -> None:
        """Queue a point of a time line (concurrency, throttling) for the report."""
        row = (time.time(), kind, float(value), detail)
        self._writer.put(_SAVE_EVENT, (*row, checksum(*row)))

    async def set_meta(self, key: str, value: str) -> None:
        """Store a named value of the run."""
        self._writer.put(_SET_META, (key, value, checksum(key, value)))
        await self.flush()

    async def run_id(self) -> str:
        """What tells this run from others, drawn when it is asked for first: its shards and batches carry it."""
        known = self.get_meta(RUN_ID)
        if known is None:
            known = uuid.uuid4().hex
            await self.set_meta(RUN_ID, known)
        return known

    async def drop_meta(self, key: str) -> None:
        """Remove a named value."""
        self._writer.put("DELETE FROM meta WHERE key=?", (key,))
        await self.flush()
