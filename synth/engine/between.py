"""What is done to a ledger between two runs: stages are made again, a server has moved. Answers are never touched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection

from synth.engine.entries import checksum
from synth.engine.ledger import FILE_NAME, SEAL, LedgerReader
from synth.engine.schema import open_database
from synth.engine.stored import ROLES

MOVED = "moved"
"""The ledger's note of servers that have moved: endpoint now → endpoint under which their answers are stored."""


@contextmanager
def _writing(run_dir: Path) -> Iterator[Connection]:
    db = open_database(run_dir / FILE_NAME)
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("DELETE FROM meta WHERE key=?", (SEAL,))
        db.execute("COMMIT")
    finally:
        db.close()


def drop_stages(run_dir: Path, names: Iterable[str]) -> None:
    """Forget what these stages made of the answers; the next run makes it again."""
    with _writing(run_dir) as db:
        for name in names:
            db.execute("DELETE FROM outcomes WHERE stage=?", (name,))
            db.execute("DELETE FROM stages WHERE stage=?", (name,))


def drop_results(run_dir: Path) -> None:
    """Forget all that was made of the answers, and the events."""
    with _writing(run_dir) as db:
        for table in ("outcomes", "stages", "events"):
            db.execute(f"DELETE FROM {table}")


def has_produced(ledger: LedgerReader) -> bool:
    """Is there any answer, or any result of a stage? Nothing is where a kill came before the tables were committed."""
    if not ledger.query("PRAGMA user_version")[0][0]:
        return False
    sql = "SELECT EXISTS(SELECT 1 FROM requests WHERE state='answered') OR EXISTS(SELECT 1 FROM outcomes)"
    return bool(ledger.query(sql)[0][0])


def moved_servers(ledger: LedgerReader) -> dict[str, str]:
    """Endpoint now → endpoint under which its answers are stored."""
    return dict(json.loads(ledger.get_meta(MOVED) or "{}"))


def note_moved(run_dir: Path, ledger: LedgerReader, endpoints: Mapping[str, str]) -> None:
    """Role → endpoint now: answers that were stored for a role under another endpoint count as answers of this one."""
    before = {role: about[1] for role, about in json.loads(ledger.get_meta(ROLES) or "{}").items()}
    moved = moved_servers(ledger)
    moved |= {new: before[role] for role, new in endpoints.items() if role in before and new != before[role]}
    text = json.dumps({new: old for new, old in moved.items() if new != old})
    set_meta(run_dir, MOVED, text)


def set_meta(run_dir: Path, key: str, value: str) -> None:
    """Store a named value in a ledger that nobody writes now."""
    with _writing(run_dir) as db:
        row = (key, value, checksum(key, value))
        db.execute("INSERT OR REPLACE INTO meta(key, value, checksum) VALUES(?,?,?)", row)
