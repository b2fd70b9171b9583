"""`synth doctor`: look at a teacher before a run and say what to change. `synth.models.checkup` does the looking."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from synth.cli.common import Debug, Json, guard, log, print_json, print_table, say
from synth.cli.teacher import BaseUrl, Teacher, model_section
from synth.errors import UsageError

if TYPE_CHECKING:
    from synth.models.checkup import Finding

Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="A setting of the backend, such as max_model_len=8192."),
]


def doctor(
    recipe: Annotated[
        Path | None, typer.Argument(help="A recipe whose teacher to look at.", show_default=False)
    ] = None,
    teacher: Teacher = None,
    base_url: BaseUrl = None,
    option: Options = None,
    requests: Annotated[int, typer.Option(min=1, max=1024, help="Requests sent at once to measure speed.")] = 32,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check a teacher: does it answer, how long is its context, does it keep to a schema, how fast is it.

    Example: synth doctor --teacher vllm:Qwen/Qwen3-8B --option max_model_len=8192
    """
    with guard(json=json, debug=debug):
        section = _section(recipe, teacher, base_url, option or ())
        api = section.pop("api", "chat")
        kind: Literal["chat", "completion"] = "completion" if api == "completion" else "chat"
        backend = section.pop("backend")
        for name in ("concurrency", "max_tokens", "batch"):
            section.pop(name, None)
        log(f"looking at {backend}:{section.get('model', '')}".rstrip(":"))
        findings = asyncio.run(_look(backend, section, kind, requests))
        if api == "batch":
            findings = [_needed(finding) for finding in findings]
        show(findings, json)
        if any(finding.state == "broken" for finding in findings):
            raise typer.Exit(1)


def _section(
    recipe: Path | None, teacher: str | None, base_url: str | None, options: list[str] | tuple[()]
) -> dict[str, Any]:
    """The `teacher:` section to look at, from a recipe or from flags, with --option on top."""
    import yaml

    if recipe is not None and (teacher or base_url):
        raise UsageError("give a recipe or --teacher, not both", "flags of a recipe's teacher go by --option")
    if recipe is not None:
        from synth.recipe import read_recipe

        found = read_recipe(recipe).teacher
        section = found.model_dump(mode="json")
    else:
        section = model_section(teacher, base_url, None)
    for one in options:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--option {one}: not of the form key=value", "for example --option max_model_len=8192")
        try:
            section[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"--option {name}: the value is not YAML", "put it in quotes") from error
    return section


async def _look(
    backend: str, options: dict[str, Any], kind: Literal["chat", "completion"], requests: int
) -> list[Finding]:
    from synth.models import connect
    from synth.models.checkup import check_up

    model = connect(backend, options)
    try:
        return await check_up(model, kind, requests)
    finally:
        await model.close()


def _needed(finding: Finding) -> Finding:
    """The finding about batches as one without which the recipe cannot run."""
    if finding.name != "batches" or (finding.figures or {}).get("batches"):
        return finding
    return replace(finding, state="broken", advice="set teacher.api to chat")


def show(findings: list[Finding], json: bool) -> None:
    """The findings as a table, and below it what to change."""
    if json:
        from dataclasses import asdict

        print_json({"findings": [asdict(finding) for finding in findings]})
        return
    print_table("The teacher", ["looked at", "", "found"], [[f.name, f.state, f.said] for f in findings])
    advice = [f"{f.name}: {f.advice}" for f in findings if f.advice]
    for line in advice:
        say(f"- {line}")
    if all(finding.state == "fine" for finding in findings):
        say("Nothing to change.")
