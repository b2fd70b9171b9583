"""Task files of Super-NaturalInstructions and lines of UnifiedQA, in and out again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.errors import InputError
from synth.sources import read_source
from synth.sources.superni import Shown
from synth.sources.unifiedqa import line, option_list, parse
from synth.stages.seeds import export_tasks, import_seed_tasks, read_seed_tasks, write_seed_tasks

TASK: dict[str, Any] = {
    "Contributors": ["A"],
    "Categories": ["Sentiment Classification"],
    "Definition": ["Say whether the remark is kind or rude."],
    "Input_language": ["English"],
    "Output_language": ["German"],
    "Domains": ["Talk"],
    "Positive Examples": [
        {"input": "Well done!", "output": "kind", "explanation": "It is praise."},
        {"input": "Go away.", "output": "rude", "explanation": "It sends somebody off."},
    ],
    "Negative Examples": [{"input": "Thanks!", "output": "rude", "explanation": "Thanks are kind."}],
    "Instances": [
        {"id": "t-1", "input": "You were a great help.", "output": ["kind", "polite", "kind"]},
        {"id": "t-2", "input": "What a stupid idea.", "output": ["rude"]},
    ],
}


def written(path: Path, task: Any) -> Path:
    path.write_text(json.dumps(task, indent=4), "utf-8")
    return path


def test_a_task_file_gives_a_record_for_each_instance_with_its_further_outputs(tmp_path: Path) -> None:
    source = read_source(written(tmp_path / "task001_tone.json", TASK))
    first, second = source.records
    assert (first.instruction, first.input, first.output) == (TASK["Definition"][0], "You were a great help.", "kind")
    assert [one.output for one in first.others] == ["polite"] and second.others == ()
    assert first.meta == {
        "task": "task001_tone",
        "category": "Sentiment Classification",
        "language": "de",
        "domain": "Talk",
    }
    assert source.skipped == source.notes == ()


def test_the_prompt_shows_as_many_examples_as_wanted(tmp_path: Path) -> None:
    path = written(tmp_path / "t.json", TASK)
    shown = read_source(path, shown=Shown(2, 1, explanations=True)).records[0].instruction
    for text in ("Definition: Say", "Positive Example 2 -\nInput: Go away.\nOutput: rude\nExplanation: It sends",
                 "Negative Example 1 -\nInput: Thanks!", "Now complete the following example -"):  # fmt: skip
        assert text in shown
    plain = read_source(path, shown=Shown(1)).records[0].instruction
    assert "Explanation" not in plain and "Negative" not in plain and "Positive Example 2" not in plain


def test_older_task_files_are_read(tmp_path: Path) -> None:
    older = {
        "Title": "Tone",
        "Definition": "Name the tone.",
        "Examples": {"Positive Examples": [{"input": "Hi!", "output": "kind", "reason": "A greeting."}]},
        "Instances": [{"input": "Bye.", "output": "plain"}],
    }
    record = read_source(written(tmp_path / "old.json", older), shown=Shown(1, explanations=True)).records[0]
    assert record.output == "plain" and "Explanation: A greeting." in record.instruction
    assert record.meta == {"task": "old"}


@pytest.mark.parametrize(
    ("instance", "told"),
    [
        ({"input": "x", "output": []}, "`output` is empty"),
        ({"input": "x", "output": ["", " "]}, "`output` is empty"),
        ({"input": 3, "output": ["a"]}, "`input` is not a text"),
        ({"inputs": "x", "output": ["a"]}, "`input` is missing"),
        ({"input": "x", "output": [3]}, "not a text"),
        ("no object", "is not an object"),
    ],
)
def test_an_instance_at_fault_is_told_with_its_place_and_costs_no_other(
    instance: Any, told: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "t.json", TASK | {"Instances": [TASK["Instances"][0], instance, TASK["Instances"][1]]})
    source = read_source(path)
    assert len(source.records) == 2 and source.num_skipped == 1
    assert source.skipped[0].startswith(f"{path}:1, instance 2: ") and told in source.skipped[0]


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ({"Instances": TASK["Instances"]}, "`Definition` is missing"),
        ({"Definition": "x", "Instances": {}}, "`Instances` must be a list"),
        ({"Definition": [3], "Instances": TASK["Instances"]}, "`Definition` is not a text"),
        ({"version": 1, "tasks": []}, "no format known here"),
    ],
)
def test_a_task_file_of_another_schema_is_one_clear_error(task: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        read_source(written(tmp_path / "t.json", task))


def test_a_broken_task_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(TASK, indent=4).replace('"Domains"', "Domains"), "utf-8")
    with pytest.raises(InputError, match=r"t\.json:\d+: is not JSON"):
        read_source(path)


def test_a_task_file_becomes_a_seed_task_and_is_exported_in_the_same_form(tmp_path: Path) -> None:
    (task,) = import_seed_tasks(written(tmp_path / "task001_tone.json", TASK)).tasks
    assert (task.id, task.is_classification, len(task.instances)) == ("task001_tone", True, 2)
    write_seed_tasks(tmp_path / "seeds.jsonl", [task])
    assert read_seed_tasks(tmp_path / "seeds.jsonl") == [task]
    assert export_tasks(tmp_path / "task001_tone.json", tmp_path / "tasks", "superni") == 2
    (made,) = (tmp_path / "tasks").iterdir()
    again, before = read_source(made).records, read_source(tmp_path / "task001_tone.json").records
    assert [(r.instruction, r.input, r.output, r.others) for r in again] == [
        (r.instruction, r.input, r.output, r.others) for r in before
    ]
    assert set(TASK) - {"Contributors"} <= set(json.loads(made.read_text("utf-8")))


LINES = {
    "At what speed did it run? \\n (Engine) It ran at 16 rpm all day.\t16 rpm": ("free", (), "closed_qa"),
    "what does it cause? \\n he stays by the spring and forgets.\tto forget oneself": ("free", (), "closed_qa"),
    "Which is a metal? \\n (A) iron (B) wool (C) salt\tiron": ("multiple choice", ("iron", "wool", "salt"), "open_qa"),
    "Who sang? \\n (a) Tom (b) Ann \\n Ann sang while Tom slept.\tAnn": (
        "multiple choice",
        ("Tom", "Ann"),
        "closed_qa",
    ),
    "Was it open? \\n (Museum) The museum opens on Monday.\tyes": ("yes/no", (), "closed_qa"),
}


def test_lines_of_unifiedqa_come_in_and_go_out_the_same(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_text("".join(f"{one}\n" for one in LINES), "utf-8")
    records = read_source(path).records
    found = [(r.meta["question_kind"], tuple(r.meta.get("options", ())), r.meta["category"]) for r in records]
    assert found == list(LINES.values())
    assert [line(record) for record in records] == [one.replace("(a)", "(A)").replace("(b)", "(B)") for one in LINES]
    assert export_tasks(path, tmp_path / "out.tsv", "unifiedqa") == len(LINES)
    assert read_source(tmp_path / "out.tsv").records == records


def test_lines_of_unifiedqa_at_fault_are_told_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_text("a? \\n b\tc\nno tab\nx? \\n (A) y (B) z\tw\ntwo\ttabs\there\nempty?\t\n", "utf-8")
    source = read_source(path)
    assert len(source.records) == 1
    for number, told in ((2, "0 tabs"), (3, "not among the options"), (4, "2 tabs"), (5, "`answer` is empty")):
        assert any(f":{number}: " in one and told in one for one in source.skipped), told


def test_brackets_that_list_no_options_stay_in_the_passage() -> None:
    for text in ("(Tesla) On his birthday he showed it (a) once.", "(B) first (A) second", "see (a) alone"):
        found = parse(f"Why? \\n {text}", "x")
        assert (found.options, found.passage) == ((), text)
    assert option_list(("x", "y")) == "(A) x (B) y"
