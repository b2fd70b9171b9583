"""`synth run`, and what surrounds it: validate, schema, init."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, MaybeRunDir, log, print_json, print_table, say, show
from synth.cli.next import then
from synth.cli.teacher import SERVER, Asking, no_teacher
from synth.errors import UsageError

if TYPE_CHECKING:
    from synth.pipeline import RunResult, Steering
    from synth.recipe import Recipe

Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the recipe.")]
SCHEMA_FILE = "recipe.schema.json"
"""What `synth init` writes beside a recipe; the recipe's first line names it for editors."""


@command(*SERVER, "accept_changes")
def run(
    recipe: Annotated[Path, typer.Argument(help="A recipe (YAML).", show_default=False)],
    run: MaybeRunDir = None,
    set: Set = None,
    until: Annotated[str | None, typer.Option(help="The last stage to run; all when not given.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over; paid answers stay at hand for reuse.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="With --fresh: remove the paid answers as well.")] = False,
    same_teacher: Annotated[
        bool, typer.Option("--same-teacher", help="The server at a new address is the one that answered before.")
    ] = False,
    asking: Asking = Asking(),
    on: Annotated[
        str | None, typer.Option("--on", metavar="ray[://HOST:PORT]", help="Work on records in processes of Ray.")
    ] = None,
    json: Json = False,
) -> None:
    """Run a recipe, or go on with it where it stopped. A finished run costs no calls.

    Example: synth run examples/quickstart.yaml --set bootstrap.num_tasks=60
    """
    from synth.pipeline import Steering

    if forget and not fresh:
        raise UsageError("--forget goes with --fresh", "add --fresh to start over without the paid answers")
    whole = resolved(recipe, [*(set or ()), *([f"engine.on={on}"] if on else ())], asking)
    steering = Steering(asking.accept_changes, same_teacher, fresh=fresh, forget=forget)
    folder = run or Path("runs") / whole.name
    execute(whole, folder, until=until, steering=steering, json=json)
    _say_next(whole, folder, until)


def resolved(path: Path, overrides: list[str], asking: Asking) -> Recipe:
    """The recipe with what flags change in it. Raises UsageError where it asks and names no teacher."""
    named = asking.teacher is not None
    sections = {"teacher": asking.section} if named else {}
    recipe = read(path, [*overrides, *asking.overrides], sections)
    if recipe.needs_teacher and "teacher" not in recipe.model_fields_set:
        raise no_teacher()
    return asking.capped(recipe)


def read(path: Path, overrides: Sequence[str], sections: dict[str, Any] | None = None) -> Recipe:
    """The recipe, which must make or read records. Raises InputError with every mistake, UsageError."""
    from synth.recipe import read_recipe

    recipe = read_recipe(path, overrides, sections)
    if not recipe.has_source:
        raise UsageError(f"{path}: nothing in it makes or reads records", "add `bootstrap:`, or `input: FILE`")
    return recipe


def execute(
    recipe: Recipe,
    run_dir: Path,
    *,
    until: str | None = None,
    steering: Steering,
    json: bool = False,
) -> None:
    """Run and print the summary; exit code 3 where items were quarantined."""
    from synth.cli.progress import Line, drawn
    from synth.pipeline import run as run_pipeline
    from synth.pipeline.money import unpriced

    teacher = f", teacher {recipe.teacher.backend}:{recipe.teacher.options.get('model', '')}".rstrip(":")
    log(f"run folder {run_dir}{teacher if recipe.needs_teacher else ''}")
    result = run_pipeline(recipe, run_dir, until=until, steering=steering, show=drawn, tell=log, show_work=Line())
    summary = summarise(result)
    if json:
        print_json(summary)
    else:
        print_summary(summary)
    for model in unpriced(recipe) if result.progress.requests else ():
        log(no_price(model))
    if result.quarantined:
        log(f"{result.quarantined} item(s) were quarantined; run the same command again to retry them")
        raise typer.Exit(3)


def no_price(model: str) -> str:
    """The sentence about a model of a service whose price is not known."""
    return f"no price is known for {model}; add --price {model}=PROMPT/ANSWER, in dollars per million tokens"


def _say_next(recipe: Recipe, run_dir: Path, until: str | None) -> None:
    """After a whole recipe its rows are looked at; after a part of one the rest is run."""
    rest = recipe.order[recipe.order.index(until) + 1 :] if until is not None else ()
    if any(planned.name in rest for planned in recipe.plan()):
        then("synth", "run", run_dir / "recipe.yaml", "--run", run_dir)
    else:
        then("synth", "review", run_dir)


def summarise(result: RunResult) -> dict[str, Any]:
    """The numbers of a run as plain data."""
    stages = {}
    for name, helpers in result.helpers.items():
        stage = result.progress.stages.get(name)
        if stage is None:
            continue
        asked = [stage, *(found for helper in helpers if (found := result.progress.stages.get(helper)))]
        stages[name] = {
            "kept": stage.kept,
            "rejected": dict(stage.rejected.most_common()),
            "requests": sum(one.requests for one in asked),
            "tokens": sum(one.prompt_tokens + one.completion_tokens for one in asked),
            "cost": round(sum(one.cost for one in asked), 6),
            "unpriced_requests": sum(one.num_unpriced for one in asked),
            "retries": sum(one.retries for one in asked),
        }
    return {
        "run": str(result.run_dir),
        "stages": stages,
        "seconds": {name: round(result.seconds[name], 2) for name in result.helpers if name in result.seconds},
        "requests": result.progress.requests,
        "quarantined": result.quarantined,
        "skipped_rows": result.skipped_rows,
        "possibly_paid_twice": result.maybe_paid_twice,
        "student": result.student,
        "made": [str(path) for path in result.paths],
    }


def print_summary(summary: dict[str, Any]) -> None:
    """The table a run ends with."""
    from synth.engine.prices import cost_words

    rows = []
    for name, stage in summary["stages"].items():
        why = ", ".join(f"{reason} {count}" for reason, count in list(stage["rejected"].items())[:4])
        lost = str(sum(stage["rejected"].values())) + (f" ({why})" if why else "")
        seconds = f"{summary['seconds'].get(name, 0):.1f}"
        asked = [
            f"{stage['requests']:,}",
            f"{stage['tokens']:,}",
            cost_words(stage["cost"], stage["unpriced_requests"]),
        ]
        rows.append([name, str(stage["kept"]), lost, *asked, seconds])
    for name, seconds in summary["seconds"].items():
        if name not in summary["stages"]:
            rows.append([name, *[""] * 5, f"{seconds:.1f}"])
    print_table("Results", ["stage", "kept", "rejected", "requests", "tokens", "cost", "seconds"], rows)
    if summary["student"]:
        header = ["student", "metric", "value", "95 % interval", "n"]
        print_table("The student", header, [[str(cell) for cell in row] for row in summary["student"]])
    if summary["possibly_paid_twice"]:
        say(f"Possibly paid twice: {summary['possibly_paid_twice']}")
    for path in summary["made"]:
        say(f"made {path}")
    for path in (path for path in map(Path, summary["made"]) if path.suffix == ".html"):
        say(f"read it at {path.resolve().as_uri()}")


@command()
def validate(
    recipe: Annotated[Path, typer.Argument(help="A recipe (YAML).", show_default=False)],
    set: Set = None,
    json: Json = False,
) -> None:
    """Check a recipe without running it: every mistake at once, with its line.

    Example: synth validate examples/quickstart.yaml
    """
    whole = read(recipe, set or ())
    stages = [planned.name for planned in whole.plan()]
    show(json, f"{recipe}: no mistakes. Stages: {', '.join(stages)}.", **whole.model_dump(mode="json"))


@command()
def schema(json: Json = False) -> None:
    """Print the JSON Schema of recipes, for editors (it is JSON with and without --json)."""
    from synth.recipe import recipe_schema

    print_json(recipe_schema())


@command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to put the recipe.", show_default=False)],
    json: Json = False,
) -> None:
    """Write a commented recipe to start from, and the schema by which an editor completes and checks it."""
    from importlib.resources import files

    from synth.fileio import atomic_write
    from synth.recipe import recipe_schema

    path = folder / "recipe.yaml"
    if path.exists():
        raise UsageError(f"{path} exists already", "name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / SCHEMA_FILE, json_module.dumps(recipe_schema(), indent=1) + "\n")
    atomic_write(path, files("synth").joinpath("data/recipe.yaml").read_text("utf-8"))
    show(json, f"wrote {path}", recipe=str(path))
    then("synth", "estimate", path)
