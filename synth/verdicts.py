"""What people say of rows: one JSON line a verdict, appended to a file, on disk before the reviewer sees the next row.

Nothing is ever changed or removed in the file: a later line of the same reviewer on the same row counts in place of the
earlier one, and an undo takes the latest back.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from synth.errors import InputError, StorageError
from synth.records import WORSE, OtherAnswer, Record, digest

FILE_NAME = "verdicts.jsonl"
Kind = Literal["accept", "reject", "edit", "skip", "undo"]
KINDS = get_args(Kind)
TEXTS = ("instruction", "input", "output")
REASONS = (
    "wrong answer",
    "unclear task",
    "input does not fit",
    "incomplete answer",
    "repeats another row",
    "unsafe or private",
    "wrong language",
    "badly written",
    "another reason",
)
"""Why a reviewer rejects a row, by the keys 1 to 9."""
QUESTIONS: dict[str, tuple[str, float]] = {
    "valid_task": ("Does the instruction describe a valid task?", 0.92),
    "input_fits": ("Is the input appropriate for the instruction?", 0.79),
    "output_right": ("Is the output a correct and acceptable answer to both?", 0.58),
}
"""Self-Instruct's questions and the shares of yes it published for 200 rows (arXiv 2212.10560, section 4.2)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One reviewer on one row. `row`: see `row_key`. `at`: seconds since 1970. `edited`: the new texts of an edit.

    `answers`: question of QUESTIONS → yes; a row with a no is rejected.
    """

    row: str
    by: str
    kind: Kind
    reason: str = ""
    edited: dict[str, str] | None = None
    answers: dict[str, bool] = field(default_factory=dict)
    at: float = field(default_factory=time.time)

    def to_dict(self) -> dict[str, Any]:
        """A JSON object without the fields that are empty."""
        return {name: value for name, value in asdict(self).items() if value or name == "row"}


def row_key(record: Record) -> str:
    """16 hex digits that name a record with its answer: another answer to the same task is another row."""
    return digest(record.id, record.output)[:16]


def read_verdict(row: Any) -> Verdict:
    """The verdict of one JSON object. Raises ValueError that says what is wrong with it."""
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("row", "by", "kind")):
        raise ValueError("a verdict is an object with the texts row, by and kind")
    if row["kind"] not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, not {row['kind']!r}")
    edited, answers, at, reason = (row.get(name) for name in ("edited", "answers", "at", "reason"))
    if edited is not None and not (isinstance(edited, dict) and all(isinstance(edited.get(t), str) for t in TEXTS)):
        raise ValueError(f"edited holds the texts {', '.join(TEXTS)}")
    if (row["kind"] == "edit") != bool(edited):
        raise ValueError("an edit, and nothing else, has edited texts")
    known = answers if isinstance(answers, dict) else {}
    yes_no = {name: value for name, value in known.items() if name in QUESTIONS and isinstance(value, bool)}
    texts = {name: edited[name] for name in TEXTS} if edited else None
    moment = float(at) if isinstance(at, int | float) else 0.0
    return Verdict(row["row"], row["by"], row["kind"], reason if isinstance(reason, str) else "", texts, yes_no, moment)


def add_verdicts(path: Path, verdicts: Iterable[Verdict]) -> None:
    """Append verdicts; they are on disk when this returns. Raises StorageError where the disk refuses.

    Several processes may append to one file: each writes whole lines. A line that a power cut tore is closed first.
    """
    lines = "".join(json.dumps(one.to_dict(), allow_nan=False) + "\n" for one in verdicts).encode()
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        try:
            size = os.fstat(handle).st_size
            torn = size and os.pread(handle, 1, size - 1) != b"\n"
            data = b"\n" + lines if torn else lines
            if os.write(handle, data) != len(data):
                raise OSError("the line was written in part")
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        hint = "make room or see to the permissions, then press the key again"
        raise StorageError(f"{path}: the verdict was not saved ({error.strerror or error})", hint) from error


def read_verdicts(path: Path, *, strict: bool = False) -> list[Verdict]:
    """All verdicts of a file, in their order; empty where there is none.

    A line that is no verdict (torn by a power cut, say) is passed over; with `strict` it raises InputError.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    found, mistakes = [], []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(read_verdict(json.loads(line)))
            except (ValueError, RecursionError) as error:
                mistakes.append(f"{path}:{number}: {error}")
    if strict and mistakes:
        raise InputError(f"{path} holds lines that are no verdicts:", mistakes, "remove those lines")
    return found


def current(verdicts: Iterable[Verdict]) -> dict[str, dict[str, Verdict]]:
    """Row → reviewer → the verdict that counts; a skipped row has none."""
    history: dict[tuple[str, str], list[Verdict]] = {}
    for one in verdicts:
        earlier = history.setdefault((one.row, one.by), [])
        if one.kind != "undo":
            earlier.append(one)
        elif earlier:
            earlier.pop()
    rows: dict[str, dict[str, Verdict]] = {}
    for (row, by), said in history.items():
        if said:
            rows.setdefault(row, {})[by] = said[-1]
    return rows


def decided(said: Mapping[str, Verdict]) -> Verdict | None:
    """The verdict that stands where several reviewers spoke: rejected where at least half reject; else the last edit.

    None where nobody did more than skip the row.
    """
    votes = [one for one in said.values() if one.kind != "skip"]
    if not votes:
        return None
    rejections = [one for one in votes if one.kind == "reject"]
    if 2 * len(rejections) >= len(votes):
        return rejections[-1]
    for_it = [one for one in votes if one.kind != "reject"]
    edits = sorted((one for one in for_it if one.kind == "edit"), key=lambda one: one.at)
    return edits[-1] if edits else for_it[-1]


def decisions(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    """Row → the verdict that stands."""
    made = {row: decided(said) for row, said in current(verdicts).items()}
    return {row: one for row, one in made.items() if one is not None}


def edited(record: Record, verdict: Verdict) -> Record:
    """The record with a person's texts. The answer it had becomes the worse one of a pair, if the task is the same."""
    texts = [(verdict.edited or {})[name] for name in TEXTS]
    new = replace(
        record, instruction=texts[0], input=texts[1], output=texts[2], meta=record.meta | {"review": "edited"}
    )
    if new.output != record.output and record.output and new.id == record.id:
        return replace(new, others=(*record.others, OtherAnswer(record.output, record.lineage.model, WORSE)))
    return new


def alpha(verdicts: Sequence[Verdict]) -> float | None:
    """Krippendorff's alpha of the reviewers, a row being rejected or not; None where no row has two of them."""
    said = [
        (by, row, "reject" if one.kind == "reject" else "accept")
        for row, reviewers in current(verdicts).items()
        for by, one in reviewers.items()
        if one.kind != "skip"
    ]
    rows = [row for _, row, _ in said]
    if len(rows) == len(set(rows)):
        return None
    if len({label for _, _, label in said}) == 1:
        return 1.0
    from nltk.metrics.agreement import AnnotationTask  # the package `krippendorff` has a licence we cannot pass on

    return float(AnnotationTask(said).alpha())
