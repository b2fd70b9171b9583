"""Tasks in the form that a reply is to have, for the worked examples of a prompt; `synth.parsing` reads it back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

NO_INPUT = "None"


def task_reply(tasks: Sequence[Any], *, with_inputs: bool = True, with_outputs: bool, as_json: bool) -> str:
    """A reply that gives `tasks` (objects with `instruction`, `input`, `output`), in JSON or in headed sections.

    One task stands by itself; several are numbered `## Task 1`, ... or stand in the list `tasks`.
    """
    names = ("instruction", *(["input"] if with_inputs else []), *(["output"] if with_outputs else []))
    if as_json:
        rows = [{name: getattr(task, name) for name in names} for task in tasks]
        return json.dumps(rows[0] if len(rows) == 1 else {"tasks": rows}, ensure_ascii=False)
    parts = [_sections([(name.capitalize(), getattr(task, name)) for name in names]) for task in tasks]
    return parts[0] if len(parts) == 1 else "\n\n".join(f"## Task {n}\n{part}" for n, part in enumerate(parts, 1))


def instance_reply(task: Any, *, label_first: bool) -> str:
    """A reply that gives one input of a task with its output, or with the label before the input."""
    if label_first:
        return _sections([("Label", task.output), ("Input", task.input)])
    return _sections([("Input", task.input), ("Output", task.output)])


def _sections(fields: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"### {name}\n{text or NO_INPUT}" for name, text in fields)
