"""Replies of two real models, each with the verdict of a reader: what parsers and checks make of them.

`usable`: s strictly, b after a small change, n not. `refused_as`: the reason that a reply must be refused with; null for
an n is a fault that no check sees. The file says which model and which version of which prompt each reply answers.
Replies with a `form` (alpaca: several tasks; list and instance: steps 1 and 3 of Self-Instruct; evolve) stand with the
messages they answer, and have a verdict for each task.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.checks import TASK_CHECKS, build_checks
from synth.checks.base import split_reason
from synth.checks.echo import repeats_request
from synth.parsing import ParsedTask, parse_instances, parse_numbered, parse_rewrite, parse_tasks
from synth.records import Record
from synth.stages.select.settings import DEFAULT_CHECKS

FILE = Path(__file__).parent / "data" / "real_replies.jsonl"
REPLIES: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]
SINGLE = [row for row in REPLIES if "form" not in row]
FORMED = [row for row in REPLIES if "form" in row]
TASKS = [row for row in SINGLE if row["stage"] == "bootstrap"]
ANSWERS = [row for row in SINGLE if row["stage"] == "respond"]


def parsed(row: dict[str, Any]) -> ParsedTask:
    (task,) = parse_tasks(row["reply"], cut=row["finish"] == "length")
    return task


def reason(row: dict[str, Any]) -> str | None:
    """Why bootstrap, or select, refuses the reply."""
    if row["stage"] == "bootstrap":
        task = parsed(row)
        if task.problem:
            return task.problem
        record, checks = Record(task.instruction, task.input), build_checks(TASK_CHECKS)
        checks = [("prompt_echo", repeats_request([{"role": "user", "content": row["asked"]}])), *checks]
    else:
        instruction, _, given = row["asked"].partition("\n\n")
        record, checks = Record(instruction, given, row["reply"]), build_checks(DEFAULT_CHECKS)
    found = next(filter(None, (check(record) for _, check in checks)), None)
    return split_reason(found)[0] if found else None


def test_there_are_more_than_sixty_replies_good_and_bad() -> None:
    assert len(REPLIES) > 100 and len(ANSWERS) > 20
    assert {row["form"] for row in FORMED} == {"alpaca", "list", "instance", "evolve"}
    assert sum(row["refused_as"] is not None for row in SINGLE) >= 20
    assert {row["usable"] for row in SINGLE} == {"s", "b", "n"}
    assert {row["model"] for row in REPLIES} == {"qwen2.5-coder-1.5b-instruct", "smollm2-135m-instruct"}


@pytest.mark.parametrize("row", [row for row in TASKS if row["finish"] == "stop"], ids=lambda row: row["reply"][:40])
def test_a_whole_reply_is_read_word_for_word(row: dict[str, Any]) -> None:
    said, task = json.loads(row["reply"]), parsed(row)
    assert (task.instruction, task.input) == (said["instruction"].strip(), said.get("input", "").strip())


@pytest.mark.parametrize("row", [row for row in SINGLE if row["usable"] != "n"], ids=lambda row: row["reply"][:40])
def test_what_a_reader_would_keep_is_let_pass(row: dict[str, Any]) -> None:
    assert reason(row) is None


@pytest.mark.parametrize("row", [row for row in SINGLE if row["refused_as"]], ids=lambda row: row["reply"][:40])
def test_what_is_no_good_is_refused_with_its_reason(row: dict[str, Any]) -> None:
    assert reason(row) == row["refused_as"]


def tasks_of(row: dict[str, Any]) -> list[tuple[Record, str | None]]:
    """What the parser of the form makes of a reply: each task, and why it cannot be read."""
    text, asked, cut = row["reply"], row["messages"][-1]["content"], row["finish"] == "length"
    if row["form"] == "alpaca":
        found = parse_tasks(text, cut=cut, wants_output=True)
    elif row["form"] == "list":
        shown = sum(line[:1].isdigit() for line in row["messages"][-2]["content"].splitlines())
        found = parse_numbered(text, shown + 1, cut=cut)
    elif row["form"] == "instance":
        found = parse_instances(text, cut=cut, wants_label="### Label" in text)
    else:
        found = [parse_rewrite(text)]
    task = asked.partition("Task: ")[2].strip() if row["form"] == "instance" else ""
    kept = before(row)["input"] if row["form"] == "evolve" else ""
    return [(Record(task or one.instruction, one.input or kept, one.output), one.problem) for one in found]


def before(row: dict[str, Any]) -> dict[str, str]:
    """The task that was to be evolved."""
    return json.loads(row["messages"][-1]["content"].partition("\n\n")[0])


@pytest.mark.parametrize("row", FORMED, ids=lambda row: f"{row['form']} {row['reply'][:40]}")
def test_each_task_of_a_reply_is_read_and_gets_the_readers_verdict(row: dict[str, Any]) -> None:
    own = list(before(row).values()) if row["form"] == "evolve" else []
    later = ("missing_input", "double_input") if row["form"] == "list" else ()
    checks = [check for name, check in build_checks(TASK_CHECKS) if name not in later]
    if row["form"] != "instance":
        checks.insert(0, repeats_request(row["messages"], own))
    reasons = [
        problem or next((split_reason(found)[0] for check in checks if (found := check(task))), None)
        for task, problem in tasks_of(row)
    ]
    assert reasons == row["refused_as"] and len(reasons) == len(row["usable"])
    assert all(verdict == "n" for verdict, reason in zip(row["usable"], reasons, strict=True) if reason)
