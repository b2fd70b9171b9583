"""`synth audit`: draw a sheet of records for a person to judge, and read the answers back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.common import Debug, Json, guard, log, print_json, print_table, say


def audit(
    folder: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    n: Annotated[int, typer.Option("--n", min=1, help="Records to draw.")] = 200,
    seed: Annotated[int, typer.Option(help="Another seed draws other records.")] = 0,
    read: Annotated[Path | None, typer.Option(help="A sheet that was filled in: print its rates.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Overwrite a sheet that holds answers.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge a sample by hand with Self-Instruct's three questions; the rates stand beside the published ones.

    Example: synth audit runs/mine --n 200 (fill in audit.csv, then give it with --read)
    """
    with guard(json=json, debug=debug):
        from synth.stages.audit import read_sheet, save_rates, write_sheet

        if read is None:
            paths = write_sheet(folder, n, seed, overwrite=fresh)
            names = [str(path) for path in paths]
            print_json({"files": names}) if json else say("\n".join(names))
            return
        rates = read_sheet(read)
        path = save_rates(folder, rates)
        facts = [rate.to_dict() for rate in rates]
        if json:
            print_json({"questions": facts, "file": str(path)})
            return
        rows = [
            [
                str(fact["question"]),
                f"{fact['yes']} of {fact['answered']}",
                "" if fact["rate"] is None else f"{fact['rate']:.1%}",
                f"{fact['low']:.1%} to {fact['high']:.1%}",
                f"{fact['published']:.0%}",
            ]
            for fact in facts
        ]
        print_table("Audit", ["question", "yes", "rate", "95 % interval", "Self-Instruct"], rows)
        log(f"{path} is what the report will show")
