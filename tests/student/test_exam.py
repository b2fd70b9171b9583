"""The exam: 400 checked tasks in five levels, solvable, and like no seed task."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from synth.checks.novelty import NoveltyIndex
from synth.stages.seeds import read_seed_tasks
from synth.student.exam import LEVELS, exam
from synth.student.generate import next_part
from synth.student.scores import mark
from synth.student.templates import TEMPLATES
from synth.verify import check_mistakes, verify

SEEDS = Path(__file__).parents[2] / "seed_tasks"


def test_there_are_200_constraint_and_200_checkable_tasks_in_five_equal_levels() -> None:
    items = exam()
    kinds = Counter(item.group.partition(", ")[0] for item in items)
    assert kinds == {"arithmetic": 50, "extraction": 50, "sorting": 50, "labels": 50, "constraints": 200}
    assert Counter(item.group.partition(", ")[2] for item in items) == dict.fromkeys(LEVELS, 80)
    assert len({item.id for item in items}) == len({item.question for item in items}) == 400


def test_every_check_is_sound_and_every_right_answer_passes_it() -> None:
    for item in exam():
        assert item.check is not None and check_mistakes(item.check) == []
        if item.reference:
            assert verify(item.reference, item.check).passed, item.id


def test_equal_seeds_give_equal_tasks_and_others_do_not() -> None:
    assert exam(3) == exam(3) != exam(4)


def test_no_answer_passes_by_saying_nothing_or_everything() -> None:
    for item in exam():
        assert item.check is not None
        assert not verify("", item.check).passed
        if item.check["kind"] == "label":
            assert not verify(" ".join(item.check["labels"]), item.check).passed


def test_no_task_resembles_a_seed_or_a_held_out_task() -> None:
    index = NoveltyIndex()
    for name in ("seed_tasks.jsonl", "eval_tasks.jsonl"):
        for task in read_seed_tasks(SEEDS / name):
            index.add(task.instruction)
    assert [item.id for item in exam() if not index.score(item.conversation.turns[0].instruction).novel] == []


def test_an_answer_without_an_end_keeps_no_constraint_and_may_still_be_right() -> None:
    items = {item.group: item for item in exam()}
    constrained = replace(
        items["constraints, easy"], check={"kind": "constraints", "constraints": [{"type": "punctuation:no_comma"}]}
    )
    whole, cut = (mark(constrained, "It rains. " * 20, is_cut=is_cut) for is_cut in (False, True))
    assert whole["correct"] == whole["followed_loose_each"] == 1.0
    assert {cut[name] for name in whole if name == "correct" or name.startswith("followed")} == {0.0}
    asked = items["arithmetic, very easy"]
    assert mark(asked, asked.reference, is_cut=True)["right_answer"] == 1.0


@pytest.mark.parametrize(
    ("template", "text", "kept"),
    [
        ("alpaca", "4\n\n### Response:\n5", "4"),
        ("alpaca", "Write ### Response: at the end", "Write ### Response: at the end"),
        ("vicuna", "Four.\nUSER: And five?", "Four."),
        ("short", "Four\nTask: more", "Four"),
        ("chatml", "Four\nUSER: more", "Four\nUSER: more"),
    ],
)
def test_an_answer_ends_where_the_template_goes_on(template: str, text: str, kept: str) -> None:
    found = next_part(TEMPLATES[template]).search(text)
    assert text[: found.start() if found else None].strip() == kept
