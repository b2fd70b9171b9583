"""An index of a run's rows, so that pages can filter, count, search and sort: a SQLite file that follows the ledger.

It holds numbers and words only; texts are read from the ledger. Any number of processes may follow one run: each step
is one transaction, and begins where the last one of any process ended. When the ledger was made anew, so is the index.
"""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synth.engine.ledger import Result, results_from_json
from synth.records import Record, digest, record_of
from synth.review.source import Source
from synth.tokens import NO_SPACES
from synth.verdicts import row_key

FILE_NAME = "review.index"
STEP = 1000
"""Outcomes of one transaction."""
FACETS = ("stage", "state", "reason", "operator", "generation", "language", "category")
NUMBERS = ("grade", "nearest", "words")
SCHEMA = f"""
CREATE TABLE meta(key TEXT PRIMARY KEY, value);
CREATE TABLE names(id INTEGER PRIMARY KEY, text TEXT UNIQUE NOT NULL);
CREATE TABLE items(stage INTEGER, ordinal INTEGER, PRIMARY KEY(stage, ordinal)) WITHOUT ROWID;
CREATE TABLE rows(id INTEGER PRIMARY KEY AUTOINCREMENT, {", ".join(f"{name} INTEGER" for name in FACETS)},
    {", ".join(f"{name} REAL" for name in NUMBERS)},
    ordinal INTEGER, place INTEGER, record INTEGER, key INTEGER, text INTEGER);
CREATE INDEX rows_by_place ON rows(stage, ordinal);
CREATE INDEX rows_by_record ON rows(record);
CREATE INDEX rows_by_key ON rows(key);
CREATE VIRTUAL TABLE texts USING fts5(text, content='');
CREATE VIRTUAL TABLE words USING fts5vocab('texts', 'row');
"""
VERSION = digest(SCHEMA)[:16]
_ADD = f"INSERT INTO rows VALUES({', '.join('?' * (len(FACETS) + len(NUMBERS) + 6))})"
_SPACELESS = re.compile(f"([{NO_SPACES}])")


class RowIndex:
    """The index of one run folder. One thread calls `catch_up`; any may read through `query`."""

    def __init__(self, run_dir: Path, source: Source) -> None:
        self.source = source
        self.path, self._folder = run_dir / FILE_NAME, None
        try:
            self._db = _opened(self.path)
        except sqlite3.Error:  # a folder that cannot be written
            self._folder = tempfile.TemporaryDirectory(prefix="synth-review-")
            self.path = Path(self._folder.name) / FILE_NAME
            self._db = _opened(self.path)
        self._names = {"": 0}

    def close(self) -> None:
        """Close the file; one in a temporary folder goes."""
        self._db.close()
        if self._folder:
            self._folder.cleanup()

    def reader(self) -> sqlite3.Connection:
        """A further connection, for another thread."""
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA busy_timeout=30000")
        return db

    def catch_up(self) -> int:
        """Take in the next outcomes of the ledger; how many there were. 0: all is in."""
        with self._transaction():
            identity = json.dumps(self.source.identity())
            if self._meta("identity") is None:
                self._set("identity", identity)
            elif not _continues(json.loads(self._meta("identity")), json.loads(identity)):
                self._reset(identity)
            else:
                self._set("identity", identity)
            rows = self.source.outcomes(self._meta("last") or 0, STEP)
            for rowid, stage, ordinal, text in rows:
                self._take(stage, ordinal, text)
                self._set("last", rowid)
            if not rows and self._db.execute("SELECT count(*) FROM items").fetchone()[0] > self.source.num_outcomes():
                self._reset(identity)  # outcomes went, and nothing tells which
                return 1
            return len(rows)

    def _take(self, stage: str, ordinal: int, text: str) -> None:
        stage_id = self._name(stage)
        place = (stage_id, ordinal)
        if not self._db.execute("INSERT OR IGNORE INTO items VALUES(?, ?)", place).rowcount:
            self._db.execute("DELETE FROM rows WHERE stage=? AND ordinal=?", place)
            self._set("replaced", (self._meta("replaced") or 0) + 1)
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):  # damaged: `verify` tells
            for number, result in enumerate(results_from_json(text)):
                self._add(stage, ordinal, number, result)

    def _add(self, stage: str, ordinal: int, place: int, result: Result) -> None:
        record = record_of(result)
        facets = [self._name(value) for value in facets_of(stage, result)]
        own, key = signed(record.id), signed(row_key(record))
        known = self._db.execute("SELECT text FROM rows WHERE key=? LIMIT 1", (key,)).fetchone()
        where = (ordinal, place, own, key, known and known[0])
        added = self._db.execute(_ADD, (None, *facets, *numbers_of(record), *where))
        if known is None:
            new = added.lastrowid
            self._db.execute("UPDATE rows SET text=id WHERE id=?", (new,))
            self._db.execute("INSERT INTO texts(rowid, text) VALUES(?, ?)", (new, searchable(record)))

    def _name(self, text: str) -> int:
        if text not in self._names:
            self._db.execute("INSERT OR IGNORE INTO names(text) VALUES(?)", (text,))
            self._names[text] = self._db.execute("SELECT id FROM names WHERE text=?", (text,)).fetchone()[0]
        return self._names[text]

    def _meta(self, key: str) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return row[0] if row else None

    def _set(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (key, value))

    def _reset(self, identity: str) -> None:
        era = (self._meta("era") or 0) + 1
        for table in ("meta", "items", "rows"):
            self._db.execute(f"DELETE FROM {table}")
        self._db.execute("INSERT INTO texts(texts) VALUES('delete-all')")
        for key, value in (("version", VERSION), ("era", era), ("identity", identity)):
            self._set(key, value)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._names = {"": 0}
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _opened(path: Path) -> sqlite3.Connection:
    """The index at `path`, made anew where there is none, or one that cannot be read."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA busy_timeout=30000")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")  # it is made again from the ledger
        if not _is_current(db):
            raise sqlite3.DatabaseError("made by another version")
        return db
    except sqlite3.DatabaseError as error:
        db.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
        return _opened(path)


def _is_current(db: sqlite3.Connection) -> bool:
    """Is this an index of this version? An empty file becomes one."""
    db.execute("BEGIN IMMEDIATE")
    if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        for statement in SCHEMA.split(";"):
            db.execute(statement)
        db.execute("INSERT INTO names VALUES(0, '')")
        db.execute("INSERT INTO meta VALUES('version', ?)", (VERSION,))
    row = db.execute("SELECT value FROM meta WHERE key='version'").fetchone()
    db.execute("COMMIT")
    return row is not None and row[0] == VERSION


def _continues(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Is the ledger the one that was indexed, gone on? A stage that began again has lost its outcomes."""
    return all(new.get(name) == value for name, value in old.items())


def facets_of(stage: str, result: Result) -> tuple[str, ...]:
    """The values of FACETS of a row."""
    is_kept = isinstance(result, Record)
    record = record_of(result)
    reason = "" if isinstance(result, Record) else f"{result.check}: {result.reason}"
    language, category = (_short(record.meta.get(name)) for name in ("language", "category"))
    line = record.lineage
    operator, generation = _short(line.operator or line.origin), str(line.generation)
    return stage, "kept" if is_kept else "rejected", _short(reason), operator, generation, language, category


def _short(value: Any) -> str:
    return value[:100] if isinstance(value, str) else ""


def numbers_of(record: Record) -> tuple[float | None, float | None, int]:
    """The values of NUMBERS of a row."""
    grades = record.meta.get("grades")
    grade = grades.get("overall") if isinstance(grades, dict) else record.meta.get("grade")
    return number(grade), number(record.meta.get("nearest_score")), len(record.output.split())


def number(value: Any) -> float | None:
    """A finite number as it is, None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return float(value) if is_number else None


def searchable(record: Record) -> str:
    """All texts of a row, letters of scripts without spaces set apart."""
    return spaced("\n".join((record.asked(), record.output)))


def spaced(text: str) -> str:
    """`text` as the search sees it."""
    clean = text.encode("utf-8", "replace").decode()
    return clean if clean.isascii() else _SPACELESS.sub(r" \1 ", clean)


def signed(key: str) -> int:
    """16 hex digits as the 64-bit number that SQLite can hold."""
    return int.from_bytes(bytes.fromhex(key), "big", signed=True)
