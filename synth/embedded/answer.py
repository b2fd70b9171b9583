"""The answer to an understood task, in the form it asks for, and whether a given answer is the right one."""

from __future__ import annotations

import json
import re

from synth.embedded.generate import Task
from synth.embedded.material import write, write_table
from synth.embedded.operations import OPERATIONS
from synth.embedded.operations.texts import options
from synth.embedded.plan import Link
from synth.embedded.values import Label, Name, Numbers, Quantity, Table, Text, Words, show_number, show_quantity


def answer(task: Task) -> str:
    """What a careful person would reply."""
    plan, outcome = task.plan, task.outcome
    last = outcome.links[-1]
    main = _written(last, task)
    steps = worked_steps(task) if plan.working else []
    if not outcome.also:
        return "\n".join([*steps, f"Answer: {main}"]) if plan.working else main
    parts = [(title(last), main), *((title(link), _written(link, task)) for link in outcome.also)]
    return "\n".join([*steps, *(f"{name}:\n{text}" if "\n" in text else f"{name}: {text}" for name, text in parts)])


def title(link: Link) -> str:
    """What a result is called: "Total price"."""
    name = OPERATIONS[link.step.op].named(link.step.args)
    return name[:1].upper() + name[1:]


def worked_steps(task: Task) -> list[str]:
    """A line for every step that has something to show."""
    explained = [(OPERATIONS[link.step.op].explain, link) for link in task.outcome.links + task.outcome.also]
    lines = [explain(link.before, link.step.args, link.after) for explain, link in explained if explain]
    return [f"Step {number}: {line}" for number, line in enumerate(lines, 1)]


def _written(link: Link, task: Task) -> str:
    value, layout = link.after, task.plan.layout
    if isinstance(value, Table):
        return write_table(value, table_form(task.input))
    if layout == "sentence" and isinstance(value, Quantity | Label | Name):
        return _sentence(link)
    if isinstance(value, Quantity) and layout == "bare":
        return show_number(value.value, value.places)
    if isinstance(value, Words):
        return _listed(list(value.values), layout, [json.dumps(item, ensure_ascii=False) for item in value.values])
    if isinstance(value, Numbers):
        shown = [show_number(x, value.places) for x in value.values]
        return _listed(shown, layout, shown)
    return write(value)


def table_form(material: str) -> str:
    """The notation of a table's text."""
    return "json" if material.startswith("[") else "markdown" if material.startswith("|") else "csv"


def _listed(items: list[str], layout: str, as_json: list[str]) -> str:
    forms = {
        "bullets": "\n".join(f"- {item}" for item in items),
        "numbered": "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1)),
        "lines": "\n".join(items),
        "json": f"[{', '.join(as_json)}]",
    }
    return forms.get(layout, ", ".join(items))


def _sentence(link: Link) -> str:
    value, operation = link.after, OPERATIONS[link.step.op]
    if isinstance(value, Label):
        return _label_sentence(link, value)
    name = "result" if operation.role in ("change", "finish") else operation.named(link.step.args)
    if isinstance(value, Quantity) and value.unit and operation.name.startswith("count"):
        return f"There {'is' if value.value == 1 else 'are'} {show_quantity(value)}."
    if isinstance(value, Quantity) and name.startswith("letter "):
        return f"The {name} occurs {write(value)} time{'' if value.value == 1 else 's'}."
    if isinstance(value, Quantity) and value.unit and name.endswith(f" {value.unit}"):
        return f"The {name.removesuffix(value.unit)}number of {show_quantity(value).partition(' ')[2]} is {show_number(value.value, value.places)}."
    return f"The {name} is {write(value)}."


def _label_sentence(link: Link, value: Label) -> str:
    genre = link.before.genre if isinstance(link.before, Text) else "text"
    if link.step.op == "sentiment":
        return f"The {'writer' if value.text.endswith(('happy', 'satisfied')) else genre} is {value.text}."
    if link.step.op == "topic":
        return f"The {genre} is about {value.text}."
    return f"The {'number' if link.step.op == 'parity' else 'answer'} is {value.text}."


# --- is a given answer right? -----------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """The text without differences that do not matter: spaces, case, a full stop at the end."""
    return re.sub(r"\s+", " ", text).strip().rstrip(".").lower()


def is_right(task: Task, given: str) -> bool:
    """Does `given` say the right result? Wording around the result is allowed, another result is not."""
    right, result = answer(task), task.outcome.result
    if plain(given) == plain(right):
        return True
    if not given.strip() or task.outcome.also or isinstance(result, Table) or "\n" in right.rpartition("Answer:")[2]:
        return False
    final = given.rpartition("Answer:")[2]
    if isinstance(result, Quantity):
        found = re.findall(r"-?\d+(?:\.\d+)?", final.replace(",", ""))
        return len(found) == 1 and float(found[0]) == float(show_number(result.value, result.places))
    if isinstance(result, Label) and result.text in ("yes", "no"):
        return re.fullmatch(rf"(?:the answer is |it is )?{result.text}(?:[,;:] .*)?", plain(final)) is not None
    return _names(write(result), final) and not any(_names(other, final) for other in _others(task))


def _names(text: str, given: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(plain(text))}(?!\w)", plain(given)) is not None


def _others(task: Task) -> list[str]:
    """The labels or the members of the list that are not the result."""
    result, last = task.outcome.result, task.outcome.links[-1]
    found: list[str] = []
    if isinstance(result, Label):
        found = labels_for(last.step.op, last.step.args)
    elif isinstance(result, Name) and isinstance(last.before, Words):
        found = list(last.before.values)
    elif isinstance(result, Name) and isinstance(last.before, Table):
        found = [str(row[0]) for row in last.before.rows]
    return [other for other in found if other != write(result)]


def labels_for(op: str, args: dict[str, str]) -> list[str]:
    """The labels of a classifying step; empty for any other."""
    return options(args["labels"]) if op == "topic" else [args.get(name, name) for name in OPERATIONS[op].labels]
