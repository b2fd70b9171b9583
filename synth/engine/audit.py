"""Is a ledger whole? Compares every stored row with its checksum, and counts the rows. Reads only."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from synth.engine.entries import SELECT_ENTRY, checksum, read_entry, request_key
from synth.engine.ledger import COUNT_ROWS, EVENT_COLUMNS, OUTCOME_COLUMNS, SEAL, STAGE_COLUMNS, LedgerReader
from synth.errors import StorageError

STATES = ("planned", "answered", "failed")
TABLES = {
    "outcomes": (OUTCOME_COLUMNS, "it will be made again"),
    "stages": (STAGE_COLUMNS, "the stage will be made again from the stored answers"),
    "events": (EVENT_COLUMNS, "the report's time line is not right there"),
    "meta": ("key, value", "`synth run` notes it again"),
}
"""Tables beside the requests: their columns, and what a damaged row means."""
FULL_CHECKSUMS = 2
"""The version of the schema from which on every row has a checksum over all its columns."""


def ledger_problems(run_dir: Path) -> list[str]:
    """One line for each damaged place; empty when the ledger is as it was written."""
    try:
        with LedgerReader(run_dir) as reader:
            if reader.query("PRAGMA user_version")[0][0] < FULL_CHECKSUMS:
                return ["ledger: it is of an older synth, which kept fewer checksums; `synth run` brings it up to date"]
            found = _structure(reader) + _requests(reader) + _missing(reader)
            return found + [line for table in TABLES for line in _rows(reader, table)]
    except (sqlite3.Error, StorageError, ValueError) as error:
        return [f"ledger: {error}"]


def _structure(reader: LedgerReader) -> list[str]:
    problems = [f"ledger: {row[0]}" for row in reader.query("PRAGMA integrity_check(20)") if row[0] != "ok"]
    reader.stages()
    return problems


def _requests(reader: LedgerReader) -> list[str]:
    problems = []
    for row in reader.rows(SELECT_ENTRY):
        entry = read_entry(row)
        if entry is None or entry.state not in STATES:
            problems.append(f"ledger: request {str(row[0])[:16]} is damaged; it will be asked again")
        elif entry.key != request_key(entry.endpoint, entry.model, entry.request):
            problems.append(f"ledger: request {entry.key[:16]} is not the one its key names; it is never used")
    return problems


def _rows(reader: LedgerReader, table: str) -> list[str]:
    columns, meaning = TABLES[table]
    return [
        f"ledger: a row of {table} ({str(row[0])[:40]} {str(row[1])[:40]}) is damaged; {meaning}"
        for *row, proof in reader.rows(f"SELECT {columns}, checksum FROM {table}")
        if proof != checksum(*row)
    ]


def _missing(reader: LedgerReader) -> list[str]:
    """Tables with other numbers of rows than when the run ended properly; in the middle of one nothing is known."""
    noted = reader.get_meta(SEAL)
    if noted is None:
        states = {stage["state"] for stage in reader.stages().values()}
        return ["ledger: the numbers of its rows are not noted; `synth run` notes them"] if states == {"done"} else []
    then, now = json.loads(noted), json.loads(reader.query(COUNT_ROWS)[0][0])
    return [
        f"ledger: {table} had {then.get(table)} rows when the run ended, and has {count}"
        for table, count in now.items()
        if count != then.get(table)
    ]
