"""Replies with tasks, instances or a rewritten task, as `ParsedTask`s; one that cannot be used says why."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

from synth.parsing.json_items import json_rows
from synth.parsing.layout import strip_fence, unwrap
from synth.parsing.lists import split_list
from synth.parsing.remarks import REWRITTEN, clean_input, holds_answer, without_remark, without_talk
from synth.parsing.sections import Item, split_items


@dataclass(frozen=True, slots=True)
class ParsedTask:
    """One task of a reply; `problem` is a reason code when it cannot be used, and None when it can.

    `number`: what the reply calls it, or its place, from 1.
    """

    instruction: str
    input: str = ""
    output: str = ""
    problem: str | None = None
    number: int = 0


def parse_tasks(text: str, *, cut: bool = False, wants_output: bool = False) -> list[ParsedTask]:
    """All tasks of a reply in headed sections or in JSON. `cut`: it ended at max_tokens, its last item is dropped."""
    rows = json_rows(text, "instruction")
    if rows is not None:
        return _numbered(_cut([_json_task(row, wants_output) for row in rows], cut and not _is_closed(text)), [])
    items = split_items(text, ("instruction", "input", *(["output"] if wants_output else [])))
    tasks = [_section_task(item, wants_output) for item in items]
    return _numbered(_cut(tasks, cut), items)


def parse_instances(text: str, *, cut: bool = False, wants_label: bool = False) -> list[ParsedTask]:
    """The examples of a reply to the instance prompts, as tasks without an instruction; labels stand in `output`."""
    order = ("label", "input") if wants_label else ("input", "output")
    rows = json_rows(text, order[0])
    if rows is not None:
        return _cut([_json_instance(row, order) for row in rows], cut and not _is_closed(text))
    items = [item for item in split_items(text, order) if item.fields and not item.text("instruction")]
    return _cut([_section_instance(item, wants_label) for item in items], cut)


def parse_rewrite(text: str) -> ParsedTask:
    """The rewritten task of a reply to an evolution prompt; a reply without headings is taken as the instruction.

    "Rewritten task:" is a heading too. Remarks on the rewriting around the task are cut.
    """
    rows = json_rows(text, "instruction")
    if rows is not None:
        tasks = [_json_task(row, False) for row in rows]
    else:
        text = REWRITTEN.sub(r"\1Instruction", text)
        items = [one for one in split_items(text, ("instruction", "input")) if one.text("instruction") or one.problem]
        tasks = [replace(_section_task(item, False), output="") for item in items]
    if len(tasks) > 1:
        return replace(tasks[0], problem="several_tasks")
    bare = unwrap(strip_fence(without_talk(text)))
    task = tasks[0] if tasks else _checked(bare, "", "", False)
    given = clean_input(without_remark(task.input))
    return replace(task, instruction=without_remark(task.instruction), input=given)


def parse_numbered(text: str, first: int, *, cut: bool = False) -> list[ParsedTask]:
    """The items of a numbered list that goes on at `first` (its number may be missing), each one line of text."""
    items = split_list(text, first)
    tasks = [
        ParsedTask(item, "", "", None if item else "no_instruction", number) for number, item in enumerate(items, 1)
    ]
    return _cut(tasks, cut)


def _cut(tasks: list[ParsedTask], cut: bool) -> list[ParsedTask]:
    return [*tasks[:-1], replace(tasks[-1], problem="cut_off")] if cut and tasks else tasks


def _is_closed(text: str) -> bool:
    """Did the JSON end before the cut?"""
    return text.rstrip().rstrip("`").rstrip().endswith(("]", "]}"))


def _numbered(tasks: list[ParsedTask], items: list[Item]) -> list[ParsedTask]:
    """Each task with its number: what its head says where the heads count up without a repeat, else its place."""
    heads = [item.number for item in items]
    drifts = not heads or any(a is None or b is None or b <= a for a, b in itertools.pairwise(heads))
    numbers = range(1, len(tasks) + 1) if drifts or heads[0] is None else heads
    return [replace(task, number=number or 0) for task, number in zip(tasks, numbers, strict=True)]


def _json_task(row: Any, wants_output: bool) -> ParsedTask:
    if not isinstance(row, dict):
        return ParsedTask(str(row)[:500], problem=row if row == "broken_json" else "not_an_object")
    texts = [row.get(name) or "" for name in ("instruction", "input", "output")]
    if not all(isinstance(value, str) for value in texts):
        return ParsedTask(str(row.get("instruction", ""))[:500], problem="wrong_type")
    return _checked(texts[0].strip(), clean_input(texts[1]), texts[2].strip(), wants_output)


def _json_instance(row: Any, order: tuple[str, str]) -> ParsedTask:
    if not isinstance(row, dict):
        return ParsedTask("", str(row)[:500], problem=row if row == "broken_json" else "not_an_object")
    given, output = row.get("input") or "", row.get("label" if order[0] == "label" else "output") or ""
    if not isinstance(given, str) or not isinstance(output, str | int | float):
        return ParsedTask("", str(given)[:500], problem="wrong_type")
    output = str(output).strip()
    return ParsedTask("", clean_input(given), output, None if output else "no_output")


def _section_task(item: Item, wants_output: bool) -> ParsedTask:
    instruction = item.text("instruction") or item.free
    output = item.text("output")
    if item.problem:
        return ParsedTask(instruction, clean_input(item.text("input")), output, item.problem)
    return _checked(instruction, clean_input(item.text("input")), output, wants_output)


def _section_instance(item: Item, wants_label: bool) -> ParsedTask:
    output = (item.text("label") if wants_label else "") or item.text("output")
    problem = item.problem or (None if output else "no_output")
    return ParsedTask("", clean_input(item.text("input")), output, problem)


def _checked(instruction: str, given: str, output: str, wants_output: bool) -> ParsedTask:
    problem = "no_instruction" if not instruction else "no_output" if wants_output and not output else None
    problem = problem or ("answer_in_instruction" if holds_answer(instruction) else None)
    return ParsedTask(instruction, given, output, problem)
