"""Examination tasks from a file: our own seed format, Self-Instruct's user-oriented tasks, published evaluation sets
(see `synth.sources.evaluation`), and lm-eval's usual columns.

One JSON object a line (or one JSON array). A question is `instruction` or `prompt`, `question`, `query`; `input` or
`context` goes with it. What is right is a `check` of ours, the `instances` of Self-Instruct, or `answer`, `target`,
`output`; with `choices` it is a letter, a number or one of the choices. GSM8K's "#### 42" is compared as a number, and
IFEval's `instruction_id_list` with its `kwargs` are constraints.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from synth.errors import InputError, UsageError
from synth.given import MAX_DATA_BYTES, read_named
from synth.sources.evaluation import question_of
from synth.student.items import EvalItem, items_from
from synth.student.superni import is_task_file, superni_items
from synth.student.templates import Conversation, Turn
from synth.verify import check_mistakes, last_number

QUESTIONS = ("instruction", "prompt", "question", "query")
INPUTS = ("input", "context")
ANSWERS = ("answer", "target", "output", "gold", "label")


def read_tasks(path: Path) -> list[EvalItem]:
    """The tasks of a file, or of a folder of Super-NaturalInstructions' task files.

    Raises UsageError where it cannot be read, InputError with every line that is no task.
    """
    if is_task_file(path):
        return superni_items(path)
    text = read_named(path, "name a JSON Lines file in UTF-8", most=MAX_DATA_BYTES)
    is_array = text.lstrip().startswith("[")
    lines = [json.dumps(row) for row in _parsed(text, path)] if is_array else text.split("\n")
    items: list[EvalItem] = []
    seen: set[str] = set()
    mistakes: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = _items(json.loads(line), f"{path.stem}_{number}")
            if twice := [item.id for item in found if item.id in seen]:
                raise ValueError(f"the id {twice[0]!r} stands above already")
            items += found
            seen |= {item.id for item in found}
        except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
            mistakes.append(f"{path}:{number}: {error}"[:300])
    if mistakes:
        raise InputError(f"{path}: {len(mistakes)} lines are no tasks", mistakes, "see `synth evaluate --help`")
    return items


def _parsed(text: str, path: Path) -> list[Any]:
    try:
        return list(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON ({error})", "name a file of JSON Lines, or one JSON array") from error


def _items(row: Any, name: str) -> list[EvalItem]:
    if not isinstance(row, dict):
        raise ValueError("the line is no JSON object")
    if (published := question_of(row)) is not None and "instances" not in row:
        return [
            replace(item, id=str(row.get("id") or row.get("question_id") or name))
            for item in items_from([published.record()])
        ]
    question = _text(row, QUESTIONS)
    if not question:
        raise ValueError(f"there is no question under any of: {', '.join(QUESTIONS)}")
    group = str(row.get("category") or row.get("motivation_app") or row.get("subject") or "")
    label = str(row.get("id") or row.get("key") or name)
    if isinstance(row.get("instances"), list):
        return [
            EvalItem(
                label if number == 0 else f"{label}#{number}",
                Conversation((Turn(question, str(one.get("input") or "")),)),
                str(one.get("output") or ""),
                _check(row) if number == 0 else None,
                group,
            )
            for number, one in enumerate(row["instances"])
        ]
    row, others = _one_answer(row)
    answer, check = _right(row)
    asked = Conversation((Turn(_with_choices(row, question), _text(row, INPUTS)),))
    return [EvalItem(label, asked, answer, check, group, others)]


def _one_answer(row: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The row with the first of several right answers in their place, and the others (as in SuperNI)."""
    lists = {name: row[name] for name in ANSWERS if isinstance(row.get(name), list) and row[name]}
    if not lists:
        return row, ()
    name, answers = next(iter(lists.items()))
    return row | {name: answers[0]}, tuple(str(one) for one in answers[1:])


def _text(row: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((str(row[name]) for name in names if row.get(name) not in (None, "")), "")


def _check(row: dict[str, Any]) -> dict[str, Any] | None:
    check = row.get("check")
    if check is None and isinstance(row.get("instruction_id_list"), list):
        pairs = zip(row["instruction_id_list"], row["kwargs"], strict=True)
        check = {"kind": "constraints", "constraints": [{"type": kind} | given for kind, given in pairs]}
    if check is not None and (mistakes := check_mistakes(check)):
        raise ValueError("; ".join(mistakes))
    return check


def _choices(row: dict[str, Any]) -> list[str]:
    found = row.get("choices")
    found = found.get("text") if isinstance(found, dict) else found
    return [str(one) for one in found] if isinstance(found, list) else []


def _with_choices(row: dict[str, Any], question: str) -> str:
    listed = "\n".join(f"{chr(65 + number)}. {choice}" for number, choice in enumerate(_choices(row)))
    return f"{question}\n{listed}\nAnswer with the letter." if listed else question


def _right(row: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """(the right answer, how an answer is checked); ("", None) where the row has neither."""
    raw = next((row[name] for name in (*ANSWERS, "answerKey") if row.get(name) not in (None, "")), "")
    if (check := _check(row)) is not None:
        return str(raw), check
    if choices := _choices(row):
        letters = [chr(65 + place) for place in range(len(choices))]
        place = raw if isinstance(raw, int) else letters.index(raw) if raw in letters else choices.index(str(raw))
        return letters[place], {"kind": "label", "answer": letters[place], "labels": letters}
    answer = str(raw)
    if "####" in answer and (number := last_number(answer)) is not None:
        return answer, {"kind": "numeric", "answer": number}
    return answer, None
