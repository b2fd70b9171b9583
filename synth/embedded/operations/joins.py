"""Two tables made one: what the second knows of each row is put beside the first."""

from __future__ import annotations

from decimal import Decimal

from synth.embedded.draws import Draw
from synth.embedded.operations import sql
from synth.embedded.plan import Args, Operation, say
from synth.embedded.values import Pair, Table, Unfit, show_cell

JOIN = (
    *say("do", "[look up|find] the {col} of [each|every] {row} in the second table",
         "[join|merge|combine] the two tables so that [each|every] {row} has its {col}",
         "match the rows of the two tables to add the {col}", "[add|bring over] the {col} from the second table to the first"),
    *say("do", "take the {col} of [each|every] {row} from the second table", "put the {col} from the second table beside [each|every] {row}"),
)  # fmt: skip


def _tables(pair: Pair) -> tuple[Table, Table]:
    one, other = pair.first, pair.second
    if not isinstance(one, Table) or not isinstance(other, Table) or len(other.columns) != 2:
        raise Unfit("not two tables")
    return one, other


def _draw_join(pair: Pair, draw: Draw) -> Args | None:
    if not isinstance(pair.first, Table) or not isinstance(pair.second, Table):
        return None
    return {"col": pair.second.columns[1].name}


def _join(pair: Pair, args: Args) -> Table:
    one, other = _tables(pair)
    _require(one, other, args)
    known = {row[0]: row[1] for row in other.rows}
    if len(known) < len(other.rows) or any(row[0] not in known for row in one.rows):
        raise Unfit("a row without its match, or with two")
    return Table(one.noun, (*one.columns, other.columns[1]), tuple((*row, known[row[0]]) for row in one.rows))


def _require(one: Table, other: Table, args: Args) -> None:
    if one.columns[0].name != other.columns[0].name or args["col"] != other.columns[1].name:
        raise Unfit("the tables have no common column, or the second not the one asked for")


def _join_sql(pair: Pair, args: Args) -> Table:
    one, other = _tables(pair)
    connection = sql.loaded(one)
    sql.loaded(other, "u", connection)
    found = connection.execute("select t.n, u.n from t join u on t.c0 = u.c0 order by t.n").fetchall()
    connection.close()
    rows = tuple((*one.rows[n], other.rows[m][1]) for n, m in found)
    return Table(one.noun, (*one.columns, other.columns[1]), rows)


def _explain(before: Pair, args: Args, after: Table) -> str:
    places = after.columns[-1].places
    parts = [
        f"{show_cell(row[0])} {show_cell(row[-1], places if isinstance(row[-1], Decimal) else 0)}" for row in after.rows
    ]
    return f"From the second table, {after.columns[-1].label}: {', '.join(parts)}"


OPERATIONS = (
    Operation(
        "join_tables", "pair", "table", "change", JOIN, _draw_join, _join, _join_sql, lambda a: "joined table", _explain
    ),
)
