"""`align` in a run: after `train`, from the records' pairs, examined and shown beside the student it began from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.errors import InputError, UsageError
from synth.pipeline import run
from synth.recipe import build_recipe
from synth.records import OtherAnswer, Record
from synth.stages.train import read_result
from synth.student.generate import trained_template

WORDS = "red blue green black white brown grey pink".split()
TRAIN = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "max_steps": 6, "batch_tokens": 128}


def recipe(tmp_path: Path, **sections: Any) -> Any:
    pairs = [
        Record(f"Repeat {one} {two}.", "", f"{one} {two}", others=(OtherAnswer(f"{two} {two} {one}", None, 0.0),))
        for one, two in zip(WORDS, WORDS[1:] + WORDS[:1], strict=True)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(record.to_dict()) + "\n" for record in pairs))
    stages: dict[str, Any] = dict.fromkeys(("bootstrap", "evolve", "respond", "export")) | {"select": {"checks": []}}
    data: dict[str, Any] = {"input": str(path), "train": TRAIN, "align": {"max_steps": 8}, **stages, **sections}
    return build_recipe(data)


def test_the_aligned_student_is_examined_against_the_one_before_and_its_curves_are_shown(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    wanted = recipe(tmp_path, evaluate={"max_tasks": 12, "max_tokens": 8, "arms": [], "judge": True}, report={})
    made = run(wanted, folder)
    aligned = read_result(folder / "student-aligned")
    assert aligned is not None and aligned.steps == 8
    student = read_result(folder / "student")
    assert student is not None and aligned.weights_sha256 != student.weights_sha256
    assert trained_template(str(folder / "student-aligned")) == "short"
    found = json.loads((folder / "evaluation.json").read_text())
    assert "The judge did not compare the students: it got 0 of" in found["notes"][-1]  # it knows no such tasks
    assert list(found["answers"]) == ["untrained", "student", "aligned"]
    assert ("aligned", "student") in {(one["student"], one["against"]) for one in found["differences"]}
    page = (folder / "report.html").read_text()
    assert "Reward accuracy" in page and "Reward margin" in page
    before = (folder / "student-aligned/train.json").stat().st_mtime_ns
    assert "align" in made.seconds and "align" in json.loads((folder / "timings.json").read_text())
    run(wanted, folder)
    assert (folder / "student-aligned/train.json").stat().st_mtime_ns == before


def test_without_a_student_or_with_a_tiny_preset_for_a_big_one_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="trains no student"):
        run(recipe(tmp_path, train=None), tmp_path / "none")
    with pytest.raises(InputError, match="loss"):
        recipe(tmp_path, align={"loss": "sft"})
