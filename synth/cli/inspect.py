"""Looking at a run folder: status, verify, lineage. Reads only; works while a run writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, print_json, print_table, say
from synth.cli.next import then
from synth.errors import UsageError

if TYPE_CHECKING:
    from synth.records import Record

Folder = Annotated[Path, typer.Argument(help="A run folder.", show_default=False)]


@command()
def status(folder: Folder, json: Json = False) -> None:
    """What a run has done so far: kept and rejected by stage and reason, requests, tokens, cost."""
    from synth.engine.prices import cost_words

    facts = _status(folder)
    is_over = all(stage["state"] == "done" for stage in facts["stages"].values())
    then(*(("synth", "export", folder) if is_over else ("synth", "run", folder / "recipe.yaml", "--run", folder)))
    if json:
        print_json(facts)
        return
    for name, stage in facts["stages"].items():
        rows = [[reason, str(count)] for reason, count in stage["rejected"].items()]
        title = f"{name} ({stage['state']}): {stage['kept']} kept, {sum(stage['rejected'].values())} rejected"
        print_table(title, ["rejected by", "rows"], rows) if rows else say(title)
    header = ["stage", "role", "asked", "failed", "prompt tokens", "answer tokens", "cost"]
    print_table("Requests", header, _request_rows(facts["requests"]))
    if servers := facts["servers"]:
        rows = [[row["server"], f"{row['asked']:,}", f"{row['answered']:,}"] for row in servers]
        print_table("Servers", ["server", "attempts", "answers"], rows)
    unpriced = sum(row["unpriced"] for row in facts["requests"])
    note = f" (no price is known for {unpriced:,} of the requests)" if unpriced else ""
    say(f"Cost in all: {cost_words(facts['cost'], unpriced)}{note}")
    say(f"Possibly paid twice: {facts['possibly_paid_twice']}")


def _request_rows(totals: list[dict[str, Any]]) -> list[list[str]]:
    """One row for each stage and role, with those that failed or have no answer yet in a column of their own."""
    from synth.engine.prices import cost_words

    rows: dict[tuple[str, str], list[float]] = {}
    for total in totals:
        row = rows.setdefault((total["stage"], total["role"]), [0, 0, 0, 0, 0.0, 0])
        own = total["requests"], total["requests"] * (total["state"] == "failed")
        used = total["prompt_tokens"] or 0, total["completion_tokens"] or 0
        added = *own, *used, total["cost"] or 0, total["unpriced"]
        row[:] = [one + more for one, more in zip(row, added, strict=True)]
    counts = {names: [f"{count:,.0f}" for count in row[:4]] for names, row in rows.items()}
    return [[*names, *counts[names], cost_words(row[4], int(row[5]))] for names, row in rows.items()]


def _status(folder: Path) -> dict[str, Any]:
    from synth.engine.funnel import begun_stages, count_funnel
    from synth.engine.ledger import LedgerReader
    from synth.engine.lock import is_held

    reader = LedgerReader(folder)
    states, unfinished = reader.stages(), "running" if is_held(folder) else "stopped"
    stages = {
        one.stage: {
            "state": "done" if states[one.stage]["state"] == "done" else unfinished,
            "kept": one.kept,
            "rejected": one.by_reason,
        }
        for one in count_funnel(reader, samples=0).stages
    }
    count, cost = reader.maybe_paid_twice()
    order = [name for stage in begun_stages(reader) for name in (stage.name, *stage.helpers)]
    place = {name: number for number, name in enumerate(order)}
    requests = sorted(reader.request_totals(), key=lambda row: place.get(row["stage"], -1))
    facts = {"run": str(folder), "stages": stages, "requests": requests, "cost": round(reader.spent()[0], 6)}
    facts |= {"servers": reader.server_totals()}
    return facts | {"possibly_paid_twice": count, "possibly_paid_twice_cost": cost}


@command()
def verify(folder: Folder, json: Json = False) -> None:
    """Check every row of the ledger and every file that a run made against its checksum."""
    from synth.engine.ledger import LedgerReader
    from synth.errors import StorageError
    from synth.pipeline.verify import run_problems

    LedgerReader(folder).close()
    problems = run_problems(folder)
    if json:
        print_json({"run": str(folder), "problems": problems})
    if problems:
        raise StorageError(
            "\n  ".join([f"{folder}: {len(problems)} problem(s)", *problems[:50]]),
            "run the same command again, which makes anew what it can; or restore a copy",
        )
    if not json:
        say(f"{folder}: ledger and files are whole")


@command()
def lineage(
    folder: Folder,
    record_id: Annotated[str, typer.Argument(help="A record's id, or the beginning of one.", show_default=False)],
    json: Json = False,
) -> None:
    """Print the way of one record from the seeds: the tasks shown, then operator and text at each step."""
    steps = _lineage(folder, record_id)
    if json:
        print_json(steps)
        return
    for step in steps:
        name = step["lineage"]["parents"][0] if step["lineage"]["origin"] == "seed" else step["id"]
        head = f"[{name}] {step['lineage']['origin']}"
        head += f", generation {step['lineage']['generation']}, {step['lineage']['operator'] or 'as given'}"
        shown = step["lineage"]["parents"] or step["lineage"]["origin"] != "bootstrap"
        say(head if shown else f"{head}, with no task of the pool shown")
        say("  " + step["instruction"].replace("\n", "\n  "))
        if step["input"]:
            say("  input:\n    " + step["input"].replace("\n", "\n    "))
        if step["output"]:
            say("  output:\n    " + step["output"].replace("\n", "\n    "))


def _lineage(folder: Path, record_id: str) -> list[dict[str, Any]]:
    """The records from the first ancestor to the one asked for."""
    from synth.engine.funnel import data_stages
    from synth.engine.ledger import LedgerReader

    reader = LedgerReader(folder)
    known = {r.id: r for name in data_stages(reader) for r in reader.records(name)}
    found = [one for one in known if one.startswith(record_id)]
    if len(found) != 1:
        raise UsageError(
            f"{len(found)} records have an id that begins with {record_id!r}", "see the export's id column"
        )
    steps = []
    at: Record | None = known[found[0]]
    while at is not None:
        steps.append(at.to_dict())
        first = at
        at = next((known[p] for p in at.lineage.parents if p in known and at.lineage.origin == "evolve"), None)
    shown = [record for parent in first.lineage.parents for record in _seeds_or_made(folder, parent, known)]
    return [*(record.to_dict() for record in shown), *steps[::-1]]


def _seeds_or_made(folder: Path, parent: str, known: dict[str, Record]) -> list[Record]:
    """A task that was shown when a record was made: one made before it, or a seed task, if it is still there."""
    from synth.errors import SynthError
    from synth.pipeline import read_run_recipe
    from synth.stages.seeds import read_seed_tasks
    from synth.stages.stage import seed_records

    if parent in known:
        return [known[parent]]
    try:
        seeds = [seed for seed in read_seed_tasks(read_run_recipe(folder).seeds.path) if seed.id == parent]
    except SynthError:
        return []
    return seed_records(seeds)[:1]
