"""From a table to a table: filters, order, the largest few, repeated rows, a computed column."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal

from synth.embedded.draws import Draw
from synth.embedded.operations import sql
from synth.embedded.plan import Args, Operation, say
from synth.embedded.values import (
    MONTHS,
    SMALL_WORDS,
    Cell,
    Column,
    Table,
    Unfit,
    join_and,
    read_day,
    show_cell,
    show_day,
    show_number,
)  # fmt: skip

# --- rows by a number ------------------------------------------------------------------------------------------------

COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}
OPPOSITE = {">": "<=", "<": ">=", ">=": "<", "<=": ">"}
_HAS = "[with a|that have a|having a] {measure}"
_IS = "[whose|where the] {measure} is"
_X = " {x}[ {per}|]"
_WITH = "[with|that have|having]"
BY_NUMBER = (
    *say("cond", f"{_HAS} [above|over|of more than|higher than]{_X}", f"{_IS} [above|over|more than|higher than]{_X}",
         f"{_WITH} [more than|over] {{x}} {{count}}", cmp=">"),
    *say("cond", f"{_HAS} [below|under|of less than|lower than]{_X}", f"{_IS} [below|under|less than|lower than]{_X}",
         f"{_WITH} [fewer than|under] {{x}} {{count}}", cmp="<"),
    *say("cond", f"{_HAS} of at least{_X}", f"{_HAS} of{_X} or more", f"{_IS} at least{_X}",
         f"{_WITH} [at least {{x}}|{{x}} or more] {{count}}", cmp=">="),
    *say("cond", f"{_HAS} of [at most|no more than]{_X}", f"{_HAS} of{_X} or less", f"{_IS} [at most|no more than]{_X}",
         f"{_WITH} [at most|no more than] {{x}} {{count}}", cmp="<="),
)  # fmt: skip


def threshold(values: list[Decimal], draw: Draw) -> tuple[str, Decimal] | None:
    """A comparison and a bound that some of the values pass and some do not; the bound is a round number if it can be."""
    known = sorted(set(values))
    if len(known) < 3:
        return None
    cut = draw.between(1, len(known) - 2)
    low, high = known[cut], known[cut + 1]
    cmp = draw.pick((">", "<", ">=", "<="))
    if cmp in (">=", "<="):
        return cmp, draw.pick((low, high))
    for unit in (Decimal(100), Decimal(50), Decimal(10), Decimal(5), Decimal(1), Decimal("0.5")):
        bound = (low // unit + 1) * unit
        if low < bound < high and bound > 0:
            return cmp, bound
    return cmp, low if cmp == ">" else high


def _draw_by_number(table: Table, draw: Draw) -> Args | None:
    columns = sql.number_columns(table)
    if not columns or len(table.rows) < 4:
        return None
    column = draw.pick(columns)
    found = threshold(table.numbers(column.name), draw)
    return {"col": column.name, "cmp": found[0], "x": show_number(found[1], 0)} if found else None


def kept(table: Table, rows: list[tuple[Cell, ...]]) -> Table:
    """The table with these rows, if they are some but not all."""
    if not rows or len(rows) == len(table.rows):
        raise Unfit("a filter without effect or without a row")
    return table.with_rows(rows)


def _by_number(table: Table, args: Args) -> Table:
    bound, passes = Decimal(args["x"]), COMPARE[args["cmp"]]
    values = table.numbers(args["col"])
    return kept(table, [row for row, value in zip(table.rows, values, strict=True) if passes(value, bound)])


def _by_number_sql(table: Table, args: Args) -> Table:
    where = f"select n from t where {sql.place(table, args['col'])} {args['cmp']} ? order by n"
    return sql.rows_by_number(table, where, int(Decimal(args["x"]) * 100))


def left_over(before: Table, args: Args, after: Table) -> str:
    """A line of worked steps: who is left."""
    names = [show_cell(row[0]) for row in after.rows]
    return f"Left over ({len(after.rows)} of {len(before.rows)}): {', '.join(names)}"


def _kept_title(args: Args) -> str:
    return "rows kept"


# --- rows by a category ----------------------------------------------------------------------------------------------

BY_CATEGORY = (
    *say("cond", "{where}", "[whose|where the] {cat} is {val}", is_="yes"),
    *say("cond", "not {where}", "[whose|where the] {cat} is not {val}", "with a {cat} other than {val}", is_="no"),
)  # fmt: skip


def _draw_by_category(table: Table, draw: Draw) -> Args | None:
    columns = [c for c in sql.category_columns(table) if len(set(table.texts(c.name))) > 1]
    if not columns:
        return None
    column = draw.pick(columns)
    values = table.texts(column.name)
    value = draw.pick(sorted(set(values)))
    is_ = "yes" if values.count(value) > 1 and draw.chance(0.75) else "no"
    return {"col": column.name, "val": value, "is_": is_}


def _by_category(table: Table, args: Args) -> Table:
    place, wanted = table.at(args["col"]), args["is_"] == "yes"
    return kept(table, [row for row in table.rows if (row[place] == args["val"]) is wanted])


def _by_category_sql(table: Table, args: Args) -> Table:
    sign = "=" if args["is_"] == "yes" else "<>"
    return sql.rows_by_number(
        table, f"select n from t where {sql.place(table, args['col'])} {sign} ? order by n", args["val"]
    )


# --- rows by a day ---------------------------------------------------------------------------------------------------

_SINCE = "[that were |which were |]{datecol}"
BY_DAY = (
    *say("cond", f"{_SINCE} before {{date}}", f"{_SINCE} earlier than {{date}}", rel="before"),
    *say("cond", f"{_SINCE} after {{date}}", f"{_SINCE} later than {{date}}", rel="after"),
    *say("cond", f"{_SINCE} in {{month}}", f"{_SINCE} in the month of {{month}}", rel="in"),
    *say("cond", "not {datecol} in {month}", "[that were|which were] not {datecol} in {month}",
         "{datecol} in [any month but|a month other than] {month}", rel="not in"),
    *say("cond", "[that were |which were |]{datecol} on {date} or [later|after]", rel="from"),
    *say("cond", "[that were |which were |]{datecol} on {date} or [earlier|before]", rel="until"),
)  # fmt: skip
OPPOSITE_DAY = {"before": "from", "from": "before", "after": "until", "until": "after", "in": "not in", "not in": "in"}


def _days(table: Table, name: str) -> list[datetime.date]:
    place = table.at(name)
    return [cell for row in table.rows if isinstance(cell := row[place], datetime.date)]


def _draw_by_day(table: Table, draw: Draw) -> Args | None:
    columns = [column.name for column in table.columns if column.kind == "date"]
    if not columns or len(table.rows) < 4:
        return None
    days = sorted(set(_days(table, columns[0])))
    if len(days) < 4:
        return None
    rel = draw.pick(("before", "after", "in", "from", "until"))
    if rel == "in":
        return {"col": columns[0], "rel": rel, "when": MONTHS[draw.pick(days).month - 1]}
    gap = draw.between(1, len(days) - 2)
    day = days[gap] if rel in ("from", "until") else days[gap] + datetime.timedelta(days=1 if rel == "before" else -1)
    return {"col": columns[0], "rel": rel, "when": show_day(day)}


def _by_day(table: Table, args: Args) -> Table:
    rel, when, days = args["rel"], args["when"], _days(table, args["col"])
    if len(days) < len(table.rows):
        raise Unfit("no dates")
    if rel in ("in", "not in"):
        month = MONTHS.index(when) + 1
        passing = [(day.month == month) is (rel == "in") for day in days]
    else:
        passing = [_stands(day, rel, read_day(when)) for day in days]
    return kept(table, [row for row, passes in zip(table.rows, passing, strict=True) if passes])


def _stands(day: datetime.date, rel: str, bound: datetime.date) -> bool:
    if day == bound:
        return rel in ("from", "until")
    return (day < bound) is (rel in ("before", "until"))


def _by_day_sql(table: Table, args: Args) -> Table:
    column, rel = sql.place(table, args["col"]), args["rel"]
    if rel in ("in", "not in"):
        month = f"{MONTHS.index(args['when']) + 1:02d}"
        sign = "=" if rel == "in" else "<>"
        return sql.rows_by_number(table, f"select n from t where strftime('%m', {column}) {sign} ? order by n", month)
    sign = {"before": "<", "after": ">", "from": ">=", "until": "<="}[rel]
    day = read_day(args["when"]).isoformat()
    return sql.rows_by_number(table, f"select n from t where {column} {sign} ? order by n", day)


# --- order and the largest few ---------------------------------------------------------------------------------------

_DOWN = "[from highest to lowest|from largest to smallest|in descending order]"
_UP = "[from lowest to highest|from smallest to largest|in ascending order]"
SORT = (
    *say("do", f"[sort|order|arrange|rank] {{them}} by {{col}} {_DOWN}",
         f"put {{them}} in order of {{col}} {_DOWN}", "rank {them} by {col} with the highest first", order="desc"),
    *say("do", f"[sort|order|arrange|rank] {{them}} by {{col}} {_UP}",
         f"put {{them}} in order of {{col}} {_UP}", "rank {them} by {col} with the lowest first", order="asc"),
)  # fmt: skip


def _draw_sort(table: Table, draw: Draw) -> Args | None:
    columns = [c.name for c in sql.number_columns(table) if len(set(table.numbers(c.name))) == len(table.rows)]
    return {"col": draw.pick(columns), "order": draw.pick(("asc", "desc"))} if columns and len(table.rows) > 2 else None


def _sort(table: Table, args: Args) -> Table:
    place, values = table.at(args["col"]), table.numbers(args["col"])
    if len(set(values)) < len(values) or len(values) < 2:
        raise Unfit("a tie")
    rows = sorted(table.rows, key=lambda row: row[place], reverse=args["order"] == "desc")
    return table.with_rows(rows)


def _sort_sql(table: Table, args: Args) -> Table:
    return sql.rows_by_number(table, f"select n from t order by {sql.place(table, args['col'])} {args['order']}")


_BEST = "[highest|largest|greatest]"
_WORST = "[lowest|smallest]"
TOP = (
    *say("do", f"[take|pick|pick out|keep only|select] the {{k}} {{noun}} with the {_BEST} {{col}}", order="desc"),
    *say("do", f"[take|pick|pick out|keep only|select] the {{k}} {{noun}} with the {_WORST} {{col}}", order="asc"),
    *say("cond", f"with the {_BEST} {{col}}", order="desc"),
    *say("cond", f"with the {_WORST} {{col}}", order="asc"),
)


def _draw_top(table: Table, draw: Draw) -> Args | None:
    columns = [c.name for c in sql.number_columns(table)]
    if not columns or len(table.rows) < 4:
        return None
    count = draw.between(2, min(5, len(table.rows) - 1))
    return {"col": draw.pick(columns), "order": draw.pick(("desc", "desc", "asc")), "k": str(count)}


def _top(table: Table, args: Args) -> Table:
    values, count, down = table.numbers(args["col"]), int(args["k"]), args["order"] == "desc"
    ranked = sorted(values, reverse=down)
    if count >= len(ranked) or ranked[count - 1] == ranked[count]:
        raise Unfit("a tie at the edge, or too few rows")
    edge, place = ranked[count - 1], table.at(args["col"])
    return table.with_rows([r for r in table.rows if (r[place] >= edge if down else r[place] <= edge)])  # type: ignore[operator]


def _top_sql(table: Table, args: Args) -> Table:
    best = f"select n from t order by {sql.place(table, args['col'])} {args['order']} limit {int(args['k'])}"
    return sql.rows_by_number(table, f"select n from t where n in ({best}) order by n")


def _top_title(args: Args) -> str:
    return f"the {SMALL_WORDS[int(args['k'])]} {'highest' if args['order'] == 'desc' else 'lowest'} by {args['col']}"


# --- repeated rows, a computed column --------------------------------------------------------------------------------

ONCE = (
    *say("do", "[remove|drop|delete|throw out] [repeated rows|duplicate rows|rows that occur twice]"),
    *say("lead", "[counting|taking] [repeated|duplicate] rows only once", "after [removing|dropping] [repeated|duplicate] rows"),
    *say("tail", "counting [repeated|duplicate] rows only once", "with [repeated|duplicate] rows counted only once"),
    *say("note", "[some rows are listed twice by mistake|a few rows slipped in twice]; count each of them only once",
         "[repeated|duplicate] rows count only once"),
)  # fmt: skip


def _draw_once(table: Table, draw: Draw) -> Args | None:
    return {} if 1 < len(set(table.rows)) < len(table.rows) else None


def _once(table: Table, args: Args) -> Table:
    return kept(table, list(dict.fromkeys(table.rows)))


def _once_sql(table: Table, args: Args) -> Table:
    columns = ", ".join(f"c{place}" for place in range(len(table.columns)))
    return sql.rows_by_number(table, f"select min(n) as first from t group by {columns} order by first")


PRODUCT = (
    *say("do", "[work out|calculate|compute|find] the {new} of [each|every] {row} ({a} times {b})",
         "[work out|calculate|compute|find] for [each|every] {row} the {new} ({a} times {b})",
         "[multiply|take] {a} [by|times] {b} to get the {new} of [each|every] {row}",
         "add a column {new} that is the {a} times the {b}"),
)  # fmt: skip


def _draw_product(table: Table, draw: Draw) -> Args | None:
    from synth.embedded.words.domains import by_noun

    domain = by_noun().get(table.noun)
    names = {column.name for column in table.columns}
    fitting = [p for p in domain.products if {p[1], p[2]} <= names and p[0] not in names] if domain else []
    if not fitting:
        return None
    new, a, b = draw.pick(fitting)
    return {"new": new, "a": a, "b": b}


def _product_column(table: Table, args: Args) -> Column:
    one, other = table.column(args["a"]), table.column(args["b"])
    if args["new"] in {column.name for column in table.columns}:
        raise Unfit("the column is there already")
    unit = one.unit if one.kind == "measure" else other.unit
    return Column(args["new"], "measure", unit, max(one.places, other.places))


def _product(table: Table, args: Args) -> Table:
    column = _product_column(table, args)
    pairs = zip(table.rows, table.numbers(args["a"]), table.numbers(args["b"]), strict=True)
    return Table(table.noun, (*table.columns, column), tuple((*row, one * other) for row, one, other in pairs))


def _product_sql(table: Table, args: Args) -> Table:
    one, other = sql.place(table, args["a"]), sql.place(table, args["b"])
    found = sql.query(table, f"select {one} * {other} from t order by n")
    rows = tuple((*row, Decimal(x) / 10000) for row, (x,) in zip(table.rows, found, strict=True))
    return Table(table.noun, (*table.columns, _product_column(table, args)), rows)


def _explain_product(before: Table, args: Args, after: Table) -> str:
    column = after.columns[-1]
    parts = [f"{show_cell(r[0])} {show_cell(r[-1], column.places)}" for r in after.rows]
    return f"{args['new'].capitalize()} ({args['a']} × {args['b']}): {', '.join(parts)}"


KEEP = (
    *say("do", "[keep|show|leave] only the columns {first} and {second}", "drop all columns except {first} and {second}",
         "[reduce|cut] the table [down to|to] {first} and {second}", "remove every column but {first} and {second}", "strip the table to {first} and {second}"),
)  # fmt: skip


def _draw_keep(table: Table, draw: Draw) -> Args | None:
    if len(table.columns) < 3:
        return None
    return {"first": table.columns[0].name, "second": draw.pick(table.columns[1:]).name}


def _keep_columns(table: Table, args: Args) -> Table:
    one, other = table.at(args["first"]), table.at(args["second"])
    if len(table.columns) < 3 or one == other:
        raise Unfit("nothing to drop")
    return Table(table.noun, (table.columns[one], table.columns[other]), tuple((r[one], r[other]) for r in table.rows))


def _keep_columns_sql(table: Table, args: Args) -> Table:
    names = [column.name for column in table.columns]
    columns = tuple(
        column for wanted in (args["first"], args["second"]) for column in table.columns if column.name == wanted
    )
    places = [names.index(column.name) for column in columns]
    found = sql.query(table, f"select n, {', '.join(f'c{p}' for p in places)} from t order by n")
    rows = []
    for number, *cells in found:
        original = table.rows[number]
        rows.append(
            tuple(
                sql.number(c) if isinstance(original[p], Decimal) else original[p]
                for p, c in zip(places, cells, strict=True)
            )
        )
    return Table(table.noun, columns, tuple(rows))


def _explain_order(before: Table, args: Args, after: Table) -> str:
    return f"In order of {args['col']}: {join_and([show_cell(row[0]) for row in after.rows])}"


OPERATIONS = (
    Operation("keep_by_number", "table", "table", "filter", BY_NUMBER, _draw_by_number, _by_number, _by_number_sql, _kept_title, left_over),
    Operation("keep_by_category", "table", "table", "filter", BY_CATEGORY, _draw_by_category, _by_category, _by_category_sql, _kept_title, left_over),
    Operation("keep_by_date", "table", "table", "filter", BY_DAY, _draw_by_day, _by_day, _by_day_sql, _kept_title, left_over),
    Operation("drop_repeated_rows", "table", "table", "filter", ONCE, _draw_once, _once, _once_sql, _kept_title, left_over),
    Operation("sort_rows", "table", "table", "order", SORT, _draw_sort, _sort, _sort_sql, lambda a: f"sorted by {a['col']}", _explain_order),
    Operation("top_rows", "table", "table", "change", TOP, _draw_top, _top, _top_sql, _top_title, left_over),
    Operation("compute_column", "table", "table", "change", PRODUCT, _draw_product, _product, _product_sql, lambda a: a["new"], _explain_product),
    Operation("keep_columns", "table", "table", "order", KEEP, _draw_keep, _keep_columns, _keep_columns_sql, lambda a: "table"),
)  # fmt: skip
