"""Is a ledger whole? Compares every stored row with its checksum. Reads only."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from synth.engine.ledger import LedgerReader, answer_checksum
from synth.errors import StorageError
from synth.records import digest


def ledger_problems(run_dir: Path) -> list[str]:
    """One line for each damaged place; empty when the ledger is as it was written."""
    try:
        reader = LedgerReader(run_dir)
        problems = [f"ledger: {row[0]}" for row in reader.query("PRAGMA integrity_check(20)") if row[0] != "ok"]
        sql = "SELECT key, text, reasoning, choices, checksum FROM requests WHERE state='answered'"
        for key, text, reasoning, choices, checksum in reader.query(sql):
            if checksum != answer_checksum(key, text, reasoning, choices):
                problems.append(f"ledger: the answer to request {str(key)[:16]} is damaged; it will be asked again")
        for stage, item, results, checksum in reader.query("SELECT stage, item, results, checksum FROM outcomes"):
            if checksum != digest(stage, item, results)[:16]:
                problems.append(f"ledger: the outcome of {stage} {item} is damaged; it will be made again")
        reader.close()
        return problems
    except (sqlite3.Error, StorageError, UnicodeDecodeError) as error:
        return [f"ledger: {error}"]
