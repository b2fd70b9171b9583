"""Material as text and back: tables in CSV, Markdown or JSON, lists, quantities, days.

`write` gives the text that stands under Input; `read` is told what to expect and gives the value, or raises Unfit.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from synth.embedded.values import (
    UNCOUNTED,
    Cell,
    Code,
    Column,
    Day,
    Numbers,
    Pair,
    Quantity,
    Span,
    Table,
    Text,
    Unfit,
    Value,
    Words,
    pluralise,
    read_day,
    show_cell,
    show_day,
    show_number,
    show_quantity,
)  # fmt: skip
from synth.embedded.words.domains import columns_by_name

TABLE_FORMS = ("csv", "markdown", "json")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_HEADER = re.compile(r"([^()]+?)(?: \(([^()]+)\))?")


def write(value: Value, form: str = "") -> str:
    """`value` as material. `form` of a table: csv, markdown or json; of a list: commas, lines or titled."""
    if isinstance(value, Table):
        return write_table(value, form or "csv")
    if isinstance(value, Numbers):
        return _write_list(value.noun, value.unit, [show_number(x, value.places) for x in value.values], form)
    if isinstance(value, Words):
        return _write_list(value.noun, "", list(value.values), form)
    if isinstance(value, Quantity):
        return show_quantity(value)
    if isinstance(value, Day):
        return show_day(value.date)
    if isinstance(value, Span):
        return f"{_clock(value.start)} to {_clock(value.end)}"
    if isinstance(value, Pair):
        kind = "table" if isinstance(value.first, Table) else "list"
        return f"First {kind}:\n{write(value.first, form)}\n\nSecond {kind}:\n{write(value.second, form)}"
    return value.text


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def write_table(table: Table, form: str) -> str:
    """The table in CSV (without a final line break), Markdown or JSON (a list of objects, one a line)."""
    heads = [column.header for column in table.columns]
    rows = [[show_cell(cell, c.places) for cell, c in zip(row, table.columns, strict=True)] for row in table.rows]
    if form == "json":
        lines = [
            ", ".join(_json_pair(h, cell, c) for h, cell, c in zip(heads, row, table.columns, strict=True))
            for row in rows
        ]
        return "[\n" + ",\n".join(f"  {{{line}}}" for line in lines) + "\n]"
    if form == "markdown":
        rule = ["---:" if column.is_number else "---" for column in table.columns]
        return "\n".join(f"| {' | '.join(row)} |" for row in [heads, rule, *rows])
    return "\n".join(",".join(row) for row in [heads, *rows])


def _json_pair(head: str, cell: str, column: Column) -> str:
    value = cell if column.is_number else json.dumps(cell, ensure_ascii=False)
    return f"{json.dumps(head, ensure_ascii=False)}: {value}"


def _write_list(noun: str, unit: str, items: list[str], form: str) -> str:
    if form == "lines":
        return "\n".join(items)
    text = ", ".join(items)
    if form == "titled":
        return f"{noun[:1].upper()}{noun[1:]}{f' ({unit})' if unit else ''}: {text}"
    return text


def read(kind: str, text: str) -> Value:
    """The material of the kind that a plan starts from."""
    text = text.strip()
    if not text:
        raise Unfit("no material")
    return _READERS[kind](text)


@functools.lru_cache(maxsize=256)
def read_table(text: str) -> Table:
    """A table in any of the three forms."""
    rows = _json_rows(text) if text.startswith("[") else _pipe_rows(text) if text.startswith("|") else _csv_rows(text)
    if len(rows) < 2 or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise Unfit("not a table")
    columns = [_column(head, [row[place] for row in rows[1:]], place) for place, head in enumerate(rows[0])]
    body = [tuple(_cell(cell, column) for cell, column in zip(row, columns, strict=True)) for row in rows[1:]]
    return Table(pluralise(columns[0].name), tuple(columns), tuple(body))


def _json_rows(text: str) -> list[list[str]]:
    try:
        data = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise Unfit("broken JSON") from error
    if not all(isinstance(row, dict) for row in data) or not data:
        raise Unfit("not a list of objects")
    heads = list(data[0])
    if any(list(row) != heads or not all(isinstance(cell, str) for cell in row.values()) for row in data):
        raise Unfit("objects of different shapes")
    return [heads, *([row[head] for head in heads] for row in data)]


def _pipe_rows(text: str) -> list[list[str]]:
    lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines()]
    return [line for place, line in enumerate(lines) if place != 1]


def _csv_rows(text: str) -> list[list[str]]:
    if '"' not in text:
        return [line.split(",") for line in text.split("\n")]
    return [row for row in csv.reader(io.StringIO(text)) if row]


def _column(head: str, cells: list[str], place: int) -> Column:
    match = _HEADER.fullmatch(head.strip())
    if match is None:
        raise Unfit("strange head of a column")
    name, unit = match[1].strip().lower(), match[2] or ""
    known = columns_by_name().get(name, ())
    if all(_DATE.fullmatch(cell) for cell in cells):
        return Column(name, "date")
    if place and all(_NUMBER.fullmatch(cell) for cell in cells) and not _is_known_category(known):
        places = max(len(cell.partition(".")[2]) for cell in cells)
        like = next((column for column in known if column.is_number), None)
        kind = "measure" if unit or like is None else like.kind
        return Column(name, kind, unit, places, like.summable if like else True)
    like = next((column for column in known if column.kind == "category"), None)
    phrases = {column.phrase: column.phrase for column in known if set(cells) <= set(column.pool)}
    phrase = next(iter(phrases), like.phrase if like else "")
    return Column(name, "name" if place == 0 else "category", phrase=phrase)


def _is_known_category(known: tuple[Column, ...]) -> bool:
    return bool(known) and not any(column.is_number for column in known)


def _cell(text: str, column: Column) -> Cell:
    if column.is_number:
        return Decimal(text)
    return read_day(text) if column.kind == "date" else text


def _split(text: str) -> tuple[str, str, list[str]]:
    """Title, unit and items of a list."""
    title, colon, rest = text.partition(": ")
    if colon and "\n" not in title and "," not in title:
        match = _HEADER.fullmatch(title)
        noun, unit = (match[1].lower(), match[2] or "") if match else (title.lower(), "")
        text = rest
    else:
        noun = unit = ""
    items = text.splitlines() if "\n" in text else text.split(",")
    return noun, unit, [item.strip() for item in items]


def _read_numbers(text: str) -> Numbers:
    noun, unit, items = _split(text)
    try:
        values = tuple(Decimal(item) for item in items)
    except InvalidOperation as error:
        raise Unfit("not a list of numbers") from error
    return Numbers(noun or "numbers", values, unit, max(len(item.partition(".")[2]) for item in items))


def _read_words(text: str) -> Words:
    noun, _, items = _split(text)
    if len(items) < 2 or not all(items) or max(map(len, items)) > 40:
        raise Unfit("not a list")
    return Words(noun or "items", tuple(items))


def _read_quantity(text: str) -> Quantity:
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)(?: ([^\d\n]+))?", text)
    if match is None:
        raise Unfit("not a quantity")
    unit = match[2] or ""
    return Quantity(
        Decimal(match[1]),
        pluralise(unit) if Decimal(match[1]) == 1 and unit not in UNCOUNTED else unit,
        len(match[1].partition(".")[2]),
    )


def _read_pair(text: str) -> Pair:
    match = re.fullmatch(r"First (?:list|table):\n(.*?)\n\nSecond (?:list|table):\n(.*)", text, re.DOTALL)
    if match is None:
        raise Unfit("not two lists")
    read_part: Callable[[str], Table | Words] = (
        read_table if "\n" in match[1] and "," in match[1].split("\n")[0] else _read_words
    )
    return Pair(read_part(match[1]), read_part(match[2]))


def _read_span(text: str) -> Span:
    match = re.fullmatch(r"(\d{1,2}):([0-5]\d) to (\d{1,2}):([0-5]\d)", text)
    if match is None:
        raise Unfit("not two times")
    start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if not 0 <= start < end < 24 * 60:
        raise Unfit("not in order")
    return Span(start, end)


def _read_text(text: str) -> Text:
    return Text("text", text)


_READERS: dict[str, Callable[[str], Value]] = {
    "table": read_table,
    "numbers": _read_numbers,
    "words": _read_words,
    "text": _read_text,
    "quantity": _read_quantity,
    "day": lambda text: Day(read_day(text)),
    "span": _read_span,
    "pair": _read_pair,
    "code": lambda text: Code(text),
}


def renamed(value: Value, noun: str) -> Value:
    """The same list or text under the name that the instruction gives it."""
    if isinstance(value, Numbers | Words | Table):
        return replace(value, noun=noun)
    return replace(value, genre=noun) if isinstance(value, Text) else value
