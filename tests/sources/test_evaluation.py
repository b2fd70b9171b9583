"""Evaluation sets in the forms they are published in: questions, known answers, and what can be checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.checks.contamination import contamination
from synth.records import Record
from synth.sources.evaluation import question_of
from synth.student.task_file import read_tasks

LONG = "Explain to a new sailor how the tide tables of the old harbour are read before a voyage at night"
SETS: dict[str, dict[str, Any]] = {
    "MT-Bench": {"question_id": 81, "category": "writing", "turns": [LONG, "Now in one line."]},
    "WizardLM": {"idx": 1, "Skill": "Math", "Difficulty": 2, "Instruction": LONG},
    "HellaSwag": {"ctx": LONG, "endings": ["a", "b", "c", "d"], "label": "1", "activity_label": "Sailing"},
    "ARC": {"question": {"stem": LONG, "choices": [{"text": "red", "label": "A"}, {"text": "blue", "label": "B"}]}, "answerKey": "B"},
    "ARC on the hub": {"question": LONG, "choices": {"text": ["red", "blue"], "label": ["1", "2"]}, "answerKey": "2"},
    "ShareGPT": {"conversations": [{"from": "human", "value": LONG}, {"from": "gpt", "value": "So."}]},
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_a_published_set_is_read_for_examination_and_for_contamination(name: str, tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(SETS[name]) + "\n")
    items = read_tasks(path)
    assert len(items) == 1 and items[0].question.startswith(LONG)
    check = contamination([str(path)], own_tasks=False)
    assert check(Record(LONG)) is not None and check(Record("Name the three largest rivers of this country.")) is None


@pytest.mark.parametrize(("name", "letter"), [("HellaSwag", "B"), ("ARC", "B"), ("ARC on the hub", "B")])
def test_a_multiple_choice_is_checked_by_its_letter(name: str, letter: str) -> None:
    record = question_of(SETS[name]).record()  # type: ignore[union-attr]
    assert record.output == letter and record.input.splitlines()[1].startswith("B. ")
    assert record.meta["check"] == {
        "kind": "label",
        "answer": letter,
        "labels": list("ABCD"[: record.input.count("\n") + 1]),
    }


def test_a_second_question_is_asked_where_the_first_answer_is_known() -> None:
    row = SETS["MT-Bench"]
    assert question_of(row).record().history == ()  # type: ignore[union-attr]
    known = question_of(row | {"reference": ["Read the line.", "Line."]}).record()  # type: ignore[union-attr]
    assert (known.history, known.instruction, known.output) == (
        ((LONG, "Read the line."),),
        "Now in one line.",
        "Line.",
    )


def test_rows_in_no_published_form_are_none() -> None:
    assert question_of({"instruction": "a", "output": "b"}) is None
