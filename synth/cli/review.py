"""`synth review`: the rows of a run in a browser of this machine."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from synth.cli.command import command
from synth.cli.common import Json, log, show


@command()
def review(
    folder: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; the next free one if taken.")] = 8765,
    by: Annotated[str, typer.Option(help="The reviewer's name; that of the account when not given.")] = "",
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    embeddings: Annotated[
        Path | None,
        typer.Option(help="A model2vec folder, for neighbours by meaning; else the recipe's own."),
    ] = None,
    to_argilla: Annotated[
        Path | None, typer.Option(help="Write the rows and verdicts in Argilla's record form, and serve nothing.")
    ] = None,
    from_argilla: Annotated[
        Path | None, typer.Option(help="Add the verdicts of such a file that came back, and serve nothing.")
    ] = None,
    json: Json = False,
) -> None:
    """Look at the rows of a run, also while it is running, and judge them by keys. Stops on Ctrl-C.

    Example: synth review runs/mine --open
    """
    if to_argilla or from_argilla:
        _exchange(folder, to_argilla, from_argilla, json)
        return
    from synth.review.meaning import local_model
    from synth.review.serve import serve

    def ready(url: str) -> None:
        if port and not url.endswith(f":{port}/"):
            log(f"port {port} is in use, so another one was taken")
        show(json, f"{folder} at {url} (stop with Ctrl-C)", url=url)
        if open_:
            typer.launch(url)

    serve(folder, port, by or _account(), ready, str(embeddings) if embeddings else local_model(folder))


def _exchange(folder: Path, out: Path | None, back: Path | None, json: bool) -> None:
    from synth.review.argilla import export_rows, import_rows

    told: dict[str, int] = {}
    if back:
        told["verdicts"] = import_rows(folder, back)
    if out:
        told["rows"] = export_rows(folder, out)
    show(json, ", ".join(f"{count:,} {what}" for what, count in told.items()), **told)


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "reviewer"
