"""Tables in sqlite, for the second derivations. Numbers are stored as whole hundredths, so nothing is rounded."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import Any

from synth.embedded.values import Cell, Column, Table, show_cell

HUNDRED = Decimal(100)


def loaded(table: Table, name: str = "t", into: sqlite3.Connection | None = None) -> sqlite3.Connection:
    """A connection that has the table as `name` with columns c0, c1, ... and `n`, the row's number."""
    connection = into or sqlite3.connect(":memory:")
    columns = ", ".join(f"c{place}" for place in range(len(table.columns)))
    connection.execute(f"create table {name}(n integer primary key, {columns})")
    marks = ", ".join("?" * (len(table.columns) + 1))
    rows = [(number, *map(stored, row)) for number, row in enumerate(table.rows)]
    connection.executemany(f"insert into {name} values ({marks})", rows)
    return connection


def stored(cell: Cell) -> int | str:
    """A cell as sqlite keeps it."""
    return int(cell * HUNDRED) if isinstance(cell, Decimal) else show_cell(cell)


def query(table: Table, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a query over the table `t`."""
    connection = loaded(table)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def number(hundredths: int) -> Decimal:
    """A stored number as a Decimal."""
    return Decimal(hundredths) / HUNDRED


def rows_by_number(table: Table, sql: str, *values: Any) -> Table:
    """The table with the rows whose numbers a query gives, in its order."""
    return table.with_rows([table.rows[row[0]] for row in query(table, sql, *values)])


def place(table: Table, name: str) -> str:
    """The sqlite name of a column."""
    return f"c{[column.name for column in table.columns].index(name)}"


def category_columns(table: Table) -> list[Column]:
    """The columns whose values group the rows."""
    return [column for column in table.columns if column.kind == "category"]


def number_columns(table: Table, *, summable: bool = False) -> list[Column]:
    """The columns of numbers; with `summable` those that may be added up."""
    return [column for column in table.columns if column.is_number and (column.summable or not summable)]
