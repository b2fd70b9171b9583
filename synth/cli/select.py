"""`synth select`: what each check would throw away of a file or a run, and the rows that stay. Asks no teacher."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.common import Debug, Json, guard, log, print_json, print_table, say
from synth.errors import UsageError

if TYPE_CHECKING:
    from synth.records import Record


def select(
    source: Annotated[Path, typer.Argument(help="A file of records, or a run folder.", show_default=False)],
    check: Annotated[
        list[str] | None, typer.Option(help="A check by name; all default checks when none is given.")
    ] = None,
    explain: Annotated[bool, typer.Option(help="Show samples of what each check would throw away.")] = False,
    what_if: Annotated[
        str | None, typer.Option(help="CHECK.OPTION=V1,V2,... : how many each value would refuse.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the rows that are kept to this .jsonl file.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what the checks would throw away, and keep the rest.

    Example: synth select data.json --check refusal --check repetition --explain
    """
    with guard(json=json, debug=debug):
        from synth.stages.select import SelectSettings
        from synth.stages.select import explain as explain_checks

        records = _records(source)
        if what_if:
            _what_if(records, what_if, json)
            return
        settings = SelectSettings(checks=list(check)) if check else SelectSettings()
        found = explain_checks(records, settings).to_dict()
        if out:
            _write_kept(records, settings, out)
        if json:
            print_json(found)
        else:
            _print(found, explain)


def _records(source: Path) -> list[Record]:
    if source.is_dir():
        from synth.pipeline import checked_records

        return checked_records(source)
    from synth.stages.formats import read_records

    return read_records(source)


def _what_if(records: list[Record], question: str, json: bool) -> None:
    import yaml

    from synth.stages.select import what_if

    path, equals, values = question.partition("=")
    check, dot, option = path.partition(".")
    if not (equals and dot and values):
        raise UsageError(
            f"--what-if {question}: not of the form CHECK.OPTION=V1,V2", "for example novelty.threshold=0.6,0.7"
        )
    counts = what_if(records, check, option, [yaml.safe_load(value) for value in values.split(",")])
    rows = [[str(value), str(count), f"{count / max(len(records), 1):.1%}"] for value, count in counts.items()]
    if json:
        print_json({"check": check, "option": option, "refused": {str(k): v for k, v in counts.items()}})
    else:
        print_table(f"{check}, of {len(records)} rows", [option, "refused", "share"], rows)


def _write_kept(records: list[Record], settings: Any, out: Path) -> None:
    import json

    from synth.checks import build_checks
    from synth.fileio import atomic_file
    from synth.records import Record
    from synth.stages.select import apply_checks

    kept = 0
    with atomic_file(out) as file:
        for result in apply_checks(records, build_checks(settings.checks)):
            if isinstance(result, Record):
                kept += 1
                file.write((json.dumps(result.to_dict()) + "\n").encode())
    log(f"{kept} rows written to {out}")


def _print(found: dict[str, Any], with_samples: bool) -> None:
    rows = [
        [
            c["name"],
            str(c["refuses"]),
            str(c["first"]),
            str(c["alone"]),
            ", ".join(f"{k} {v}" for k, v in c["reasons"].items()),
        ]
        for c in found["checks"]
        if c["refuses"]
    ]
    print_table(
        f"{found['kept']} of {found['total']} rows pass every check",
        ["check", "refuses", "names the rejection", "alone", "reasons"],
        rows,
    )
    for c in found["checks"] if with_samples else ():
        for sample in c["samples"]:
            say(f"{c['name']}: {sample['verdict']}\n  [{sample['id']}] {sample['instruction'][:300]}")
