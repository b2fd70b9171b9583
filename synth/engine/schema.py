"""The ledger's schema as a list of migrations: entry n brings version n to n + 1. Entries are never edited, only added."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE requests(
        key TEXT PRIMARY KEY,
        stage TEXT NOT NULL, item TEXT NOT NULL, role TEXT NOT NULL,
        model TEXT NOT NULL, endpoint TEXT NOT NULL, request TEXT NOT NULL,
        state TEXT NOT NULL CHECK(state IN ('sent', 'answered', 'failed')),
        text TEXT, reasoning TEXT, choices TEXT, finish_reason TEXT, answered_by TEXT,
        prompt_tokens INTEGER, completion_tokens INTEGER,
        cost REAL NOT NULL DEFAULT 0, reserved REAL NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0, resent INTEGER NOT NULL DEFAULT 0,
        sent_at REAL, answered_at REAL, error TEXT, checksum TEXT
    );
    CREATE INDEX requests_by_item ON requests(stage, item);
    CREATE TABLE outcomes(
        stage TEXT NOT NULL, item TEXT NOT NULL, ordinal INTEGER NOT NULL,
        results TEXT NOT NULL, final INTEGER NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY(stage, item)
    );
    CREATE INDEX outcomes_in_order ON outcomes(stage, ordinal);
    CREATE TABLE stages(
        stage TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, settings TEXT NOT NULL,
        state TEXT NOT NULL, started_at REAL NOT NULL, finished_at REAL
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
)
