"""The flags that name a teacher, shared by all commands that ask one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Teacher = Annotated[str | None, typer.Option(help="BACKEND:MODEL, for example openai:gpt-4.1-mini or embedded.")]
BaseUrl = Annotated[str | None, typer.Option(help="URL of an OpenAI-compatible server.")]
Concurrency = Annotated[int | None, typer.Option(help="Requests in flight; found by itself when not given.")]


def model_section(teacher: str | None, base_url: str | None, concurrency: int | None) -> dict[str, Any]:
    """The `teacher:` section of a recipe for --teacher BACKEND:MODEL and --base-url."""
    from synth.models import parse_teacher

    backend, model = parse_teacher(teacher or ("openai" if base_url else "embedded"))
    section: dict[str, Any] = {"backend": backend} | ({"model": model} if model else {})
    section |= {"base_url": base_url} if base_url else {}
    return section | ({"concurrency": concurrency} if concurrency else {})
