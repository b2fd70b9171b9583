"""From a table to a list, or to a table of groups."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from synth.embedded.draws import Draw
from synth.embedded.operations import sql
from synth.embedded.operations.figures import col_title, divided, draw_nothing, mean_by_sql
from synth.embedded.plan import Args, Operation, say
from synth.embedded.values import Column, Numbers, Table, Unfit, Words, pluralise, show_cell

NAMES = (
    *say("nps", "the names of {rows}", "the names of all {noun}", "a list of {rows}"),
    *say(
        "do",
        "[list|name] {them}",
        "pass on only the names of {rows}",
        "list the names of {rows}",
        "write down the names of {rows}",
    ),
    *say("ask", "which {noun} [are listed|are there|does the table list]"),
)


def _names(table: Table, args: Args) -> Words:
    values = [show_cell(row[0]) for row in table.rows]
    if len(values) < 2 or len(set(values)) < len(values):
        raise Unfit("too few names, or one twice")
    return Words(table.noun, tuple(values))


def _names_sql(table: Table, args: Args) -> Words:
    return Words(table.noun, tuple(row[0] for row in sql.query(table, "select c0 from t order by n")))


OCCURRING = (
    *say("nps", "the [different|distinct] {cats}[ of {rows}|]", "the {cats} that [occur|appear]"),
    *say("do", "list [each|every] {cat} that [occurs|appears] [once|a single time]"),
    *say(
        "ask",
        "which {cats} [occur|appear|do {rows} have]",
        "which [different|distinct] {cats} [occur|appear|are there]",
    ),
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
    *say(
        "nps",
        "the {measures} of {rows}",
        "a [plain list|list] of the {measures}[ of {rows}|]",
        "all the {measures}[ of {rows}|]",
    ),
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
    found = sql.query(
        table, f"select {key}, {what.format(column)}, min(n) as first from t group by {key} order by first"
    )
    return _group_table(table, args, word, [(row[0], row[1]) for row in found])


def _group_total_sql(table: Table, args: Args) -> Table:
    grouped = _group_sql(table, args, "sum({})", "total")
    return grouped.with_rows([(key, sql.number(value)) for key, value in grouped.rows])  # type: ignore[arg-type]


def _group_mean_sql(table: Table, args: Args) -> Table:
    rows = []
    for key, _ in _group_sql(table, args, "count({})", "average").rows:
        part = sql.rows_by_number(table, f"select n from t where {sql.place(table, args['key'])} = ? order by n", key)
        rows.append((key, mean_by_sql(part, args).value))
    return _group_table(table, args, "average", rows)  # type: ignore[arg-type]


def _group_count_sql(table: Table, args: Args) -> Table:
    grouped = _group_sql(table, args, "count({})", "count")
    return grouped.with_rows([(key, Decimal(value)) for key, value in grouped.rows])  # type: ignore[arg-type]


def _explain_groups(before: Table, args: Args, after: Table) -> str:
    parts = [f"{row[0]} {show_cell(row[1], after.columns[1].places)}" for row in after.rows]
    return f"{after.columns[1].label.capitalize()} by {args['key']}: {', '.join(parts)}"


OPERATIONS = (
    Operation("names", "table", "words", "reduce", NAMES, draw_nothing, _names, _names_sql, lambda a: "names"),
    Operation("distinct_values", "table", "words", "reduce", OCCURRING, _draw_category, _kinds, _kinds_sql, lambda a: a["col"]),
    Operation("column_values", "table", "numbers", "reduce", VALUES, _draw_measure, _values, _values_sql, lambda a: pluralise(a["col"])),
    Operation("group_total", "table", "table", "group", GROUP_TOTAL, _draw_group(summable=True), _group_total, _group_total_sql, col_title("total"), _explain_groups),
    Operation("group_mean", "table", "table", "group", GROUP_MEAN, _draw_group(summable=False), _group_mean, _group_mean_sql, col_title("average"), _explain_groups),
    Operation("group_count", "table", "table", "group", GROUP_COUNT, _draw_group_count, _group_count, _group_count_sql, lambda a: "count", _explain_groups),
)  # fmt: skip
