"""The flags that name a teacher and say what may be spent, shared by all commands that ask one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.errors import UsageError

if TYPE_CHECKING:
    from synth.pipeline import Steering
    from synth.recipe import Recipe


SERVER = ("teacher", "base_url", "concurrency", "max_cost", "price")
"""The fields of Asking that every command which asks a teacher has flags for."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who is asked, what may be spent, and whether a changed recipe may cost anything, as flags say."""

    teacher: Annotated[str | None, typer.Option(help="BACKEND:MODEL, for example openai:gpt-4.1-mini or embedded.")] = (
        None
    )
    judge: Annotated[str | None, typer.Option(help="BACKEND:MODEL of the judge; the teacher by default.")] = None
    base_url: Annotated[str | None, typer.Option(help="URL of an OpenAI-compatible server.")] = None
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Requests in flight; found by itself when not given.")
    ] = None
    max_cost: Annotated[
        float | None, typer.Option(help="Stop before more dollars than this are spent, by known prices.")
    ] = None
    price: Annotated[
        list[str] | None,
        typer.Option("--price", metavar="MODEL=PROMPT/ANSWER", help="Dollars per million tokens; once for each model."),
    ] = None
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes", help="Ask anew what a changed recipe or flag leaves behind in the run folder."
        ),
    ] = False

    @property
    def names_models(self) -> bool:
        """Is a model or its server named?"""
        return any((self.teacher, self.judge, self.base_url, self.concurrency))

    @property
    def section(self) -> dict[str, Any]:
        """The `teacher:` section of a recipe. Raises UsageError that lists the backends where no teacher is named."""
        from synth.models import parse_teacher

        if not self.teacher and not self.base_url:
            raise no_teacher()
        backend, model = parse_teacher(self.teacher or "openai")
        own = {"model": model, "base_url": self.base_url, "concurrency": self.concurrency}
        return {"backend": backend} | {name: value for name, value in own.items() if value}

    @property
    def overrides(self) -> list[str]:
        """What flags change in the teacher that a recipe names; nothing where they name another one."""
        if self.teacher is not None:
            return []
        server = ["teacher.backend=openai", f"teacher.base_url={self.base_url}"] if self.base_url else []
        return server + ([f"teacher.concurrency={self.concurrency}"] if self.concurrency else [])

    def capped(self, recipe: Recipe) -> Recipe:
        """`recipe` with the cap and the prices of the flags."""
        from synth.pipeline.money import with_caps

        return with_caps(recipe, self.max_cost, self.price or ())

    def steering(self, only_from: str | None = None) -> Steering:
        """How the run may change its folder."""
        from synth.pipeline import Steering

        return Steering(accept_changes=self.accept_changes, only_from=only_from)


def no_teacher() -> UsageError:
    """Nobody is asked unless it is named: the error that says which backends there are."""
    from synth.models import list_backends

    return UsageError(
        "no teacher is named",
        f"add --teacher BACKEND:MODEL or --base-url URL; backends are {', '.join(list_backends())} "
        "(embedded is a reference bench and needs no model)",
    )
