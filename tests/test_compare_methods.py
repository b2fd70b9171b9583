"""The comparison of bootstrap methods: what it counts agrees with the run folders, and it goes on where it stopped."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from synth.pipeline import read_run_recipe

PLACE = Path(__file__).parents[1] / "benchmarks" / "compare_methods.py"
spec = importlib.util.spec_from_file_location("compare_methods", PLACE)
assert spec is not None and spec.loader is not None
methods = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = methods
spec.loader.exec_module(methods)
CAVEAT, VARIANTS, Figures, as_markdown, table = (
    methods.CAVEAT, methods.VARIANTS, methods.Figures, methods.as_markdown, methods.table,
)  # fmt: skip
app = typer.Typer()
app.command()(methods.compare_methods)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare")


def run(folder: Path, *flags: str) -> str:
    done = CliRunner().invoke(app, ["--run", str(folder), "--num-tasks", "12", "--teacher", "embedded", *flags])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_variant_makes_the_tasks_and_has_them_answered(folder: Path) -> None:
    figures = json.loads(run(folder, "--json"))
    assert figures["teacher"] == "embedded"
    for one in figures["methods"]:
        assert one["tasks"] == one["answered"] == 12
        assert sum(one["nearest_seed_rouge_l"]) == 12
        assert 0 < one["category_entropy_bits"] <= math.log2(12)
        low, high = one["interval"]
        assert low <= one["answered_per_1000_tokens"] <= high
    assert [one["method"] for one in figures["methods"]] == list(VARIANTS)
    answers = {one["method"]: one["requests"].get("answers", 0) for one in figures["methods"]}
    assert answers == {"self_instruct": 0, "alpaca": 0, "diverse": 12, "magpie": 12, "diverse, answers too": 0}


def test_a_second_call_reads_the_finished_runs_and_says_what_the_teacher_is(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/timings.json")}
    text = run(folder, "--markdown")
    assert before and CAVEAT in text and "| accepted tasks | 12 | 12 | 12 | 12 | 12 |" in text
    assert read_run_recipe(folder / "alpaca").bootstrap.method == "alpaca"  # type: ignore[union-attr]


def test_the_ratio_is_of_sums_and_its_interval_widens_with_the_spread() -> None:
    even = Figures("a", costs=[(8, 1000)] * 50)
    assert even.per_1000 == 8 and even.interval == (8, 8)
    uneven = Figures("b", costs=[(16, 1000), (0, 1000)] * 25)
    assert uneven.per_1000 == 8 and uneven.interval[0] < 6 < 10 < uneven.interval[1]
    assert Figures("c").interval == (0, 0)


def test_what_a_step_would_need_if_nothing_were_lost_stands_beside_what_it_took(folder: Path) -> None:
    figures = {one["method"]: one for one in json.loads(run(folder, "--json"))["methods"]}
    assert figures["self_instruct"]["ideal_requests"] == {"tasks": 2, "classification": 12, "instances": 12}
    assert figures["diverse"]["ideal_requests"] == {"tasks": 12, "answers": 12}
    assert "for answers (ideal) | 0 | 0 | 12 (12) | 12 (12) | 0 |" in run(folder, "--markdown")


def test_the_table_has_a_column_for_each_and_a_row_for_each_reason() -> None:
    one, other = Figures("a", nearest_seed=[0.25, 1.0]), Figures("b")
    one.rejected["novelty: too_similar"] = 3
    rows = table([one, other])
    assert all(len(row) == 3 for row in rows)
    assert (
        ["  novelty: too_similar", "3", "0"] in rows
        and ["  0.2 to 0.3", "1", "0"] in rows
        and ["  0.9 to 1.0", "1", "0"] in rows
    )
    assert as_markdown("T", ["", "a", "b"], rows).count("\n| ") == len(rows) + 1
