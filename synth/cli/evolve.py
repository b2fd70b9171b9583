"""`synth evolve`: evolve tasks of a file or of a run folder, add a generation; and `synth evolve tune`."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, MaybeRunDir, RunDir, Strict, log, print_json, print_table, say
from synth.cli.next import Command, Group, then
from synth.cli.stages import From, flags_recipe
from synth.cli.teacher import SERVER, Asking
from synth.errors import InputError, UsageError

if TYPE_CHECKING:
    from synth.recipe import Recipe
    from synth.stages.evolve import Tuned

app = typer.Typer(invoke_without_command=True, cls=Group)
Seed = Annotated[int | None, typer.Option(help="The run's seed; 0 when not given.")]
Operators = Annotated[str | None, typer.Option(help="A set: default, code or math; or weights: deepen=2,breadth=1.")]
MethodPath = Annotated[Path | None, typer.Option(help="A tuned method, as `synth evolve tune` writes it.")]


@app.callback()
@command("judge", *SERVER, "accept_changes")
def evolve(
    context: typer.Context,
    run: MaybeRunDir = None,
    source: From = None,
    rounds: Annotated[str, typer.Option(help="Generations; +1 adds one to what the run folder has.")] = "4",
    operators: Operators = None,
    method_path: MethodPath = None,
    asking: Asking = Asking(),
    seed: Seed = None,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Evolve tasks over several generations, of a file or of a run folder.

    Example: synth evolve --from data.json --rounds 2 --run runs/evolved
    """
    if context.invoked_subcommand is not None:
        return
    section = _section(operators, method_path)
    if source is None:
        if asking.names_models or seed is not None:
            raise UsageError("a run folder keeps its models and its seed", "leave out their flags, or add --from FILE")
        _evolve_on(_wanted(run), rounds, section, asking, json)
        return
    section["rounds"] = _generations(rounds) if rounds.isascii() and rounds.isdigit() else rounds
    data = {"evolve": section, "seed": seed or 0, "strict_input": strict}
    recipe = _recipe_for(source, data, _wanted(run), asking)
    _execute(recipe, _wanted(run), asking, json)
    then("synth", "respond", "--run", _wanted(run))


@app.command(cls=Command)
@command("judge", *SERVER)
def tune(
    source: Annotated[Path, typer.Option("--from", help="A file of records to tune on.", show_default=False)],
    run: RunDir,
    out: Annotated[Path, typer.Option(help="The file to write the tuned method to.", show_default=False)],
    steps: Annotated[int, typer.Option(help="Steps of optimisation at most.")] = 3,
    num_candidates: Annotated[int, typer.Option(help="Methods tried in each step.")] = 3,
    num_sample: Annotated[int, typer.Option(help="Tasks whose evolution the optimiser reads.")] = 10,
    num_held_out: Annotated[int, typer.Option(help="Tasks that score a method.")] = 20,
    max_tokens: Annotated[int | None, typer.Option(help="Stop before more tokens than this are spent.")] = None,
    asking: Asking = Asking(),
    seed: Seed = None,
    strict: Strict = False,
    json: Json = False,
) -> None:
    """Tune the evolving method (Auto Evol-Instruct) and write it to a file that evolve.method_path can name.

    Example: synth evolve tune --from data.json --run runs/tuning --out tuned.txt
    """
    from synth.fileio import atomic_write
    from synth.pipeline import read_input
    from synth.pipeline.tuning import tune_method

    numbers = {"steps": steps, "num_candidates": num_candidates, "num_sample": num_sample}
    section = {"method": "auto", "tune": numbers | {"num_held_out": num_held_out}}
    data = {
        "evolve": section,
        "seed": seed or 0,
        "strict_input": strict,
        "engine": {"max_tokens_total": max_tokens},
    }
    recipe = _recipe_for(source, data, run, asking)
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent} is not a folder", "make it first, or name another --out")
    source_read = read_input(recipe)
    for line in source_read.told(source):
        log(line)
    tuned = tune_method(recipe, source_read.records, run)
    atomic_write(out, tuned.method + "\n")
    _show(tuned, out, json)


def _section(operators: str | None, method_path: Path | None) -> dict[str, Any]:
    """The `evolve:` section as far as flags give it; whether it makes sense is for the recipe."""
    section: dict[str, Any] = {"method_path": str(method_path.absolute())} if method_path else {}
    if operators and "=" in operators:
        pairs = [one.partition("=") for one in operators.split(",")]
        section["operators"] = {name.strip(): weight.strip() for name, _, weight in pairs}
    elif operators:
        section["operators"] = operators
    return section


def _wanted(run: Path | None) -> Path:
    if run is None:
        raise UsageError("no run folder is named", "add --run DIR")
    return run


def _generations(rounds: str) -> int:
    if not re.fullmatch(r"\+?[0-9]{1,6}", rounds):
        raise UsageError(f"--rounds {rounds}: a number is wanted", "such as 4 or, on a run folder, +1")
    return int(rounds)


def _recipe_for(source: Path, data: dict[str, Any], run: Path, asking: Asking) -> Recipe:
    """The recipe of the flags; the mistakes of the flags and of the file `source` are listed together."""
    from synth.sources import read_source
    from synth.stages.evolve import MAX_WORDS

    mistakes: list[str] = []
    recipe = None
    try:
        recipe = flags_recipe({"input": str(source.absolute()), **data}, run, asking)
    except InputError as error:
        mistakes += error.mistakes
    try:
        read_source(source, require_output=False, max_words=MAX_WORDS, strict=bool(data["strict_input"]))
    except InputError as error:
        mistakes += error.mistakes
    if mistakes or recipe is None:
        raise InputError(f"{len(mistakes)} mistake(s):", mistakes, "correct them; nothing was sent")
    assert recipe.evolve is not None
    recipe.evolve.chosen_operators()
    return recipe


def _evolve_on(run_dir: Path, rounds: str, section: dict[str, Any], asking: Asking, json: bool) -> None:
    """Evolve in a run folder: `+n` adds generations to those it has."""
    from synth.pipeline import read_run_recipe
    from synth.recipe import build_recipe

    old = read_run_recipe(run_dir)
    before = old.evolve.rounds if old.evolve and rounds.startswith("+") else 0
    data = old.model_dump(mode="json")
    data["evolve"] = (data["evolve"] or {}) | section | {"rounds": before + _generations(rounds)}
    _execute(asking.capped(build_recipe(data, str(run_dir))), run_dir, asking, json)
    then("synth", "run", run_dir / "recipe.yaml", "--run", run_dir)


def _execute(recipe: Recipe, run_dir: Path, asking: Asking, json: bool) -> None:
    from synth.cli.run import execute

    execute(recipe, run_dir, until="evolve", steering=asking.steering("evolve"), json=json)


def _show(tuned: Tuned, out: Path, json: bool) -> None:
    if json:
        print_json({"out": str(out), **dataclasses.asdict(tuned)})
        return
    rows = []
    for row in tuned.history:
        rate = f"{row['failure_rate']:.0%}" if "failure_rate" in row else ""
        text = " ".join(str(row.get("method") or row["problem"]).split())
        rows.append([str(row["step"]), rate, "yes" if row.get("kept") else "", text[:100]])
    print_table("Methods tried", ["step", "failed", "kept", "method"], rows)
    say(f"wrote {out}; name it in a recipe as evolve.method_path, or by --method-path")
