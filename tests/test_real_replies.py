"""Replies of a real model, each with the verdict of a reader: what parsers and checks make of them.

`usable`: s strictly, b after a small change, n not. `refused_as`: the reason that a reply must be refused with; null for
an n is a fault that no check sees. The file says which model and which version of which prompt each reply answers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synth.checks import TASK_CHECKS, build_checks
from synth.checks.base import split_reason
from synth.checks.echo import repeats_request
from synth.parsing import ParsedTask, parse_tasks
from synth.records import Record
from synth.stages.select.settings import DEFAULT_CHECKS

FILE = Path(__file__).parent / "data" / "real_replies.jsonl"
REPLIES: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]
TASKS = [row for row in REPLIES if row["stage"] == "bootstrap"]
ANSWERS = [row for row in REPLIES if row["stage"] == "respond"]


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
    assert len(REPLIES) > 60 and len(ANSWERS) > 20
    assert sum(row["refused_as"] is not None for row in REPLIES) >= 20
    assert {row["usable"] for row in REPLIES} == {"s", "b", "n"}


@pytest.mark.parametrize("row", [row for row in TASKS if row["finish"] == "stop"], ids=lambda row: row["reply"][:40])
def test_a_whole_reply_is_read_word_for_word(row: dict[str, Any]) -> None:
    said, task = json.loads(row["reply"]), parsed(row)
    assert (task.instruction, task.input) == (said["instruction"].strip(), said.get("input", "").strip())


@pytest.mark.parametrize("row", [row for row in REPLIES if row["usable"] != "n"], ids=lambda row: row["reply"][:40])
def test_what_a_reader_would_keep_is_let_pass(row: dict[str, Any]) -> None:
    assert reason(row) is None


@pytest.mark.parametrize("row", [row for row in REPLIES if row["refused_as"]], ids=lambda row: row["reply"][:40])
def test_what_is_no_good_is_refused_with_its_reason(row: dict[str, Any]) -> None:
    assert reason(row) == row["refused_as"]
