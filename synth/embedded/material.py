"""Material as text and back: tables in CSV or JSON, quantities.

`write` gives the text that stands under Input; `read` is told what to expect and gives the value, or raises Unfit.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from synth.embedded import values
from synth.embedded.domains import columns_by_name
from synth.embedded.values import Column, Quantity, Table, Text, Unfit, Value, pluralise, show_cell, show_quantity

TABLE_FORMS = ("csv", "json")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_HEADER = re.compile(r"([^()]+?)(?: \(([^()]+)\))?")


def write(value: Value, form: str = "") -> str:
    """`value` as material. `form` of a table: csv or json."""
    if isinstance(value, Table):
        return write_table(value, form or "csv")
    return show_quantity(value) if isinstance(value, Quantity) else value.text


def write_table(table: Table, form: str) -> str:
    """The table in CSV (without a final line break) or JSON (a list of objects, one a line)."""
    heads = [column.header for column in table.columns]
    rows = [[show_cell(cell, c.places) for cell, c in zip(row, table.columns, strict=True)] for row in table.rows]
    if form == "json":
        lines = (", ".join(map(_json_pair, heads, row, table.columns)) for row in rows)
        return "[\n" + ",\n".join(f"  {{{line}}}" for line in lines) + "\n]"
    return "\n".join(",".join(row) for row in [heads, *rows])


def _json_pair(head: str, cell: str, column: Column) -> str:
    value = cell if column.is_number else json.dumps(cell, ensure_ascii=False)
    return f"{json.dumps(head, ensure_ascii=False)}: {value}"


def read(kind: str, text: str) -> Value:
    """The material of the kind that a plan starts from."""
    text = text.strip()
    if not text:
        raise Unfit("no material")
    return _READERS[kind](text)


@functools.lru_cache(maxsize=256)
def read_table(text: str) -> Table:
    lines = text.split("\n")
    if text.startswith("["):
        rows = _json_rows(text)
    else:
        rows = [line.split(",") for line in lines]
    if len(rows) < 2 or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise Unfit("not a table")
    columns = [_column(head, [row[place] for row in rows[1:]], place) for place, head in enumerate(rows[0])]
    body = [tuple(Decimal(x) if c.is_number else x for x, c in zip(row, columns, strict=True)) for row in rows[1:]]
    return Table(pluralise(columns[0].name), tuple(columns), tuple(body))


def _json_rows(text: str) -> list[list[str]]:
    try:
        data = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise Unfit("broken JSON") from error
    if not data or not all(isinstance(row, dict) for row in data):
        raise Unfit("not a list of objects")
    heads = list(data[0])
    if any(list(row) != heads or not all(isinstance(cell, str) for cell in row.values()) for row in data):
        raise Unfit("objects of different shapes")
    return [heads, *([row[head] for head in heads] for row in data)]


def _column(head: str, cells: list[str], place: int) -> Column:
    match = _HEADER.fullmatch(head.strip())
    if match is None:
        raise Unfit("strange head of a column")
    name, unit = match[1].strip().lower(), match[2] or ""
    known = columns_by_name().get(name, ())
    like = next(iter(known), None)
    if place and all(_NUMBER.fullmatch(cell) for cell in cells) and (like is None or like.is_number):
        places = max(len(cell.partition(".")[2]) for cell in cells)
        kind = "measure" if unit or like is None else like.kind
        return Column(name, kind, unit, places, like.summable if like else True)
    phrase = next((column.phrase for column in known if set(cells) <= set(column.pool)), like.phrase if like else "")
    return Column(name, "name" if place == 0 else "category", phrase=phrase)


def _read_quantity(text: str) -> Quantity:
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)(?: ([^\d\n]+))?", text)
    if match is None:
        raise Unfit("not a quantity")
    value, unit = Decimal(match[1]), match[2] or ""
    if value == 1 and unit and unit not in values.UNCOUNTED:
        unit = pluralise(unit)
    return Quantity(value, unit, len(match[1].partition(".")[2]))


_READERS: dict[str, Callable[[str], Value]] = {
    "table": read_table,
    "text": lambda text: Text("text", text),
    "quantity": _read_quantity,
}


def renamed(value: Value, noun: str) -> Value:
    """The same text under the name that the instruction gives it; a table has its own, which must agree."""
    if isinstance(value, Table) and noun and value.noun != noun:
        raise Unfit(f"the table is about {value.noun}, not {noun}")
    return replace(value, genre=noun) if noun and isinstance(value, Text) else value
