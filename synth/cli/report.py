"""`synth report` and `synth compare`: a run as one page, and what differs between two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.command import command
from synth.cli.common import Json, show


@command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    embeddings: Annotated[
        Path | None, typer.Option(help="A .npy file of vectors, one row for each final record, for the Vendi score.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    json: Json = False,
) -> None:
    """Write report.html into a run folder: one file that opens from disk and asks the network for nothing.

    Example: synth report runs/mine
    """
    from synth.pipeline.seals import made_anew
    from synth.stages.report import ReportSettings
    from synth.stages.report import report as write

    with made_anew(folder, "report.html"):
        path = write(folder, ReportSettings(embeddings_path=str(embeddings) if embeddings else None))
    show(json, str(path), report=str(path))
    if open_:
        typer.launch(path.resolve().as_uri())


@command()
def compare(
    one: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    other: Annotated[Path, typer.Argument(help="Another run folder.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("compare.html"),
    json: Json = False,
) -> None:
    """Write a page of what differs between two runs: recipe, counts, reasons, grades, students, rows.

    Example: synth compare runs/mine runs/yours --out compare.html
    """
    from synth.stages.report import compare as write

    path = write(one, other, out)
    show(json, str(path), report=str(path))
