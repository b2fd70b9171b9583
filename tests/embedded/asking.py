"""Asking the embedded teacher with the pipeline's own prompts. Not a test itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from synth.embedded import Settings, reply
from synth.embedded.draws import Draw
from synth.embedded.generate import Task, Wish, draw_task
from synth.embedded.task import understand
from synth.models.base import ChatRequest
from synth.parsing import ParsedTask, parse_rewrite
from synth.prompts import Prompt, render
from synth.prompts.replies import instance_reply, task_reply
from synth.stages.bootstrap.attributes import kind_of
from synth.stages.evolve.operators import OPERATORS

USUAL = Settings()
BLANK: dict[str, Any] = {
    "topic": "",
    "language": "",
    "with_inputs": True,
    "with_outputs": False,
    "examples": [],
    "classification_only": False,
    "reference": "",
    "talk": "",
    "num_instances": 2,
    "changes_input": False,
}
SEED = {
    "instruction": "Write two lines of verse about rain.",
    "input": "",
    "output": "Rain.",
    "is_classification": False,
}


def prompt(name: str, **values: Any) -> Prompt:
    """A prompt of the pipeline; what is not given is blank. `examples` are tasks, `wanted` lines of attributes."""
    values = BLANK | values
    as_json, with_outputs = values.pop("as_json", False), values["with_outputs"]
    shown = [SimpleNamespace(**task) for task in values["examples"]]
    if name in ("diverse", "alpaca"):
        replies = [task_reply([task], with_outputs=with_outputs, as_json=as_json) for task in shown]
        blank = {"kind": "do this", "topic": "", "language": "", "material": ""}
        values["examples"] = [{"wanted": [blank], "count": 1, "reply": reply} for reply in replies]
        values["as_json"] = as_json
        values["wanted_items"] = [_item(line) for line in values.pop("wanted", ())]
    elif name in ("instances", "instances_output_first"):
        first = name != "instances"
        replies = [instance_reply(task, label_first=first) for task in shown]
        values["examples"] = [{"instruction": t.instruction, "reply": r} for t, r in zip(shown, replies, strict=True)]
    elif name in ("evolve_depth", "evolve_breadth"):
        task = SimpleNamespace(instruction=values["instruction"], input=values["input"])
        values["given"] = task_reply([task], with_outputs=False, as_json=as_json)
        values["operator"] = values["operator"].replace("_", " ")
    return render(name, **values)


def _item(line: str) -> dict[str, str]:
    """A wanted task, from a line such as "domain: a bakery; category: classify"."""
    said = dict(part.strip().split(": ") for part in line.split(";") if ": " in part)
    kind = kind_of(said["category"]).phrase if "category" in said else "do this"
    return {"kind": kind, "topic": said.get("domain", ""), "language": said.get("language", ""), "material": ""}


def ask(asked: Prompt | str, settings: Settings = USUAL, **fields: Any) -> str:
    """The teacher's text."""
    messages = ({"role": "user", "content": asked},) if isinstance(asked, str) else asked.messages
    return reply(ChatRequest(messages, **fields), settings).text


def tasks(name: str, count: int, wish: Wish | None = None) -> list[Task]:
    """Random tasks."""
    return [draw_task(Draw(name, number), wish or Wish()) for number in range(count)]


def evolve(task: Task | ParsedTask, operator: str, **fields: Any) -> ParsedTask:
    """The task after one operator."""
    how = OPERATORS[operator]
    asked = prompt(how.prompt, operator=operator, method=how.method, instruction=task.instruction, input=task.input)
    return parse_rewrite(ask(asked, **fields))


def known(task: Task | ParsedTask) -> Task:
    """The task as the teacher understands it."""
    found = understand(task.instruction, task.input)
    assert found is not None, task.instruction
    return found
