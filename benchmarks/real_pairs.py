"""Pairs of a real model: answers of a server are drawn and ranked by it, and a sheet is written for a reader.

    python benchmarks/real_pairs.py FILE --base-url http://127.0.0.1:8000/v1 --model NAME --run /tmp/pairs

FILE holds tasks in any known format. The sheet (SHEET.csv beside the run folder) shows two answers of each pair as
"left" and "right" in a drawn order: write left, right or tie into its column `reader`. Then count the agreement:

    python benchmarks/real_pairs.py --read /tmp/pairs.csv --run /tmp/pairs

Which side was chosen is in the run folder alone, so that the reader cannot see it. Typed again it asks nothing.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import say
from synth.engine.ledger import LedgerReader
from synth.errors import StageStopped, UsageError
from synth.metrics import wilson_interval
from synth.pipeline import run as run_pipeline
from synth.recipe import build_recipe
from synth.records import Record, digest
from synth.sources import read_source
from synth.sources.tables import escape_cell
from synth.stages.report.pairs import collect_pairs, pair_blocks

SIDES = ("left", "right")
COLUMNS = ("number", "id", "question", *SIDES, "reader", "remark")


@command()
def main(
    run: Annotated[Path, typer.Option("--run", help="The run folder.")],
    file: Annotated[Path | None, typer.Argument(help="Tasks.")] = None,
    model: Annotated[str, typer.Option(help="The model's name at the server.")] = "",
    base_url: Annotated[str, typer.Option(help="An OpenAI-compatible server.")] = "",
    judge_model: Annotated[str, typer.Option(help="The judge's name there; the same model by default.")] = "",
    read: Annotated[Path | None, typer.Option(help="A sheet that was filled in: count the agreement.")] = None,
    num_pairs: Annotated[int, typer.Option(help="Pairs wanted.")] = 100,
    num_answers: Annotated[int, typer.Option(help="Answers drawn for each task.")] = 4,
    judge_by: Annotated[str, typer.Option(help="pairs or grades.")] = "pairs",
    min_margin: Annotated[float, typer.Option(help="Leave out pairs no further apart than this.")] = 0.0,
    calibrate: Annotated[bool, typer.Option(help="Stop where the judge fails on planted pairs.")] = True,
    concurrency: Annotated[int, typer.Option(help="Requests in flight.")] = 4,
) -> None:
    """Make pairs and the sheet, or count what a reader said."""
    if read is not None:
        _count(read, run)
        return
    if file is None or not model or not base_url:
        raise UsageError("FILE, --model and --base-url are needed to make pairs", "or give --read SHEET")
    server = {"backend": "openai", "base_url": base_url, "concurrency": concurrency, "timeout_s": 400.0}
    data: dict[str, Any] = {"name": "pairs", "teacher": server | {"model": model}, "stages": ["prefer"]}
    data |= {"judge": server | {"model": judge_model}} if judge_model else {}
    prefer: dict[str, Any] = {"num_answers": num_answers, "principles": [], "judge_by": judge_by}
    data["prefer"] = prefer | {"min_margin": min_margin, "calibrate": calibrate, "only_pairs": True}
    data["input"] = str(_tasks(file, run, 2 * num_pairs))
    try:
        run_pipeline(build_recipe(data, "flags"), run)
    except StageStopped as reason:
        say(f"{reason.message}\nadd --no-calibrate to have pairs all the same")
        sys.exit(reason.exit_code)
    _tell(run, num_pairs)


def _tasks(file: Path, run: Path, count: int) -> Path:
    """Some tasks of the file without their answers, so that all answers are drawn alike."""
    records = read_source(file, require_output=False).records
    some = random.Random(0).sample(records, min(count, len(records)))
    out = run.with_name(f"{run.name}_tasks.jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = [Record(one.instruction, one.input, "", one.system, one.history).to_dict() for one in some]
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return out


def _pairs(run: Path) -> list[Record]:
    reader = LedgerReader(run)
    try:
        return [record for record in reader.records("prefer") if record.worse()]
    finally:
        reader.close()


def _sides(record: Record) -> tuple[str, str]:
    """(left, right): which is the chosen one depends on the record's id."""
    texts = record.output, record.worse()[-1].output
    return texts if _chosen_side(record) == SIDES[0] else texts[::-1]


def _chosen_side(record: Record) -> str:
    return SIDES[int(digest("side", record.id)[:8], 16) % 2]


def _tell(run: Path, num_pairs: int) -> None:
    """Write the sheet, and print what the report says of the pairs."""
    pairs, sheet = _pairs(run)[:num_pairs], run.with_suffix(".csv")
    with sheet.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for number, record in enumerate(pairs, 1):
            question = f"{record.talk}\n\n{record.question}".strip()
            writer.writerow([number, record.id, *map(escape_cell, (question, *_sides(record))), "", ""])
    reader = LedgerReader(run)
    blocks = pair_blocks(collect_pairs(reader, ["prefer"]))
    reader.close()
    for block in blocks:
        if block.kind == "table":
            say("\n".join([f"== {block.caption}", *("  " + " | ".join(map(str, row)) for row in block.rows)]))
        elif block.kind == "note":
            say(block.text)
    say(f"{len(pairs)} pairs in {sheet}: write left, right or tie into the column reader")


def _count(sheet: Path, run: Path) -> None:
    """The share of the pairs that a reader decided in which the reader chose as the judge did."""
    chosen = {record.id: _chosen_side(record) for record in _pairs(run)}
    with sheet.open(encoding="utf-8", newline="") as stream:
        said = [(row["id"], row["reader"].strip().casefold()) for row in csv.DictReader(stream)]
    decided = [(name, side) for name, side in said if side in SIDES and name in chosen]
    agreed = sum(side == chosen[name] for name, side in decided)
    low, high = wilson_interval(agreed, len(decided))
    ties = sum(side == "tie" for _, side in said)
    share = f"{agreed / len(decided):.1%} ({low:.1%} to {high:.1%})" if decided else "none"
    say(f"{len(decided)} read, {ties} ties beside them; the reader agrees with {agreed}: {share}")


if __name__ == "__main__":
    typer.run(main)
