"""Makes a function a command: it fails as all of them do, and the flags that say who is asked come as one value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from synth.cli.common import guard
from synth.cli.teacher import Asking

DEBUG = inspect.Parameter(
    "debug",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")],
)


def command(*flags: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Guard a command's function (see `guard`), with a flag `--debug`.

    `flags`: the fields of Asking that this command has flags for, in the place of its parameter `asking`.
    """

    def made(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def guarded(*, debug: bool = False, **given: Any) -> None:
            with guard(json=given.get("json", False), debug=debug):
                asking = {"asking": Asking(**{name: given.pop(name) for name in flags})} if flags else {}
                function(**given, **asking)

        asked = inspect.signature(Asking, eval_str=True).parameters
        own = inspect.signature(function, eval_str=True)
        listed = [
            shown
            for one in own.parameters.values()
            for shown in ([asked[name] for name in flags] if one.name == "asking" else [one])
        ]
        keywords = [one.replace(kind=DEBUG.kind) for one in listed]
        guarded.__signature__ = own.replace(parameters=[*keywords, DEBUG])  # type: ignore[attr-defined]
        return guarded

    return made
