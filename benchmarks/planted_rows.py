"""Rows with faults planted among real ones: what is read right, refused with its reason, lost, or changed in silence.

    python -m benchmarks.planted_rows

Reads `../shared/data` (Alpaca rows, not part of this project), plants 20 of each kind among 2,000 of its rows, reads
the file as every command does, and compares field by field. Exit code 1 where a bound is broken.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.parsing import clean_input
from synth.records import Record
from synth.sources import Source, read_source

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
GOOD, EACH = 2_000, 20
Row = dict[str, Any]
Wanted = Record | str
"""What is planted must come back as this record, or be refused with a reason that holds this text."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of planted row: what is written for a good row, and what must become of it."""

    name: str
    plant: Callable[[Row], Any]
    wanted: Callable[[Row], Wanted]


def plain(row: Row, **changes: Any) -> Record:
    """The record that a row is meant as."""
    return Record(**({"instruction": row["instruction"], "input": row["input"], "output": row["output"]} | changes))


def question(row: Row) -> str:
    return plain(row).question


def alpaca(name: str, changes: Row, wanted: str | Row) -> Kind:
    """A row of Alpaca's form with some keys changed."""
    return Kind(
        name, lambda row: row | changes, lambda row: wanted if isinstance(wanted, str) else plain(row, **wanted)
    )


def chat(name: str, turns: Callable[[Row], list[Row]], wanted: str | Row) -> Kind:
    """A row of OpenAI's form."""
    return Kind(
        name,
        lambda row: {"messages": turns(row)},
        lambda row: wanted if isinstance(wanted, str) else plain(row, instruction=question(row), input="", **wanted),
    )


def said(role: str, content: Any, **more: Any) -> Row:
    return {"role": role, "content": content, **more}


def exchange(row: Row) -> list[Row]:
    return [said("user", question(row)), said("assistant", row["output"])]


def thinking(name: str, before: str, after: str = "") -> Kind:
    """A row of Alpaca's form with thoughts around its answer, which are to be cut."""
    return Kind(name, lambda row: row | {"output": f"{before}{row['output']}{after}"}, plain)


_THOUGHT = "<|channel|>analysis<|message|>hm<|end|>"
HISTORY = (("Hi?", "Yes, hello."), ("Ready?", "Yes."))
ALPACA = [
    alpaca("instruction null", {"instruction": None}, "`instruction` is missing"),
    alpaca("instruction empty", {"instruction": "  "}, "`instruction` is empty"),
    alpaca("instruction NaN", {"instruction": float("nan")}, "`instruction` is missing"),
    alpaca("instruction a number", {"instruction": 7}, "`instruction` is not a text"),
    alpaca("output a list", {"output": ["a", "b"]}, "`output` is not a text"),
    alpaca("output empty", {"output": ""}, "`output` is empty"),
    alpaca("input null", {"input": None}, {"input": ""}),
    alpaca("input NaN", {"input": float("nan")}, {"input": ""}),
    alpaca("system", {"system": "Be brief."}, {"system": "Be brief."}),
    alpaca("history", {"history": [list(pair) for pair in HISTORY]}, {"history": HISTORY}),
    alpaca("a column not read", {"score": 3}, {}),
    thinking("thoughts before", "<think>hm</think>"),
    thinking("thoughts, closing tag only", "hm\n</think>\n\n"),
    thinking("thoughts in a channel", f"{_THOUGHT}<|start|>assistant<|channel|>final<|message|>"),
    thinking("thoughts, late block", "", "\n<thinking>was it right?</thinking>"),
    alpaca("thoughts unclosed", {"output": "<think>hm, let me see"}, "nothing but a reasoning model's thoughts"),
    alpaca("talk of the tags", {"output": "The <think> tag opens it."}, {"output": "The <think> tag opens it."}),
]
PARTS = [{"type": "text", "text": "See:"}, {"type": "image_url", "image_url": {"url": "x"}}]
CHAT = [
    chat("greeting first", lambda row: [said("assistant", "Welcome!"), *exchange(row)], {}),
    chat(
        "system and history",
        lambda row: [
            said("system", "Be brief."),
            *(said(role, text) for pair in HISTORY for role, text in zip(("user", "assistant"), pair, strict=True)),
            *exchange(row),
        ],
        {"system": "Be brief.", "history": HISTORY},
    ),
    chat(
        "content in parts", lambda row: [said("user", [{"type": "text", "text": question(row)}]), exchange(row)[1]], {}
    ),
    chat("an image", lambda row: [said("user", PARTS), exchange(row)[1]], "images and calls are not read"),
    chat("a tool call", lambda row: [exchange(row)[0], said("assistant", None, tool_calls=[{}])], "images and calls"),
    chat("a tool's turn", lambda row: [*exchange(row), said("tool", "4")], "tools are not read"),
    chat("two questions on end", lambda row: [exchange(row)[0], *exchange(row)], "must go [system,] user, assistant"),
    chat("no answer", lambda row: exchange(row)[:1], "ends with the user"),
]
TABLE = [
    Kind("an unquoted comma", lambda row: "Name the capital of Peru, please.,,Lima", lambda row: "has 4 cells"),
    Kind("a trailing comma", lambda row: cells(row) + ",", lambda row: "has 4 cells"),
    Kind("a cell too few", lambda row: '"Name it","Lima"', lambda row: "has 2 cells"),
    Kind("a guarded formula", lambda row: cells(row | {"output": "'=1+1"}), lambda row: plain(row, output="=1+1")),
    Kind(
        "lines and quotes", lambda row: cells(row | {"output": 'a "b"\nc'}), lambda row: plain(row, output='a "b"\nc')
    ),
]


def cells(row: Row) -> str:
    """A line of a table, every cell in quotation marks."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="").writerow(
        [row["instruction"], row["input"], row["output"]]
    )
    return text.getvalue()


def real_rows(count: int = GOOD) -> list[Row]:
    """Real rows, 2,997 at most: Alpaca's demo, then its instructions with the demo's answers.

    Eight inputs that say in words that there is none are empty here, as the importer makes them.
    """
    demo = json.loads((DATA / "alpaca_en_demo.json").read_text("utf-8"))
    rows = [row if clean_input(row["input"]) else row | {"input": ""} for row in demo]
    with gzip.open(DATA / "alpaca_52k_instructions.jsonl.gz", "rt", encoding="utf-8") as file:
        more = [json.loads(line) for line in file]
    texts = [one["instruction"] if isinstance(one, dict) else one for one in more]
    texts = [text for text in texts if text.strip()][: count - len(rows)]
    return rows + [row | {"instruction": text} for text, row in zip(texts, rows * 2, strict=False)]


def mixed(good: Sequence[Any], kinds: Sequence[Kind], rows: Sequence[Row]) -> list[tuple[Any, Kind | None, Row]]:
    """The good rows with EACH of every kind spread evenly among them: (what is written, kind, row meant)."""
    planted = [(kind.plant(rows[n]), kind, rows[n]) for n in range(EACH) for kind in kinds]
    step = len(good) // (len(planted) + 1)
    found: list[tuple[Any, Kind | None, Row]] = []
    for at, (written, row) in enumerate(zip(good, rows, strict=True)):
        found.append((written, None, row))
        if at % step == step - 1 and at // step < len(planted):
            found.append(planted[at // step])
    return found


@dataclass(slots=True)
class Count:
    """What became of the rows of one kind."""

    read: int = 0
    refused: int = 0
    wrong: int = 0
    silent: int = 0


def judged(lines: Sequence[tuple[str, Kind | None, Record | str]], source: Source) -> dict[str, Count]:
    """The counts by kind. `lines`: place, kind and what is wanted of each row in order."""
    counts: dict[str, Count] = {}
    reasons = {place: [m for m in source.skipped if m.startswith(f"{place}:")] for place, _, _ in lines}
    records = iter(source.records)
    for place, kind, wanted in lines:
        count = counts.setdefault(kind.name if kind else "good rows", Count())
        if reasons[place]:
            as_wanted = isinstance(wanted, str) and any(wanted in mistake for mistake in reasons[place])
            count.refused += as_wanted
            count.wrong += not as_wanted
            continue
        record = next(records, None)
        is_equal = isinstance(wanted, Record) and record is not None and content(record) == content(wanted)
        count.read += is_equal
        count.silent += not is_equal
    return counts


def content(record: Record) -> tuple[object, ...]:
    return record.instruction, record.input, record.output, record.system, record.history


def jsonl(
    path: Path, kinds: Sequence[Kind], write: Callable[[Row], Any], meant: Callable[[Row], Record]
) -> dict[str, Count]:
    rows = real_rows()
    found = mixed([write(row) for row in rows], kinds, rows)
    path.write_text("".join(json.dumps(written) + "\n" for written, _, _ in found), "utf-8")
    wanted = [kind.wanted(row) if kind else meant(row) for _, kind, row in found]
    lines = [(f"{path}:{n}", kind, one) for n, ((_, kind, _), one) in enumerate(zip(found, wanted, strict=True), 1)]
    return judged(lines, read_source(path))


def table(path: Path) -> dict[str, Count]:
    rows = real_rows()
    found = mixed([cells(row) for row in rows], TABLE, rows)
    text, line, lines = '"instruction","input","output"\n', 2, []
    for written, kind, row in found:
        lines.append((f"{path}:{line}", kind, kind.wanted(row) if kind else plain(row)))
        text += written + "\n"
        line += written.count("\n") + 1
    path.write_text(text, "utf-8", newline="")
    return judged(lines, read_source(path))


def measure(folder: Path) -> dict[str, dict[str, Count]]:
    """The counts of the three files: Alpaca rows, conversations and a table."""
    return {
        "alpaca": jsonl(folder / "alpaca.jsonl", ALPACA, lambda row: row, plain),
        "messages": jsonl(
            folder / "chat.jsonl",
            CHAT,
            lambda row: {"messages": exchange(row)},
            lambda row: plain(row, instruction=question(row), input=""),
        ),
        "csv": table(folder / "table.csv"),
    }


def main() -> int:
    """Print one row a kind; 1 where a good row is lost or anything is wrong or changed in silence."""
    if not DATA.is_dir():
        print(f"{DATA} is not there: nothing was measured", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    print(f"{'file':10}{'planted':28}{'read right':>12}{'refused right':>15}{'refused wrong':>15}{'silent':>8}")
    bad = 0
    for name, counts in found.items():
        for kind, one in counts.items():
            print(f"{name:10}{kind:28}{one.read:12,}{one.refused:15,}{one.wrong:15,}{one.silent:8,}")
            bad += one.wrong + one.silent
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
