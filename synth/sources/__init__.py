"""Rows from elsewhere → records: how data of other people comes in. One module a family of formats.

Formats: `self_instruct`, `alpaca`, `dolly`, `messages` (OpenAI), `sharegpt`, `oasst` (message trees), `orca`,
`prompt_completion` (TRL), `records` (our own), `superni` (task files), `unifiedqa` and any table whose columns are
named; of pairs `preference` (TRL's forms and Anthropic's HH), `openai_preference`, `openai_summaries`, `ultrafeedback`
and `kto`. A file holds one format, recognised from the keys of its first rows. Nothing is judged here: whether a task
is good is for the checks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synth.errors import InputError, UsageError
from synth.given import check_file
from synth.metrics import count_words
from synth.parsing import split_thoughts
from synth.records import Record
from synth.sources import alpaca, chat, own, pairs, superni, trees, unifiedqa
from synth.sources.alpaca import Columns
from synth.sources.files import Container, jsonl_rows, read_rows
from synth.sources.rows import Fields, Reading, Row

Reader = Callable[..., list[Record]]
"""From the fields of a row, and whether an answer is wanted, to records; some readers take options of their own."""

# name -> (keys that a row of this format has, its reader); the first whose keys are all there is taken.
FORMATS: dict[str, tuple[tuple[str, ...], Reader]] = {
    "records": (("lineage", "instruction"), own.records),
    "self_instruct": (("instances",), own.self_instruct),
    "superni": (("Instances",), superni.superni),
    "unifiedqa": ((unifiedqa.QUESTION,), unifiedqa.unifiedqa),
    "messages": (("messages",), chat.messages),
    "sharegpt": (("conversations",), chat.sharegpt),
    "oasst": (trees.KEYS, trees.oasst),
    "openai_preference": (("preferred_output", "non_preferred_output"), pairs.openai_preference),
    "openai_summaries": (("summaries", "choice"), pairs.openai_summaries),
    "preference": (("chosen", "rejected"), pairs.preference),
    "ultrafeedback": (("instruction", "completions"), pairs.ultrafeedback),
    "kto": (("prompt", "completion", "label"), pairs.kto),
    "orca": (("question", "response"), alpaca.orca),
    "dolly": (("instruction", "response"), alpaca.dolly),
    "alpaca": (("instruction",), alpaca.alpaca),
    "prompt_completion": (("prompt", "completion"), alpaca.prompt_completion),
    "chatml": (("text",), chat.chatml),
}
TABLES: tuple[Container, ...] = ("csv", "parquet")
"""Also accepted as formats: tables in one of the formats above."""
MOST_TOLD = 10
"""Mistakes that are told one by one."""


@dataclass(frozen=True, slots=True)
class Source:
    """The records of a file, in order; `skipped`: the rows that could not be used, each with its place and why.

    `notes`: sentences about what was changed in the rows that are used, and about columns that were not read.
    """

    records: list[Record]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def num_skipped(self) -> int:
        """The number of rows that were skipped; one may have several mistakes."""
        return len({_place(mistake) for mistake in self.skipped})

    def told(self, name: object) -> list[str]:
        """What a user of the file `name` should see: how many rows were skipped, the first of them, and the notes."""
        rows = self.num_skipped
        were = "rows that cannot be used were" if rows > 1 else "row that cannot be used was"
        head = [f"{name}: {rows:,} {were} skipped:"] if rows else []
        more = len(self.skipped) - MOST_TOLD
        listed = [*self.skipped[:MOST_TOLD], *([f"and {more:,} more; in all:"] if more > 0 else [])]
        listed += [f"  {count:,} × {reason}" for reason, count in self.reasons.most_common(MOST_TOLD) if more > 0]
        return [*head, *(f"  {mistake}" for mistake in listed), *(f"{name}: {note}" for note in self.notes)]

    @property
    def reasons(self) -> Counter[str]:
        """What was wrong with the rows that were skipped, and how often."""
        return Counter(mistake.partition(": ")[2] for mistake in self.skipped)


def _place(mistake: str) -> str:
    return mistake.partition(": instance")[0].partition(": ")[0]


def read_source(
    path: str | Path,
    format: str | None = None,
    *,
    columns: Columns | None = None,
    require_output: bool = True,
    max_words: int | None = None,
    strict: bool = False,
    **options: Any,
) -> Source:
    """The records of a file in any of FORMATS or TABLES; recognised from the content when not given.

    `columns` maps instruction, input and output to the file's own column names and replaces recognition. Without
    `require_output` a row may have no answer yet; `max_words` bounds each text of a row. `options` are for the format's
    own reader. A row that cannot be used is skipped; where `strict` is set or no row is left, InputError is raised with
    every mistake. Raises UsageError for a format or column key that does not exist. Equal tasks are all returned: what
    is a duplicate is for the checks.
    """
    reading = Reading()
    rows = open_rows(path, reading, format, columns)
    reader = _reader(path, rows, format, columns)
    records: list[Record] = []
    for row in rows:
        fields = Fields(row, reading)
        read = reader(fields, require_output, **options)
        found = [_without_thoughts(fields, record, require_output) for record in read]
        _check_length(fields, found, max_words)
        if not fields.num_bad:
            fields.close()
            records.extend(found)
    records = pairs.joined(records) if reader is pairs.kto else records
    if reading.mistakes and (strict or not records):
        raise mistaken(path, reading.mistakes)
    return Source(records, tuple(reading.mistakes), tuple(reading.notes()))


def read_records(
    path: str | Path, format: str | None = None, *, columns: Columns | None = None, require_output: bool = True
) -> list[Record]:
    """The records of `read_source`, strictly: raises InputError with every mistake of the file."""
    return read_source(path, format, columns=columns, require_output=require_output, strict=True).records


def stream_records(path: Path, reading: Reading, *, require_output: bool = True) -> Iterator[Record]:
    """The records of a file of JSON lines, one at a time, so that it may be of any size.

    Its format is that of its first row of a known one. What is wrong with a row is added to the mistakes of `reading`.
    """
    reader: Reader | None = None
    for row in jsonl_rows(check_file(path), reading.mistakes):
        reader = reader or _reader(path, [row], None, None)
        fields = Fields(row, reading)
        read = reader(fields, require_output)
        found = [_without_thoughts(fields, record, require_output) for record in read]
        if not fields.num_bad:
            fields.close()
            yield from found


def mistaken(path: str | Path, mistakes: Sequence[str]) -> InputError:
    """The error of a file with mistakes that are not skipped."""
    number = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
    return InputError(f"{path} has {number}:", list(mistakes), "Correct the file and run again; nothing was written.")


def _without_thoughts(fields: Fields, record: Record, require_output: bool) -> Record:
    """The record without the thoughts of a reasoning model in any of its answers."""
    output, thoughts = split_thoughts(record.output)
    history = tuple((user, split_thoughts(answer)[0]) for user, answer in record.history)
    others = tuple(replace(other, output=split_thoughts(other.output)[0]) for other in record.others)
    if (output, history, others) == (record.output, record.history, record.others):
        return record
    fields.changed("thoughts of a reasoning model were cut out of the answers")
    if thoughts and require_output and not output.strip():
        fields.bad("the answer is nothing but a reasoning model's thoughts; remove the row")
    return replace(record, output=output, history=history, others=others)


def _check_length(fields: Fields, records: Sequence[Record], max_words: int | None) -> None:
    for record in records if max_words else ():
        longest = max(count_words(text) for text in (record.asked(), record.output))
        if longest > (max_words or longest):
            fields.bad(f"has a text of {longest:,} words; at most {max_words:,} are used here: shorten it")


def open_rows(path: str | Path, reading: Reading, format: str | None, columns: Columns | None = None) -> list[Row]:
    """The rows of a file once `format` and `columns` are known to exist."""
    known = (*FORMATS, *TABLES)
    if format is not None and format not in known:
        raise UsageError(f"there is no format {format!r}", f"Choose one of: {', '.join(known)}.")
    if columns is not None and (not set(columns) <= {"instruction", "input", "output"} or "instruction" not in columns):
        raise UsageError("columns are named as instruction=NAME, input=NAME, output=NAME", "Name at least instruction.")
    containers: dict[str | None, Container] = {"csv": "csv", "parquet": "parquet", "unifiedqa": "unifiedqa"}
    container = containers.get(format)
    return read_rows(path, reading, container)


def recognise(row: Mapping[str, Any]) -> str | None:
    """The format (a key of FORMATS) whose keys `row` has; None where it is none of them."""
    return next((name for name, (keys, _) in FORMATS.items() if all(key in row for key in keys)), None)


def _reader(path: str | Path, rows: list[Row], format: str | None, columns: Columns | None) -> Reader:
    if columns is not None:
        return lambda fields, require_output: alpaca.task(fields, columns, require_output)
    if format in FORMATS:
        return FORMATS[format][1]
    if not rows:
        return lambda fields, require_output: []  # every row was broken, and is listed
    name = next((found for row in rows[:20] if (found := recognise(row.value))), None)
    if name is None:
        keys = ", ".join(re.sub(r"\s+", " ", str(key))[:40] for key in list(rows[0].value)[:10])
        raise InputError(
            f"{path} is in no format known here:",
            [f"{rows[0].where}: has the fields {keys}; give the format, or name the columns (instruction=NAME ...)"],
        )
    return FORMATS[name][1]
