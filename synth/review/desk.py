"""What the pages ask for: rows, one row, the next row to judge, counters. One run folder; safe for several threads."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synth.engine.ledger import Result
from synth.errors import SynthError
from synth.records import Record, Rejection, record_of
from synth.review.index import RowIndex, signed
from synth.review.source import Source
from synth.review.table import VERDICTS, Found, Table, Wanted
from synth.verdicts import FILE_NAME, Verdict, add_verdicts, current, decided, read_verdicts, row_key

FOLLOW_S = 1.0
QUEUES = {"random": "in random order", "low": "lowest grade first", "disputed": "where reviewers disagree first"}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the run: where it stands in the ledger, and its result. `said`: reviewer → verdict."""

    stage: str
    ordinal: int
    place: int
    result: Result
    said: Mapping[str, Verdict] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        """The record, kept or not."""
        return record_of(self.result)

    @property
    def rejection(self) -> Rejection | None:
        """Why it was rejected; None of a kept row."""
        return self.result if isinstance(self.result, Rejection) else None

    @property
    def key(self) -> str:
        """See `synth.verdicts.row_key`."""
        return row_key(self.record)

    @property
    def path(self) -> str:
        """The address of its page."""
        return f"/row/{self.stage}/{self.ordinal}/{self.place}"


class Desk:
    """One run folder under review."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.source = Source(run_dir)
        self.index = RowIndex(run_dir, self.source)
        self._lock = threading.RLock()
        self._db = self.index.reader()
        self._table = Table(self._db)
        self._said: dict[str, dict[str, Verdict]] = {}
        self._history: list[Verdict] = []
        self._said_mark: tuple[int, int] = (0, 0)
        self._noted: tuple[Any, ...] = ()
        self._stopped = threading.Event()
        self._follower = threading.Thread(target=self._follow, daemon=True)
        self.behind = True

    def start(self) -> None:
        """Begin to follow the ledger."""
        self._follower.start()

    def close(self) -> None:
        """Stop following and close the files."""
        self._stopped.set()
        if self._follower.is_alive():
            self._follower.join(timeout=10)
        self._db.close()
        self.index.close()
        self.source.close()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            with suppress(sqlite3.Error, SynthError, OSError):  # a run being restarted: looked at again
                while self.index.catch_up() and not self._stopped.is_set():
                    time.sleep(0)
                self.behind = False
            self._stopped.wait(FOLLOW_S)

    # -- rows ---------------------------------------------------------------------------------------------------------

    def find(self, wanted: Wanted) -> tuple[Found, list[Row]]:
        """A page of rows with the counts beside the filters."""
        with self._lock:
            found = self._current().find(wanted, self.source.stages())
            rows = [row for number in found.ids if (row := self._numbered(number))]
        return found, rows

    @contextmanager
    def columns(self) -> Iterator[Table]:
        """The columns, with what was indexed and judged since."""
        with self._lock:
            yield self._current()

    def _current(self) -> Table:
        self._table.refresh()
        self._read_verdicts()
        noted = (self._said_mark, len(self._table.ids), self._table.ids[-1:].tolist())
        if noted != self._noted:
            self._table.judge({signed(key): _standing(said) for key, said in self._said.items() if _is_key(key)})
            self._noted = noted
        return self._table

    def row(self, stage: str, ordinal: int, place: int) -> Row | None:
        """One row; None where there is none."""
        result = self.source.result(stage, ordinal, place)
        if result is None:
            return None
        record = record_of(result)
        with self._lock:
            self._read_verdicts()
            return Row(stage, ordinal, place, result, self._said.get(row_key(record), {}))

    def rows_of(self, column: str, key: str, limit: int = 20) -> list[Row]:
        """The rows of a record (column `record`) or of a record with its answer (`key`), in the order of the stages."""
        assert column in ("record", "key")
        if not _is_key(key):
            return []
        with self._lock:
            sql = f"SELECT id FROM rows WHERE {column}=? ORDER BY id LIMIT ?"
            rows = [self._numbered(number) for (number,) in self._db.execute(sql, (signed(key), limit))]
        order = self.source.stages()
        known = [row for row in rows if row is not None]
        return sorted(known, key=lambda row: order.index(row.stage) if row.stage in order else len(order))

    def numbered(self, number: int) -> Row | None:
        """The row of a number in the index."""
        with self._lock:
            return self._numbered(number)

    def _numbered(self, number: int) -> Row | None:
        sql = "SELECT names.text, ordinal, place FROM rows JOIN names ON names.id=rows.stage WHERE rows.id=?"
        place = self._db.execute(sql, (number,)).fetchone()
        return self.row(*place) if place else None

    def family(self, row: Row) -> list[Row]:
        """All rows of the same item of the stage: a task and what was evolved from it, kept or not."""
        rows = [self.row(row.stage, row.ordinal, place) for place in range(200)]
        return [one for one in rows if one is not None]

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a SELECT over the index."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    # -- verdicts -----------------------------------------------------------------------------------------------------

    @property
    def verdicts_path(self) -> Path:
        """Where the verdicts are."""
        return self.run_dir / FILE_NAME

    def verdicts(self) -> list[Verdict]:
        """All verdicts so far."""
        with self._lock:
            self._read_verdicts()
            return self._history

    def add(self, verdict: Verdict) -> None:
        """Store a verdict; it is on disk when this returns. Raises StorageError."""
        add_verdicts(self.verdicts_path, [verdict])

    def last_of(self, by: str) -> Verdict | None:
        """A reviewer's latest verdict that was not taken back."""
        with self._lock:
            self._read_verdicts()
            mine = [said[by] for said in self._said.values() if by in said]
        return max(mine, key=lambda one: one.at, default=None)

    def _read_verdicts(self) -> None:
        try:
            stat = self.verdicts_path.stat()
        except OSError:
            return
        mark = (stat.st_size, stat.st_mtime_ns)
        if mark != self._said_mark:
            self._history = read_verdicts(self.verdicts_path)
            self._said, self._said_mark = current(self._history), mark

    def next_for(self, by: str, wanted: Wanted, queue: str) -> tuple[Row | None, int, int]:
        """(the next row that `by` has not judged, how many of these rows are judged by `by`, how many there are)."""
        with self._lock:
            table = self._current()
            places = np.flatnonzero(table.mask(wanted, self.source.stages()))
            keys = table.keys()[places]
            mine = [signed(key) for key, said in self._said.items() if by in said and _is_key(key)]
            done = np.isin(keys, np.array(mine, np.int64))
            left = places[~done]
            if not len(left):
                return None, int(done.sum()), len(places)
            others = [signed(key) for key in self._said if _is_key(key)]
            rank = _rank(table, left, queue, np.array(others, np.int64))
            number = int(table.ids[left[np.lexsort((table.keys()[left], rank))[0]]])
            return self._numbered(number), int(done.sum()), len(places)

    def evaluation(self) -> dict[str, Any]:
        """The file of the students' answers; empty where there is none."""
        try:
            value = json.loads((self.run_dir / "evaluation.json").read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


def _rank(table: Table, places: Any, queue: str, judged: Any) -> Any:
    """Where rows stand in a queue, the lowest first; equals follow by their keys, which are as good as random."""
    if queue == "low":
        return table.column("grade")[places]
    if queue == "disputed":
        disputed = table.verdicts[places] == VERDICTS.index("disputed")
        return np.where(disputed, 0, np.where(np.isin(table.keys()[places], judged), 1, 2))
    return np.zeros(len(places))


def _standing(said: Mapping[str, Verdict]) -> int:
    """The place in VERDICTS of what is said of a row."""
    votes = {one.kind for one in said.values() if one.kind != "skip"}
    if "reject" in votes and len(votes) > 1:
        return VERDICTS.index("disputed")
    verdict = decided(said)
    return VERDICTS.index(verdict.kind) if verdict else 0


def _is_key(text: str) -> bool:
    return len(text) == 16 and set(text) <= set("0123456789abcdef")
