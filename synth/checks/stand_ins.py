"""Checks for what stands in place of a text: inputs and answers that say there is none, or what should be there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from synth.parsing import NO_INPUT
from synth.records import Record

PLACEHOLDER = re.compile(
    r"^\W*(?:please )?(?:insert|paste|enter|add|put|provide|type|place|include|attach|your|the|some|any|sample)\b"
    r"(?:[^\n]{0,40}\b(?:here|below)\W*|(?: \w+){0,3} (?:text|sentence|paragraph|passage|article|input|content"
    r"|code)\W*)$"
    r"|[\[<{(]\s*(?:insert|paste|enter|add|put|provide|type|your|some)\b[^\])>}\n]{0,60}[\])>}]|\blorem ipsum\b"
    r"|^\W*(?:placeholder|text|input|tbd|todo|xxx+)\W*$",
    re.IGNORECASE,
)
_NOTHING = re.compile(
    r"[\s\"'`*_<(\[]{0,9}(?P<word>no[\s_-]?(?:outputs?|answers?|response)(?:\s(?:needed|required|given|provided))?|n\s?[./]\s?a"
    r"|none|null|nil|empty|not applicable|no ?inputs?|unknown|tbd|todo)[\s\"'`*_>)\].]{0,9}",
    re.IGNORECASE,
)
_DESCRIBED = re.compile(
    r"\s*[<\[({](?:an?\s|the\s|your\s|insert\s|placeholder for\s){0,2}(?:web ?page|web ?site|image|picture"
    r"|photo(?:graph)?|video|audio|file|link|graph|chart|diagram|table|document|screenshot|map|drawing|code|article|poem|story|essay|answer"
    r"|output|response|text|paragraph)(?:\s(?:with|of|showing|about|describing|containing|that|which|goes|here)\b"
    r"[^<>\]]{0,200})?\s?[>\])}]\s*",
    re.IGNORECASE,
)
_OF_CODE = re.compile(
    r"\b(?:python|javascript|java|sql|code|function|method|variable|expression|returns?|prints?|evaluates? to|type"
    r"|value|html|xml|tags?|template|placeholder|markup|null|nil)\b",
    re.IGNORECASE,
)
_VALUES = frozenset(("none", "null", "nil", "empty", "unknown", "no output"))
_COPIES = re.compile(
    r"\b(?:cop(?:y|ies)|repeat\w*|reproduce\w*|as (?:it )?is|unchanged|format\w*|sort\w*|order\w*|tidy|clean\w*|fix\w*"
    r"|correct\w*|proofread\w*|render\w*|print\w*)\b",
    re.IGNORECASE,
)
_CELLS = re.compile(r"\||\t|\S,\S|\S;\S")


def placeholder(record: Record) -> str | None:
    """Refuses inputs that stand for an input: "[insert text here]", "your paragraph". Templates in answers are fine."""
    found = PLACEHOLDER.search(record.input) if len(record.input) < 400 else None
    return f"placeholder: {' '.join(found[0].split())[:80]}" if found else None


def no_input_spelling(record: Record) -> str | None:
    """Refuses inputs that spell out that there is none: "N/A", "<noinput>", "None"."""
    found = NO_INPUT.search(record.input) if record.input.strip() else None
    return f"no_input_spelling: {' '.join(found[0].split())[:80]}" if found else None


def stand_in(record: Record) -> str | None:
    """Refuses answers that are none: "N/A", "<nooutput>", "<web page with ...>", or the task's own table once more.

    Left alone are answers that the task names ("say none if there is none"), and tasks about code or about copying.
    """
    answer = record.output.strip()
    task = record.asked()
    said = _NOTHING.fullmatch(answer) if len(answer) < 60 else None
    if said and not _names(task, said["word"]):
        return f"stand_in: {answer}"
    if len(answer) < 300 and _DESCRIBED.fullmatch(answer) and not _OF_CODE.search(record.instruction):
        return f"stand_in: {' '.join(answer.split())[:80]}"
    return "echoes_table" if _is_table_of(answer, task) and not _COPIES.search(record.instruction) else None


def _names(task: str, word: str) -> bool:
    """Does the task speak of this answer, or of code, where it is a value?"""
    is_value = word.casefold() in _VALUES and _OF_CODE.search(task)
    return bool(is_value) or word.casefold() in task.casefold()


def _is_table_of(answer: str, task: str) -> bool:
    """Is the answer, line for line, the whole table that the task gives?"""
    rows = [line.strip() for line in answer.splitlines() if line.strip()]
    if len(rows) < 2 or not all(_CELLS.search(row) for row in rows):
        return False
    given = [line.strip() for line in task.splitlines() if _CELLS.search(line)]
    return rows == given


CHECKS: dict[str, Callable[..., Any]] = {
    "placeholder": placeholder,
    "no_input_spelling": no_input_spelling,
    "stand_in": stand_in,
}
