"""The answer to an understood task, in the form it asks for, and whether a given answer is the right one."""

from __future__ import annotations

import json
import re

from synth.embedded.generate import Task
from synth.embedded.material import write, write_table
from synth.embedded.operations import OPERATIONS
from synth.embedded.plan import Link
from synth.embedded.values import (
    Day,
    Label,
    Name,
    Numbers,
    Quantity,
    Table,
    Words,
    join_and,
    show_number,
    show_quantity,
)  # fmt: skip


def answer(task: Task) -> str:
    """What a careful person would reply."""
    plan, outcome = task.plan, task.outcome
    last = outcome.links[-1]
    main = _written(last, task)
    if not outcome.also:
        return "\n".join([*worked_steps(task), f"Answer: {main}"]) if plan.working else main
    parts = [(title(last), main), *((title(link), _written(link, task)) for link in outcome.also)]
    lines = [f"{name}:\n{text}" if "\n" in text else f"{name}: {text}" for name, text in parts]
    return "\n".join([*worked_steps(task), *lines] if plan.working else lines)


def title(link: Link) -> str:
    """What a result is called: "Total price"."""
    name = OPERATIONS[link.step.op].title(link.step.args)
    return name[:1].upper() + name[1:]


def worked_steps(task: Task) -> list[str]:
    """A line for every step that has something to show."""
    links = task.outcome.links + task.outcome.also
    explained = [(OPERATIONS[link.step.op].explain, link) for link in links]
    lines = [explain(link.before, link.step.args, link.after) for explain, link in explained if explain]
    return [f"Step {number}: {line}" for number, line in enumerate(lines, 1)]


def _written(link: Link, task: Task) -> str:
    value, layout = link.after, task.plan.layout
    if isinstance(value, Table):
        return write_table(value, table_form(task.input))
    if layout == "sentence" and isinstance(value, Quantity | Label | Name | Day):
        return _sentence(link)
    if isinstance(value, Quantity):
        return show_number(value.value, value.places) if layout == "bare" else show_quantity(value)
    if isinstance(value, Words | Numbers):
        items = list(value.values) if isinstance(value, Words) else [show_number(x, value.places) for x in value.values]
        return _listed([str(item) for item in items], layout, isinstance(value, Numbers))
    return write(value)


def table_form(material: str) -> str:
    """The notation of a table's text."""
    return "json" if material.startswith("[") else "markdown" if material.startswith("|") else "csv"


def _listed(items: list[str], layout: str, are_numbers: bool) -> str:
    if layout == "bullets":
        return "\n".join(f"- {item}" for item in items)
    if layout == "numbered":
        return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
    if layout == "lines":
        return "\n".join(items)
    if layout == "json":
        return "[" + ", ".join(items if are_numbers else [json.dumps(item, ensure_ascii=False) for item in items]) + "]"
    return join_and(items) if layout == "and" else ", ".join(items)


def _sentence(link: Link) -> str:
    value, operation = link.after, OPERATIONS[link.step.op]
    if isinstance(value, Label):
        return _label_sentence(link, value)
    if isinstance(value, Quantity) and operation.name.startswith("count") and value.unit:
        return f"There {'is' if value.value == 1 else 'are'} {show_quantity(value)}."
    name = "result" if operation.role in ("change", "finish") else operation.title(link.step.args)
    if isinstance(value, Quantity):
        return _figure_sentence(name, value)
    return f"The {name} is {value.text if isinstance(value, Name) else write(value)}."


def _figure_sentence(name: str, value: Quantity) -> str:
    """What is counted is named once: "The average number of sheets is 12", not "The average sheets is 12 sheets"."""
    number, unit = show_number(value.value, value.places), value.unit
    if name.startswith("letter "):
        return f"The {name} occurs {number} time{'' if value.value == 1 else 's'}."
    if unit and name.endswith(f"of {unit}"):
        return f"The {name} is {number}."
    if unit and name.endswith(f" {unit}") and " " not in name.removesuffix(f" {unit}"):
        return f"The {name.removesuffix(unit)}number of {unit} is {number}."
    return f"The {name} is {show_quantity(value)}."


def _label_sentence(link: Link, value: Label) -> str:
    if link.step.op == "sentiment":
        who = "writer" if value.text.endswith(("happy", "satisfied")) else str(getattr(link.before, "genre", "text"))
        return f"The {who} is {value.text}."
    if link.step.op == "topic":
        return f"The {getattr(link.before, 'genre', 'text')} is about {value.text}."
    return f"The number is {value.text}." if link.step.op == "parity" else f"The answer is {value.text}."


# --- is a given answer right? ----------------------------------------------------------------------------------------

_SPACE = re.compile(r"\s+")


def plain(text: str) -> str:
    """The text without differences that do not matter: spaces, case, a full stop at the end."""
    return _SPACE.sub(" ", text).strip().rstrip(".").lower()


def is_right(task: Task, given: str) -> bool:
    """Does `given` say what comes out? Wording around the result is allowed, another result is not."""
    right = answer(task)
    if plain(given) == plain(right):
        return True
    if not given.strip() or task.outcome.also:
        return False
    result = task.outcome.result
    final = given.rpartition("Answer:")[2] if "Answer:" in given else given
    if isinstance(result, Quantity):
        found = re.findall(r"-?\d+(?:\.\d+)?", final.replace(",", ""))
        return len(found) == 1 and found[0].rstrip("0").rstrip(".") == show_number(result.value, result.places).rstrip(
            "0"
        ).rstrip(".")
    if isinstance(result, Table) or "\n" in right:
        return False
    if isinstance(result, Label) and result.text in ("yes", "no"):
        return re.fullmatch(rf"(?:the answer is |it is )?{result.text}(?:[,;:] .*)?", plain(final)) is not None
    return bool(re.search(rf"(?<!\w){re.escape(plain(write(result)))}(?!\w)", plain(final))) and not _names_another(
        task, final
    )


def _names_another(task: Task, text: str) -> bool:
    """Does the text name a label or a member of the list that is not the result?"""
    result = task.outcome.result
    before = task.outcome.links[-1].before
    others: list[str] = []
    if isinstance(result, Label):
        others = [label for label in labels_of(task) if label != result.text]
    elif isinstance(result, Name) and isinstance(before, Words):
        others = [value for value in before.values if value != result.text]
    elif isinstance(result, Name) and isinstance(before, Table):
        others = [str(row[0]) for row in before.rows if row[0] != result.text]
    words = plain(text)
    return any(re.search(rf"(?<!\w){re.escape(plain(other))}(?!\w)", words) for other in others)


def labels_of(task: Task) -> list[str]:
    """All labels that the last step can give."""
    return labels_for(task.plan.steps[-1].op, task.plan.steps[-1].args)


def labels_for(op: str, args: dict[str, str]) -> list[str]:
    """The labels of a classifying step; empty for any other."""
    names = OPERATIONS[op].labels
    if op == "topic":
        from synth.embedded.operations.texts import options

        return options(args["labels"])
    return [args.get(name, name) for name in names]
