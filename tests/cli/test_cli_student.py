"""`synth evaluate` over a real run: what is printed beside the shares, and what is refused. The students are very small."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from synth.cli.app import app
from synth.pipeline import run
from synth.recipe import build_recipe
from synth.student.arms import NO_CHECKS, SEEDS_ONLY

pytest.importorskip("peft", reason="the extra [train] is not installed")

TEACHER = {"operations": ["topic", "mentions"], "max_steps": 1, "short": True, "faults": "wrong_output=0.5"}
SMALL = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_length": 128, "batch_tokens": 128, "max_steps": 20}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = build_recipe(
        {
            "teacher": TEACHER,
            "bootstrap": {"num_tasks": 12, "window": 8, "instances_per_task": 6, "with_outputs": True},
            "respond": {"confirm": True, "num_draws": 2, "min_agreement": 1},
            "hold_out": {"num_inputs": 8},
            "train": SMALL,
            "evaluate": {"arms": [SEEDS_ONLY, NO_CHECKS], "max_tokens": 8, "num_threads": 1},
        }
    )
    place = tmp_path_factory.mktemp("runs") / "finished"
    run(recipe, place)
    return place


def synth(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output


def told(*words: str) -> dict[str, Any]:
    code, output = synth(*words, "--json")
    assert code == 0, output
    return dict(json.loads(output[output.index("{") :]))


def test_a_run_examines_every_arm_it_trained_and_its_report_shows_them(finished: Path) -> None:
    scores = json.loads((finished / "evaluation.json").read_text("utf-8"))
    assert {s["student"] for s in scores["scores"]} == {"untrained", SEEDS_ONLY, NO_CHECKS, "student"}
    against = {(d["student"], d["against"]) for d in scores["differences"]}
    assert ("student", NO_CHECKS) in against and ("student", "untrained") in against
    page = (finished / "report.html").read_text("utf-8")
    assert "no checks" in page
    assert "Training loss" in page and "with every student&#39;s answer" in page


def test_a_run_keeps_every_students_answers_and_examines_none_twice(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synth.pipeline import read_run_recipe
    from synth.student.generate import Student

    kept = {path.stem for path in (finished / "examination").glob("*.json")}
    assert kept == {"untrained", "seeds-only", "no-checks", "student"}
    before = (finished / "evaluation.json").read_bytes()
    (finished / "evaluation.json").unlink()
    monkeypatch.setattr(Student, "load", lambda *_: pytest.fail("a student was asked again"))
    run(read_run_recipe(finished), finished)
    assert (finished / "evaluation.json").read_bytes() == before


def test_evaluating_without_a_student_says_to_train_first(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes((finished / "recipe.yaml").read_bytes())
    code, output = synth("evaluate", str(tmp_path))
    assert code == 2 and f"train first: synth train {tmp_path}" in output


def test_a_student_of_another_model_is_compared_with_that_model(finished: Path, tmp_path: Path) -> None:
    run_dir, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(finished, run_dir)
    shutil.copytree(finished / "base", other)
    given = ["--set", f"model={other}", "--set", "template=chatml", "--set", "method=full", "--set", "max_steps=2"]
    done = told("train", str(run_dir), *given)
    manifest = json.loads((run_dir / "student/train.json").read_text("utf-8"))
    assert done["steps"] == 2 and manifest["settings"]["preset"] == "lora"
    assert manifest["settings"]["learning_rate"] == 2e-4
    scores = told("evaluate", str(run_dir))["scores"]
    assert {score["student"] for score in scores} == {"untrained", "student"}
    shutil.rmtree(other)
    code, output = synth("evaluate", str(run_dir))
    assert code == 2 and f"there is no folder {other}" in output


def test_names_of_other_tools_are_answered_with_ours(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[{"instruction": "Say yes.", "input": "", "output": "Yes."}]')
    code, output = synth("train", "--data", str(tmp_path / "rows.json"), "--set", "lr=3", "--out", str(tmp_path / "s"))
    assert code == 2 and "did you mean 'learning_rate'?" in output


def test_all_arms_saw_equal_steps_and_nearly_equal_tokens(finished: Path) -> None:
    folders = [finished / "student", *(finished / "students").iterdir()]
    manifests = [json.loads((folder / "train.json").read_text("utf-8")) for folder in folders]
    assert {manifest["steps"] for manifest in manifests} == {20}
    tokens = [manifest["tokens"] for manifest in manifests]
    assert max(tokens) / min(tokens) < 1.6  # rows of 128 tokens are filled less well by long seeds


def test_evaluating_by_hand_finds_the_same_and_tells_the_contamination(finished: Path) -> None:
    found = told("evaluate", str(finished))
    before = json.loads((finished / "evaluation.json").read_text("utf-8"))
    assert found["given_away"] == before["given_away"]
    assert [s["value"] for s in found["scores"]] == [s["value"] for s in before["scores"]]
    code, output = synth("evaluate", str(finished))
    assert code == 0 and "items are given away by the training data and left out" in output


@pytest.mark.slow
def test_an_ablation_prints_one_table_and_the_contamination_of_every_set(finished: Path) -> None:
    found = told("evaluate", str(finished), "--ablation")
    assert [arm["name"] for arm in found["arms"]] == ["untrained", SEEDS_ONLY, "+ bootstrap", "+ checks"]
    assert all(len(arm["values"]) == 3 for arm in found["arms"][1:])
    assert all(arm["high"] > 0 for arm in found["arms"])
    assert found["token_ratio"] < 1.4 and set(found["contamination"]) == {"eval_tasks.jsonl", "held-out inputs"}
    code, output = synth("evaluate", str(finished), "--ablation")
    assert code == 0 and "What the data did" in output and "Items that the training data give away" in output


def test_the_harness_is_named_when_it_is_missing(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTH_LM_EVAL", "no_such_lm_eval")
    code, output = synth("evaluate", str(finished), "--harness", "synth_held_out")
    assert code == 2 and "is not installed" in output
    assert (finished / "harness" / "synth_held_out.yaml").is_file()


@pytest.mark.slow
def test_the_harness_runs_our_held_out_set_offline(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable = os.environ.get("SYNTH_LM_EVAL", "lm_eval")
    if shutil.which(executable) is None:
        pytest.skip("lm_eval is not installed (name another one in SYNTH_LM_EVAL)")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    found = told("evaluate", str(finished), "--harness", "synth_held_out")
    assert 0 <= found["synth_held_out"]["exact_match,stripped"] <= 1
