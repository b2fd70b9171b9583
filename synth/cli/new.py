"""`synth new`: five questions, a recipe that fits the answers, and what it will cost. Nothing is sent."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, log, print_json, say
from synth.cli.next import then
from synth.cli.teacher import Asking, no_teacher
from synth.errors import InputError, UsageError

QUESTIONS: dict[str, tuple[str, Any]] = {
    "seeds": ("Your own seed tasks, a file (empty: the 175 that come along)", ""),
    "topic": ("What the tasks are to be about, in a sentence (empty: anything)", ""),
    "teacher": ("The teacher, BACKEND:MODEL, such as openai:gpt-4.1-mini or vllm:Qwen/Qwen3-8B", "embedded"),
    "num_tasks": ("How many tasks", 100),
    "rounds": ("How many times each is evolved into a harder one, 0 to 4", 1),
}


@command("teacher", "base_url", "price")
def new(
    path: Annotated[Path, typer.Argument(help="The recipe to write.")] = Path("recipe.yaml"),
    seeds: Annotated[Path | None, typer.Option(help="Seed tasks of your own; the shipped 175 without any.")] = None,
    topic: Annotated[str | None, typer.Option(help="One sentence about the domain wanted.")] = None,
    asking: Asking = Asking(),
    num_tasks: Annotated[int | None, typer.Option(min=1, help="Accepted tasks wanted.")] = None,
    rounds: Annotated[int | None, typer.Option(min=0, max=50, help="Generations of evolution; 0 for none.")] = None,
    json: Json = False,
) -> None:
    """Write a recipe from five answers, and print what it will cost. What flags do not say is asked; not with --json.

    Example: synth new mine.yaml --teacher openai:gpt-4.1-mini --topic "questions to a tax adviser" --num-tasks 500
    """
    if path.exists():
        raise UsageError(f"{path} exists already", "name another file")
    given = {"seeds": seeds, "topic": topic, "teacher": asking.teacher, "num_tasks": num_tasks, "rounds": rounds}
    answers = {name: _answer(name, value, json) for name, value in given.items()}
    if json and asking.teacher is None and asking.base_url is None:
        raise no_teacher()
    _write(path, answers, replace(asking, teacher=answers["teacher"] or None), json)
    then("synth", "run", path)


def _answer(name: str, given: Any, json: bool) -> Any:
    question, default = QUESTIONS[name]
    if given is not None or json:
        return default if given is None else given
    try:
        return typer.prompt(question, default, err=True, show_default=bool(default), value_proc=CHECKS.get(name))
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        return default  # nobody is there to ask


def _file(text: str) -> str:
    """An answer that names a file or is empty; else it is asked for again."""
    if text and not Path(text).expanduser().is_file():
        raise typer.BadParameter(f"there is no file {text}")
    return text


def _teacher(text: str) -> str:
    """An answer that names a model of a backend; else it is asked for again."""
    from synth.recipe import ModelSettings, validated

    try:
        validated(ModelSettings, Asking(text).section, "teacher")
    except InputError as error:
        raise typer.BadParameter("; ".join(error.mistakes)) from None
    except UsageError as error:
        raise typer.BadParameter(f"{error.message}; {error.hint}") from None
    return text


def _count(text: str, least: int) -> int:
    """An answer that is a whole number of at least `least`; else it is asked for again."""
    if not re.fullmatch(r"\d{1,9}", str(text).strip()) or int(text) < least:
        raise typer.BadParameter(f"it must be a whole number of at least {least}")
    return int(text)


CHECKS: dict[str, Callable[[str], Any]] = {"seeds": _file, "teacher": _teacher}
CHECKS |= {"num_tasks": lambda text: _count(text, 1), "rounds": lambda text: _count(text, 0)}


def _write(path: Path, answers: dict[str, Any], asking: Asking, json: bool) -> None:
    """Write the recipe, unless it has mistakes, and show its estimate."""
    from synth.cli.estimate import estimated, show_estimate
    from synth.fileio import atomic_write
    from synth.recipe import beside, build_recipe

    data = _recipe(path, answers, asking)
    recipe = asking.capped(beside(build_recipe(data, "the answers"), path.parent.resolve()))
    rows, facts = estimated(recipe)
    high = next(row["cost"] for row in rows if row["stage"] == "all" and row["case"] == "high")
    if high:
        data["engine"] = {"max_cost": round(high, 2) or 0.01}
        data["engine"] |= {"prices": recipe.model_dump(mode="json")["engine"]["prices"]} if asking.price else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, _text(data))
    if json:
        print_json({"recipe": str(path), "rows": rows, **facts})
        return
    say(f"wrote {path}")
    show_estimate(rows, facts)
    if high:
        log(f"the recipe stops before more than {data['engine']['max_cost']:.2f} dollars are spent (engine.max_cost)")


def _recipe(path: Path, answers: dict[str, Any], asking: Asking) -> dict[str, Any]:
    """The sections of the recipe. A service's model is shown expert seeds, a smaller one plain examples."""
    slug = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:64]
    data: dict[str, Any] = {"name": slug or "mine", "seed": 1}
    if answers["seeds"]:
        seeds = Path(answers["seeds"]).absolute()
        if not seeds.is_file():
            raise UsageError(f"there is no file {seeds}", "name a file of seed tasks; `synth seeds check` looks at one")
        data["seeds"] = {"path": os.path.relpath(seeds, path.absolute().parent)}
    data["teacher"] = asking.section
    bootstrap: dict[str, Any] = {"num_tasks": int(answers["num_tasks"])}
    bootstrap |= {"topic": answers["topic"]} if answers["topic"] else {}
    if data["teacher"]["backend"] == "openai" and asking.base_url is None:
        bootstrap["examples_from"] = "seeds"
    data["bootstrap"] = bootstrap
    data |= {"evolve": {"rounds": int(answers["rounds"])}} if int(answers["rounds"]) else {}
    return data | {"respond": {}, "select": {}, "export": {"formats": ["alpaca", "messages"]}}


COMMENTS = {
    "teacher": "who makes and answers the tasks; keys of services are read from the environment",
    "engine": "caps and prices; nothing here changes the result",
    "bootstrap": "new tasks from the seed tasks",
    "evolve": "harder and different ones from them, over generations",
    "respond": "answers for what has none",
    "select": "checks that reject what is no good, each with its reason",
    "export": "the files for others",
}


def _text(data: dict[str, Any]) -> str:
    """The recipe as YAML, a comment before each section."""
    import yaml

    parts = ["# Run it with `synth run`; `synth schema` lists all keys, `synth estimate` tells the price.\n"]
    for name, section in data.items():
        parts += [f"# {COMMENTS[name]}\n"] if name in COMMENTS else []
        parts.append(yaml.safe_dump({name: section}, sort_keys=False, allow_unicode=True))
    return "".join(parts)
