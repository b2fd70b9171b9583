"""The last step of a request: a table in another notation, or one line of text for each row."""

from __future__ import annotations

import csv
import io
import json
import re

from synth.embedded.draws import Draw
from synth.embedded.material import write_table
from synth.embedded.plan import Args, Operation, Phrase, say
from synth.embedded.values import Table, Text, Unfit, show_cell


def _notation_phrases(name: str) -> tuple[Phrase, ...]:
    return (
        *say("do", f"[convert|turn|rewrite|transform] [the table|{{them}}] into {name}", f"[write|give|return|put] {{them}} as {name}",
             f"[give|return|write] the table as {name}"),
        *say("post", f"[as|written as|formatted as] {name}"),
    )  # fmt: skip


JSON = _notation_phrases("[JSON|a JSON list of objects|a JSON array]")
CSV = _notation_phrases("[CSV|CSV lines with a header|comma-separated values]")
MARKDOWN = _notation_phrases("[a Markdown table|a table in Markdown]")


def _draw_any(table: Table, draw: Draw) -> Args | None:
    return {}


def _in(form: str) -> tuple[object, object]:
    def solve(table: Table, args: Args) -> Text:
        return Text("table", write_table(table, form))

    def check(table: Table, args: Args) -> Text:
        return Text("table", _AGAIN[form](table))

    return solve, check


def _cells(table: Table) -> list[list[str]]:
    return [[show_cell(cell, c.places) for cell, c in zip(row, table.columns, strict=True)] for row in table.rows]


def _csv_again(table: Table) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([[c.header for c in table.columns], *_cells(table)])
    return out.getvalue().rstrip("\n")


def _json_again(table: Table) -> str:
    """By the JSON module, with numbers put back as written."""
    heads = [column.header for column in table.columns]
    lines = []
    for row in _cells(table):
        text = json.dumps(dict(zip(heads, row, strict=True)), ensure_ascii=False)
        for head, cell, column in zip(heads, row, table.columns, strict=True):
            if column.is_number:
                text = text.replace(
                    f'{json.dumps(head, ensure_ascii=False)}: "{cell}"',
                    f"{json.dumps(head, ensure_ascii=False)}: {cell}",
                )
        lines.append("  " + text)
    return "[\n" + ",\n".join(lines) + "\n]"


def _markdown_again(table: Table) -> str:
    text = "".join("| --- " if not c.is_number else "| ---: " for c in table.columns) + "|"
    lines = [[c.header for c in table.columns], *_cells(table)]
    shown = ["".join(f"| {cell} " for cell in line) + "|" for line in lines]
    return "\n".join([shown[0], text, *shown[1:]])


_AGAIN = {"csv": _csv_again, "json": _json_again, "markdown": _markdown_again}

FILL = (
    *say("do", "write one line for [each|every] {row} in the form {quoted}", "fill in the template {quoted} for [each|every] {row}",
         "[describe|present] [each|every] {row} on its own line as {quoted}", "turn [each|every] {row} into a line of the form {quoted}",
         "[complete|use] the template {quoted} once for [each|every] {row}", "write a line of the form {quoted} for [each|every] {row}"),
)  # fmt: skip
_TEMPLATES = ("{0}: {1}", "{0} - {1}", "{0} ({1})", "{1} | {0}", "{0} has {1}", "* {0}: {1}", "{0}; {1}", "{1} for {0}")


def _draw_fill(table: Table, draw: Draw) -> Args | None:
    one, other = table.columns[0].name, draw.pick(table.columns[1:]).name
    return {"quoted": '"' + draw.pick(_TEMPLATES).format(f"<{one}>", f"<{other}>") + '"'}


def _fill(table: Table, args: Args) -> Text:
    names = re.findall(r"<([^<>]+)>", args["quoted"])
    if not names:
        raise Unfit("no place to fill in")
    lines = []
    for row in table.rows:
        line = args["quoted"][1:-1]
        for name in names:
            place = table.at(name)
            line = line.replace(f"<{name}>", show_cell(row[place], table.columns[place].places))
        lines.append(line)
    return Text("lines", "\n".join(lines))


def _fill_again(table: Table, args: Args) -> Text:
    """Piece by piece from the split template, with the cells read back from CSV."""
    parts = re.split(r"<([^<>]+)>", args["quoted"][1:-1])
    lines_again = [line.split(",") for line in write_table(table, "csv").split("\n")[1:]]
    cells = {column.name: [line[place] for line in lines_again] for place, column in enumerate(table.columns)}
    lines = []
    for number in range(len(table.rows)):
        lines.append("".join(part if place % 2 == 0 else cells[part][number] for place, part in enumerate(parts)))
    return Text("lines", "\n".join(lines))


def _notation(name: str, form: str, phrases: tuple[Phrase, ...]) -> Operation:
    solve, check = _in(form)
    return Operation(name, "table", "text", "finish", phrases, _draw_any, solve, check, lambda a: "table")  # type: ignore[arg-type]


OPERATIONS = (
    _notation("to_json", "json", JSON),
    _notation("to_csv", "csv", CSV),
    _notation("to_markdown", "markdown", MARKDOWN),
    Operation("fill_template", "table", "text", "finish", FILL, _draw_fill, _fill, _fill_again, lambda a: "lines"),
)
