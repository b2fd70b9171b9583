"""The ledger's schema as a list of migrations, and how a file is opened and brought up to date.

Entry n of MIGRATIONS brings version n to n + 1. Entries are never edited, only added.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from synth.engine.crash import crash_point
from synth.engine.entries import checksum, question_of
from synth.errors import StorageError

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE requests(
        key TEXT PRIMARY KEY,
        stage TEXT NOT NULL, item TEXT NOT NULL, role TEXT NOT NULL,
        model TEXT NOT NULL, endpoint TEXT NOT NULL, request TEXT NOT NULL,
        state TEXT NOT NULL CHECK(state IN ('planned', 'sent', 'answered', 'failed')),
        text TEXT, reasoning TEXT, choices TEXT, finish_reason TEXT, answered_by TEXT,
        prompt_tokens INTEGER, completion_tokens INTEGER,
        cost REAL NOT NULL DEFAULT 0, tokens INTEGER NOT NULL DEFAULT 0,
        reserved_cost REAL NOT NULL DEFAULT 0, reserved_tokens INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0, resent INTEGER NOT NULL DEFAULT 0,
        sent_at REAL, answered_at REAL, error TEXT, checksum TEXT
    );
    CREATE TABLE outcomes(
        stage TEXT NOT NULL, item TEXT NOT NULL, ordinal INTEGER NOT NULL, input TEXT NOT NULL,
        results TEXT NOT NULL, final INTEGER NOT NULL, checksum TEXT NOT NULL,
        PRIMARY KEY(stage, item), UNIQUE(stage, ordinal)
    );
    CREATE TABLE stages(
        stage TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, settings TEXT NOT NULL,
        state TEXT NOT NULL CHECK(state IN ('running', 'done')), started_at REAL NOT NULL, finished_at REAL
    );
    CREATE TABLE events(at REAL NOT NULL, kind TEXT NOT NULL, value REAL NOT NULL, detail TEXT NOT NULL DEFAULT '');
    CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE VIEW request_states AS
        SELECT r.key, r.stage, r.item,
            CASE WHEN r.state <> 'answered' THEN r.state
                 WHEN o.item IS NULL THEN 'answered'
                 WHEN o.results LIKE '[{"kept"%' OR o.results LIKE '%,{"kept":%' THEN 'kept'
                 ELSE 'rejected' END AS state
        FROM requests r LEFT JOIN outcomes o ON o.stage = r.stage AND o.item = r.item
    """,
    # Every row of every table has a checksum over all its columns; requests that differ in max_tokens alone find each
    # other; what was noted as sent without an answer is counted in `resent`, and is only planned again.
    """
    ALTER TABLE requests ADD COLUMN question INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE stages ADD COLUMN checksum TEXT NOT NULL DEFAULT '';
    ALTER TABLE events ADD COLUMN checksum TEXT NOT NULL DEFAULT '';
    ALTER TABLE meta ADD COLUMN checksum TEXT NOT NULL DEFAULT '';
    UPDATE requests SET resent=resent+1, state='planned' WHERE state='sent';
    UPDATE requests SET question=question_of(endpoint, model, request);
    UPDATE requests SET checksum=checksum_of(key, stage, item, role, model, endpoint, request, question, state, text,
            reasoning, choices, finish_reason, answered_by, prompt_tokens, completion_tokens, cost, tokens,
            reserved_cost, reserved_tokens, attempts, resent, sent_at, answered_at, error) WHERE state<>'answered'
        OR checksum=checksum_of(key, text, reasoning, choices, finish_reason, answered_by,
            prompt_tokens, completion_tokens);
    UPDATE stages SET checksum=checksum_of(stage, fingerprint, settings, state, started_at, finished_at);
    UPDATE events SET checksum=checksum_of(at, kind, value, detail);
    UPDATE meta SET checksum=checksum_of(key, value);
    CREATE INDEX requests_by_question ON requests(question)
    """,
    # How probable the words of an answer were; None for those that were stored before.
    "ALTER TABLE requests ADD COLUMN mean_logprob REAL",
)


def open_database(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection to the ledger at `path`, made if need be. Raises StorageError where it cannot be opened."""
    try:
        if read_only:
            return _open_to_read(path)
        db = _connected(path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        return db
    except sqlite3.Error as error:
        raise StorageError(
            f"{path} cannot be opened: {error}", "see `synth verify`, or use another run folder"
        ) from error


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Where nothing can be written (a read-only mount) SQLite must be told that the file does not change."""
    db = _connected_to_read(path)
    if db.execute("PRAGMA user_version").fetchone() == (2,):
        db.execute("PRAGMA temp_store=MEMORY")
        db.execute("CREATE TEMP VIEW requests AS SELECT *, NULL AS mean_logprob FROM main.requests")
    return db


def _connected_to_read(path: Path) -> sqlite3.Connection:
    address = path.absolute().as_uri()
    try:
        return _connected(f"{address}?mode=ro")
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if log.is_file() and log.stat().st_size:
            raise  # its newest rows are in there, and would not be seen
        return _connected(f"{address}?mode=ro&immutable=1")


def _connected(where: Path | str) -> sqlite3.Connection:
    db = sqlite3.connect(where, uri=isinstance(where, str), isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA busy_timeout=30000")
        db.create_function("checksum_of", -1, checksum, deterministic=True)
        db.create_function("question_of", 3, _question_of, deterministic=True)
        db.text_factory = lambda raw: raw.decode("utf-8", "replace")  # a damaged text shows in its checksum
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db


def read_version(db: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS) -> int:
    """The schema version of a ledger. Raises StorageError for one that is newer than this code."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > len(migrations):
        raise StorageError(
            f"{path} has schema {version}, this synth knows up to {len(migrations)}", "upgrade synth to read this run"
        )
    return version


def migrate(db: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the ledger to the newest version in one transaction, with a copy of the old file beside it."""
    version = read_version(db, path, migrations)
    if version == len(migrations):
        return
    try:
        if version:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            shutil.copy2(path, path.with_suffix(f".v{version}.backup"))
        db.execute("BEGIN IMMEDIATE")
        for statement in ";".join(migrations[version:]).split(";"):
            if statement.strip():
                db.execute(statement)
        db.execute(f"PRAGMA user_version={len(migrations)}")
        crash_point("migrate")
        db.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise StorageError(f"{path} could not be brought to schema {len(migrations)}: {error}") from error


def _question_of(endpoint: str, model: str, request: str) -> int:
    """The same as `question_of`; a request that is damaged finds nobody."""
    try:
        return question_of(endpoint, model, request)
    except (ValueError, TypeError, KeyError, AttributeError):
        return 0
