"""The text form of UnifiedQA (arXiv 2005.00700), both ways: `question \\n (A) x (B) y \\n passage`, a tab, the answer.

One form for extractive, abstractive, multiple-choice and yes/no questions. Its parts are separated by a backslash and
an n, not by a line feed. In a record the question is the instruction; options and passage are the input.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Any

from synth.errors import UsageError
from synth.records import Record
from synth.sources.rows import Fields

QUESTION, ANSWER = "unifiedqa_question", "answer"
"""The columns that a line of such a file is read into."""
_PART = re.compile(r"\s*\\n\s*")
_OPTION = re.compile(r"(?:^|\s)\(([A-Za-z])\)\s")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what it is asked about; without options the answer is free, or yes or no."""

    question: str
    answer: str
    options: tuple[str, ...] = ()
    passage: str = ""


def parse(text: str, answer: str) -> Question:
    """The parts of a question. A part that begins with (A) and goes on in order lists the options."""
    question, *rest = _PART.split(text.strip(), maxsplit=2)
    options = _options(rest[0]) if rest else ()
    passage = " ".join(part for part in (rest[1:] if options else rest) if part)
    return Question(question.strip(), answer.strip(), options, _PART.sub(" ", passage).strip())


def _options(part: str) -> tuple[str, ...]:
    """(A) x (B) y → x, y; none where the letters are not in order from A, or there is but one."""
    found = list(_OPTION.finditer(part))
    letters = "".join(match[1].upper() for match in found)
    if len(found) < 2 or found[0].start() > 0 or not string.ascii_uppercase.startswith(letters):
        return ()
    ends = [match.start() for match in found[1:]] + [len(part)]
    return tuple(part[match.end() : end].strip() for match, end in zip(found, ends, strict=True))


def unifiedqa(fields: Fields, require_output: bool) -> list[Record]:
    """A record of a line; where there are options its answer must be one of them, and `meta.options` keeps them."""
    text, answer = fields.text(QUESTION), fields.text(ANSWER, may_be_empty=not require_output)
    found = parse(text, answer)
    right = [one for one in found.options if one.casefold() == found.answer.casefold()]
    if found.options and found.answer and not right:
        fields.bad(f"the answer {found.answer[:60]!r} is not among the options; correct one of them")
    kind = "multiple choice" if found.options else "yes/no" if found.answer.casefold() in ("yes", "no") else "free"
    meta: dict[str, Any] = {"category": "closed_qa" if found.passage else "open_qa", "question_kind": kind}
    if found.options:
        meta |= {"options": list(found.options), "check": {"kind": "label", "answer": (right or [found.answer])[0],
                                                           "labels": list(found.options)}}  # fmt: skip
    parts = [option_list(found.options), found.passage]
    return [Record(found.question, "\n\n".join(filter(None, parts)), found.answer, meta=meta)]


def option_list(options: tuple[str, ...]) -> str:
    """(A) x (B) y."""
    return " ".join(f"({letter}) {one}" for letter, one in zip(string.ascii_uppercase, options, strict=False))


def line(record: Record) -> str | None:
    """The record as a line of such a file; None where it has a system text, earlier turns or no answer.

    The options stand in `meta.options`, and at the head of the input as this module writes them.
    """
    if record.system or record.history or not record.output.strip():
        return None
    options = tuple(record.meta.get("options") or ())
    listed = option_list(options)
    passage = record.input.removeprefix(listed) if listed else record.input
    parts = [record.instruction, listed, passage]
    asked = " \\n ".join(flat for part in parts if (flat := " ".join(part.split())))
    return f"{asked}\t{' '.join(record.output.split())}"


def split_line(text: str) -> dict[str, str]:
    """The columns of a line. Raises UsageError where it has no tab, or more than one."""
    parts = text.rstrip("\r\n").split("\t")
    if len(parts) != 2:
        raise UsageError(f"has {len(parts) - 1} tabs where one divides the question from its answer")
    return {QUESTION: parts[0], ANSWER: parts[1]}
