"""Files of foreign origin → rows with their places, every mistake noted. What the rows mean is for formats.py.

Containers: JSON Lines, one JSON array, CSV (also with tabs or semicolons) and Parquet, told apart by their content.
Accepted as harmless, since common tools write them: a UTF-8 byte order mark at the start, CRLF line ends, empty lines.
Lines end at a line feed only; U+2028 inside a text is a character like any other. Compressed files are not read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from synth.errors import InputError

Container = Literal["jsonl", "json", "csv", "parquet"]

MAX_LINE_BYTES = 10_000_000  # of one JSON line: far above any task, far below what a machine chokes on
_FOREIGN_STARTS = {
    b"\xff\xfe": "is in UTF-16; save it as UTF-8",
    b"\xfe\xff": "is in UTF-16; save it as UTF-8",
    b"\x1f\x8b": "is compressed with gzip; unpack it first",
    b"PK\x03\x04": "is a ZIP archive or spreadsheet; unpack it, or save it as CSV",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a file and where it stands, such as `tasks.jsonl:12`."""

    where: str
    value: dict[str, Any]


def read_rows(path: str | Path, mistakes: list[str], container: Container | None = None) -> list[Row]:
    """All rows of the file that can be read, in order; what cannot be read is added to `mistakes`.

    The container is recognised from the content when it is not given. Raises InputError where there is nothing to
    read: no such file, a directory, an empty file, another encoding.
    """
    file = Path(path)
    kind = container or _container(file, _first_bytes(file))
    if kind == "parquet":
        return _parquet_rows(file)
    if kind == "csv":
        return _csv_rows(file, mistakes)
    rows = _json_rows(file, mistakes) if kind == "json" else list(_jsonl_rows(file, mistakes))
    if not rows and not mistakes:
        raise unreadable(file, "has no rows; write one JSON object a line")
    return rows


def unreadable(path: Path, what: str) -> InputError:
    """The error of a file that as a whole cannot be used."""
    return InputError(f"{path} cannot be read:", [f"{path} {what}"])


def _first_bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            start = stream.read(4096)
    except IsADirectoryError:
        raise unreadable(file, "is a directory; name a file in it") from None
    except OSError as error:
        raise unreadable(file, f"cannot be opened ({error.strerror}); check the path") from None
    if not start.removeprefix(b"\xef\xbb\xbf").strip():
        raise unreadable(file, "is empty; it must have at least one row")
    for sign, what in _FOREIGN_STARTS.items():
        if start.startswith(sign):
            raise unreadable(file, what)
    if b"\0" in start and not start.startswith(b"PAR1"):
        raise unreadable(file, "has zero bytes: it is no text file, or text in UTF-16; save it as UTF-8")
    return start


def _container(file: Path, start: bytes) -> Container:
    if start.startswith(b"PAR1"):
        return "parquet"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return "json"
    is_table = file.suffix.lower() in (".csv", ".tsv") or (file.suffix == "" and not text.startswith(b"{"))
    return "csv" if is_table else "jsonl"


# --- JSON ------------------------------------------------------------------------------------------------------------


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number; leave the field out or give a real value")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"the number {digits[:30]} is too large")
    return value


def _no_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {json.dumps(twice[:60])} stands twice in one object; keep one of them")
    return value


_DECODER = json.JSONDecoder(
    parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_repeated_keys, strict=True
)


def _trouble(error: Exception) -> str:
    """In words, why a text is not the JSON we want."""
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON ({error.msg} at column {error.colno}); correct or remove it"
    if isinstance(error, RecursionError):
        return "is nested too deeply; remove it"
    return str(error)


def lone_surrogates(value: Any) -> bool:
    """Whether any text in a JSON value has half a UTF-16 pair, which no UTF-8 file can hold."""
    if isinstance(value, str):
        return any("\ud800" <= letter <= "\udfff" for letter in value) if not value.isascii() else False
    if isinstance(value, dict):
        return any(lone_surrogates(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(lone_surrogates, value))


def _checked(where: str, value: Any, mistakes: list[str]) -> Iterator[Row]:
    if not isinstance(value, dict):
        mistakes.append(f"{where}: is not a JSON object; write {{...}} with the fields of one task")
    elif lone_surrogates(value):
        mistakes.append(f"{where}: has half a surrogate pair (such as \\ud83d alone); write the whole character")
    else:
        yield Row(where, value)


def _jsonl_rows(file: Path, mistakes: list[str]) -> Iterator[Row]:
    for number, line in _lines(file):
        where = f"{file}:{number}"
        if len(line) > MAX_LINE_BYTES:
            limit = f"at most {MAX_LINE_BYTES // 1_000_000} MB are read"
            mistakes.append(f"{where}: the line is too long ({limit}); write one JSON object a line")
            continue
        try:
            text = line.decode("utf-8").strip("\r\n")
            if text.strip():
                yield from _checked(where, _DECODER.decode(text), mistakes)
        except UnicodeDecodeError as error:
            mistakes.append(f"{where}: is not UTF-8 (byte {error.start + 1} of the line); save the file as UTF-8")
        except (ValueError, RecursionError) as error:
            mistakes.append(f"{where}: {_trouble(error)}")


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """(line number, line); of a line that is too long only the beginning, one byte longer than allowed."""
    with file.open("rb") as stream:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            rest = line
            while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
                rest = stream.readline(MAX_LINE_BYTES + 1)
            yield number, line


def _json_rows(file: Path, mistakes: list[str]) -> list[Row]:
    """The objects of one array, each with the line it begins at; nothing can be read after the first broken one."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(file, f"is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None
    rows: list[Row] = []
    line, at = 1, 0
    try:
        position = _SPACE.match(text, text.index("[") + 1).end()  # type: ignore[union-attr]
        is_open = text[position : position + 1] != "]"
        while is_open:
            line, at = line + text.count("\n", at, position), position
            value, position = _DECODER.raw_decode(text, position)
            rows.extend(_checked(f"{file}:{line}", value, mistakes))
            border = _BORDER.match(text, position)
            if border is None:
                raise json.JSONDecodeError("Expecting ',' or ']'", text, position)
            is_open, position = border[1] == ",", border.end()
    except json.JSONDecodeError as error:
        mistakes.append(f"{file}:{error.lineno}: {_trouble(error)} (the rest of the file was not read)")
    except (ValueError, RecursionError) as error:
        mistakes.append(f"{file}:{line}: {_trouble(error)} (the rest of the file was not read)")
    return rows


_SPACE = re.compile(r"[ \t\r\n]*")
_BORDER = re.compile(r"[ \t\r\n]*(?:(,)[ \t\r\n]*|\][ \t\r\n]*\Z)")


# --- tables ----------------------------------------------------------------------------------------------------------


def _csv_rows(file: Path, mistakes: list[str]) -> list[Row]:
    """Rows of a table whose first line names the columns; every cell is text, nothing is guessed to be a number."""
    import pandas as pd

    header = file.open("rb").readline(100_000)
    separator = max(",;\t", key=lambda sign: header.count(sign.encode()))
    try:
        table = pd.read_csv(
            file, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", skip_blank_lines=False
        )
    except UnicodeDecodeError:
        raise unreadable(file, "is not UTF-8; save it as UTF-8") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise unreadable(file, f"is not a CSV table ({str(error).strip()}); quote cells that hold commas") from None
    rows: list[Row] = []
    line = 2
    for cells in table.to_dict("records"):
        value = {str(column): cell for column, cell in cells.items() if isinstance(cell, str)}
        if any(value.values()):
            rows.extend(_checked(f"{file}:{line}", value, mistakes))
        line += 1 + sum(cell.count("\n") for cell in value.values())
    if not rows and not mistakes:
        raise unreadable(file, "has no rows below its header")
    return rows


def _parquet_rows(file: Path) -> list[Row]:
    """Rows of a Parquet table; a place is `file: row n`, counted from 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        values = pq.read_table(file).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["unknown reason"])[0]
        raise unreadable(file, f"is not a readable Parquet file ({reason}); write it anew") from None
    if not values:
        raise unreadable(file, "has no rows")
    return [Row(f"{file}: row {number}", value) for number, value in enumerate(values, 1)]
