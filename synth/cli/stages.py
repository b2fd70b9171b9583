"""One stage alone, from flags: bootstrap, evolve, respond. Each builds a small recipe and runs it in a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.common import Debug, Json, guard
from synth.cli.teacher import BaseUrl, Concurrency, Teacher, model_section
from synth.errors import UsageError

Run = Annotated[Path, typer.Option("--run", help="The run folder.", show_default=False)]
Judge = Annotated[str | None, typer.Option(help="BACKEND:MODEL of the judge; the teacher by default.")]
Seed = Annotated[int, typer.Option(help="The run's seed.")]
From = Annotated[
    Path | None, typer.Option("--from", help="A file of records (Alpaca, messages, ShareGPT, Parquet...).")
]


def bootstrap(
    run: Run,
    seeds: Annotated[Path | None, typer.Option(help="Seed tasks; the shipped 175 by default.")] = None,
    num_tasks: Annotated[int, typer.Option(help="Accepted tasks wanted, exactly.")] = 100,
    method: Annotated[str, typer.Option(help="diverse, alpaca or self_instruct.")] = "diverse",
    topic: Annotated[str | None, typer.Option(help="One sentence about the domain wanted.")] = None,
    teacher: Teacher = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
    seed: Seed = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make new tasks from seed tasks.

    Example: synth bootstrap --num-tasks 50 --method alpaca --run runs/mine
    """
    with guard(json=json, debug=debug):
        section: dict[str, Any] = {"num_tasks": num_tasks, "method": method} | ({"topic": topic} if topic else {})
        data: dict[str, Any] = {"bootstrap": section, "seed": seed, "respond": None, "select": None}
        if seeds is not None:
            data["seeds"] = {"path": str(seeds.absolute())}
        _run(data, run, "bootstrap", (teacher, None, base_url, concurrency), json)


def evolve(
    run: Run,
    source: From = None,
    rounds: Annotated[str, typer.Option(help="Generations; +1 adds one to what the run folder has.")] = "4",
    operators: Annotated[str, typer.Option(help="A set of operators: default, code or math.")] = "default",
    judge: Judge = None,
    teacher: Teacher = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
    seed: Seed = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Evolve tasks over several generations, of a file or of a run folder.

    Example: synth evolve --from data.json --rounds 2 --run runs/evolved
    """
    with guard(json=json, debug=debug):
        if source is None:
            _evolve_on(run, rounds, json)
            return
        if not rounds.isdigit():
            raise UsageError(f"--rounds {rounds}: a number of generations is wanted", "for example --rounds 4")
        data: dict[str, Any] = {"input": str(source.absolute()), "seed": seed, "respond": None, "select": None}
        data["evolve"] = {"rounds": int(rounds), "operators": operators}
        _run(data, run, "evolve", (teacher, judge, base_url, concurrency), json)


def respond(
    run: Run,
    source: From = None,
    reanswer: Annotated[bool, typer.Option(help="Answer again what has an answer already.")] = False,
    teacher: Teacher = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
    seed: Seed = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Answer tasks that have no answer yet, of a file or of a run folder.

    Example: synth respond --from tasks.jsonl --run runs/answered
    """
    with guard(json=json, debug=debug):
        if source is None:
            _go_on(run, "respond", {"respond.reanswer": reanswer}, json)
            return
        data = {"input": str(source.absolute()), "seed": seed, "respond": {"reanswer": reanswer}, "select": None}
        _run(data, run, "respond", (teacher, None, base_url, concurrency), json)


def _run(
    data: dict[str, Any],
    run_dir: Path,
    until: str,
    who: tuple[str | None, str | None, str | None, int | None],
    json: bool,
) -> None:
    from synth.cli.run import execute
    from synth.recipe import build_recipe, load_env

    load_env(Path())
    teacher, judge, base_url, concurrency = who
    data |= {"teacher": model_section(teacher, base_url, concurrency)}
    data |= {"judge": model_section(judge, None, concurrency)} if judge else {}
    name = "".join(c if c.isalnum() else "-" for c in run_dir.name.lower()).strip("-")[:64] or "run"
    execute(build_recipe({"name": name, **data}, "flags"), run_dir, until=until, json=json)


def _evolve_on(run_dir: Path, rounds: str, json: bool) -> None:
    """Evolve in a run folder: `+n` adds generations to those it has."""
    from synth.pipeline import read_run_recipe

    old = read_run_recipe(run_dir)
    before = old.evolve.rounds if old.evolve else 0
    if not rounds.lstrip("+").isdigit():
        raise UsageError(f"--rounds {rounds}: a number is wanted", "for example --rounds 4 or --rounds +1")
    wanted = before + int(rounds) if rounds.startswith("+") else int(rounds)
    _go_on(run_dir, "evolve", {"evolve.rounds": wanted}, json)


def _go_on(run_dir: Path, until: str, changes: dict[str, Any], json: bool) -> None:
    from synth.cli.run import execute
    from synth.pipeline import read_run_recipe
    from synth.recipe import build_recipe

    data = read_run_recipe(run_dir).model_dump(mode="json")
    for key, value in changes.items():
        section, name = key.split(".")
        data[section] = (data.get(section) or {}) | {name: value}
    recipe = build_recipe(data, str(run_dir))
    execute(recipe, run_dir, until=until, changed=[key.partition(".")[0] for key in changes], json=json)
