"""`synth new`: from five answers, typed or given as flags, to a recipe that runs and its price."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from synth.cli.app import app
from synth.recipe import read_recipe


def synth(*words: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=typed)


def test_five_answers_make_a_recipe_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "My tasks.yaml"
    done = synth("new", path, typed="\ntasks of a bakery: orders and recipes\nembedded\n3\n0\n")
    assert done.exit_code == 0, done.output
    recipe = read_recipe(path)
    assert (recipe.name, recipe.bootstrap.num_tasks, recipe.evolve) == ("my-tasks", 3, None)
    assert recipe.bootstrap.topic == "tasks of a bakery: orders and recipes"
    assert "new tasks" in done.stdout and f"next: synth run '{path}'" in done.stderr
    assert synth("run", path, "--run", tmp_path / "run", "--set", "bootstrap.topic=null").exit_code == 0


def test_an_answer_that_cannot_be_is_asked_for_again_and_nobody_there_takes_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    done = synth("new", path, typed="nowhere.jsonl\n\n\nopnai:x\nembedded\nmany\n7\n")
    assert done.exit_code == 0, done.output
    assert "there is no file nowhere.jsonl" in done.stderr and "it must be a whole number" in done.stderr
    recipe = read_recipe(path)
    assert (recipe.teacher.backend, recipe.bootstrap.num_tasks, recipe.evolve.rounds) == ("embedded", 7, 1)


def test_flags_answer_without_a_question_and_a_known_price_sets_the_cap(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text("{}\n")
    path = tmp_path / "recipes" / "mine.yaml"
    words = ["--teacher", "openai:gpt-4.1-mini", "--num-tasks", 200, "--rounds", 2, "--seeds", seeds, "--topic", "tax"]
    done = synth("new", path, *words, "--json")
    assert done.exit_code == 0, done.output
    recipe = read_recipe(path)
    high = next(
        row["cost"] for row in json.loads(done.stdout)["rows"] if row["case"] == "high" and row["stage"] == "all"
    )
    assert recipe.engine.max_cost == round(high, 2) > 0
    assert recipe.seeds.path.resolve() == seeds.resolve() and recipe.evolve.rounds == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--json",), "no teacher is named"),
        (("--json", "--teacher", "embedded", "--seeds", "nowhere.jsonl"), "there is no file"),
        (("--json", "--teacher", "opnai:x"), "opnai"),
    ],
)
def test_a_wrong_answer_writes_nothing(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    done = synth("new", path, *words)
    assert done.exit_code == 2 and said in done.stderr and not path.exists()


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: precious\n")
    assert synth("new", path, "--teacher", "embedded").exit_code == 2
    assert path.read_text() == "name: precious\n"
