"""`synth estimate`: what a recipe will cost before it is run; with --pilot after running a small part of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, MaybeRunDir, log, print_json, print_table, say
from synth.cli.progress import time_words
from synth.cli.run import no_price, resolved
from synth.cli.teacher import SERVER, Asking

if TYPE_CHECKING:
    from synth.recipe import Recipe


@command(*SERVER)
def estimate(
    recipe: Annotated[Path, typer.Argument(help="A recipe (YAML).", show_default=False)],
    pilot: Annotated[float, typer.Option(min=0, max=1, help="Run this share first, paid and kept: 0.05 is 5 %.")] = 0.0,
    run: MaybeRunDir = None,
    asking: Asking = Asking(),
    set: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value.")] = None,
    json: Json = False,
) -> None:
    """Requests, tokens, money and time of a run, by stage: low, likely and high. Without --pilot nothing is sent.

    Example: synth estimate examples/quickstart.yaml --pilot 0.05
    """
    whole = resolved(recipe, set or [], asking)
    rows, facts = estimated(whole, pilot, run or Path("runs") / f"{whole.name}-pilot")
    if json:
        print_json({"rows": rows, **facts})
        return
    show_estimate(rows, facts)


def show_estimate(rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    """The likely case as a table, the others in a line each, and what they rest on."""
    from synth.engine.prices import UNKNOWN

    header = ["stage", "for", "requests", "prompts", "answers", "cost", "time"]
    unknown = UNKNOWN if facts["unpriced"] else "-"
    print_table("Likely", header, [_cells(row, unknown) for row in rows if row["case"] == "likely"])
    for row in (row for row in rows if row["stage"] == "all" and row["case"] != "likely"):
        requests, prompts, answers, cost, time = _cells(row, unknown)[2:]
        say(f"{row['case'].capitalize()}: {requests} requests, {prompts} and {answers} tokens, cost {cost}, {time}")
    say(facts["basis"])
    for model in facts["unpriced"]:
        say(no_price(model))


BATCHES = " The time is that of single requests: a batch takes up to a day."


def estimated(whole: Recipe, share: float = 0.0, folder: Path = Path()) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of the estimate, and what they rest on; with a `share` above 0 a pilot is run in `folder` first."""
    from synth.pipeline import Steering, forecast
    from synth.pipeline.money import role_prices, unpriced

    prices = role_prices(whole)
    slots = whole.teacher.concurrency if isinstance(whole.teacher.concurrency, int) else forecast.SLOTS
    if not share:
        basis = "A rough estimate from the recipe alone, to a factor of two. --pilot 0.05 measures 5 % of it first."
        basis += BATCHES if whole.teacher.api == "batch" else ""
        facts = {"basis": basis, "pilot": None, "unpriced": unpriced(whole)}
        return forecast.table(forecast.rough(whole), prices, slots), facts
    from synth.cli.progress import drawn
    from synth.pipeline import run as run_pipeline

    log(f"pilot in {folder}")
    small = forecast.pilot_recipe(whole, share, folder)
    last = [planned.name for planned in small.plan() if planned.stage.kind != "folder"][-1]
    result = run_pipeline(small, folder, until=last, steering=Steering(accept_changes=True), show=drawn)
    if whole.teacher.concurrency == "auto":
        slots = max(slots, *(throttle.peak for throttle in result.progress.throttles))
    basis = f"Measured by a pilot in {folder}; {result.progress.requests} requests were made for it now."
    facts = {"basis": basis, "pilot": str(folder), "unpriced": unpriced(whole)}
    return forecast.table(forecast.from_pilot(whole, folder), prices, slots), facts


def _cells(row: dict[str, Any], unknown: str) -> list[str]:
    """A row for people: tokens in thousands or millions, cost to two digits, time in the unit that fits."""
    cost = unknown if row["cost"] is None else f"{row['cost']:,.2f}"
    sizes = [_size(row["prompt_tokens"]), _size(row["completion_tokens"])]
    return [row["stage"], row["purpose"], f"{row['requests']:,}", *sizes, cost, time_words(row["seconds"])]


def _size(tokens: int) -> str:
    return f"{tokens / 1e6:,.1f} M" if tokens >= 1e6 else f"{tokens / 1e3:,.0f} k" if tokens >= 1e4 else str(tokens)
