"""A reply in headed sections, cut into items and each item into its fields.

The asked-for form is `## Task 1`, `### Instruction`, `### Input`, `### Output`. Models drift from it: headings turn
bold, plain or translated, share a line with their text, item heads go missing, fences stay open. And texts hold lines
that look like headings. So candidates are collected first, and within an item the best-marked one of each field wins:
a plain "Output:" inside an item that has "### Output" is text. What lies in a closed code fence is always text.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from dataclasses import dataclass, field

from synth.parsing.headings import (
    BOLD,
    LATER_FIELD,
    LOOSE,
    PLAIN,
    SEVERAL,
    Heading,
    heading,
    item_mark,
    material,
    section,
)
from synth.parsing.layout import TALK_AFTER, strip_fence, unwrap, without_postamble

_FENCE = re.compile(r"^\s{0,9}(`{3,}|~{3,})(.*)$")
_RULE = re.compile(r"[ \t]{0,9}(?:([-*_=])(?:[ \t]?\1){2,}|#{2,9})[ \t]{0,9}")
_BARE_NUMBER = re.compile(r"\s{0,9}\d{1,4}[.)]\s{0,9}")
_OF_AN_INSTRUCTION = re.compile(
    r"(?:constraint|requirement|rule|guideline|note|step|format|example|detail|criteri|hint|goal|objective|background"
    r"|role|tone|style|audience|output format|word limit|expected)",
    re.IGNORECASE,
)
"""Headings that an instruction may hold; any other one in place of Input makes the item unclear."""


@dataclass(slots=True)
class Item:
    """One item: its number, if its head has one; its fields; text before the first field (`free`).

    `problem` says why it is unclear: "merged_sections" (a field came twice) or "unknown_section".
    """

    number: int | None = None
    fields: dict[str, str] = field(default_factory=dict)
    free: str = ""
    problem: str | None = None

    def text(self, name: str) -> str:
        """The text of a field, "" where there is none."""
        return self.fields.get(name, "")


def split_items(text: str, order: tuple[str, ...]) -> list[Item]:
    """The items of a reply whose fields come in `order`. Text before the first item is no item."""
    lines = _lines(text, order)
    inside = _fenced(lines)
    found = [None if fenced else _field(line, order) for line, fenced in zip(lines, inside, strict=True)]
    starts = _starts(lines, inside, found, order)
    items = [
        _Cutter(lines[begin:end], found[begin:end], inside[begin:end], order).item(starts[begin])
        for begin, end in itertools.pairwise([*starts, len(lines)])
    ]
    if items and items[-1].fields:
        last = list(items[-1].fields)[-1]
        text = without_postamble(items[-1].fields[last])
        items[-1].fields[last] = "" if last != order[0] and TALK_AFTER.fullmatch(text) else text
    return items


# --- lines -----------------------------------------------------------------------------------------------------------


def _lines(text: str, order: tuple[str, ...]) -> list[str]:
    """The reply's lines; a line that holds several headings, or an item's head and its first field, is divided."""
    lines: list[str] = []
    raw = strip_fence(text).split("\n")
    openers = _numbered_openers(raw, order)
    for at, line in enumerate(raw):
        if not line.strip():
            lines.append(line)
            continue
        for part in _parts(line, order):
            mark = item_mark(part)
            if mark and mark["rest"] and _first_field(mark["rest"], order) and (mark["word"] or at in openers):
                lines += [part[: mark.start("rest")].rstrip(), *_divided(mark["rest"], raw, at, order)]
            else:
                lines += _divided(part, raw, at, order)
    return lines


def _numbered_openers(raw: list[str], order: tuple[str, ...]) -> set[int]:
    """The lines `4. Instruction: ...` that open an item; those inside an output, about tasks, do not.

    A number that does not go on opens an item too, unless the number that would go on comes later, or the lines have no
    output of their own below an earlier output.
    """
    firsts = [_first_field(line, order) for line in raw]
    least = _least_rank(firsts)
    numbers = {
        at: int(mark["number"])
        for at, (line, first) in enumerate(zip(raw, firsts, strict=True))
        if first and first.rank >= least and (mark := item_mark(line)) and not mark["word"]
    }
    last_at = {number: at for at, number in numbers.items()}
    outputs = [at for at, line in enumerate(raw) if numbers and (one := heading(line)) and one.name == "output"]
    openers: set[int] = set()
    current: int | None = None
    for (at, number), end in zip(numbers.items(), [*list(numbers)[1:], len(raw)], strict=False):
        goes_on = current is None or number == current + 1
        returns = current is not None and last_at.get(current + 1, -1) > at
        has_own = bisect_left(outputs, at) < bisect_left(outputs, end)
        is_quoted = outputs[:1] < [at] and not has_own and bool(outputs)
        if (goes_on and current is not None) or not ((returns and not goes_on) or is_quoted):
            openers.add(at)
            current = number
    return openers


def _field(line: str, order: tuple[str, ...]) -> Heading | None:
    """The heading that `line` is; a numbered first field that was not divided from its number opens nothing."""
    found = heading(line)
    return None if found and found.name == order[0] and found.number is not None else found


def _first_field(line: str, order: tuple[str, ...]) -> Heading | None:
    """The heading of an item's first field that the line is."""
    found = heading(line)
    return found if found and found.name == order[0] else None


def _least_rank(firsts: list[Heading | None]) -> int:
    """How well a first field must be marked to open an item: nearly as well as the best-marked one of the reply."""
    best = max((one.rank for one in firsts if one), default=None)
    return LOOSE if best is None else min(best, BOLD - 1)


def _parts(line: str, order: tuple[str, ...]) -> list[str]:
    """A line divided before the headings it holds, where it holds several or opens an item."""
    if " ##" not in line and "\t##" not in line:
        return [line]
    mark = item_mark(line)
    opens = bool(mark and mark["word"] and "#" in mark["lead"]) or _first_field(line, order) is not None
    parts = SEVERAL.split(line)
    return parts if opens or len(parts) > 2 else [line]


def _divided(line: str, raw: list[str], at: int, order: tuple[str, ...]) -> list[str]:
    """`Instruction: Add. Input: 1 2 Output: 3` as three lines, unless the other fields have lines of their own."""
    first = _first_field(line, order)
    if first is None or first.rank not in (PLAIN, BOLD) or not first.rest:
        return [line]
    below = next((one for one in raw[at + 1 : at + 4] if one.strip()), "")
    other = heading(below)
    if other and other.name != order[0]:
        return [line]
    start = line[: len(line) - len(first.rest)]
    head, *more = LATER_FIELD.split(first.rest)
    return [start + head, *more]


def _fenced(lines: list[str]) -> list[bool]:
    """Which lines lie in a code fence. A fence that the next item or the end of the reply finds open was none."""
    inside = [False] * len(lines)
    fence, opened, number = "", 0, 0
    for at, line in enumerate(lines):
        mark = item_mark(line)
        head = bool(mark and mark["word"] and "#" in mark["lead"])
        if mark and head and (not fence or int(mark["number"]) == number + 1):
            fence, number = "", int(mark["number"])
            continue
        tick = _FENCE.match(line)
        field_name = heading(line) if not tick and not fence and ("```" in line or "~~~" in line) else None
        if field_name and (tick := _FENCE.match(field_name.rest)):  # "Output: ```python"
            fence, opened = tick[1], at + 1
        elif tick and not fence:
            fence, opened = tick[1], at
        elif tick and tick[1].startswith(fence) and not tick[2].strip():
            inside[opened : at + 1] = [True] * (at + 1 - opened)
            fence = ""
    return inside


# --- items -----------------------------------------------------------------------------------------------------------


def _starts(
    lines: list[str], inside: list[bool], found: list[Heading | None], order: tuple[str, ...]
) -> dict[int, int | None]:
    """Line -> number of each item: its head, or, where the head is missing, its first field."""
    firsts = [one if one and one.name == order[0] else None for one in found]
    least = _least_rank(firsts)
    marks = [None if fenced else item_mark(line) for line, fenced in zip(lines, inside, strict=True)]
    headless = not any(firsts)
    sure = {
        at: int(mark["number"])
        for at, mark in enumerate(marks)
        if mark and not headless and _is_sure(mark, at, lines, firsts, least)
    }
    taken = set(sure.values())
    by_word, by_number = headless, headless and not any(mark and mark["word"] for mark in marks)
    starts: dict[int, int | None] = {}
    number, has_first = 0, True
    for at, (mark, first) in enumerate(zip(marks, firsts, strict=True)):
        counted = int(mark["number"]) if mark else 0
        follows = not starts or counted == number + 1
        if mark and _is_head(mark, at in sure, follows, counted in taken, (by_word, by_number)):
            number, has_first = counted, False
            starts[at] = number
        elif first and not has_first:
            has_first = True
        elif (first and first.rank >= least) or _is_leak(found[at], order):
            starts[at] = None
            has_first = first is not None
    return starts or _bare_outputs(found, order)


def _bare_outputs(found: list[Heading | None], order: tuple[str, ...]) -> dict[int, int | None]:
    """Examples that need no input may come as outputs alone."""
    if order[0] != "input":
        return {}
    best = max((one.rank for one in found if one and one.name == "output"), default=LOOSE)
    return {at: None for at, one in enumerate(found) if one and one.name == "output" and one.rank == best > LOOSE}


def _is_sure(mark: re.Match[str], at: int, lines: list[str], firsts: list[Heading | None], least: int) -> bool:
    """Does the first field of an item follow this line, which looks like the item's head?"""
    dressed = re.search(r"[#*_\[(]", mark["lead"]) or mark["tail"].strip()
    if not mark["word"] and (mark["rest"].strip() or not dressed):
        return False
    below = next((i for i in range(at + 1, min(at + 4, len(lines))) if lines[i].strip()), None)
    first = firsts[below] if below is not None else None
    return first is not None and (bool(mark["word"]) or first.rank >= least)


def _is_head(mark: re.Match[str], sure: bool, follows: bool, taken: bool, headless: tuple[bool, bool]) -> bool:
    """Is this line the head of an item? `sure`: its first field follows.

    `follows`: its number is the next; `taken`: a sure head has the number, so this one stands in a text. `headless`:
    no item of the reply has its first field, so a word and a number will do; or, without any word, a number.
    """
    if sure:
        return bool(mark["word"]) or follows
    if not follows or taken:
        return False
    marked = mark["word"] and ("#" in mark["lead"] or "**" in mark["lead"])
    by_word, by_number = headless
    return bool(marked or (by_word and mark["word"]) or (by_number and mark["tail"].strip() and mark["rest"]))


def _is_leak(found: Heading | None, order: tuple[str, ...]) -> bool:
    """An instruction where only inputs and outputs were asked for: the model goes on with another task."""
    return bool(found and found.name == "instruction" and "instruction" not in order and found.rank >= BOLD - 1)


# --- fields ----------------------------------------------------------------------------------------------------------

FREE = ""
"""Where the lines of an item stand that come before its first field."""


class _Cutter:
    """The lines of one item, with their headings, cut into fields."""

    def __init__(
        self, lines: list[str], found: list[Heading | None], inside: list[bool], order: tuple[str, ...]
    ) -> None:
        self.lines, self.found, self.inside, self.order = lines, found, inside, order
        self.parts: dict[str, list[int]] = {FREE: []}
        self.rests: dict[int, str] = {}
        self.leads: dict[str, str] = {}
        self.problem: str | None = None

    def item(self, number: int | None) -> Item:
        """The item: for each field the best-marked heading; the texts run from one such heading to the next."""
        if number is not None:
            mark = item_mark(self.lines[0])
            self.rests[0] = mark["rest"] if mark else ""
        self._divide(number)
        if "input" in self.order and "input" not in self.parts and "output" not in self.order[:1]:
            self._find_input()
        fields = {name: self._text(at) for name, at in self.parts.items() if name != FREE}
        return Item(number, fields, self._text(self.parts[FREE]), self.problem)

    def _divide(self, number: int | None) -> None:
        best: dict[str, int] = {}
        first = max([h.rank for h in self.found if h and h.name == self.order[0]], default=PLAIN)
        ranks = [one.rank + (number is not None and one.number == number) if one else 0 for one in self.found]
        for one, rank in zip(self.found, ranks, strict=True):
            if one and (one.name in self.order or rank >= min(first, BOLD - 1)):
                best[one.name] = max(best.get(one.name, LOOSE), rank)
        current = self.parts[FREE]
        for at, (one, rank) in enumerate(zip(self.found, ranks, strict=True)):
            if one and best.get(one.name) == rank and not (at == 0 and number is not None):
                self.problem = "merged_sections" if one.name in self.parts else self.problem
                current = self.parts.setdefault(one.name, [])
                self.rests[at], self.leads[one.name] = one.rest, one.lead.strip()
            current.append(at)

    def _find_input(self) -> None:
        """The input that stands under the name of its kind, or without any heading, in the text before the output."""
        before = FREE if self.order[0] == "input" else self.order[0]
        own = self.parts.get(before, [])
        texts = [at for at in own if self._line(at).strip()]
        if before != "instruction":  # all that follows the label, or precedes the output
            given = texts[1:] if before == "label" else texts
            given = own[own.index(given[0]) :] if given else []
        else:
            given = self._named_input(own, texts)
        named = [at for at in given if not self.inside[at] and material(self._line(at))]
        if len(named) == 1 and named[0] == given[0]:
            one = material(self._line(given[0]))
            self.rests[given[0]] = one.rest if one and one.is_title else self._line(given[0])
        if given:
            self.parts["input"] = given
            self.parts[before] = own[: own.index(given[0])]

    def _named_input(self, own: list[int], texts: list[int]) -> list[int]:
        """The lines of an instruction from the first on that names material; notes a section of another name."""
        for at in texts[1:]:
            if self.inside[at]:
                continue
            if material(self._line(at)):
                return own[own.index(at) :]
            other = section(self._line(at))
            if other and other[1] == self.leads.get("instruction") and not _OF_AN_INSTRUCTION.match(other[0]):
                self.problem = self.problem or "unknown_section"
        return []

    def _line(self, at: int) -> str:
        return self.rests.get(at, self.lines[at])

    def _text(self, part: list[int]) -> str:
        """The text of a field, without the rule, or the next item's bare number, that some put between items."""
        if not part:
            return ""
        lines = [self._line(at) for at in part]
        end = len(lines)
        while end and (not lines[end - 1].strip() or _RULE.fullmatch(lines[end - 1]) or self._is_stray(lines, end)):
            end -= 1
        return unwrap("\n".join(lines[:end]))

    @staticmethod
    def _is_stray(lines: list[str], end: int) -> bool:
        """A number on the last line, below a rule, that belongs to the item after it."""
        return end > 1 and bool(_BARE_NUMBER.fullmatch(lines[end - 1]) and _RULE.fullmatch(lines[end - 2]))
