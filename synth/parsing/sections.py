"""A reply in headed sections, cut into items and each item into its fields.

The asked-for form is `## Task 1`, `### Instruction`, `### Input`, `### Output`. Models drift from it: headings turn
bold, plain or translated, share a line with their text, item heads go missing, fences stay open. And texts hold lines
that look like headings. So candidates are collected first, and within an item the best-marked one of each field wins:
a plain "Output:" inside an item that has "### Output" is text. What lies in a closed code fence is always text.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from synth.parsing.layout import TALK_AFTER, strip_fence, unwrap, without_postamble

_WORDS = {
    "instruction": "instruction instrucción instrução istruzione anweisung aufgabenstellung consigne 指令 指示 "
    "инструкция التعليمات निर्देश",
    "input": "input eingabe entrada entrée 输入 輸入 入力 ввод вход المدخلات الإدخال इनपुट",
    "output": "output ausgabe salida saída sortie 输出 輸出 出力 вывод выход المخرجات الإخراج आउटपुट",
    "label": "label class_label étiquette etiqueta 标签 標籤 ラベル метка التصنيف लेबल",
}
_ALIASES = {"task": "instruction", "answer": "output", "response": "output"}
_FIELD_OF = {word.replace("_", " "): name for name, words in _WORDS.items() for word in words.split()}
_NAMES = "|".join(sorted(map(re.escape, [*_FIELD_OF, *_ALIASES]), key=len, reverse=True))
_ITEM_WORDS = "task|example|item|aufgabe|beispiel|tarea|ejemplo|tâche|exemple|任务|任務|示例|例|タスク"
_ITEM_WORDS += "|задача|задание|пример|مهمة|مثال|कार्य|उदाहरण"
_COLON = "[:\N{FULLWIDTH COLON}]"

# Every repetition is bounded: what a model writes is hostile, and a pattern must not take long on it.
_HEADING = re.compile(
    rf"^(?P<lead>[\s>]{{0,9}}(?:\d{{1,4}}\s?[.)]\s?)?[#*_\[(\s>-]{{0,12}})(?P<name>{_NAMES})(?!\w)"
    rf"(?P<number>[ \t]?\d{{1,4}}(?=[\s*_\])]{{0,9}}{_COLON}))?"
    rf"(?P<tail>[\])*_\s]{{0,9}}{_COLON}?[*_\s]{{0,9}})(?P<rest>.*)$",
    re.IGNORECASE,
)
_MARK = re.compile(
    rf"^(?P<lead>[\s>#*_\[(\-]{{0,16}})(?P<word>(?:{_ITEM_WORDS})\s?)?(?:(?:no\.?|number|\#)\s?)?(?P<number>\d{{1,4}})"
    rf"(?![\d.,]{{0,9}}\d)(?P<tail>[\])*_.、)\s{_COLON[1:-1]}-]{{0,12}})(?P<rest>.*)$",
    re.IGNORECASE,
)
_INLINE = re.compile(rf"(?<=\S)[ \t]+(?=\#{{2,6}}\s{{0,3}}(?:(?:{_ITEM_WORDS})\s?\d+|{_NAMES})(?!\w))", re.IGNORECASE)
_LATER_FIELD = re.compile(rf"(?<=\S)[ \t]+(?=(?:\*\*)?(?:input|output|label){_COLON}(?:\*\*)?\s)", re.IGNORECASE)
_FENCE = re.compile(r"^\s{0,9}(`{3,}|~{3,})(.*)$")
_RULE = re.compile(r"[ \t]{0,9}([-*_=])(?:[ \t]?\1){2,}[ \t]{0,9}")

HASH, BOLD, PLAIN, LOOSE = 6, 4, 2, 0
"""How well a heading is marked; an alias (Answer for Output) counts one less. LOOSE: `### Output Text on its line`."""


@dataclass(slots=True)
class Item:
    """One item: its number, if its head has one; its fields; `repeated`: a field came twice, so it is unclear."""

    number: int | None = None
    fields: dict[str, str] = field(default_factory=dict)
    repeated: bool = False
    free: str = ""

    def text(self, name: str) -> str:
        """The text of a field, "" where there is none."""
        return self.fields.get(name, "")


@dataclass(frozen=True, slots=True)
class _Heading:
    name: str
    rank: int
    rest: str


def split_items(text: str, order: tuple[str, ...]) -> list[Item]:
    """The items of a reply whose fields come in `order`. Text before the first item is no item."""
    lines = _lines(text, order)
    inside = _fenced(lines)
    found = [None if fenced else _heading(line) for line, fenced in zip(lines, inside, strict=True)]
    starts = _starts(lines, inside, found, order)
    items = [
        _item(lines[begin:end], found[begin:end], starts[begin], order)
        for begin, end in itertools.pairwise([*starts, len(lines)])
    ]
    if items and items[-1].fields:
        last = list(items[-1].fields)[-1]
        text = without_postamble(items[-1].fields[last])
        items[-1].fields[last] = "" if last != order[0] and TALK_AFTER.fullmatch(text) else text
    return items


def _heading(line: str) -> _Heading | None:
    match = _HEADING.match(line)
    if match is None:
        return None
    word, lead, rest = match["name"].lower(), match["lead"], match["rest"]
    colon = ":" in match["tail"] or "\N{FULLWIDTH COLON}" in match["tail"]
    alias = word in _ALIASES
    name = _ALIASES.get(word) or _FIELD_OF.get(word)  # None: matched by a letter that only looks the same
    if name is None or (alias and match["number"]):  # "Task 3:" is the head of an item
        return None
    if "#" in lead and not colon and rest:
        return None if alias or not match["name"][0].isupper() else _Heading(name, LOOSE, rest)
    style = HASH if "#" in lead else BOLD if re.search(r"\*\*|__|\[|\(", lead) else PLAIN if colon else None
    if style is None:
        return _Heading(name, LOOSE, "") if not rest and not alias and match["name"][0].isupper() else None
    if style == BOLD and not colon and rest:
        return None
    return _Heading(name, style - alias, rest)


def _lines(text: str, order: tuple[str, ...]) -> list[str]:
    """The reply's lines; a line that holds several headings, or an item's head and its first field, is divided."""
    lines: list[str] = []
    raw = strip_fence(text).split("\n")
    for at, line in enumerate(raw):
        parts = _INLINE.split(line) if len(_INLINE.findall(line)) > 1 or _opens(line, order) else [line]
        for part in parts:
            mark = _MARK.match(part)
            first = _heading(mark["rest"]) if mark and mark["rest"] else None
            if mark and first and first.name == order[0]:
                lines += [part[: mark.start("rest")].rstrip(), *_divided(mark["rest"], raw[at + 1 : at + 4], order)]
            else:
                lines += _divided(part, raw[at + 1 : at + 4], order)
    return lines


def _opens(line: str, order: tuple[str, ...]) -> bool:
    """Does the line open an item, by its head or its first field?"""
    mark, heading = _MARK.match(line), _heading(line)
    return bool(mark and mark["word"] and "#" in mark["lead"]) or bool(heading and heading.name == order[0])


def _divided(line: str, following: list[str], order: tuple[str, ...]) -> list[str]:
    """`Instruction: Add. Input: 1 2 Output: 3` as three lines, unless the other fields have lines of their own."""
    heading = _heading(line)
    if heading is None or heading.name != order[0] or heading.rank not in (PLAIN, BOLD) or not heading.rest:
        return [line]
    below = next((one for one in following if one.strip()), "")
    other = _heading(below)
    if other and other.name != order[0]:
        return [line]
    return _LATER_FIELD.split(line)


def _fenced(lines: list[str]) -> list[bool]:
    """Which lines lie in a code fence. A fence that the next item or the end of the reply finds open was none."""
    inside = [False] * len(lines)
    fence, opened, number = "", 0, 0
    for at, line in enumerate(lines):
        mark = _MARK.match(line)
        head = bool(mark and mark["word"] and "#" in mark["lead"])
        if mark and head and (not fence or int(mark["number"]) == number + 1):
            fence, number = "", int(mark["number"])
            continue
        tick = _FENCE.match(line)
        if tick and not fence:
            fence, opened = tick[1], at
        elif tick and tick[1].startswith(fence) and not tick[2].strip():
            inside[opened : at + 1] = [True] * (at + 1 - opened)
            fence = ""
    return inside


def _starts(
    lines: list[str], inside: list[bool], found: list[_Heading | None], order: tuple[str, ...]
) -> dict[int, int | None]:
    """Line -> number of each item: its head, or, where the head is missing, its first field."""
    best = max((h.rank for h in found if h and h.name == order[0]), default=None)
    least = LOOSE if best is None else min(best, BOLD - 1)
    opens = [bool(h and h.name == order[0] and h.rank >= least) for h in found]
    marks = [None if fenced else _MARK.match(line) for line, fenced in zip(lines, inside, strict=True)]
    firsts = [bool(h and h.name == order[0]) for h in found]
    sure = {at: int(mark["number"]) for at, mark in enumerate(marks) if mark and _is_sure(mark, at, lines, firsts)}
    taken = set(sure.values())
    starts: dict[int, int | None] = {}
    number, has_first = 0, True
    for at, mark in enumerate(marks):
        follows = bool(mark) and (not starts or int(mark["number"]) == number + 1)  # type: ignore[index]
        if mark and _is_head(mark, at in sure, follows, int(mark["number"]) in taken, best is None):
            number, has_first = int(mark["number"]), False
            starts[at] = number
        elif firsts[at] and not has_first:
            has_first = True
        elif opens[at] or _is_leak(found[at], order):
            starts[at] = None
            has_first = opens[at]
    return starts


def _is_sure(mark: re.Match[str], at: int, lines: list[str], firsts: list[bool]) -> bool:
    """Does the first field of an item follow this line, which looks like the item's head?"""
    dressed = re.search(r"[#*_\[(]", mark["lead"]) or mark["tail"].strip()
    if not mark["word"] and (mark["rest"].strip() or not dressed):
        return False
    below = next((i for i in range(at + 1, min(at + 4, len(lines))) if lines[i].strip()), None)
    return below is not None and firsts[below]


def _is_head(mark: re.Match[str], sure: bool, follows: bool, taken: bool, headless: bool) -> bool:
    """Is this line the head of an item? `sure`: its first field follows; `headless`: no item of the reply has one.

    `follows`: its number is the next; `taken`: a sure head has the number, so this one stands in a text.
    """
    if sure:
        return bool(mark["word"]) or follows
    if not follows or taken:
        return False
    marked = mark["word"] and ("#" in mark["lead"] or "**" in mark["lead"])
    return bool(marked or (headless and (mark["word"] or (mark["tail"].strip() and mark["rest"]))))


def _is_leak(heading: _Heading | None, order: tuple[str, ...]) -> bool:
    """An instruction where only inputs and outputs were asked for: the model goes on with another task."""
    return bool(heading and heading.name == "instruction" and "instruction" not in order and heading.rank >= BOLD - 1)


def _item(lines: list[str], found: list[_Heading | None], number: int | None, order: tuple[str, ...]) -> Item:
    """The fields of one item: for each the best-marked heading; the texts run from one such heading to the next."""
    best: dict[str, int] = {}
    first = max((h.rank for h in found if h and h.name == order[0]), default=PLAIN)
    for heading in found:
        if heading and (heading.name in order or heading.rank >= min(first, BOLD - 1)):
            best[heading.name] = max(best.get(heading.name, LOOSE), heading.rank)
    item = Item(number)
    free: list[str] = []
    parts: dict[str, list[str]] = {}
    current = free
    if number is not None:
        mark = _MARK.match(lines[0])
        current.append(mark["rest"] if mark else "")
        lines, found = lines[1:], found[1:]
    for line, heading in zip(lines, found, strict=True):
        if heading and best.get(heading.name) == heading.rank:
            item.repeated = item.repeated or heading.name in parts
            current = parts.setdefault(heading.name, [])
            line = heading.rest
        current.append(line)
    item.fields = {name: _text(part) for name, part in parts.items()}
    item.free = _text(free)
    return item


def _text(lines: list[str]) -> str:
    """The text of a field, without the rule that some put between items."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or _RULE.fullmatch(lines[end - 1])):
        end -= 1
    return unwrap("\n".join(lines[:end]))
