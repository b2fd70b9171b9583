"""Files of foreign origin → rows with their places, every mistake noted. What the rows mean is for the formats.

Containers: JSON Lines, one JSON array, one JSON object over several lines (a task file), CSV (also with tabs or
semicolons), lines of UnifiedQA and Parquet, told apart by their content.
Accepted as harmless, since common tools write them: a UTF-8 byte order mark at the start, CRLF line ends, empty lines.
Lines end at a line feed only; U+2028 inside a text is a character like any other. Compressed files are not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from synth.errors import InputError, UsageError
from synth.given import check_file, read_text
from synth.sources.rows import Reading, Row
from synth.sources.tables import csv_rows, unreadable
from synth.sources.unifiedqa import split_line

Container = Literal["jsonl", "json", "object", "csv", "unifiedqa", "parquet"]

MAX_LINE_BYTES = 10_000_000  # of one JSON line: far above any task, far below what a machine chokes on
MAX_OBJECT_BYTES = 64_000_000  # of a file that is one JSON object; published task files stay below 50 MB
_FOREIGN_STARTS = {
    b"\xff\xfe": "is in UTF-16; save it as UTF-8",
    b"\xfe\xff": "is in UTF-16; save it as UTF-8",
    b"\x1f\x8b": "is compressed with gzip; unpack it first",
    b"PK\x03\x04": "is a ZIP archive or spreadsheet; unpack it, or save it as CSV",
}


def read_rows(path: str | Path, reading: Reading, container: Container | None = None) -> list[Row]:
    """All rows of the file that can be read, in order; what cannot be read is added to the mistakes of `reading`.

    The container is recognised from the content when it is not given. Raises InputError where there is nothing to
    read: no such file, a directory (but one that `datasets` saved), an empty file, another encoding.
    """
    file = Path(path)
    if (file / "state.json").is_file():
        return _disk_rows(file)
    kind = container or _container(file, _first_bytes(file))
    if kind == "parquet":
        return _parquet_rows(file)
    if kind == "csv":
        return csv_rows(file, reading)
    readers = {"json": _json_rows, "object": _object_row, "unifiedqa": _unifiedqa_rows}
    rows = list(readers.get(kind, jsonl_rows)(file, reading.mistakes))
    if not rows and not reading.mistakes:
        raise unreadable(file, "has no rows; write one JSON object a line")
    return rows


def _first_bytes(file: Path) -> bytes:
    try:
        with check_file(file).open("rb") as stream:
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
    first, _, rest = text.partition(b"\n")
    if text.startswith(b"{") and first.rstrip().endswith((b"{", b"[", b",")) and rest.lstrip().startswith(b'"'):
        return "object"  # a broken row of JSON lines has another object below it
    if file.suffix.lower() == ".tsv" and first.count(b"\t") == 1 and b" \\n " in first:
        return "unifiedqa"
    is_table = file.suffix.lower() in (".csv", ".tsv") or (file.suffix == "" and not text.startswith(b"{"))
    return "csv" if is_table else "jsonl"


# --- JSON ------------------------------------------------------------------------------------------------------------


class _Pairs:
    """Makes the objects of a JSON text; notes a key that stands twice in one of them."""

    twice: str | None = None

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            keys = [key for key, _ in pairs]
            self.twice = next(key for key in keys if keys.count(key) > 1)
        return value


class _Decoder(json.JSONDecoder):
    """Python's decoder. NaN and numbers too large are read, since only a field that needs a text minds them."""

    def __init__(self) -> None:
        self.pairs = _Pairs()
        super().__init__(object_pairs_hook=self.pairs, strict=True)

    def repeated_key(self) -> str | None:
        """The key that the last value had twice, once."""
        key, self.pairs.twice = self.pairs.twice, None
        return key


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


def _checked(where: str, value: Any, twice: str | None, mistakes: list[str]) -> Iterator[Row]:
    if not isinstance(value, dict):
        mistakes.append(f"{where}: is not a JSON object; write {{...}} with the fields of one task")
    elif twice is not None:
        mistakes.append(f"{where}: the key {json.dumps(twice[:60])} stands twice in one object; keep one of them")
    elif lone_surrogates(value):
        mistakes.append(f"{where}: has half a surrogate pair (such as \\ud83d alone); write the whole character")
    else:
        yield Row(where, value)


def jsonl_rows(file: Path, mistakes: list[str]) -> Iterator[Row]:
    """The rows of a file of JSON lines, one at a time."""
    decoder = _Decoder()
    for number, line in _lines(file):
        where = f"{file}:{number}"
        if len(line) > MAX_LINE_BYTES:
            limit = f"at most {MAX_LINE_BYTES // 1_000_000} MB are read"
            mistakes.append(f"{where}: the line is too long ({limit}); write one JSON object a line")
            continue
        try:
            text = line.decode("utf-8").strip("\r\n")
            if text.strip():
                value = decoder.decode(text)
                yield from _checked(where, value, decoder.repeated_key(), mistakes)
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
    """The objects of one array, each with the line it begins at and its number there.

    Raises InputError where the array is broken.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(file, f"is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None
    rows: list[Row] = []
    decoder = _Decoder()
    line, at, number = 1, 0, 0
    try:
        position = _SPACE.match(text, text.index("[") + 1).end()  # type: ignore[union-attr]
        is_open = text[position : position + 1] != "]"
        while is_open:
            lines, at = text.count("\n", at, position), position
            line, number = line + lines, 1 if lines else number + 1
            value, position = decoder.raw_decode(text, position)
            where = f"{file}:{line}" + (f", object {number}" if number > 1 else "")
            rows.extend(_checked(where, value, decoder.repeated_key(), mistakes))
            border = _BORDER.match(text, position)
            if border is None:
                raise json.JSONDecodeError("Expecting ',' or ']'", text, position)
            is_open, position = border[1] == ",", border.end()
    except json.JSONDecodeError as error:
        raise _broken(file, error.lineno, error) from None
    except (ValueError, RecursionError) as error:
        raise _broken(file, line, error) from None
    return rows


def _object_row(file: Path, mistakes: list[str]) -> list[Row]:
    """The one object of a file. Raises InputError where it is broken or too big."""
    with file.open("rb") as stream:
        data = stream.read(MAX_OBJECT_BYTES + 1)
    if len(data) > MAX_OBJECT_BYTES:
        raise unreadable(file, f"is one object of more than {MAX_OBJECT_BYTES // 1_000_000} MB; split it")
    decoder = _Decoder()
    try:
        value = decoder.decode(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise unreadable(file, f"is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise _broken(file, getattr(error, "lineno", 1), error) from None
    return list(_checked(f"{file}:1", value, decoder.repeated_key(), mistakes))


def _broken(file: Path, line: int, error: Exception) -> InputError:
    what = f"{file}:{line}: {_trouble(error)} (nothing after it can be read; JSON lines lose one row only)"
    return InputError(f"{file} cannot be read:", [what])


def _unifiedqa_rows(file: Path, mistakes: list[str]) -> Iterator[Row]:
    for number, data in _lines(file):
        where = f"{file}:{number}"
        try:
            if data.strip() and len(data) <= MAX_LINE_BYTES:
                yield Row(where, dict(split_line(data.decode("utf-8"))))
            elif data.strip():
                mistakes.append(f"{where}: the line is longer than {MAX_LINE_BYTES // 1_000_000} MB; shorten it")
        except UnicodeDecodeError:
            mistakes.append(f"{where}: is not UTF-8; save the file as UTF-8")
        except UsageError as error:
            mistakes.append(f"{where}: {error.message}; write QUESTION, a tab and ANSWER")


_SPACE = re.compile(r"[ \t\r\n]*")
_BORDER = re.compile(r"[ \t\r\n]*(?:(,)[ \t\r\n]*|\][ \t\r\n]*\Z)")


# --- Arrow ----------------------------------------------------------------------------------------------------------


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


def _disk_rows(folder: Path) -> list[Row]:
    """Rows of a dataset that `datasets` saved to disk: Arrow streams, named in its state.json."""
    import pyarrow as pa

    try:
        named = [one["filename"] for one in json.loads(read_text(folder / "state.json"))["_data_files"]]
        files = [check_file(folder / Path(name).name) for name in named]
        values = [row for file in files for row in pa.ipc.open_stream(file.read_bytes()).read_all().to_pylist()]
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(folder, f"is not a dataset saved to disk ({error}); save it anew") from None
    if not values:
        raise unreadable(folder, "has no rows")
    return [Row(f"{folder}: row {number}", value) for number, value in enumerate(values, 1)]
