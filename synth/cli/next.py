"""What all commands have in common: flags are refused in plain words, and what to type next is said at a good end.

The next step goes to stderr, and is left out with --json.
"""

from __future__ import annotations

import shlex
import string
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from synth.cli.common import log

SERVER = "--teacher {teacher} --base-url {base_url}"
NEXT: dict[str, tuple[str, ...]] = {
    "bootstrap": ("synth respond --run {run}",),
    "respond": ("synth select {run}",),
    "rephrase": ("synth export {run}",),
    "select": ("synth export {run}", "synth train --data {out}"),
    "export": ("synth train {folder}",),
    "train": ("synth chat {out}", "synth evaluate {source}", "synth chat student"),
    "evaluate": ("synth chat {source}",),
    "report": ("synth review {folder}",),
    "compare": ("synth review {one}",),
    "verify": ("synth status {folder}",),
    "lineage": ("synth review {folder}",),
    "reparse": ("synth export {folder}",),
    "validate": ("synth estimate {recipe}",),
    "estimate": (
        f"synth run {{recipe}} {SERVER}",
        "synth run {recipe} --teacher {teacher}",
        "synth run {recipe} --base-url {base_url}",
        "synth run {recipe}",
    ),
    "doctor": (
        "synth run {recipe}",
        f"synth bootstrap {SERVER} --run runs/mine",
        "synth bootstrap --teacher {teacher} --run runs/mine",
    ),
    "import": ("synth dedup {out} --out unique.jsonl",),
    "dedup": ("synth evolve --from {out} --teacher BACKEND:MODEL --run runs/evolved",),
}
"""Command → what comes next, in terms of its own flags; the first whose flags were all given."""


_told: list[str] = []


def then(*words: object) -> None:
    """The command that comes after this one, where only its outcome tells."""
    _told[:] = [shlex.join(str(word) for word in words)]


class _Worded:
    """Refuses values in the words that recipes are refused in, and says what to type next after a good end."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the flags. Raises BadParameter."""
        try:
            return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]
        except typer.BadParameter as error:
            errors = getattr(error.__cause__, "errors", None)
            if errors is not None:
                from synth.mistakes import plain_words

                error.message = plain_words(errors()[0])
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command, then say what is next."""
        _told.clear()
        result = super().invoke(ctx)  # type: ignore[misc]
        _tell(ctx)
        return result


class Command(_Worded, TyperCommand):
    """A command of synth."""


class Group(_Worded, TyperGroup):
    """A command that has others below it."""


def _tell(ctx: typer.Context) -> None:
    if not ctx.params.get("json"):
        for text in _told or _fitting(ctx):
            log(f"next: {text}")


def _fitting(ctx: typer.Context) -> list[str]:
    given = {name: shlex.quote(str(value)) for name, value in ctx.params.items() if value is not None}
    for text in NEXT.get(ctx.info_name or "", ()):
        if all(name in given for _, name, _, _ in string.Formatter().parse(text) if name):
            return [text.format_map(given)]
    return []
