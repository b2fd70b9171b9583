"""The answer to an understood task, in the form it asks for, and whether a given answer is the right one."""

from __future__ import annotations

import re

from synth.embedded.generate import Task
from synth.embedded.material import write, write_table
from synth.embedded.operations import OPERATIONS
from synth.embedded.operations.texts import options
from synth.embedded.plan import Link
from synth.embedded.values import Label, Name, Quantity, Table, Unfit, show_number


def answer(task: Task) -> str:
    outcome = task.outcome
    last = outcome.links[-1]
    main = _written(last, task)
    if not outcome.also:
        return main
    parts = [(title(last), main), *((title(link), _written(link, task)) for link in outcome.also)]
    return "\n".join(f"{name}:\n{text}" if "\n" in text else f"{name}: {text}" for name, text in parts)


def with_steps(task: Task) -> str:
    """The result of each step, then the answer, which must stand on one line. Raises Unfit where it does not."""
    final = answer(task)
    if "\n" in final:
        raise Unfit("an answer of several lines cannot end worked steps")
    steps = [f"{title(link)}: {' '.join(write(link.after).split())}." for link in task.outcome.links]
    return "\n".join([*steps, f"The answer is {final.removesuffix('.')}."])


def title(link: Link) -> str:
    name = OPERATIONS[link.step.op].named(link.step.args)
    return name[:1].upper() + name[1:]


def _written(link: Link, task: Task) -> str:
    value = link.after
    if isinstance(value, Table):
        return write_table(value, table_form(task.input))
    if isinstance(value, Quantity) and task.plan.bare:
        return show_number(value.value, value.places)
    return write(value)


def table_form(material: str) -> str:
    return "json" if material.startswith("[") else "csv"


def plain(text: str) -> str:
    """The text without differences that do not matter: spaces, case, a full stop at the end."""
    return re.sub(r"\s+", " ", text).strip().rstrip(".").lower()


def is_right(task: Task, given: str) -> bool:
    """Does `given` say the right result? Wording around the result is allowed, another result is not."""
    right, result = answer(task), task.outcome.result
    if plain(given) == plain(right):
        return True
    if not given.strip() or task.outcome.also or isinstance(result, Table) or "\n" in right:
        return False
    if isinstance(result, Quantity):
        found = re.findall(r"-?\d+(?:\.\d+)?", given.replace(",", ""))
        return len(found) == 1 and float(found[0]) == float(show_number(result.value, result.places))
    if isinstance(result, Label) and result.text in ("yes", "no"):
        return re.fullmatch(rf"(?:the answer is |it is )?{result.text}(?:[,;:] .*)?", plain(given)) is not None
    return _names(write(result), given) and not any(_names(other, given) for other in _others(task))


def _names(text: str, given: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(plain(text))}(?!\w)", plain(given)) is not None


def _others(task: Task) -> list[str]:
    result, last = task.outcome.result, task.outcome.links[-1]
    found: list[str] = []
    if isinstance(result, Label):
        found = labels_for(last.step.op, last.step.args)
    elif isinstance(result, Name) and isinstance(last.before, Table):
        found = [str(row[0]) for row in last.before.rows]
    return [other for other in found if other != write(result)]


def labels_for(op: str, args: dict[str, str]) -> list[str]:
    """The labels of a classifying step; empty for any other."""
    return options(args["labels"]) if op == "topic" else [args.get(name, name) for name in OPERATIONS[op].labels]
