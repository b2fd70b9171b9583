"""From a table to one figure or one name: total, average, median, range, count, the extreme row, a cell, a share."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from synth.embedded.draws import Draw
from synth.embedded.operations import sql
from synth.embedded.plan import Args, Operation, Phrase, say
from synth.embedded.values import (
    Name,
    Quantity,
    Table,
    Unfit,
    show_cell,
    show_number,
    show_quantity,
)  # fmt: skip


def quantity(table: Table, name: str, value: Decimal) -> Quantity:
    """A figure of a column, in its unit."""
    column = table.column(name)
    return Quantity(value, column.counted_in, column.places)


def divided(total: Decimal, count: Decimal | int) -> Decimal:
    """total / count. Raises Unfit where rounding half up or half to even would differ."""
    exact = Fraction(total) / Fraction(count) * 1000
    if exact.denominator == 1 and exact % 10 == 5:
        raise Unfit("a tie in rounding")
    return total / count


# --- total, mean, median, spread -------------------------------------------------------------------------------------

_OF = "[ of {rows}| across {rows}|]"
TOTAL = (
    *say("np", f"the [total|overall|combined] {{col}}{_OF}", f"the sum of the {{measures}}{_OF}"),
    *say("do", f"add up the {{measures}}{_OF}", f"sum the {{col}}{_OF}", f"total the {{measures}}{_OF}"),
    *say(
        "ask", "how many {count} do {rows} have [in total|altogether]", "what do the {measures}[ of {rows}|] add up to"
    ),
)
MEAN = (
    *say("np", f"the [average|mean] {{col}}{_OF}", "the [average|mean] {col} per {row}"),
    *say("ask", "how many {count} [does a {row} have on average|are there per {row} on average]",
         "what {measure} [does a {row} have|do {rows} have] on average"),
    *say("do", f"average the {{measures}}{_OF}", f"take the [average|mean] of the {{measures}}{_OF}"),
)  # fmt: skip
MEDIAN = (
    *say("np", f"the median {{col}}{_OF}", "the median of the {measures}[ of {rows}|]", "the median {col} per {row}",
         f"the middle value of the {{measures}}{_OF}"),
    *say("do", f"take the median of the {{measures}}{_OF}"),
)  # fmt: skip
SPREAD = (
    *say("np", f"the [difference|gap] between the [highest and the lowest|largest and the smallest] {{col}}{_OF}",
         f"the range of the {{measures}}{_OF}"),
    *say("ask", "how far apart are the [highest and the lowest|largest and the smallest] {col}[ of {rows}|]",
         "by how much does the [highest|largest] {col}[ of {rows}|] exceed the [lowest|smallest]"),
)  # fmt: skip


def _draw_column(*, summable: bool = False) -> Callable[[Table, Draw], Args | None]:
    def draw_args(table: Table, draw: Draw) -> Args | None:
        columns = sql.number_columns(table, summable=summable)
        return {"col": draw.pick(columns).name} if columns and len(table.rows) > 1 else None

    return draw_args


def _total(table: Table, args: Args) -> Quantity:
    return quantity(table, args["col"], sum(table.numbers(args["col"]), Decimal(0)))


def _sql_figure(table: Table, args: Args, what: str) -> Decimal:
    column = sql.place(table, args["col"])
    return sql.number(sql.query(table, f"select {what.format(column)} from t")[0][0])


def _total_sql(table: Table, args: Args) -> Quantity:
    return quantity(table, args["col"], _sql_figure(table, args, "sum({})"))


def _mean(table: Table, args: Args) -> Quantity:
    values = table.numbers(args["col"])
    return quantity(table, args["col"], divided(sum(values, Decimal(0)), len(values)))


def mean_by_sql(table: Table, args: Args) -> Quantity:
    """The average, rounded half up to two decimals in whole numbers."""
    column = sql.place(table, args["col"])
    cents = sql.query(table, f"select (sum({column}) * 10 / count({column}) + 5) / 10 from t")[0][0]
    return quantity(table, args["col"], sql.number(cents))


def _median(table: Table, args: Args) -> Quantity:
    values = sorted(table.numbers(args["col"]))
    middle, odd = divmod(len(values), 2)
    value = values[middle] if odd else divided(values[middle - 1] + values[middle], 2)
    return quantity(table, args["col"], value)


def _median_again(table: Table, args: Args) -> Quantity:
    value = statistics.median(Fraction(x) for x in table.numbers(args["col"]))
    return quantity(table, args["col"], Decimal(value.numerator) / Decimal(value.denominator))


def _spread(table: Table, args: Args) -> Quantity:
    values = table.numbers(args["col"])
    if len(values) < 2:
        raise Unfit("one value has no spread")
    return quantity(table, args["col"], max(values) - min(values))


def _spread_sql(table: Table, args: Args) -> Quantity:
    return quantity(table, args["col"], _sql_figure(table, args, "max({0}) - min({0})"))


def _explain_sum(before: Table, args: Args, after: Quantity) -> str:
    column = before.column(args["col"])
    terms = [show_number(value, column.places) for value in before.numbers(args["col"])]
    return f"Total {args['col']}: {' + '.join(terms)} = {show_quantity(after)}"


def _explain_mean(before: Table, args: Args, after: Quantity) -> str:
    column = before.column(args["col"])
    terms = [show_number(value, column.places) for value in before.numbers(args["col"])]
    return f"Average {args['col']}: ({' + '.join(terms)}) / {len(terms)} = {show_quantity(after)}"


def _explain_median(before: Table, args: Args, after: Quantity) -> str:
    column = before.column(args["col"])
    terms = [show_number(value, column.places) for value in sorted(before.numbers(args["col"]))]
    return f"In order: {', '.join(terms)}; the median is {show_quantity(after)}"


def _explain_spread(before: Table, args: Args, after: Quantity) -> str:
    values, places = before.numbers(args["col"]), before.column(args["col"]).places
    return (
        f"Difference: {show_number(max(values), places)} - {show_number(min(values), places)} = {show_quantity(after)}"
    )


# --- counting, the extreme one, looking up ---------------------------------------------------------------------------

COUNT = (
    *say("np", "the number of {rows}", "the number of {noun}"),
    *say(
        "do",
        "count {them}",
        "count how many {noun} there are",
        "say how many {noun} [there are|the table has|are listed]",
    ),
    *say("ask", "how many {noun} [are there|are listed|does the table have]", "how many of {them} are there"),
)


def draw_nothing(table: Table, draw: Draw) -> Args | None:
    """No arguments, for a table with at least two rows."""
    return {} if len(table.rows) > 1 else None


def _count(table: Table, args: Args) -> Quantity:
    if not table.rows:
        raise Unfit("nothing to count")
    return Quantity(Decimal(len(table.rows)), table.noun)


def _count_sql(table: Table, args: Args) -> Quantity:
    return Quantity(Decimal(sql.query(table, "select count(*) from t")[0][0]), table.noun)


def _explain_count(before: Table, args: Args, after: Quantity) -> str:
    return f"Count: {show_quantity(after)}"


_MOST = "[highest|largest|greatest]"
_LEAST = "[lowest|smallest]"


def _extreme_phrases(word: str, more: str) -> tuple[Phrase, ...]:
    return (
        *say("ask", f"which {{row}} has the {word} {{col}}", f"which of {{them}} has the {word} {{col}}",
             f"which {{row}} has the {more} {{count}}"),
        *say("np", f"the {{row}} with the {word} {{col}}", f"the name of the {{row}} with the {word} {{col}}",
             f"the {{row}} with the {more} {{count}}"),
        *say("do", f"name the {{row}} with the {word} {{col}}", f"[pick|pick out|name] the one with the {word} {{col}}"),
    )  # fmt: skip


EXTREME = tuple(
    Phrase(p.form, p.pattern, (("order", order),))
    for order, word, more in (("desc", _MOST, "most"), ("asc", _LEAST, "fewest"))
    for p in _extreme_phrases(word, more)
)


def _draw_extreme(table: Table, draw: Draw) -> Args | None:
    columns = sql.number_columns(table)
    return (
        {"col": draw.pick(columns).name, "order": draw.pick(("desc", "desc", "asc"))}
        if columns and len(table.rows) > 2
        else None
    )


def _extreme(table: Table, args: Args) -> Name:
    values, down = table.numbers(args["col"]), args["order"] == "desc"
    best = max(values) if down else min(values)
    if values.count(best) > 1 or len(values) < 2:
        raise Unfit("a tie")
    return Name(show_cell(table.rows[values.index(best)][0]))


def _extreme_sql(table: Table, args: Args) -> Name:
    found = sql.query(table, f"select c0 from t order by {sql.place(table, args['col'])} {args['order']} limit 1")
    return Name(found[0][0])


def _explain_extreme(before: Table, args: Args, after: Name) -> str:
    word, column = ("Highest" if args["order"] == "desc" else "Lowest"), before.column(args["col"])
    values = before.numbers(args["col"])
    best = max(values) if args["order"] == "desc" else min(values)
    return f"{word} {column.label}: {show_quantity(quantity(before, args['col'], best))} ({after.text})"


def _extreme_title(args: Args) -> str:
    return f"{'highest' if args['order'] == 'desc' else 'lowest'} {args['col']}"


LOOKUP = (
    *say("np", "the {col} [of|for] {name}", "the {col} [given|listed|stated] for {name}"),
    *say(
        "do", "look up the {col} [of|for] {name}", "read off the {col} [of|for] {name}", "extract the {col} of {name}"
    ),
    *say("ask", "how many {count} does {name} have", "what does the table [give|list|state] as the {col} of {name}"),
)


def _draw_lookup(table: Table, draw: Draw) -> Args | None:
    columns = [column.name for column in table.columns[1:] if column.kind != "date"]
    name = show_cell(draw.pick(table.rows)[0])
    return {"col": draw.pick(columns), "name": name} if columns and len(table.rows) > 1 and not name.isdigit() else None


def _lookup(table: Table, args: Args) -> Quantity | Name:
    place = table.at(args["col"])
    found = [row[place] for row in table.rows if row[0] == args["name"]]
    if len(found) != 1 or place == 0:
        raise Unfit("no such row, or several")
    cell = found[0]
    return quantity(table, args["col"], cell) if isinstance(cell, Decimal) else Name(show_cell(cell))


def _lookup_sql(table: Table, args: Args) -> Quantity | Name:
    found = sql.query(table, f"select {sql.place(table, args['col'])} from t where c0 = ?", args["name"])[0][0]
    return quantity(table, args["col"], sql.number(found)) if isinstance(found, int) else Name(found)


SHARE = (
    *say("np", "the percentage of the total {col} that {name} accounts for", "the share of {name} in the total {col} as a percentage"),
    *say("ask", "what [percentage|share] of the total {col} does {name} account for",
         "what [percentage|share] of the [overall|combined] {col} [comes from|goes to|falls to] {name}"),
    *say("do", "[calculate|work out|express] the {col} of {name} as a percentage of the [total|overall total]"),
)  # fmt: skip


def _draw_share(table: Table, draw: Draw) -> Args | None:
    columns = sql.number_columns(table, summable=True)
    name = show_cell(draw.pick(table.rows)[0])
    return (
        {"col": draw.pick(columns).name, "name": name}
        if columns and len(table.rows) > 2 and not name.isdigit()
        else None
    )


def _share(table: Table, args: Args) -> Quantity:
    values = table.numbers(args["col"])
    names = [row[0] for row in table.rows]
    total = sum(values, Decimal(0))
    if names.count(args["name"]) != 1 or not total:
        raise Unfit("no such row, or a total of zero")
    return Quantity(divided(values[names.index(args["name"])] * 100, total), "%")


def _share_sql(table: Table, args: Args) -> Quantity:
    column = sql.place(table, args["col"])
    part, total = sql.query(
        table, f"select max(case when c0 = ? then {column} end), sum({column}) from t", args["name"]
    )[0]
    return Quantity(sql.number((part * 100 * 1000 // total + 5) // 10), "%")


def _explain_share(before: Table, args: Args, after: Quantity) -> str:
    values = before.numbers(args["col"])
    part = values[[row[0] for row in before.rows].index(args["name"])]
    places = before.column(args["col"]).places
    return f"Share: {show_number(part, places)} / {show_number(sum(values, Decimal(0)), places)} × 100 = {show_quantity(after)}"


def col_title(word: str) -> Callable[[Args], str]:
    """A title that names the column."""
    return lambda args: f"{word} {args['col']}"


OPERATIONS = (
    Operation("total", "table", "quantity", "reduce", TOTAL, _draw_column(summable=True), _total, _total_sql, col_title("total"), _explain_sum),
    Operation("mean", "table", "quantity", "reduce", MEAN, _draw_column(), _mean, mean_by_sql, col_title("average"), _explain_mean),
    Operation("median", "table", "quantity", "reduce", MEDIAN, _draw_column(), _median, _median_again, col_title("median"), _explain_median),
    Operation("spread", "table", "quantity", "reduce", SPREAD, _draw_column(), _spread, _spread_sql, col_title("range of the"), _explain_spread),
    Operation("count_rows", "table", "quantity", "reduce", COUNT, draw_nothing, _count, _count_sql, lambda a: "number", _explain_count),
    Operation("extreme_row", "table", "name", "reduce", EXTREME, _draw_extreme, _extreme, _extreme_sql, _extreme_title, _explain_extreme),
    Operation("lookup", "table", "cell", "reduce", LOOKUP, _draw_lookup, _lookup, _lookup_sql, lambda a: f"{a['col']} of {a['name']}"),
    Operation("share", "table", "quantity", "reduce", SHARE, _draw_share, _share, _share_sql, lambda a: f"share of {a['name']}", _explain_share),
)  # fmt: skip
