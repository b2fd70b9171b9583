"""One stage alone, from flags: bootstrap and respond. Each builds a small recipe and runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, RunDir, Strict
from synth.cli.teacher import SERVER, Asking
from synth.errors import UsageError

if TYPE_CHECKING:
    from synth.recipe import Recipe

Seed = Annotated[int, typer.Option(help="The run's seed.")]
From = Annotated[
    Path | None, typer.Option("--from", help="A file of records (Alpaca, messages, ShareGPT, Parquet...).")
]


@command(*SERVER, "accept_changes")
def bootstrap(
    run: RunDir,
    seeds: Annotated[Path | None, typer.Option(help="Seed tasks; the shipped 175 by default.")] = None,
    num_tasks: Annotated[int, typer.Option(help="Accepted tasks wanted, exactly.")] = 100,
    method: Annotated[str, typer.Option(help="diverse, alpaca or self_instruct.")] = "diverse",
    topic: Annotated[str | None, typer.Option(help="One sentence about the domain wanted.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="ISO 639-1 code of a language to draw from.")] = None,
    prompt: Annotated[list[str] | None, typer.Option(metavar="NAME=PATH", help="A .jinja file of your own.")] = None,
    asking: Asking = Asking(),
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Make new tasks from seed tasks.

    Example: synth bootstrap --num-tasks 50 --method alpaca --run runs/mine
    """
    section: dict[str, Any] = {"num_tasks": num_tasks, "method": method} | ({"topic": topic} if topic else {})
    section |= {"language": language} if language else {}
    section |= {"prompt_paths": _prompt_paths(prompt)} if prompt else {}
    data: dict[str, Any] = {"bootstrap": section, "seed": seed}
    if seeds is not None:
        data["seeds"] = {"path": str(seeds.absolute())}
    run_flags(data, run, "bootstrap", asking, json)


def _prompt_paths(given: list[str]) -> dict[str, str]:
    paths = {}
    for one in given:
        name, equals, path = one.partition("=")
        if not equals:
            raise UsageError(f"--prompt {one}: not of the form NAME=PATH", "for example --prompt diverse=mine.jinja")
        paths[name] = str(Path(path).absolute())
    return paths


@command(*SERVER, "accept_changes")
def respond(
    run: RunDir,
    source: From = None,
    reanswer: Annotated[bool, typer.Option(help="Answer again what has an answer already.")] = False,
    strict: Strict = False,
    asking: Asking = Asking(),
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Answer tasks that have no answer yet, of a file or of a run folder.

    Example: synth respond --from tasks.jsonl --run runs/answered
    """
    if source is None:
        if seed:
            raise UsageError("a run folder keeps its seed", "leave out --seed, or add --from FILE")
        _go_on(run, reanswer, asking, json)
        return
    section = {"reanswer": reanswer}
    data = {"input": str(source.absolute()), "strict_input": strict, "seed": seed, "respond": section}
    run_flags(data, run, "respond", asking, json)


@command("judge", *SERVER, "accept_changes")
def rephrase(
    run: RunDir,
    source: Annotated[Path, typer.Option("--from", help="A file of records.", show_default=False)],
    num_wordings: Annotated[int, typer.Option(help="New wordings of each instruction, at most.")] = 3,
    no_judge: Annotated[bool, typer.Option("--no-judge", help="Keep wordings that nobody judged.")] = False,
    strict: Strict = False,
    asking: Asking = Asking(),
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Word the instructions of a file anew, and keep the wordings that a judge finds equal in meaning.

    Example: synth rephrase --from tasks.jsonl --num-wordings 4 --run runs/reworded
    """
    section = {"num_wordings": num_wordings, "judge": not no_judge}
    data = {"input": str(source.absolute()), "strict_input": strict, "seed": seed, "rephrase": section}
    run_flags(data, run, "rephrase", asking, json)


def flags_recipe(data: dict[str, Any], run_dir: Path, asking: Asking) -> Recipe:
    """A recipe of some sections, for what the flags of a stage name; without the stages that were not asked for.

    Raises InputError with every mistake.
    """
    from synth.given import load_env
    from synth.mistakes import FLAGS
    from synth.recipe import build_recipe

    models = {"teacher": asking.section}
    models |= {"judge": Asking(asking.judge, concurrency=asking.concurrency).section} if asking.judge else {}
    load_env(Path(), models)
    name = "".join(c if c.isalnum() else "-" for c in run_dir.name.lower()).strip("-")[:64] or "run"
    return asking.capped(build_recipe({"name": name, "respond": None, "select": None, **data, **models}, FLAGS))


def run_flags(data: dict[str, Any], run_dir: Path, until: str, asking: Asking, json: bool) -> None:
    """Run the recipe of `flags_recipe` up to the stage `until`."""
    from synth.cli.run import execute

    execute(flags_recipe(data, run_dir, asking), run_dir, until=until, steering=asking.steering(), json=json)


def _go_on(run_dir: Path, reanswer: bool, asking: Asking, json: bool) -> None:
    """Answer in a run folder, with its own teacher or the one of the flags; the tasks stay as they are."""
    from synth.cli.run import execute
    from synth.pipeline import read_run_recipe
    from synth.recipe import build_recipe, set_value

    data = read_run_recipe(run_dir).model_dump(mode="json")
    data["respond"] = (data.get("respond") or {}) | {"reanswer": reanswer}
    if asking.teacher:
        data["teacher"] = asking.section
    for override in asking.overrides:
        set_value(data, override)
    recipe = asking.capped(build_recipe(data, str(run_dir)))
    execute(recipe, run_dir, until="respond", steering=asking.steering("respond"), json=json)
