"""Tables of comma-separated values: rows whose cells fit the header, and the line of each row that does not."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from synth.errors import InputError
from synth.sources.rows import Reading, Row

MAX_CELL = 10_000_000
"""Characters of one cell; a larger one costs its row, and one that is 20 times as large the table."""
_SEPARATORS = ",;\t"
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_ESCAPED = re.compile("'+[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def escape_cell(text: str) -> str:
    """A CSV cell that no spreadsheet runs as a formula (rule of OWASP ASVS 1.2.10); NUL becomes U+FFFD."""
    text = text.replace("\x00", "\ufffd")
    return f"'{text}" if _FORMULA.match(text) else text


def unescape_cell(cell: str) -> str:
    """The inverse of `escape_cell`."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def unreadable(path: Path, what: str) -> InputError:
    """The error of a file that as a whole cannot be used."""
    return InputError(f"{path} cannot be read:", [f"{path} {what}"])


def csv_rows(file: Path, reading: Reading) -> list[Row]:
    """Rows of a table whose first line names the columns; every cell is text, nothing is guessed to be a number.

    A row with more or fewer cells than the header is a mistake of that row. Raises InputError where the header is at
    fault: two columns of one name, or no name at all.
    """
    csv.field_size_limit(20 * MAX_CELL)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        try:
            first = stream.readline()
            stream.seek(0)
            table = csv.reader(stream, delimiter=_separator(first), strict=True)
            lines = _lines(table)
            _, header = next(lines, (0, []))
            _check_header(file, header)
            rows = list(_rows(file, header, lines, _is_guarded(first, header), reading))
        except UnicodeDecodeError:
            raise unreadable(file, "is not UTF-8; save it as UTF-8") from None
        except csv.Error as error:
            reason = f"is not a CSV table ({error} at line {table.line_num}); close and double its quotation marks"
            raise unreadable(file, reason) from None
    if not rows and not reading.mistakes:
        raise unreadable(file, "has no rows below its header")
    return rows


def _separator(header: str) -> str:
    outside = re.sub(r'"[^"]*"', "", header)
    return max(_SEPARATORS, key=outside.count)


def _lines(table: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """(line where the row begins, cells) of each row that is not blank."""
    begin = 1
    for cells in table:
        if cells and any(cells):
            yield begin, cells
        begin = table.line_num + 1  # type: ignore[attr-defined]


def _check_header(file: Path, header: Sequence[str]) -> None:
    names = [name.strip() for name in header]
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise unreadable(file, f"has two columns of the name `{twice[0][:60]}` (line 1); rename one of them")
    if not any(names):
        raise unreadable(file, "has no column names in line 1; write them there")


def _is_guarded(first: str, header: Sequence[str]) -> bool:
    """Is the table of our own writing, which guards cells that a spreadsheet would run as a formula?"""
    own = ["instruction", "input", "output"]
    return header[:3] == own and first.lstrip("\ufeff").startswith(",".join(f'"{name}"' for name in own))


def _rows(
    file: Path, header: Sequence[str], lines: Iterator[tuple[int, list[str]]], is_guarded: bool, reading: Reading
) -> Iterator[Row]:
    names = [name.strip() or f"column {number}" for number, name in enumerate(header, 1)]
    for line, cells in lines:
        where = f"{file}:{line}"
        if len(cells) != len(names):
            what = f"has {len(cells)} cells where the header has {len(names)}"
            reading.mistakes.append(f"{where}: {what}; put cells that hold the separator into quotation marks")
            continue
        if max(map(len, cells)) > MAX_CELL:
            reading.mistakes.append(f"{where}: has a cell of more than {MAX_CELL:,} characters; shorten it")
            continue
        plain = [unescape_cell(cell) for cell in cells] if is_guarded else cells
        if plain != cells:
            reading.changes["the apostrophe that guards a formula was taken off"] += 1
        yield Row(where, dict(zip(names, plain, strict=True)))
