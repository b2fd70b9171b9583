"""Figures as the published evaluations compute them: IFEval's level of constraints, ROUGE-L to several references."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from synth.student.items import EvalItem
from synth.student.scores import mark, pooled, score
from synth.student.task_file import read_tasks
from synth.student.templates import Conversation, Turn

SHORT: dict[str, Any] = {"type": "length_constraints:number_words", "relation": "less than", "num_words": 5}
LONG: dict[str, Any] = {"type": "length_constraints:number_words", "relation": "at least", "num_words": 50}


def item(name: str, *constraints: dict[str, Any]) -> EvalItem:
    check = {"kind": "constraints", "constraints": list(constraints)}
    return EvalItem(name, Conversation((Turn("Say it."),)), check=check)


def test_constraints_are_pooled_over_all_prompts() -> None:
    items = {one.id: one for one in (item("a", SHORT), item("b", SHORT, LONG, LONG, LONG))}
    values = {name: mark(one, "Two words")["followed_strict_each"] for name, one in items.items()}
    assert values == {"a": 1.0, "b": 0.25}
    assert score("s", "x", pooled("followed_strict_each", values, items)).value == 0.4  # 2 of 5
    assert pooled("correct", values, items) == [1.0, 0.25]


def test_rouge_takes_the_best_of_several_references(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"instruction": "Name it.", "output": ["an old harbour", "the pier"]}))
    (one,) = read_tasks(path)
    assert (one.reference, one.references) == ("an old harbour", ("the pier",))
    assert mark(one, "the pier")["rouge_l"] == 1.0
