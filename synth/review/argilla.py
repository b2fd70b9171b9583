"""Rows to Argilla's record form (the JSON file its `to_json` and `from_json` share), and a team's answers back.

A record has the fields instruction, input and output. The question `verdict` takes accept or reject, `reason` a text;
an answer to a question named like a field is that field's new text; Self-Instruct's three take yes or no.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synth.engine.funnel import data_stages
from synth.engine.ledger import LedgerReader, Result
from synth.errors import InputError
from synth.fileio import atomic_file
from synth.records import Record, record_of
from synth.verdicts import FILE_NAME, QUESTIONS, TEXTS, Verdict, add_verdicts, current, read_verdicts, row_key

CHECKS = "checks"
"""The agent of a suggestion: what the run decided."""
MAX_BYTES = 2_000_000_000


def export_rows(run_dir: Path, out: Path) -> int:
    """Write the last stage's rows, kept and rejected, with the verdicts so far; how many. Raises StorageError."""
    said = current(read_verdicts(run_dir / FILE_NAME))
    count = 0
    with LedgerReader(run_dir) as ledger, atomic_file(out) as file:
        names = data_stages(ledger)
        for result in ledger.results(names[-1]) if names else ():
            record = record_of(result)
            row = record_form(result, said.get(row_key(record), {}))
            file.write((",\n" if count else "[\n").encode() + json.dumps(row).encode())
            count += 1
        file.write(b"\n]\n" if count else b"[]\n")
    return count


def record_form(result: Result, said: Mapping[str, Verdict]) -> dict[str, Any]:
    """One row as Argilla's record."""
    record = record_of(result)
    fields = {name: getattr(record, name) for name in TEXTS} | ({"conversation": record.talk} if record.talk else {})
    line, meta = record.lineage, record.meta
    notes = {"operator": line.operator, "generation": line.generation, "model": line.model}
    notes |= {name: meta.get(name) for name in ("language", "category", "grade")}
    agent = CHECKS if isinstance(result, Record) else f"{CHECKS}: {result.check}: {result.reason}"
    suggestion = {"value": "accept" if isinstance(result, Record) else "reject", "score": None, "agent": agent}
    responses: dict[str, list[dict[str, str]]] = {}
    for by, verdict in said.items():
        for question, value in _answers(verdict).items():
            responses.setdefault(question, []).append({"value": value, "user_id": user_id(by)})
    return {
        "id": row_key(record),
        "fields": fields,
        "metadata": {name: value for name, value in notes.items() if isinstance(value, str | int | float)},
        "suggestions": {"verdict": suggestion},
        "responses": responses,
        "vectors": {},
    }


def user_id(by: str) -> str:
    """Argilla names people by UUID: always the same one for a name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"synth reviewer {by}"))


def _answers(verdict: Verdict) -> dict[str, str]:
    if verdict.kind == "skip":
        return {}
    given = {"verdict": "reject" if verdict.kind == "reject" else "accept"} | (verdict.edited or {})
    given |= {"reason": verdict.reason} if verdict.reason else {}
    return given | {name: "yes" if is_yes else "no" for name, is_yes in verdict.answers.items()}


def import_rows(run_dir: Path, path: Path) -> int:
    """Add the verdicts of a file that came back, those that are not there yet; how many.

    Raises InputError with every mistake, and then adds nothing; StorageError.
    """
    known = current(read_verdicts(run_dir / FILE_NAME))
    names = {user_id(by): by for said in known.values() for by in said}
    mistakes: list[str] = []
    found = []
    for number, row in enumerate(_rows(path)):
        try:
            found += list(_verdicts(row, names))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            mistakes.append(f"{path}: record {number}: {error}")
    if mistakes:
        raise InputError(f"{path} is not in Argilla's record form:", mistakes, "export it with `to_json`")
    new = [one for one in found if not _same(one, known.get(one.row, {}).get(one.by))]
    if new:
        add_verdicts(run_dir / FILE_NAME, new)
    return len(new)


def _rows(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("the file is too big")
        rows = json.loads(path.read_bytes())
        if not isinstance(rows, list):
            raise ValueError("it is no list of records")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read:", [str(error)], "give the JSON file of a data set's records"
        ) from error
    return rows


def _verdicts(row: Any, names: Mapping[str, str]) -> Iterator[Verdict]:
    """What each person said of a record. Raises ValueError, TypeError, KeyError or AttributeError for another form."""
    fields, people = row["fields"], dict[str, dict[str, str]]()
    for question, given in row.get("responses", {}).items():
        for one in given:
            people.setdefault(str(one["user_id"]), {})[question] = str(one["value"])
    for who, answers in people.items():
        by = names.get(who, who)
        yes_no = {name: answers[name] == "yes" for name in QUESTIONS if answers.get(name) in ("yes", "no")}
        texts = {name: answers.get(name, str(fields[name])) for name in TEXTS}
        told = answers.get("verdict", "accept" if all(yes_no.values()) else "reject" if yes_no else "accept")
        if told not in ("accept", "reject"):
            raise ValueError(f"the question verdict takes accept or reject, not {told!r}")
        if told == "reject":
            yield Verdict(str(row["id"]), by, "reject", answers.get("reason", ""), answers=yes_no)
        elif any(texts[name] != fields[name] for name in TEXTS):
            yield Verdict(str(row["id"]), by, "edit", edited=texts, answers=yes_no)
        elif "verdict" in answers or yes_no:
            yield Verdict(str(row["id"]), by, "accept", answers=yes_no)


def _same(one: Verdict, other: Verdict | None) -> bool:
    return other is not None and one.to_dict() | {"at": 0} == other.to_dict() | {"at": 0}
