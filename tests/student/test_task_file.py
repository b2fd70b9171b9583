"""Tasks from other people's files: what is asked and what is right are read, and rows that are no tasks are listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.errors import InputError
from synth.student.task_file import read_tasks
from synth.verify import verify


def read(tmp_path: Path, *rows: Any) -> list[Any]:
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return read_tasks(path)


def test_user_oriented_tasks_have_their_instances(tmp_path: Path) -> None:
    row = {
        "id": "user_oriented_task_0",
        "motivation_app": "Mail",
        "instruction": "Shorten it.",
        "instances": [{"input": "a", "output": "b"}, {"input": "c", "output": "d"}],
    }
    items = read(tmp_path, row)
    assert [(i.id, i.reference, i.group) for i in items] == [
        ("user_oriented_task_0", "b", "Mail"),
        ("user_oriented_task_0#1", "d", "Mail"),
    ]
    assert items[0].question == "Shorten it.\n\na"


def test_lines_end_with_line_feeds_alone_and_an_id_stands_once(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(
        '{"id": "a", "question": "One\u2028two?", "answer": "2"}\r\n{"id": "b", "question": "Three?"}\n', "utf-8"
    )
    assert [item.id for item in read_tasks(path)] == ["a", "b"]
    with pytest.raises(InputError) as caught:
        read(tmp_path, {"id": "a", "question": "One?"}, {"id": "a", "question": "Two?"})
    assert "tasks.jsonl:2: the id 'a' stands above already" in str(caught.value)


def test_questions_with_choices_are_answered_by_letter(tmp_path: Path) -> None:
    (item,) = read(tmp_path, {"question": "Which floats?", "choices": ["iron", "cork"], "answer": 1})
    assert item.question == "Which floats?\nA. iron\nB. cork\nAnswer with the letter."
    assert verify("B", item.check).passed and not verify("A", item.check).passed


def test_ifevals_rows_are_checked_by_their_constraints(tmp_path: Path) -> None:
    row = {"key": 1000, "prompt": "Name a fruit. No commas.", "instruction_id_list": ["punctuation:no_comma"]}
    (item,) = read(tmp_path, row | {"kwargs": [{"num_words": None}]})
    assert item.id == "1000" and verify("Pear", item.check).passed and not verify("Pear, plum", item.check).passed
    for broken in ({"kwargs": []}, {"instruction_id_list": ["no:such"], "kwargs": [{}]}, {"kwargs": [3]}):
        with pytest.raises(InputError, match="1 lines are no tasks"):
            read(tmp_path, row | broken)


def test_worked_answers_are_compared_by_their_last_number(tmp_path: Path) -> None:
    (item,) = read(tmp_path, {"question": "2 boxes of 4?", "answer": "2 times 4 is 8.\n#### 8"})
    assert verify("It is 8.", item.check).passed and not verify("It is 9.", item.check).passed


def test_rows_that_are_no_tasks_are_listed_with_their_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tasks.jsonl:2: ") as caught:
        read(tmp_path, {"prompt": "Fine", "answer": "x"}, {"text": "no question"}, [1])
    assert len(caught.value.mistakes) == 2
