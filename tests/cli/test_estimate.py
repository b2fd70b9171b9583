"""The estimate against the real bill of the embedded teacher."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from synth.cli.estimate import estimate
from synth.engine.budget import Price
from synth.engine.ledger import LedgerReader
from synth.pipeline import run
from synth.recipe import Recipe, read_recipe

RECIPE = """name: estimated
bootstrap: {{num_tasks: {tasks}}}
evolve: {{rounds: 1}}
respond: {{}}
select: {{}}
export: null
report: null
teacher: {{backend: embedded}}
engine: {{prices: {{embedded: {{prompt: 1, completion: 4}}}}}}
"""


def estimated(path: Path, *flags: str) -> dict[tuple[str, str, str], dict[str, float]]:
    app = Typer()
    app.command()(estimate)
    result = CliRunner().invoke(app, [str(path), "--json", *flags])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    return {(row["stage"], row["purpose"], row["case"]): row for row in rows}


def bill(recipe: Recipe, folder: Path) -> tuple[int, float]:
    """Requests and money of the whole run."""
    run(recipe, folder, until="select")
    reader = LedgerReader(folder)
    requests, prompt, answer = reader.query(
        "SELECT count(*), sum(prompt_tokens), sum(completion_tokens) FROM requests"
    )[0]
    reader.close()
    return requests, Price(1, 4).cost(prompt, answer)


@pytest.mark.parametrize(("tasks", "share"), [(160, "0.2"), pytest.param(800, "0.05", marks=pytest.mark.slow)])
def test_a_pilot_of_more_than_thirty_tasks_tells_the_bill_to_a_fifth(tasks: int, share: str, tmp_path: Path) -> None:
    """Fewer do not hold each of the 27 kinds, whose lengths differ."""
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(tasks=tasks))
    rows = estimated(path, "--pilot", share, "--run", str(tmp_path / "pilot"))
    requests, cost = bill(read_recipe(path), tmp_path / "run")
    likely = rows["all", "", "likely"]
    assert likely["cost"] == pytest.approx(cost, rel=0.2)
    assert likely["requests"] == pytest.approx(requests, rel=0.2)
    assert rows["all", "", "low"]["cost"] < cost < rows["all", "", "high"]["cost"]


def test_without_a_pilot_nothing_is_sent_and_the_bill_is_within_a_factor_of_two(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(tasks=60))
    rows = estimated(path)
    assert not list(tmp_path.glob("*/ledger.sqlite"))
    requests, _ = bill(read_recipe(path), tmp_path / "run")
    assert rows["all", "", "low"]["requests"] < requests < rows["all", "", "high"]["requests"]


def test_a_missing_price_leaves_the_money_open(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(tasks=60).replace("engine:", "# engine:"))
    assert estimated(path)["all", "", "likely"]["cost"] is None
    assert estimated(path, "--price", "embedded=1/4")["all", "", "likely"]["cost"] > 0


def made(recipe: Path, folder: Path, stage: str) -> int:
    """Requests of a stage in the whole run."""
    run(read_recipe(recipe), folder, until="select")
    reader = LedgerReader(folder)
    count = reader.query("SELECT count(*) FROM requests WHERE stage=?", stage)[0][0]
    reader.close()
    return int(count)


def test_the_turns_of_conversations_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "teacher: {backend: embedded}\nbootstrap: {num_tasks: 12}\nconverse: {num_turns: 3, min_turns: 2}\nselect: null\n"
        "export: null\nreport: null\n"
    )
    rows = estimated(path)
    likely = sum(row["requests"] for key, row in rows.items() if key[0] == "converse" and key[2] == "likely")
    assert {key[1] for key in rows if key[0] == "converse"} == {"the user's turns", "their answers"}
    assert likely / 2 < made(path, tmp_path / "run", "converse") < likely * 2


def test_rows_of_labelled_data_are_counted_for_the_stages_after_them(tmp_path: Path) -> None:
    rows = [{"text": f"The train number {n} was late again.", "label": "complaint"} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "teacher: {backend: openai, model: gpt-4.1-mini-2025-04-14}\nrespond: null\nselect: null\nexport: null\nreport: null\n"
        "annotate: {sources: {mood: {path: rows.jsonl, kind: sentiment}}}\nrephrase: {num_wordings: 2}\n"
    )
    found = estimated(path)
    assert found["rephrase", "wordings", "likely"]["requests"] == 40
    assert found["rephrase", "same meaning", "likely"]["requests"] == 160
    assert found["all", "", "likely"]["cost"] > 0  # by the shipped price of the family


def test_the_teacher_of_a_flag_is_the_one_that_is_priced(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(tasks=60).replace("engine:", "# engine:"))
    at_home = estimated(path, "--teacher", "openai:gpt-4.1", "--base-url", "http://127.0.0.1:1/v1")
    assert at_home["all", "", "likely"]["cost"] is None
    assert estimated(path, "--teacher", "openai:gpt-4.1")["all", "", "likely"]["cost"] > 0


def test_a_judge_of_students_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(tasks=60) + "train: {preset: tiny}\nevaluate: {judge: true, max_tasks: 30}\n")
    asked = estimated(path)["evaluate", "students compared", "likely"]
    assert asked["requests"] == 2 * (24 + 30 * 2) and asked["cost"] > 0  # the trial; the untrained one and "seeds only"
    path.write_text(RECIPE.format(tasks=60) + "train: {preset: tiny}\nevaluate: {}\n")
    assert not any(stage == "evaluate" for stage, *_ in estimated(path))
