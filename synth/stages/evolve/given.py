"""Records of a file that is to be evolved, read with every mistake listed at once. What the checks judge is not judged
here: only what cannot be sent to a teacher, or was not meant to be."""

from __future__ import annotations

from pathlib import Path

from synth.errors import InputError
from synth.metrics import count_words
from synth.records import Record
from synth.stages.formats import open_rows, read_records, recognise

MAX_WORDS = 5_000
"""Words of an instruction and its input at most; about 7,000 tokens, which leaves room for a rewrite and a judge's two
texts in the context of common models (32,768 tokens)."""


def read_given(path: Path) -> list[Record]:
    """The records of `path`, answered or not. Raises InputError with every mistake: broken or empty rows, rows in
    another format than the first, tasks of more than MAX_WORDS words."""
    mistakes: list[str] = []
    records: list[Record] = []
    try:
        records = read_records(path, require_output=False)
    except InputError as error:
        mistakes += error.mistakes
    mistakes += [] if mistakes and not path.is_file() else _mixed(path)
    for number, record in enumerate(records, 1):
        words = count_words(record.instruction) + count_words(record.input)
        if words > MAX_WORDS:
            start = " ".join(record.instruction[:80].split())
            mistakes.append(f"task {number} ({start}...): {words:,} words, more than {MAX_WORDS:,}; shorten or remove it")
    if mistakes:
        raise InputError(f"{path} has {len(mistakes)} mistake(s):", list(dict.fromkeys(mistakes)), "nothing was sent")
    return records


def _mixed(path: Path) -> list[str]:
    """Rows that are in another known format than the first row."""
    noted: list[str] = []
    try:
        rows = [(row.where, recognise(row.value)) for row in open_rows(path, noted, None)]
    except InputError:
        return []
    wanted = next((name for _, name in rows if name), None)
    return [
        f"{where}: is in the format {name}, the rows before it in {wanted}; a file holds one format"
        for where, name in rows
        if name and name != wanted
    ]
