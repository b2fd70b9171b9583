"""`synth doctor`: look at a teacher before a run and say what to change. `synth.models.checkup` does the looking."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from synth.cli.command import command
from synth.cli.common import Json, log, print_json, print_table, say
from synth.cli.teacher import Asking
from synth.errors import BudgetReached, UsageError

if TYPE_CHECKING:
    from synth.models.checkup import Finding
    from synth.recipe import EngineSettings

Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="A setting of the backend, such as max_model_len=8192."),
]


@command("teacher", "base_url", "max_cost", "price")
def doctor(
    recipe: Annotated[
        Path | None, typer.Argument(help="A recipe whose teacher to look at.", show_default=False)
    ] = None,
    asking: Asking = Asking(),
    option: Options = None,
    requests: Annotated[int, typer.Option(min=1, max=1024, help="Requests sent at once to measure speed.")] = 32,
    max_seconds: Annotated[float, typer.Option(min=1, help="Seconds for the whole, a server's start included.")] = 300,
    json: Json = False,
) -> None:
    """Check a teacher: does it answer, how long is its context, does it keep to a schema, how fast is it.

    Example: synth doctor --teacher vllm:Qwen/Qwen3-8B --option max_model_len=8192
    """
    import asyncio

    section, engine = _section(recipe, asking, option or ())
    api = section.pop("api", "chat")
    kind: Literal["chat", "completion"] = "completion" if api == "completion" else "chat"
    backend = section.pop("backend")
    for name in ("concurrency", "max_tokens", "batch"):
        section.pop(name, None)
    log(f"looking at {backend}:{section.get('model', '')}".rstrip(":"))
    findings, cost = asyncio.run(_look(backend, section, kind, (requests, max_seconds), engine))
    if api == "batch":
        findings = [_needed(finding) for finding in findings]
    show(findings, cost, json)
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def _section(
    recipe: Path | None, asking: Asking, options: list[str] | tuple[()]
) -> tuple[dict[str, Any], EngineSettings]:
    """The `teacher:` section to look at, from a recipe or from flags, with --option on top; and the caps."""
    import yaml

    from synth.recipe import Recipe, read_recipe

    if recipe is not None and asking.names_models:
        raise UsageError("give a recipe or --teacher, not both", "flags of a recipe's teacher go by --option")
    whole = asking.capped(read_recipe(recipe) if recipe is not None else Recipe(name="doctor"))
    if recipe is not None:
        section = whole.teacher.model_dump(mode="json")
    else:
        section = asking.section
    for one in options:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--option {one}: not of the form key=value", "for example --option max_model_len=8192")
        try:
            section[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"--option {name}: the value is not YAML", "put it in quotes") from error
    return section, whole.engine


async def _look(
    backend: str,
    options: dict[str, Any],
    kind: Literal["chat", "completion"],
    limits: tuple[int, float],
    engine: EngineSettings,
) -> tuple[list[Finding], float | None]:
    """The findings, and what they cost; None where the price is not known. Each of several servers is looked at.

    `limits`: of requests at once and of seconds. Raises BudgetReached.
    """
    from dataclasses import replace

    from synth.engine.budget import Budget, CappedModel
    from synth.engine.prices import find_price
    from synth.models import connect
    from synth.models.checkup import check_up
    from synth.models.replicas import servers_of

    model = connect(backend, options)
    servers = servers_of(model)
    try:
        price = find_price(model.name, model.endpoint, engine.price_table)
        prices = {} if price is None else {model.name: price}
        budget = Budget(prices, (model.name,), engine.max_cost, engine.max_tokens_total)
        found: list[Finding] = []
        for server in servers:
            about = f"{server.address}: " if len(servers) > 1 else ""
            looked = await check_up(CappedModel(server, budget), kind, *limits)
            found += [replace(one, name=f"{about}{one.name}") for one in looked]
        return found, budget.spent_cost if prices else None
    except BudgetReached as error:
        raise BudgetReached(error.message, "raise --max-cost, or ask fewer --requests; a look keeps nothing") from None
    finally:
        await model.close()


def _needed(finding: Finding) -> Finding:
    """The finding about batches as one without which the recipe cannot run."""
    if finding.name != "batches" or (finding.figures or {}).get("batches"):
        return finding
    return replace(finding, state="broken", advice="set teacher.api to chat")


def show(findings: list[Finding], cost: float | None, json: bool) -> None:
    """The findings as a table, and below it what to change and what was spent."""
    if json:
        from dataclasses import asdict

        print_json({"findings": [asdict(finding) for finding in findings], "cost": cost})
        return
    print_table("The teacher", ["looked at", "", "found"], [[f.name, f.state, f.said] for f in findings])
    advice = [f"{f.name}: {f.advice}" for f in findings if f.advice]
    for line in advice:
        say(f"- {line}")
    if all(finding.state == "fine" for finding in findings):
        say("Nothing to change.")
    if cost is not None:
        say(f"This cost {cost:.4f} dollars, by known prices.")
