"""`synth reparse`: parse and check the stored answers of a run anew, at no calls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.command import command
from synth.cli.common import Json, log, print_json


@command()
def reparse(
    folder: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    until: Annotated[str, typer.Option(help="The last stage to run.")] = "export",
    fewer: Annotated[bool, typer.Option("--fewer", help="Keep the result also where fewer records are left.")] = False,
    json: Json = False,
) -> None:
    """Work out a run's results again from its stored answers. Nothing is sent, no key is needed.

    Example: synth reparse runs/quickstart
    """
    from synth.cli.progress import drawn
    from synth.cli.run import print_summary, summarise
    from synth.pipeline import read_run_recipe
    from synth.pipeline import run as run_pipeline

    result = run_pipeline(read_run_recipe(folder), folder, until=until, offline=True, fewer=fewer, show=drawn)
    summary = summarise(result)
    print_json(summary) if json else print_summary(summary)
    if result.quarantined:
        log(f"{result.quarantined} item(s) ask what was not asked before; `synth run` fills them in, with calls")
        raise typer.Exit(3)
