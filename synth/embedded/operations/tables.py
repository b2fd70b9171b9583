"""Tables: filters, order, one figure or name of them, and JSON.

The second derivation is a query in sqlite wherever one can say it; there numbers are whole hundredths, so that nothing
is rounded.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from fractions import Fraction
from typing import Any

from synth.embedded.draws import Draw
from synth.embedded.material import write_table
from synth.embedded.operations.quantities import COMPARE, decimal, divided
from synth.embedded.plan import Args, Operation
from synth.embedded.values import Cell, Column, Name, Quantity, Table, Text, Unfit, show_cell, show_number


def _query(table: Table, text: str, *values: Any, **names: str) -> list[tuple[Any, ...]]:
    """The rows of a query over the table `t`, which has columns c0, c1, ... and `n`, the number of the row.

    `{name}` in the text stands for the column `names[name]`.
    """
    columns = [f"c{place}" for place in range(len(table.columns))]
    places = {name: columns[[c.name for c in table.columns].index(column)] for name, column in names.items()}
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"create table t(n integer primary key, {', '.join(columns)})")
        stored = [[cell if isinstance(cell, str) else int(cell * 100) for cell in row] for row in table.rows]
        connection.executemany(
            f"insert into t values ({', '.join('?' * (len(columns) + 1))})", [(n, *row) for n, row in enumerate(stored)]
        )
        return connection.execute(text.format(**places), values).fetchall()


def _rows(table: Table, text: str, *values: Any, **names: str) -> Table:
    """The table with the rows whose numbers a query gives, in its order."""
    return table.with_rows([table.rows[row[0]] for row in _query(table, text, *values, **names)])


def _number(table: Table, draw: Draw, least: int, *, summable: bool = False) -> Column | None:
    """A column of numbers of a table with `least` rows or more."""
    found = [column for column in table.columns if column.is_number and (column.summable or not summable)]
    return draw.pick(found) if found and len(table.rows) >= least else None


def _draw_two(table: Table, draw: Draw) -> Args | None:
    return {} if len(table.rows) > 1 else None


def _draw_by_number(table: Table, draw: Draw) -> Args | None:
    """A bound that some of the numbers pass and some do not, a round one if it can be."""
    column = _number(table, draw, 4)
    known = sorted(set(table.numbers(column.name))) if column else []
    if column is None or len(known) < 3:
        return None
    cut = draw.between(1, len(known) - 2)
    low, high = known[cut], known[cut + 1]
    cmp = draw.pick((">", "<", ">=", "<="))
    bound = draw.pick((low, high)) if "=" in cmp else low if cmp == ">" else high
    for unit in (Decimal(1), Decimal(5), Decimal(10), Decimal(50), Decimal(100)) if "=" not in cmp else ():
        rounded = (low // unit + 1) * unit
        bound = rounded if low < rounded < high else bound
    return {"col": column.name, "cmp": cmp, "x": show_number(bound)}


def _kept(table: Table, rows: list[tuple[Cell, ...]]) -> Table:
    if not rows or len(rows) == len(table.rows):
        raise Unfit("a filter without effect or without a row")
    return table.with_rows(rows)


def _by_number(table: Table, args: Args) -> Table:
    bound, passes, values = Decimal(args["x"]), COMPARE[args["cmp"]], table.numbers(args["col"])
    return _kept(table, [row for row, value in zip(table.rows, values, strict=True) if passes(value, bound)])


def _draw_by_category(table: Table, draw: Draw) -> Args | None:
    names = [c.name for c in table.columns if c.kind == "category" and len(set(table.texts(c.name))) > 1]
    if not names:
        return None
    name = draw.pick(names)
    values = table.texts(name)
    value = draw.pick(sorted(set(values)))
    return {"col": name, "val": value, "is_": "yes" if values.count(value) > 1 and draw.chance(0.75) else "no"}


def _by_category(table: Table, args: Args) -> Table:
    place, wanted = table.at(args["col"]), args["is_"] == "yes"
    return _kept(table, [row for row in table.rows if (row[place] == args["val"]) is wanted])


def _draw_sort(table: Table, draw: Draw) -> Args | None:
    names = [c.name for c in table.columns if c.is_number and len(set(table.numbers(c.name))) == len(table.rows)]
    return {"col": draw.pick(names), "order": draw.pick(("asc", "desc"))} if names and len(table.rows) > 2 else None


def _sort(table: Table, args: Args) -> Table:
    place, values = table.at(args["col"]), table.numbers(args["col"])
    if len(set(values)) < len(values) or len(values) < 2:
        raise Unfit("a tie")
    return table.with_rows(sorted(table.rows, key=lambda row: row[place], reverse=args["order"] == "desc"))


def _draw_extreme(table: Table, draw: Draw) -> Args | None:
    column = _number(table, draw, 3)
    return {"col": column.name, "order": draw.pick(("desc", "desc", "asc"))} if column else None


def _extreme(table: Table, args: Args) -> Name:
    values = table.numbers(args["col"])
    best = max(values) if args["order"] == "desc" else min(values)
    if values.count(best) > 1 or len(values) < 2:
        raise Unfit("a tie")
    return Name(show_cell(table.rows[values.index(best)][0]))


def _count(table: Table, args: Args) -> Quantity:
    if not table.rows:
        raise Unfit("nothing to count")
    return Quantity(Decimal(len(table.rows)), table.noun)


def _in_unit(table: Table, args: Args, number: Decimal) -> Quantity:
    column = table.column(args["col"])
    return Quantity(number, column.counted_in, column.places)


def _draw_lookup(table: Table, draw: Draw) -> Args | None:
    args = {"col": draw.pick(table.columns[1:]).name, "name": show_cell(draw.pick(table.rows)[0])}
    return args if len(table.rows) > 1 else None


def _lookup(table: Table, args: Args) -> Quantity | Name:
    place = table.at(args["col"])
    found = [row[place] for row in table.rows if row[0] == args["name"]]
    if len(found) != 1 or place == 0:
        raise Unfit("no such row, or several")
    return Name(found[0]) if isinstance(found[0], str) else _in_unit(table, args, found[0])


def _lookup_again(table: Table, args: Args) -> Quantity | Name:
    found = _query(table, "select {col} from t where c0 = ?", args["name"], col=args["col"])[0][0]
    return Name(found) if isinstance(found, str) else _in_unit(table, args, Decimal(found) / 100)


def _figure(name: str, word: str, wording: str) -> Operation:
    """The operation that gives one figure of the numbers of a column."""

    def draw_column(table: Table, draw: Draw) -> Args | None:
        column = _number(table, draw, 2, summable=word == "total")
        return {"col": column.name} if column else None

    def solve(table: Table, args: Args) -> Quantity:
        numbers = table.numbers(args["col"])
        if len(numbers) < 2:
            raise Unfit("a figure of one number")
        total = sum(numbers, Decimal(0))
        return _in_unit(table, args, total if word == "total" else divided(total, len(numbers)))

    def check(table: Table, args: Args) -> Quantity:
        total, count = _query(table, "select sum({col}), count(*) from t", col=args["col"])[0]
        return _in_unit(table, args, decimal(Fraction(total, 100 * (1 if word == "total" else count))))

    return Operation(name, "table", "quantity", "reduce", wording, draw_column, solve, check, f"{word} {{col}}")


def _json_again(table: Table) -> str:
    """By the JSON module, with the quotes taken off the numbers."""
    lines = []
    for cells in table.rows:
        row = [show_cell(cell, column.places) for cell, column in zip(cells, table.columns, strict=True)]
        text = json.dumps({c.header: cell for c, cell in zip(table.columns, row, strict=True)}, ensure_ascii=False)
        for column, cell in zip(table.columns, row, strict=True):
            if column.is_number:
                text = text.replace(f'"{column.header}": "{cell}"', f'"{column.header}": {cell}')
        lines.append("  " + text)
    return "[\n" + ",\n".join(lines) + "\n]"


_DOWN = "[from highest to lowest|from largest to smallest|in descending order|with the highest first]"
_UP = "[from lowest to highest|from smallest to largest|in ascending order|with the lowest first]"
_HAS = "[with a|that have a|having a] {measure}"
_IS = "[whose|where the] {measure} is"
_WITH = "[with|that have|having]"
_X = "{x}[ {per}|]"
_OF = "[ of {rows}| across {rows}|]"
BEST, WORST = "[highest|largest|greatest]", "[lowest|smallest]"
# fmt: off
OPERATIONS = (
    Operation("keep_by_number", "table", "table", "filter", f"""
        cond(cmp=>): [{_HAS} [above|over|of more than|higher than] {_X}|{_IS} [above|over|more than|higher than] {_X}]
        cond(cmp=>): {_WITH} [more than|over] {{x}} {{count}}
        cond(cmp=<): [{_HAS} [below|under|of less than|lower than] {_X}|{_IS} [below|under|less than|lower than] {_X}]
        cond(cmp=<): {_WITH} [fewer than|under] {{x}} {{count}}
        cond(cmp=>=): [{_HAS} of [at least {_X}|{_X} or more]|{_IS} at least {_X}]
        cond(cmp=>=): {_WITH} [at least {{x}}|{{x}} or more] {{count}}
        cond(cmp=<=): [{_HAS} of [at most {_X}|no more than {_X}|{_X} or less]|{_IS} [at most|no more than] {_X}]
        cond(cmp=<=): {_WITH} [at most|no more than] {{x}} {{count}}
    """, _draw_by_number, _by_number, lambda table, args: _rows(
        table, f"select n from t where {{col}} {args['cmp']} ? order by n", int(Decimal(args["x"]) * 100), col=args["col"]), "rows kept"),
    Operation("keep_by_category", "table", "table", "filter", """
        cond(is_=yes): {where}
        cond(is_=yes): [whose|where the] {cat} is {val}
        cond(is_=no): not {where}
        cond(is_=no): [whose|where the] {cat} is not {val}
        cond(is_=no): with a {cat} other than {val}
    """, _draw_by_category, _by_category, lambda table, args: _rows(
        table, f"select n from t where {{col}} {'=' if args['is_'] == 'yes' else '<>'} ? order by n", args["val"], col=args["col"]), "rows kept"),
    Operation("sort_rows", "table", "table", "order", f"""
        do(order=desc): [sort|order|arrange|rank] {{them}} by {{col}} {_DOWN}
        do(order=desc): put {{them}} in order of {{col}} {_DOWN}
        do(order=asc): [sort|order|arrange|rank] {{them}} by {{col}} {_UP}
        do(order=asc): put {{them}} in order of {{col}} {_UP}
    """, _draw_sort, _sort,
        lambda table, args: _rows(table, f"select n from t order by {{col}} {args['order']}", col=args["col"]), "sorted by {col}"),
    _figure("total", "total", f"""
        np: the [total|overall|combined] {{col}}{_OF}
        np: the sum of the {{measures}}{_OF}
        do: [add up|total] the {{measures}}{_OF}
        do: sum the {{col}}{_OF}
        ask: how many {{count}} do {{rows}} have [in total|altogether]
        ask: what do the {{measures}}[ of {{rows}}|] add up to
    """),
    _figure("mean", "average", f"""
        np: the [average|mean] {{col}}{_OF}
        np: the [average|mean] {{col}} per {{row}}
        ask: how many {{count}} [does a {{row}} have on average|are there per {{row}} on average]
        ask: what {{measure}} [does a {{row}} have|do {{rows}} have] on average
        do: average the {{measures}}{_OF}
        do: take the [average|mean] of the {{measures}}{_OF}
    """),
    Operation("count_rows", "table", "quantity", "reduce", """
        np: the number of [{rows}|{noun}]
        do: count {them}
        do: [count|say] how many {noun} [there are|the table has|are listed]
        ask: how many {noun} [are there|are listed|does the table have]
        ask: how many of {them} are there
    """, _draw_two, _count,
        lambda table, args: Quantity(Decimal(_query(table, "select count(*) from t")[0][0]), table.noun), "number"),
    Operation("extreme_row", "table", "name", "reduce", f"""
        np(order=desc): the {{row}} with the [{BEST} {{col}}|most {{count}}]
        ask(order=desc): which {{row}} has the [{BEST} {{col}}|most {{count}}]
        ask(order=desc): which of {{them}} has the {BEST} {{col}}
        np(order=asc): the {{row}} with the [{WORST} {{col}}|fewest {{count}}]
        ask(order=asc): which {{row}} has the [{WORST} {{col}}|fewest {{count}}]
        ask(order=asc): which of {{them}} has the {WORST} {{col}}
    """, _draw_extreme, _extreme, lambda table, args: Name(_query(
        table, f"select c0 from t order by {{col}} {args['order']} limit 1", col=args["col"])[0][0]), "{most} {col}"),
    Operation("lookup", "table", "cell", "reduce", """
        np: the {col} [of|for|given for|listed for|stated for] {name}
        do: [look up|read off|extract] the {col} [of|for] {name}
        ask: how many {count} does {name} have
        ask: what does the table [give|list|state] as the {col} of {name}
    """, _draw_lookup, _lookup, _lookup_again, "{col} of {name}"),
    Operation("to_json", "table", "text", "finish", """
        do: [convert|turn|rewrite|transform] [the table|{them}] into [JSON|a JSON list of objects|a JSON array]
        do: [write|give|return|put] {them} as [JSON|a JSON list of objects|a JSON array]
        do: [give|return|write] the table as [JSON|a JSON list of objects|a JSON array]
    """, _draw_two, lambda table, args: Text("table", write_table(table, "json")),
        lambda table, args: Text("table", _json_again(table)), "table"),
)
