"""The flags that name a teacher, shared by all commands that ask one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from synth.errors import UsageError

Teacher = Annotated[str | None, typer.Option(help="BACKEND:MODEL, for example openai:gpt-4.1-mini or embedded.")]
BaseUrl = Annotated[str | None, typer.Option(help="URL of an OpenAI-compatible server.")]
Concurrency = Annotated[int | None, typer.Option(help="Requests in flight; found by itself when not given.")]


def model_section(teacher: str | None, base_url: str | None, concurrency: int | None) -> dict[str, Any]:
    """The `teacher:` section of a recipe for --teacher BACKEND:MODEL and --base-url.

    Raises UsageError that lists the backends where neither is given.
    """
    from synth.models import parse_teacher

    if not teacher and not base_url:
        raise no_teacher()
    backend, model = parse_teacher(teacher or "openai")
    section: dict[str, Any] = {"backend": backend} | ({"model": model} if model else {})
    section |= {"base_url": base_url} if base_url else {}
    return section | ({"concurrency": concurrency} if concurrency else {})


def no_teacher() -> UsageError:
    """Nobody is asked unless it is named: the error that says which backends there are."""
    from synth.models import list_backends

    return UsageError(
        "no teacher is named",
        f"add --teacher BACKEND:MODEL or --base-url URL; backends are {', '.join(list_backends())} "
        "(embedded is a reference bench and needs no model)",
    )
