"""Records of a file that is to be evolved, read with every mistake listed at once.

Whether a task is good is for the checks: only what cannot be sent to a teacher, or was not meant to be, is a mistake.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from synth.errors import InputError
from synth.metrics import count_words
from synth.records import Record
from synth.stages.formats import open_rows, read_records, recognise
from synth.stages.rows import Row

MAX_WORDS = 5_000
"""Words of one text at most: about 7,000 tokens, so that a judge's two tasks fit in a context of 16,384."""


def read_given(path: Path) -> list[Record]:
    """The records of `path`: all of them answered, or none.

    Raises InputError with every mistake: rows that are broken or empty, rows without an output among rows with one,
    rows in another format than the first, texts of more than MAX_WORDS words.
    """
    rows: list[Row] = []
    with contextlib.suppress(InputError):
        rows = open_rows(path, [], None)
    records, mistakes = _read(path, require_output=False)
    _, strict = _read(path, require_output=True)
    unanswered = [one for one in strict if one not in mistakes]
    mistakes += unanswered if len(unanswered) + len(mistakes) < len(rows) else []
    mistakes += [*_mixed(rows), *_too_long(rows)]
    if mistakes:
        raise InputError(f"{path} has {len(mistakes)} mistake(s):", mistakes, "correct them; nothing was sent")
    return records


def _read(path: Path, *, require_output: bool) -> tuple[list[Record], list[str]]:
    try:
        return read_records(path, require_output=require_output), []
    except InputError as error:
        return [], list(error.mistakes)


def _mixed(rows: Sequence[Row]) -> Iterator[str]:
    formats = [recognise(row.value) for row in rows]
    first = next(filter(None, formats), None)
    for row, name in zip(rows, formats, strict=True):
        if name and name != first:
            yield f"{row.where}: is in the format {name}, the first row in {first}; put one format in a file"


def _too_long(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        longest = max(map(count_words, _texts(row.value)), default=0)
        if longest > MAX_WORDS:
            yield f"{row.where}: has a text of {longest:,} words; at most {MAX_WORDS:,} are evolved: shorten it"


def _texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
