"""FLAN's three modes compared on a cluster of task kinds that no student saw, and Super-NaturalInstructions' scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rouge_score.rouge_scorer import RougeScorer

from synth.errors import UsageError
from synth.recipe import build_recipe
from synth.stages.evaluate import EvaluateSettings
from synth.stages.evaluate.modes import compare_modes, held_out_cluster, labelled_sources
from synth.stages.stage import RunFolder
from synth.stages.train import train
from synth.student.scores import mark
from synth.student.superni import OTHER, superni_items, superni_marks
from synth.student.task_file import read_tasks


def recipe(folder: Path) -> Any:
    rows = {
        "reviews": [{"text": f"Stop {n} was {w}.", "label": n % 2} for n in range(8) for w in ("fine", "slow")],
        "pairs": [{"sentence1": f"It is {n}.", "sentence2": f"It was {n}.", "label": n % 2} for n in range(12)],
        "claims": [{"premise": f"{n} came.", "hypothesis": f"{n} left.", "label": n % 2} for n in range(12)],
    }
    for name, given in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given), "utf-8")
    kinds = {"reviews": "sentiment", "pairs": "paraphrase", "claims": "nli"}
    sources = {
        name: {"path": str(folder / f"{name}.jsonl"), "kind": kind, "options": ["no", "yes"]}
        for name, kind in kinds.items()
    }
    training = {"hidden_size": 16, "num_heads": 2, "num_layers": 1, "max_steps": 2}
    return build_recipe({"annotate": {"sources": sources}, "train": training})


def test_a_cluster_is_held_out_whole_and_the_arms_differ_in_their_prompts_alone(tmp_path: Path) -> None:
    arms, items = held_out_cluster(labelled_sources(recipe(tmp_path)), "inference", 0)
    assert {item.group for item in items} == {"paraphrase", "nli"} and len(items) == 24
    assert {record.meta["task"] for records in arms.values() for record in records} == {"sentiment"}
    outputs = [[record.output for record in records] for records in arms.values()]
    assert outputs[0] == outputs[1] == outputs[2] and len(outputs[0]) == 16
    assert len({records[0].instruction for records in arms.values()}) == 3


def test_the_modes_are_trained_alike_and_compared_on_the_unseen_cluster(tmp_path: Path) -> None:
    made = recipe(tmp_path)
    settings = EvaluateSettings(seeds=(0,), max_tasks=3, max_tokens=4)
    folder = RunFolder(tmp_path, made)
    found = compare_modes(folder, train, made.train, settings, ["sentiment"])
    arms = found["sentiment"].arms
    assert [arm.name for arm in arms] == ["untrained", "none", "name", "instruction"]
    assert [arm.num_records for arm in arms] == [0, 24, 24, 24] and {arm.steps for arm in arms[1:]} == {2}
    assert found["sentiment"].num_items == 3
    assert json.loads((tmp_path / "modes.json").read_text("utf-8"))["sentiment"]["num_items"] == 3
    with pytest.raises(UsageError, match="no cluster 'music'"):
        compare_modes(folder, train, made.train, settings, ["music"])


TASK = {
    "Definition": ["Name a colour."],
    "Categories": ["Fill in The Blank"],
    "Output_language": ["English"],
    "Instances": [{"input": f"thing {n}", "output": ["running dogs", "a cat"]} for n in range(130)],
}


def test_task_files_are_examined_on_a_hundred_instances_with_all_their_references(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"Contributors": []} | TASK, indent=1), "utf-8")
    items = read_tasks(tmp_path)
    assert len(items) == 200 and [items[0].id, items[100].id] == ["a-1", "b-1"]
    assert items == superni_items(tmp_path) and items[0].group == "Fill in The Blank"
    marks = mark(items[0], "A cat!")
    assert (marks["ni_exact_match"], marks["ni_rouge_l"], marks["correct"]) == (1, 1, 1)
    assert mark(items[0], "dog run")["ni_rouge_l"] == pytest.approx(0.5)


def test_rouge_l_is_the_published_one_with_stems_in_english_alone() -> None:
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    for answer, rights in (
        ("he runs fast", ["running fast", "she ran"]),
        ("", ["x"]),
        ("les chats noirs", ["chat noir"]),
    ):
        wanted = max(scorer.score(right, answer)["rougeL"].fmeasure for right in rights)
        assert superni_marks(answer, rights, "superni")["ni_rouge_l"] == pytest.approx(wanted)
    assert superni_marks("les chats", ["les chat"], OTHER)["ni_rouge_l"] == 0.5
    assert superni_marks("猫 が", ["猫 は"], OTHER)["ni_rouge_l"] == 0.5
