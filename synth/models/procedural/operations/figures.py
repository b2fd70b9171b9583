"""From a table to one figure, one name, a group table or a list."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from synth.models.procedural.draws import Draw
from synth.models.procedural.operations import sql
from synth.models.procedural.plan import Args, Operation, Phrase, say
from synth.models.procedural.values import (
    Column, Name, Numbers, Quantity, Table, Unfit, Words, pluralise, show_cell, show_number, show_quantity,
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
    *say("ask", "how many {count} do {rows} have [in total|altogether]", "what do the {measures}[ of {rows}|] add up to"),
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


def _mean_sql(table: Table, args: Args) -> Quantity:
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
    return f"Difference: {show_number(max(values), places)} - {show_number(min(values), places)} = {show_quantity(after)}"


# --- counting, the extreme one, looking up ---------------------------------------------------------------------------

COUNT = (
    *say("np", "the number of {rows}", "the number of {noun}"),
    *say("do", "count {them}", "count how many {noun} there are", "say how many {noun} [there are|the table has|are listed]"),
    *say("ask", "how many {noun} [are there|are listed|does the table have]", "how many of {them} are there"),
)


def _draw_nothing(table: Table, draw: Draw) -> Args | None:
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
    return {"col": draw.pick(columns).name, "order": draw.pick(("desc", "desc", "asc"))} if columns and len(table.rows) > 2 else None


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
    *say("do", "look up the {col} [of|for] {name}", "read off the {col} [of|for] {name}", "extract the {col} of {name}"),
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
    return {"col": draw.pick(columns).name, "name": name} if columns and len(table.rows) > 2 and not name.isdigit() else None


def _share(table: Table, args: Args) -> Quantity:
    values = table.numbers(args["col"])
    names = [row[0] for row in table.rows]
    total = sum(values, Decimal(0))
    if names.count(args["name"]) != 1 or not total:
        raise Unfit("no such row, or a total of zero")
    return Quantity(divided(values[names.index(args["name"])] * 100, total), "%")


def _share_sql(table: Table, args: Args) -> Quantity:
    column = sql.place(table, args["col"])
    part, total = sql.query(table, f"select max(case when c0 = ? then {column} end), sum({column}) from t", args["name"])[0]
    return Quantity(sql.number((part * 100 * 1000 // total + 5) // 10), "%")


def _explain_share(before: Table, args: Args, after: Quantity) -> str:
    values = before.numbers(args["col"])
    part = values[[row[0] for row in before.rows].index(args["name"])]
    places = before.column(args["col"]).places
    return f"Share: {show_number(part, places)} / {show_number(sum(values, Decimal(0)), places)} × 100 = {show_quantity(after)}"


# --- lists and groups ------------------------------------------------------------------------------------------------

NAMES = (
    *say("nps", "the names of {rows}", "the names of all {noun}", "a list of {rows}"),
    *say("do", "[list|name] {them}", "list {them} by name", "list the names of {rows}", "write down the names of {rows}"),
    *say("ask", "which {noun} are [left|these|listed]"),
)


def _names(table: Table, args: Args) -> Words:
    values = [show_cell(row[0]) for row in table.rows]
    if len(values) < 2 or len(set(values)) < len(values):
        raise Unfit("too few names, or one twice")
    return Words(table.noun, tuple(values))


def _names_sql(table: Table, args: Args) -> Words:
    return Words(table.noun, tuple(row[0] for row in sql.query(table, "select c0 from t order by n")))


KINDS = (
    *say("nps", "the [different|distinct] {cats}[ of {rows}|]", "the {cats} that [occur|appear]"),
    *say("do", "list [each|every] {cat} that [occurs|appears] [once|a single time]"),
    *say("ask", "which {cats} [occur|appear|do {rows} have]", "which [different|distinct] {cats} [occur|appear|are there]"),
)


def _draw_category(table: Table, draw: Draw) -> Args | None:
    columns = [c for c in sql.category_columns(table) if 1 < len(set(table.texts(c.name))) < len(table.rows)]
    return {"col": draw.pick(columns).name} if columns else None


def _kinds(table: Table, args: Args) -> Words:
    values = tuple(dict.fromkeys(table.texts(args["col"])))
    if len(values) < 2:
        raise Unfit("one kind only")
    return Words(pluralise(args["col"]), values)


def _kinds_sql(table: Table, args: Args) -> Words:
    column = sql.place(table, args["col"])
    found = sql.query(table, f"select {column}, min(n) as first from t group by {column} order by first")
    return Words(pluralise(args["col"]), tuple(row[0] for row in found))


VALUES = (
    *say("nps", "the {measures} of {rows}", "a [plain list|list] of the {measures}[ of {rows}|]", "all the {measures}[ of {rows}|]"),
    *say("do", "[extract|pull out|write down] the {measures}[ of {rows}|]", "list the {measures}[ of {rows}|]"),
)


def _draw_measure(table: Table, draw: Draw) -> Args | None:
    columns = [column.name for column in sql.number_columns(table) if column.kind == "measure"]
    return {"col": draw.pick(columns)} if columns and len(table.rows) > 2 else None


def _values(table: Table, args: Args) -> Numbers:
    column = table.column(args["col"])
    return Numbers(pluralise(args["col"]), tuple(table.numbers(args["col"])), column.unit, column.places)


def _values_sql(table: Table, args: Args) -> Numbers:
    column = table.column(args["col"])
    found = sql.query(table, f"select {sql.place(table, args['col'])} from t order by n")
    return Numbers(pluralise(args["col"]), tuple(sql.number(x) for (x,) in found), column.unit, column.places)


_PER = "[per|for each|by] {key}"
GROUP_TOTAL = (
    *say("np", f"the total {{col}} {_PER}", f"the sum of the {{measures}} {_PER}", "the total {col} of each {key}"),
    *say("do", f"[add up|total] the {{measures}} {_PER}"),
    *say("ask", "how much {measure} does each {key} have in total", "how many {count} does each {key} have in total"),
)
GROUP_MEAN = (
    *say("np", f"the [average|mean] {{col}} {_PER}", "the [average|mean] {col} of each {key}"),
    *say("do", f"average the {{measures}} {_PER}", f"take the [average|mean] of the {{measures}} {_PER}"),
)
GROUP_COUNT = (
    *say("np", f"the number of {{noun}} {_PER}", "the number of {noun} of each {key}"),
    *say("do", f"count the {{noun}} {_PER}", f"count how many {{noun}} there are {_PER}"),
    *say("ask", f"how many {{noun}} are there {_PER}", "how many {noun} does each {key} have"),
)


def _draw_group(*, summable: bool) -> Callable[[Table, Draw], Args | None]:
    def draw_args(table: Table, draw: Draw) -> Args | None:
        keys, columns = _draw_category(table, draw), sql.number_columns(table, summable=summable)
        return {"key": keys["col"], "col": draw.pick(columns).name} if keys and columns else None

    return draw_args


def _draw_group_count(table: Table, draw: Draw) -> Args | None:
    keys = _draw_category(table, draw)
    return {"key": keys["col"]} if keys else None


def _grouped(table: Table, key: str, name: str) -> dict[str, list[Decimal]]:
    groups: dict[str, list[Decimal]] = {}
    for which, value in zip(table.texts(key), table.numbers(name), strict=True):
        groups.setdefault(which, []).append(value)
    if len(groups) < 2 or table.column(key).kind != "category":
        raise Unfit("one group only")
    return groups


def _group_table(table: Table, args: Args, word: str, rows: list[tuple[str, Decimal]]) -> Table:
    key = Column(args["key"], "name")
    if word == "count":
        value = Column(table.noun, "count")
    elif word == "total" and table.column(args["col"]).kind == "count":
        value = Column(args["col"], "count")
    else:
        column = table.column(args["col"])
        value = Column(f"{word} {column.name}", "measure", column.unit, column.places, word == "total")
    return Table(pluralise(args["key"]), (key, value), tuple(rows))


def _group_total(table: Table, args: Args) -> Table:
    groups = _grouped(table, args["key"], args["col"])
    return _group_table(table, args, "total", [(key, sum(values, Decimal(0))) for key, values in groups.items()])


def _group_mean(table: Table, args: Args) -> Table:
    groups = _grouped(table, args["key"], args["col"])
    rows = [(key, divided(sum(values, Decimal(0)), len(values))) for key, values in groups.items()]
    return _group_table(table, args, "average", rows)


def _group_count(table: Table, args: Args) -> Table:
    names = table.texts(args["key"])
    if len(set(names)) < 2 or table.column(args["key"]).kind != "category":
        raise Unfit("one group only")
    return _group_table(table, args, "count", [(key, Decimal(names.count(key))) for key in dict.fromkeys(names)])


def _group_sql(table: Table, args: Args, what: str, word: str) -> Table:
    key, column = sql.place(table, args["key"]), sql.place(table, args.get("col", args["key"]))
    found = sql.query(table, f"select {key}, {what.format(column)}, min(n) as first from t group by {key} order by first")
    return _group_table(table, args, word, [(row[0], row[1]) for row in found])


def _group_total_sql(table: Table, args: Args) -> Table:
    grouped = _group_sql(table, args, "sum({})", "total")
    return grouped.with_rows([(key, sql.number(value)) for key, value in grouped.rows])  # type: ignore[arg-type]


def _group_mean_sql(table: Table, args: Args) -> Table:
    rows = []
    for key, _ in _group_sql(table, args, "count({})", "average").rows:
        part = sql.rows_by_number(table, f"select n from t where {sql.place(table, args['key'])} = ? order by n", key)
        rows.append((key, _mean_sql(part, args).value))
    return _group_table(table, args, "average", rows)  # type: ignore[arg-type]


def _group_count_sql(table: Table, args: Args) -> Table:
    grouped = _group_sql(table, args, "count({})", "count")
    return grouped.with_rows([(key, Decimal(value)) for key, value in grouped.rows])  # type: ignore[arg-type]


def _explain_groups(before: Table, args: Args, after: Table) -> str:
    parts = [f"{row[0]} {show_cell(row[1], after.columns[1].places)}" for row in after.rows]
    return f"{after.columns[1].label.capitalize()} by {args['key']}: {', '.join(parts)}"


def _col_title(word: str) -> Callable[[Args], str]:
    return lambda args: f"{word} {args['col']}"


OPERATIONS = (
    Operation("total", "table", "quantity", "reduce", TOTAL, _draw_column(summable=True), _total, _total_sql, _col_title("total"), _explain_sum),
    Operation("mean", "table", "quantity", "reduce", MEAN, _draw_column(), _mean, _mean_sql, _col_title("average"), _explain_mean),
    Operation("median", "table", "quantity", "reduce", MEDIAN, _draw_column(), _median, _median_again, _col_title("median"), _explain_median),
    Operation("spread", "table", "quantity", "reduce", SPREAD, _draw_column(), _spread, _spread_sql, _col_title("range of the"), _explain_spread),
    Operation("count_rows", "table", "quantity", "reduce", COUNT, _draw_nothing, _count, _count_sql, lambda a: "number", _explain_count),
    Operation("extreme_row", "table", "name", "reduce", EXTREME, _draw_extreme, _extreme, _extreme_sql, _extreme_title, _explain_extreme),
    Operation("lookup", "table", "cell", "reduce", LOOKUP, _draw_lookup, _lookup, _lookup_sql, lambda a: f"{a['col']} of {a['name']}"),
    Operation("share", "table", "quantity", "reduce", SHARE, _draw_share, _share, _share_sql, lambda a: f"share of {a['name']}", _explain_share),
    Operation("names", "table", "words", "reduce", NAMES, _draw_nothing, _names, _names_sql, lambda a: "names"),
    Operation("distinct_values", "table", "words", "reduce", KINDS, _draw_category, _kinds, _kinds_sql, lambda a: a["col"]),
    Operation("column_values", "table", "numbers", "reduce", VALUES, _draw_measure, _values, _values_sql, lambda a: pluralise(a["col"])),
    Operation("group_total", "table", "table", "group", GROUP_TOTAL, _draw_group(summable=True), _group_total, _group_total_sql, _col_title("total"), _explain_groups),
    Operation("group_mean", "table", "table", "group", GROUP_MEAN, _draw_group(summable=False), _group_mean, _group_mean_sql, _col_title("average"), _explain_groups),
    Operation("group_count", "table", "table", "group", GROUP_COUNT, _draw_group_count, _group_count, _group_count_sql, lambda a: "count", _explain_groups),
)  # fmt: skip
