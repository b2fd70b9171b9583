"""Tables in sqlite, for the second derivations. Numbers are stored as whole hundredths, so nothing is rounded."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from typing import Any

from synth.embedded.values import Table


def query(table: Table, text: str, *values: Any, **names: str) -> list[tuple[Any, ...]]:
    """The rows of a query over the table `t`, which has columns c0, c1, ... and `n`, the number of the row.

    `{name}` in the text stands for the column `names[name]`.
    """
    columns = [f"c{place}" for place in range(len(table.columns))]
    places = {name: columns[[c.name for c in table.columns].index(column)] for name, column in names.items()}
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"create table t(n integer primary key, {', '.join(columns)})")
        rows = [(number, *map(_stored, row)) for number, row in enumerate(table.rows)]
        connection.executemany(f"insert into t values ({', '.join('?' * (len(columns) + 1))})", rows)
        return connection.execute(text.format(**places), values).fetchall()


def _stored(cell: str | Decimal) -> int | str:
    return cell if isinstance(cell, str) else int(cell * 100)


def number(hundredths: int) -> Decimal:
    """A stored number as a Decimal."""
    return Decimal(hundredths) / 100


def rows(table: Table, text: str, *values: Any, **names: str) -> Table:
    """The table with the rows whose numbers a query gives, in its order."""
    return table.with_rows([table.rows[row[0]] for row in query(table, text, *values, **names)])
