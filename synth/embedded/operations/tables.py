"""Tables: filters, order, groups, one figure, name or list of them, and other notations.

The second derivation is a query in sqlite wherever one can say it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

from synth.embedded.draws import Draw
from synth.embedded.material import write_table
from synth.embedded.operations import sql
from synth.embedded.operations.figures import COMPARE, figure, in_unit, threshold
from synth.embedded.plan import Args, Operation
from synth.embedded.values import Cell, Column, Name, Numbers, Quantity, Table, Text, Unfit, Words, pluralise, show_cell

# --- choosing columns -------------------------------------------------------------------------------------------------


def _number(table: Table, draw: Draw, least: int, *, summable: bool = False) -> Column | None:
    """A column of numbers of a table with `least` rows or more."""
    found = [column for column in table.columns if column.is_number and (column.summable or not summable)]
    return draw.pick(found) if found and len(table.rows) >= least else None


def _category(table: Table, draw: Draw) -> str | None:
    """A category that several rows share and not all."""
    found = [
        c.name for c in table.columns if c.kind == "category" and 1 < len(set(table.texts(c.name))) < len(table.rows)
    ]
    return draw.pick(found) if found else None


def _draw_column(*, summable: bool = False) -> Callable[[Table, Draw], Args | None]:
    def draw_args(table: Table, draw: Draw) -> Args | None:
        column = _number(table, draw, 2, summable=summable)
        return {"col": column.name} if column else None

    return draw_args


def _draw_two(table: Table, draw: Draw) -> Args | None:
    return {} if len(table.rows) > 1 else None


# --- filters ----------------------------------------------------------------------------------------------------------


def _draw_by_number(table: Table, draw: Draw) -> Args | None:
    column = _number(table, draw, 4)
    found = threshold(table.numbers(column.name), draw) if column else None
    return {"col": column.name} | found if column and found else None


def _kept(table: Table, rows: list[tuple[Cell, ...]]) -> Table:
    if not rows or len(rows) == len(table.rows):
        raise Unfit("a filter without effect or without a row")
    return table.with_rows(rows)


def _by_number(table: Table, args: Args) -> Table:
    bound, passes, values = Decimal(args["x"]), COMPARE[args["cmp"]], table.numbers(args["col"])
    return _kept(table, [row for row, value in zip(table.rows, values, strict=True) if passes(value, bound)])


def _by_number_again(table: Table, args: Args) -> Table:
    text = f"select n from t where {{col}} {args['cmp']} ? order by n"
    return sql.rows(table, text, int(Decimal(args["x"]) * 100), col=args["col"])


def _draw_by_category(table: Table, draw: Draw) -> Args | None:
    name = _category(table, draw)
    if name is None:
        return None
    values = table.texts(name)
    value = draw.pick(sorted(set(values)))
    return {"col": name, "val": value, "is_": "yes" if values.count(value) > 1 and draw.chance(0.75) else "no"}


def _by_category(table: Table, args: Args) -> Table:
    place, wanted = table.at(args["col"]), args["is_"] == "yes"
    return _kept(table, [row for row in table.rows if (row[place] == args["val"]) is wanted])


def _by_category_again(table: Table, args: Args) -> Table:
    sign = "=" if args["is_"] == "yes" else "<>"
    return sql.rows(table, f"select n from t where {{col}} {sign} ? order by n", args["val"], col=args["col"])


def _left_over(before: Table, args: Args, after: Table) -> str:
    return f"Left over ({len(after.rows)} of {len(before.rows)}): {', '.join(show_cell(row[0]) for row in after.rows)}"


# --- order and the largest few ----------------------------------------------------------------------------------------


def _draw_sort(table: Table, draw: Draw) -> Args | None:
    names = [c.name for c in table.columns if c.is_number and len(set(table.numbers(c.name))) == len(table.rows)]
    return {"col": draw.pick(names), "order": draw.pick(("asc", "desc"))} if names and len(table.rows) > 2 else None


def _sort(table: Table, args: Args) -> Table:
    place, values = table.at(args["col"]), table.numbers(args["col"])
    if len(set(values)) < len(values) or len(values) < 2:
        raise Unfit("a tie")
    return table.with_rows(sorted(table.rows, key=lambda row: row[place], reverse=args["order"] == "desc"))


def _explain_order(before: Table, args: Args, after: Table) -> str:
    return f"In order of {args['col']}: {', '.join(show_cell(row[0]) for row in after.rows)}"


def _draw_top(table: Table, draw: Draw) -> Args | None:
    column, most = _number(table, draw, 4), min(5, len(table.rows) - 1)
    order = draw.pick(("desc", "desc", "asc"))
    return {"col": column.name, "order": order, "k": str(draw.between(2, most))} if column else None


def _top(table: Table, args: Args) -> Table:
    count, down, place = int(args["k"]), args["order"] == "desc", table.at(args["col"])
    ranked = sorted(table.numbers(args["col"]), reverse=down)
    if count >= len(ranked) or ranked[count - 1] == ranked[count]:
        raise Unfit("a tie at the edge, or too few rows")
    return table.with_rows([row for row in table.rows if row[place] in ranked[:count]])


def _top_again(table: Table, args: Args) -> Table:
    best = f"select n from t order by {{col}} {args['order']} limit {int(args['k'])}"
    return sql.rows(table, f"select n from t where n in ({best}) order by n", col=args["col"])


# --- counting, the extreme one, looking up, shares --------------------------------------------------------------------


def _count(table: Table, args: Args) -> Quantity:
    if not table.rows:
        raise Unfit("nothing to count")
    return Quantity(Decimal(len(table.rows)), table.noun)


def _draw_extreme(table: Table, draw: Draw) -> Args | None:
    column = _number(table, draw, 3)
    return {"col": column.name, "order": draw.pick(("desc", "desc", "asc"))} if column else None


def _extreme(table: Table, args: Args) -> Name:
    values = table.numbers(args["col"])
    best = max(values) if args["order"] == "desc" else min(values)
    if values.count(best) > 1 or len(values) < 2:
        raise Unfit("a tie")
    return Name(show_cell(table.rows[values.index(best)][0]))


def _explain_extreme(before: Table, args: Args, after: Name) -> str:
    parts = [f"{row[0]} {text}" for row, text in zip(before.rows, before.texts(args["col"]), strict=True)]
    return f"Compare {args['col']}: {', '.join(parts)}"


def _draw_lookup(table: Table, draw: Draw) -> Args | None:
    return (
        {"col": draw.pick(table.columns[1:]).name, "name": show_cell(draw.pick(table.rows)[0])}
        if len(table.rows) > 1
        else None
    )


def _lookup(table: Table, args: Args) -> Quantity | Name:
    place = table.at(args["col"])
    found = [row[place] for row in table.rows if row[0] == args["name"]]
    if len(found) != 1 or place == 0:
        raise Unfit("no such row, or several")
    return Name(found[0]) if isinstance(found[0], str) else in_unit(table, args, found[0])


def _lookup_again(table: Table, args: Args) -> Quantity | Name:
    found = sql.query(table, "select {col} from t where c0 = ?", args["name"], col=args["col"])[0][0]
    return Name(found) if isinstance(found, str) else in_unit(table, args, sql.number(found))


# --- lists ------------------------------------------------------------------------------------------------------------


def _names(table: Table, args: Args) -> Words:
    values = [show_cell(row[0]) for row in table.rows]
    if len(values) < 2 or len(set(values)) < len(values):
        raise Unfit("too few names, or one twice")
    return Words(table.noun, tuple(values))


def _draw_values(table: Table, draw: Draw) -> Args | None:
    column = _number(table, draw, 3)
    return {"col": column.name} if column and column.kind == "measure" else None


def _values(table: Table, args: Args) -> Numbers:
    column = table.column(args["col"])
    return Numbers(pluralise(args["col"]), tuple(table.numbers(args["col"])), column.unit, column.places)


def _values_again(table: Table, args: Args) -> Numbers:
    column, found = table.column(args["col"]), sql.query(table, "select {col} from t order by n", col=args["col"])
    return Numbers(pluralise(args["col"]), tuple(sql.number(x) for (x,) in found), column.unit, column.places)


# --- groups -----------------------------------------------------------------------------------------------------------


def _draw_group(table: Table, draw: Draw) -> Args | None:
    key, column = _category(table, draw), _number(table, draw, 2, summable=True)
    return {"key": key, "col": column.name} if key and column else None


def _draw_group_count(table: Table, draw: Draw) -> Args | None:
    key = _category(table, draw)
    return {"key": key} if key else None


def _group_table(table: Table, args: Args, rows: list[tuple[str, Decimal]]) -> Table:
    if len(rows) < 2 or table.column(args["key"]).kind != "category":
        raise Unfit("one group only")
    value = Column(table.noun, "count")
    if "col" in args:
        column = table.column(args["col"])
        value = Column(f"total {column.name}", "measure", column.unit, column.places)
        value = Column(column.name, "count") if column.kind == "count" else value
    return Table(pluralise(args["key"]), (Column(args["key"], "name"), value), tuple(rows))


def _group(table: Table, args: Args) -> Table:
    numbers = table.numbers(args["col"]) if "col" in args else [Decimal(1)] * len(table.rows)
    groups: dict[str, Decimal] = {}
    for key, value in zip(table.texts(args["key"]), numbers, strict=True):
        groups[key] = groups.get(key, Decimal(0)) + value
    return _group_table(table, args, list(groups.items()))


def _group_again(table: Table, args: Args) -> Table:
    what = "sum({col})" if "col" in args else "100 * count(*)"
    text = f"select {{key}}, {what}, min(n) as first from t group by {{key}} order by first"
    return _group_table(table, args, [(row[0], sql.number(row[1])) for row in sql.query(table, text, **args)])


def _explain_groups(before: Table, args: Args, after: Table) -> str:
    parts = [f"{row[0]} {show_cell(row[1], after.columns[1].places)}" for row in after.rows]
    return f"{after.columns[1].label.capitalize()} by {args['key']}: {', '.join(parts)}"


# --- other notations --------------------------------------------------------------------------------------------------


def _cells(table: Table) -> list[list[str]]:
    return [[show_cell(cell, c.places) for cell, c in zip(row, table.columns, strict=True)] for row in table.rows]


def _json_again(table: Table) -> str:
    """By the JSON module, with the quotes taken off the numbers."""
    lines = []
    for row in _cells(table):
        text = json.dumps({c.header: cell for c, cell in zip(table.columns, row, strict=True)}, ensure_ascii=False)
        for column, cell in zip(table.columns, row, strict=True):
            if column.is_number:
                text = text.replace(f'"{column.header}": "{cell}"', f'"{column.header}": {cell}')
        lines.append("  " + text)
    return "[\n" + ",\n".join(lines) + "\n]"


def _markdown_again(table: Table) -> str:
    rule = "".join("| ---: " if column.is_number else "| --- " for column in table.columns) + "|"
    shown = [
        "".join(f"| {cell} " for cell in line) + "|" for line in [[c.header for c in table.columns], *_cells(table)]
    ]
    return "\n".join([shown[0], rule, *shown[1:]])


def _notation(form: str, name: str, again: Callable[[Table], str]) -> Operation:
    wording = f"""
        do: [convert|turn|rewrite|transform] [the table|{{them}}] into {name}
        do: [write|give|return|put] {{them}} as {name}
        do: [give|return|write] the table as {name}
    """
    return Operation(
        f"to_{form}", "table", "text", "finish", wording, lambda table, draw: {},
        lambda table, args: Text("table", write_table(table, form)), lambda table, args: Text("table", again(table)), "table",
    )  # fmt: skip


# --- the list ---------------------------------------------------------------------------------------------------------

_DOWN = "[from highest to lowest|from largest to smallest|in descending order|with the highest first]"
_UP = "[from lowest to highest|from smallest to largest|in ascending order|with the lowest first]"
_HAS = "[with a|that have a|having a] {measure}"
_IS = "[whose|where the] {measure} is"
_WITH = "[with|that have|having]"
_X = "{x}[ {per}|]"
_OF = "[ of {rows}| across {rows}|]"
_PER = "[per|for each|by] {key}"
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
    """, _draw_by_number, _by_number, _by_number_again, "rows kept", _left_over),
    Operation("keep_by_category", "table", "table", "filter", """
        cond(is_=yes): {where}
        cond(is_=yes): [whose|where the] {cat} is {val}
        cond(is_=no): not {where}
        cond(is_=no): [whose|where the] {cat} is not {val}
        cond(is_=no): with a {cat} other than {val}
    """, _draw_by_category, _by_category, _by_category_again, "rows kept", _left_over),
    Operation("sort_rows", "table", "table", "order", f"""
        do(order=desc): [sort|order|arrange|rank] {{them}} by {{col}} {_DOWN}
        do(order=desc): put {{them}} in order of {{col}} {_DOWN}
        do(order=asc): [sort|order|arrange|rank] {{them}} by {{col}} {_UP}
        do(order=asc): put {{them}} in order of {{col}} {_UP}
    """, _draw_sort, _sort,
        lambda table, args: sql.rows(table, f"select n from t order by {{col}} {args['order']}", col=args["col"]), "sorted by {col}", _explain_order),
    Operation("top_rows", "table", "table", "change", f"""
        do(order=desc): [take|pick|pick out|keep only|select] the {{k}} {{noun}} with the {BEST} {{col}}
        do(order=asc): [take|pick|pick out|keep only|select] the {{k}} {{noun}} with the {WORST} {{col}}
    """, _draw_top, _top, _top_again, "the {k} {most} by {col}", _left_over),
    figure("total", "table", "total", f"""
        np: the [total|overall|combined] {{col}}{_OF}
        np: the sum of the {{measures}}{_OF}
        do: [add up|total] the {{measures}}{_OF}
        do: sum the {{col}}{_OF}
        ask: how many {{count}} do {{rows}} have [in total|altogether]
        ask: what do the {{measures}}[ of {{rows}}|] add up to
    """, _draw_column(summable=True)),
    figure("mean", "table", "average", f"""
        np: the [average|mean] {{col}}{_OF}
        np: the [average|mean] {{col}} per {{row}}
        ask: how many {{count}} [does a {{row}} have on average|are there per {{row}} on average]
        ask: what {{measure}} [does a {{row}} have|do {{rows}} have] on average
        do: average the {{measures}}{_OF}
        do: take the [average|mean] of the {{measures}}{_OF}
    """, _draw_column()),
    Operation("count_rows", "table", "quantity", "reduce", """
        np: the number of [{rows}|{noun}]
        do: count {them}
        do: [count|say] how many {noun} [there are|the table has|are listed]
        ask: how many {noun} [are there|are listed|does the table have]
        ask: how many of {them} are there
    """, _draw_two, _count,
        lambda table, args: Quantity(Decimal(sql.query(table, "select count(*) from t")[0][0]), table.noun), "number"),
    Operation("extreme_row", "table", "name", "reduce", f"""
        np(order=desc): the {{row}} with the [{BEST} {{col}}|most {{count}}]
        ask(order=desc): which {{row}} has the [{BEST} {{col}}|most {{count}}]
        ask(order=desc): which of {{them}} has the {BEST} {{col}}
        np(order=asc): the {{row}} with the [{WORST} {{col}}|fewest {{count}}]
        ask(order=asc): which {{row}} has the [{WORST} {{col}}|fewest {{count}}]
        ask(order=asc): which of {{them}} has the {WORST} {{col}}
    """, _draw_extreme, _extreme, lambda table, args: Name(sql.query(
        table, f"select c0 from t order by {{col}} {args['order']} limit 1", col=args["col"])[0][0]), "{most} {col}", _explain_extreme),
    Operation("lookup", "table", "cell", "reduce", """
        np: the {col} [of|for|given for|listed for|stated for] {name}
        do: [look up|read off|extract] the {col} [of|for] {name}
        ask: how many {count} does {name} have
        ask: what does the table [give|list|state] as the {col} of {name}
    """, _draw_lookup, _lookup, _lookup_again, "{col} of {name}"),
    Operation("names", "table", "words", "reduce", """
        nps: the names of [{rows}|all {noun}]
        nps: a list of {rows}
        do: [list|name] {them}
        do: [list|write down|pass on only] the names of {rows}
        ask: which {noun} [are listed|are there|does the table list]
    """, _draw_two, _names,
        lambda table, args: Words(table.noun, tuple(row[0] for row in sql.query(table, "select c0 from t order by n"))), "names"),
    Operation("column_values", "table", "numbers", "reduce", """
        nps: [the|a list of the|a plain list of the] {measures} of {rows}
        nps: all the {measures}[ of {rows}|]
        do: [extract|pull out|write down|list] the {measures}[ of {rows}|]
    """, _draw_values, _values, _values_again, "{col}"),
    Operation("group_total", "table", "table", "group", f"""
        np: the [total {{col}}|sum of the {{measures}}] {_PER}
        np: the total {{col}} of each {{key}}
        do: [add up|total] the {{measures}} {_PER}
        ask: how much {{measure}} does each {{key}} have in total
        ask: how many {{count}} does each {{key}} have in total
    """, _draw_group, _group, _group_again, "total {col}", _explain_groups),
    Operation("group_count", "table", "table", "group", f"""
        np: the number of {{noun}} [{_PER}|of each {{key}}]
        do: count [the {{noun}}|how many {{noun}} there are] {_PER}
        ask: how many {{noun}} [are there {_PER}|does each {{key}} have]
    """, _draw_group_count, _group, _group_again, "count", _explain_groups),
    _notation("json", "[JSON|a JSON list of objects|a JSON array]", _json_again),
    _notation("markdown", "[a Markdown table|a table in Markdown]", _markdown_again),
)
