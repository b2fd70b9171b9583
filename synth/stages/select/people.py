"""What people decided in `synth review`, applied to the records before any check: edited texts, and rejections."""

from __future__ import annotations

from pathlib import Path

from synth.errors import UsageError
from synth.records import Record
from synth.verdicts import Verdict, decisions, edited, read_verdicts, row_key

CHECK = "review"


def read_decisions(path: str | None) -> dict[str, Verdict]:
    """Row → the verdict that stands. Raises UsageError where there is no file, InputError for a line that is none."""
    if path is not None and not Path(path).is_file():
        raise UsageError(f"select.review_path: there is no {path}", "name the verdicts.jsonl of a run folder")
    return decisions(read_verdicts(Path(path), strict=True)) if path is not None else {}


def with_edit(record: Record, decided: dict[str, Verdict]) -> Record:
    """The record, with the texts that a person put in place of a model's."""
    verdict = decided.get(row_key(record)) if decided else None
    return edited(record, verdict) if verdict is not None and verdict.kind == "edit" else record


class Rejected:
    """The check of that name: refuses what people reject."""

    def __init__(self, decided: dict[str, Verdict]) -> None:
        self._decided = {row: one for row, one in decided.items() if one.kind == "reject"}

    def __call__(self, record: Record) -> str | None:
        verdict = self._decided.get(row_key(record)) if self._decided else None
        return f"{'_'.join(verdict.reason.split()) or 'rejected'}: by {verdict.by}" if verdict else None
