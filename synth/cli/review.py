"""`synth review`: the rows of a run in a browser of this machine."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from synth.cli.common import Debug, Json, guard, log, print_json, say


def review(
    folder: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; the next free one if taken.")] = 8765,
    by: Annotated[str, typer.Option(help="The reviewer's name; that of the account when not given.")] = "",
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Look at the rows of a run, also while it is running, and judge them by keys. Stops on Ctrl-C.

    Example: synth review runs/mine --open
    """
    with guard(json=json, debug=debug):
        from synth.review.serve import serve

        def ready(url: str) -> None:
            if port and not url.endswith(f":{port}/"):
                log(f"port {port} is in use, so another one was taken")
            print_json({"url": url}) if json else say(f"{folder} at {url} (stop with Ctrl-C)")
            if open_:
                typer.launch(url)

        serve(folder, port, by or _account(), ready)


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "reviewer"
