"""lm-evaluation-harness: the task file of our held-out set, and the harness itself where it is installed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from synth.errors import UsageError
from synth.records import Record
from synth.stages.train import TrainSettings, train
from synth.student.harness import TASK, harness_command, run_harness, write_task
from synth.student.items import items_from
from synth.student.templates import TEMPLATES

COLOURS = "red blue green black".split()
RECORDS = [Record("Name the colour.", f"{colour} hat {i}", colour) for i in range(20) for colour in COLOURS]
EXECUTABLE = os.environ.get("SYNTH_LM_EVAL", "lm_eval")


def test_the_task_names_its_data_and_writes_the_students_prompts(tmp_path: Path) -> None:
    path = write_task(items_from(RECORDS[:3]), tmp_path, TEMPLATES["alpaca"])
    task = yaml.safe_load(path.read_text())
    data = Path(task["dataset_kwargs"]["data_files"]["test"])
    rows = [json.loads(line) for line in data.read_text("utf-8").splitlines()]
    assert data.is_absolute() and len(rows) == 3
    assert rows[0]["prompt"].endswith("### Input:\nred hat 0\n\n### Response:") and rows[0]["answer"] == "red"
    with pytest.raises(UsageError, match="no item has a reference"):
        write_task([], tmp_path, TEMPLATES["alpaca"])


def test_without_the_harness_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not installed"):
        run_harness("student", [TASK], tmp_path, "no_such_lm_eval")
    assert harness_command("student", [TASK], tmp_path)[:2] == ["lm_eval", "run"]


@pytest.mark.slow
def test_the_harness_finds_the_accuracy_that_we_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which(EXECUTABLE) is None:
        pytest.skip("lm_eval is not installed (name another one in SYNTH_LM_EVAL)")
    from synth.stages.evaluate import EvaluateSettings, evaluate

    small = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_length": 64, "batch_tokens": 128}
    student = train(RECORDS, tmp_path / "s", TrainSettings(**small, max_steps=40, learning_rate=0.01)).path
    held_out = [Record("Name the colour.", f"{colour} hat {i}", colour) for i in range(20, 30) for colour in COLOURS]
    ours = evaluate({"s": student}, held_out, EvaluateSettings(max_tokens=16)).score("s").value
    write_task(items_from(held_out), tmp_path / "task", TEMPLATES["short"], max_tokens=16)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    theirs = run_harness(str(student), [TASK], tmp_path / "task", EXECUTABLE)[TASK]["exact_match,stripped"]
    assert theirs == pytest.approx(ours)
