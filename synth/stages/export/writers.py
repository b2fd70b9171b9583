"""Rows → files: JSON, JSON Lines, CSV and Parquet, written as a stream and whole or not at all.

Text is data. JSON keeps every character, with U+0085, U+2028 and U+2029 as escapes because many readers end a line at
them. CSV cells that a spreadsheet would take for a formula get a leading apostrophe (the import takes it off).
Lone surrogates are no text in any of these files; `cleaned` replaces them before.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from synth.fileio import atomic_file
from synth.records import Record
from synth.sources.tables import escape_cell
from synth.stages.export.columns import PAIRS, TURNS, Row

Write = Callable[[Row], None]
BATCH_ROWS = 10_000
BATCH_CHARS = 32_000_000
"""Rows and characters held back at most before they are written."""
CSV_NOTE = "CSV cells that a spreadsheet could take for a formula start with an added apostrophe."

_SURROGATES = re.compile("[\ud800-\udfff]")
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")


def cleaned(record: Record) -> Record:
    """The record with U+FFFD in place of lone surrogates, the very same one where it has none."""
    texts = [record.asked(), record.output, *(other.output for other in record.others)]
    if all(text.isascii() or not _SURROGATES.search(text) for text in texts):
        return record
    meta = {key: clean_text(value) if isinstance(value, str) else value for key, value in record.meta.items()}
    return replace(record.with_texts(clean_text), meta=meta)


def clean_text(text: str) -> str:
    """`text` with U+FFFD in place of lone surrogates."""
    return _SURROGATES.sub("\ufffd", text)


def json_text(row: Any) -> str:
    """One line of strict JSON, readable: letters of any script as they are, line ends and NaN never."""
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    return text if text.isascii() else _LINE_ENDS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@contextmanager
def open_writer(path: Path, columns: Mapping[str, str]) -> Iterator[Write]:
    """A function that writes rows to `path`, in the way its ending names. The file appears when the block ends well.

    `columns`: column -> type (see `ExportFormat`); needed by CSV and Parquet. Raises StorageError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file, WRITERS[path.suffix](file, columns) as write:
        yield write


@contextmanager
def _json_array(file: BinaryIO, columns: Mapping[str, str]) -> Iterator[Write]:
    start = b"[\n"

    def write(row: Row) -> None:
        nonlocal start
        file.write(start + json_text(row).encode())
        start = b",\n"

    yield write
    file.write(b"\n]\n" if start == b",\n" else b"[]\n")


@contextmanager
def _json_lines(file: BinaryIO, columns: Mapping[str, str]) -> Iterator[Write]:
    def write(row: Row) -> None:
        file.write(json_text(row).encode() + b"\n")

    yield write


@contextmanager
def _csv(file: BinaryIO, columns: Mapping[str, str]) -> Iterator[Write]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(columns)

    def write(row: Row) -> None:
        cells = (row[name] for name in columns)
        writer.writerow([escape_cell(" ".join(c) if isinstance(c, list) else str(c)) for c in cells])

    yield write
    text.flush()
    text.detach()


@contextmanager
def _parquet(file: BinaryIO, columns: Mapping[str, str]) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = arrow_schema(columns)
    held: list[Row] = []
    chars = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:

        def flush() -> None:
            nonlocal chars
            arrays = [
                pa.array([row[name] for row in held], field.type) for name, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            held.clear()
            chars = 0

        def write(row: Row) -> None:
            nonlocal chars
            held.append(row)
            chars += sum(len(value) for value in row.values() if isinstance(value, str))
            if len(held) >= BATCH_ROWS or chars >= BATCH_CHARS:
                flush()

        yield write
        if held:
            flush()


def arrow_schema(columns: Mapping[str, str]) -> Any:
    """The Arrow schema of a format's columns."""
    import pyarrow as pa

    return pa.schema([(name, _arrow_type(kind)) for name, kind in columns.items()])


def _arrow_type(kind: str) -> Any:
    import pyarrow as pa

    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    kinds = {
        "str": pa.string(),
        "date": pa.string(),
        "int": pa.int32(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "list[str]": pa.list_(pa.string()),
        PAIRS: pa.list_(pa.list_(pa.string())),
        TURNS: pa.list_(turn),
    }
    return kinds[kind]


WRITERS = {".json": _json_array, ".jsonl": _json_lines, ".csv": _csv, ".parquet": _parquet}
