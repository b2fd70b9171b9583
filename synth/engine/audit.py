"""Is a ledger whole? Compares every stored row with its checksum. Reads only."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from synth.engine.ledger import ANSWER_COLUMNS, OUTCOME_COLUMNS, LedgerReader, checksum
from synth.engine.payment import request_key
from synth.errors import StorageError

STATES = ("planned", "sent", "answered", "failed")


def ledger_problems(run_dir: Path) -> list[str]:
    """One line for each damaged place; empty when the ledger is as it was written."""
    try:
        reader = LedgerReader(run_dir)
        try:
            return _structure(reader) + _requests(reader) + _outcomes(reader)
        finally:
            reader.close()
    except (sqlite3.Error, StorageError, ValueError) as error:
        return [f"ledger: {error}"]


def _structure(reader: LedgerReader) -> list[str]:
    problems = [f"ledger: {row[0]}" for row in reader.query("PRAGMA integrity_check(20)") if row[0] != "ok"]
    reader.stages()
    return problems


def _requests(reader: LedgerReader) -> list[str]:
    problems = []
    sql = f"SELECT key, endpoint, model, request, state, checksum, {ANSWER_COLUMNS} FROM requests"
    for key, endpoint, model, request, state, proof, *answer in reader.rows(sql):
        if key != request_key(endpoint, model, request) or state not in STATES:
            problems.append(f"ledger: request {str(key)[:16]} is damaged; it will be asked again")
        elif state == "answered" and proof != checksum(key, *answer):
            problems.append(f"ledger: the answer to request {str(key)[:16]} is damaged; it will be asked again")
    return problems


def _outcomes(reader: LedgerReader) -> list[str]:
    sql = f"SELECT checksum, {OUTCOME_COLUMNS} FROM outcomes"
    return [
        f"ledger: the outcome of {stage} {item} is damaged; it will be made again"
        for proof, stage, item, *rest in reader.rows(sql)
        if proof != checksum(stage, item, *rest)
    ]
