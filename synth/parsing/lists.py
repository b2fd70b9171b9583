"""A numbered list of instructions, as the first step of Self-Instruct asks for it, in every shape models give it."""

from __future__ import annotations

import re

from synth.parsing.layout import TALK_AFTER, strip_fence

_NUMBERED = re.compile(
    r"^[#*_>\-\[(\s]{0,16}(?:(?:task|任务|задание|задача)\s?(?:no\.?\s?)?)?(?P<number>\d{1,4})\s?[.):\]*_、.:]{1,9}\s*"
    r"(?P<rest>\S.*)?$",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s{0,9}[-*•·–]\s+(?P<rest>\S.*)$")
_INLINE = re.compile(
    r"(?:(?<=[.?!)\"'”»\]*])\s+|(?<=[。？！।؟…])\s*)(?=[\[(*]*(?P<number>\d{1,4})(?:[.)\]:]\**\s|\**[、.]))"
)
_LABEL = re.compile(r"^(?:task|instruction)(?:\s*\d+)?\s*[::]\s*", re.IGNORECASE)
_TALK_BEFORE = re.compile(
    r"\s*(?:sure|certainly|of course|okay|ok|great|absolutely|here(?:'s| is| are))\b(?=.*(?:[::!]\s*$|\btasks?\b))"
    r"|\s*#",
    re.IGNORECASE,
)


def split_list(text: str, first: int) -> list[str]:
    """The items of a list that goes on at `first`, whose number may be missing, each on one line.

    Items may run over several lines, share one, carry bold or bracketed numbers, words or bullets, or start again at 1.
    """
    lines = [line for line in strip_fence(text).split("\n") if line.strip()]
    while lines and TALK_AFTER.fullmatch(lines[-1]):
        lines.pop()
    marks = [_NUMBERED.match(line) for line in lines]
    number = next((int(mark["number"]) for mark in marks if mark), None)
    if lines and _is_preamble(lines[0], number, first):
        lines, marks = lines[1:], marks[1:]
    items = _unnumbered(lines, first) if number is None else _numbered(lines, marks, first)
    return [_clean(" ".join(parts)) for parts in items]


def _is_preamble(line: str, number: int | None, first: int) -> bool:
    """Is the first line talk about the list rather than its first item? The number after it tells most."""
    if _NUMBERED.match(line):
        return False
    if _TALK_BEFORE.match(line):
        return True
    return line.rstrip().endswith((":", "\N{FULLWIDTH COLON}")) and number in (None, 1, first)


def _numbered(lines: list[str], marks: list[re.Match[str] | None], first: int) -> list[list[str]]:
    items: list[list[str]] = []
    number = first
    for line, mark in zip(lines, marks, strict=True):
        if mark or not items:
            items.append([])
        if mark:
            number, line = int(mark["number"]), mark["rest"] or ""
        parts = _inline(line.strip(), number)
        items[-1].append(parts[0])
        if len(parts) > 1:
            items += [[part] for part in parts[1:]]
            number += len(parts) - 1
    return items


def _inline(line: str, number: int) -> list[str]:
    """`line` cut before the next numbers of the row, where they follow the end of a sentence."""
    if not _INLINE.search(line):
        return [line]
    parts: list[str] = []
    begin = 0
    for match in _INLINE.finditer(line):
        if int(match["number"]) == number + len(parts) + 1:
            parts.append(line[begin : match.start()])
            begin = match.end()
    found = [_NUMBERED.match(part) for part in (*parts[1:], line[begin:]) if parts]
    return [parts[0], *(match["rest"] or "" for match in found if match)] if parts else [line]


def _unnumbered(lines: list[str], first: int) -> list[list[str]]:
    """Bullets with what follows each, or else every line for itself."""
    bullets = [_BULLET.match(line) for line in lines]
    if not any(bullets):
        inline = [_inline(line.strip(), first) for line in lines]
        return [[part] for parts in inline for part in parts]
    items: list[list[str]] = []
    for line, match in zip(lines, bullets, strict=True):
        if match or not items:
            items.append([match["rest"] if match else line])
        else:
            items[-1].append(line)
    return items


def _clean(text: str) -> str:
    """One line, without a label before it and without bold marks around it or left over from its number."""
    text = _LABEL.sub("", " ".join(text.split()))
    if text.startswith("**") and text.endswith("**") and text.count("**") == 2:
        return text[2:-2].strip()
    return text[:-2].rstrip() if text.endswith("**") and text.count("**") % 2 else text
