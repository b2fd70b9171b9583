"""A run's ledger as the review reads it: opened again when a restarted run has put another file in its place."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synth.engine.entries import SELECT_ENTRY, Entry, read_entry
from synth.engine.funnel import begun_stages
from synth.engine.ledger import FILE_NAME, LedgerReader, Result, results_from_json
from synth.engine.outlog import read_out
from synth.errors import StorageError, SynthError

WAIT_S = 20.0
"""How long a run that has just been started may take to make its tables."""


class Source:
    """The ledger of `run_dir`, for several threads. Raises StorageError where there is none to begin with."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._lock = threading.RLock()
        self._reader = _opened(run_dir, WAIT_S)
        self._file = self._inode()

    def close(self) -> None:
        """Close the ledger."""
        self._reader.close()

    def _inode(self) -> int:
        return os.stat(self.run_dir / FILE_NAME).st_ino

    @contextmanager
    def ledger(self) -> Iterator[LedgerReader]:
        """The ledger that lies there now; the old one while a run puts a new one in its place."""
        with self._lock:
            with suppress(OSError, SynthError):
                if self._inode() != self._file:
                    reader = _opened(self.run_dir, 0)
                    self._reader.close()
                    self._reader, self._file = reader, self._inode()
            yield self._reader

    def identity(self) -> dict[str, Any]:
        """What changes when outcomes that were there are made anew: the file, and each stage's settings and start."""
        with self.ledger() as ledger:
            stages = ledger.query("SELECT stage, fingerprint, started_at FROM stages")
            return {"file": self._file} | {f"stage {name}": [mark, at] for name, mark, at in stages}

    def outcomes(self, after: int, count: int) -> list[tuple[int, str, int, str]]:
        """(rowid, stage, ordinal, results) of the next outcomes that were written."""
        sql = "SELECT rowid, stage, ordinal, results FROM outcomes WHERE rowid>? ORDER BY rowid LIMIT ?"
        with self.ledger() as ledger:
            return ledger.query(sql, after, count)

    def num_outcomes(self) -> int:
        """How many outcomes there are."""
        with self.ledger() as ledger:
            return int(ledger.query("SELECT count(*) FROM outcomes")[0][0])

    def result(self, stage: str, ordinal: int, place: int) -> Result | None:
        """One row; None where it is gone or damaged."""
        with self.ledger() as ledger:
            rows = ledger.query("SELECT results FROM outcomes WHERE stage=? AND ordinal=?", stage, ordinal)
        try:
            return results_from_json(rows[0][0])[place] if rows else None
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            return None

    def stages(self) -> list[str]:
        """The stages that have begun, in the order of the data's way (in old ledgers: of their start)."""
        with self.ledger() as ledger:
            try:
                return [stage.name for stage in begun_stages(ledger)]
            except StorageError:
                return list(ledger.stages())

    def states(self) -> dict[str, str]:
        """Stage → running or done."""
        with self.ledger() as ledger:
            return {name: str(info["state"]) for name, info in ledger.stages().items()}

    def request(self, key: str) -> Entry | None:
        """A stored request with its answer; None where it is unknown or damaged."""
        with self.ledger() as ledger, suppress(Exception):  # columns of an older version may be missing
            rows = ledger.query(f"{SELECT_ENTRY} WHERE key=?", key)
            return read_entry(rows[0]) if rows else None
        return None

    def traffic(self) -> dict[str, float]:
        """Requests answered, tokens and cost so far; requests in flight now."""
        sql = "SELECT count(*), coalesce(sum(tokens), 0), coalesce(sum(cost), 0) FROM requests WHERE state='answered'"
        with self.ledger() as ledger:
            answered, tokens, cost = ledger.query(sql)[0]
        in_flight = read_out(self.run_dir / FILE_NAME)[1].total() if self.is_running() else 0
        return {"answered": answered, "tokens": tokens, "cost": cost, "in_flight": in_flight}

    def is_running(self) -> bool:
        """Does the process that last held the folder's lock still live? Told without taking the lock."""
        try:
            owner = json.loads((self.run_dir / "lock").read_text("utf-8"))
            os.kill(int(owner["pid"]), 0)
            return bool(owner["host"] == os.uname().nodename)
        except PermissionError:
            return True
        except (OSError, ValueError, KeyError, TypeError):
            return False


def _opened(run_dir: Path, patience: float) -> LedgerReader:
    """The ledger, once its tables are made. Raises StorageError where there is none, or none in time."""
    end = time.monotonic() + patience
    while True:
        reader = LedgerReader(run_dir)
        if reader.query("SELECT 1 FROM sqlite_master WHERE name='outcomes'"):
            return reader
        reader.close()
        if time.monotonic() > end:
            raise StorageError(f"{run_dir} holds no row yet", "wait until the run has begun")
        time.sleep(0.1)
