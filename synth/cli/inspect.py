"""Looking at a run folder: status, verify, lineage. Reads only; works while a run writes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.common import Debug, Json, guard, print_json, print_table, say
from synth.errors import UsageError

Folder = Annotated[Path, typer.Argument(help="A run folder.", show_default=False)]


def status(folder: Folder, json: Json = False, debug: Debug = False) -> None:
    """What a run has done so far: kept and rejected by stage and reason, requests, tokens, cost."""
    with guard(json=json, debug=debug):
        facts = _status(folder)
        if json:
            print_json(facts)
            return
        for name, stage in facts["stages"].items():
            rows = [[reason, str(count)] for reason, count in stage["rejected"].items()]
            title = f"{name} ({stage['state']}): {stage['kept']} kept, {sum(stage['rejected'].values())} rejected"
            print_table(title, ["rejected by", "rows"], rows) if rows else say(title)
        header = ["stage", "role", "state", "requests", "prompt tokens", "answer tokens", "tokens", "cost", "attempts"]
        rows = [
            [str(r[k.replace("answer", "completion").replace(" ", "_")] or 0) for k in header]
            for r in facts["requests"]
        ]
        print_table("Requests", header, rows)
        say(f"Possibly paid twice: {facts['possibly_paid_twice']}")


def _status(folder: Path) -> dict[str, Any]:
    from synth.engine.ledger import LedgerReader
    from synth.records import Record

    reader = LedgerReader(folder)
    stages: dict[str, Any] = {}
    for name, info in reader.stages().items():
        kept, rejected = 0, Counter[str]()
        for result in reader.results(name):
            if isinstance(result, Record):
                kept += 1
            else:
                rejected[f"{result.check}: {result.reason}"] += 1
        stages[name] = {"state": info["state"], "kept": kept, "rejected": dict(rejected.most_common())}
    count, cost = reader.maybe_paid_twice()
    facts = {"run": str(folder), "stages": stages, "requests": reader.request_totals()}
    return facts | {"possibly_paid_twice": count, "possibly_paid_twice_cost": cost}


def verify(folder: Folder, json: Json = False, debug: Debug = False) -> None:
    """Check every row of the ledger and every file that a run made against its checksum."""
    with guard(json=json, debug=debug):
        from synth.errors import StorageError
        from synth.pipeline.verify import run_problems

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


def lineage(
    folder: Folder,
    record_id: Annotated[str, typer.Argument(help="A record's id, or the beginning of one.", show_default=False)],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Print the way of one record from the seeds: operator and text at each step."""
    with guard(json=json, debug=debug):
        steps = _lineage(folder, record_id)
        if json:
            print_json(steps)
            return
        for step in steps:
            head = f"[{step['id']}] {step['lineage']['origin']}"
            head += f", generation {step['lineage']['generation']}, {step['lineage']['operator'] or 'as given'}"
            say(head)
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
    at = known.get(found[0])
    while at is not None:
        steps.append(at.to_dict())
        at = next((known[p] for p in at.lineage.parents if p in known and at.lineage.origin == "evolve"), None)
    return steps[::-1]
