"""Which lines of a reply are headings: of a field (Instruction, Input, Output, Label), of an item, or of material.

The asked-for form is `## Task 1`, `### Instruction`, `### Input`, `### Output`. Models write headings bold, plain,
numbered or translated, and name the material in place of the word Input: `### Sentence`, `Email:`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

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
_MATERIAL = "|".join(
    """sentences? texts? passages? paragraphs? articles? e-?mails? reviews? tweets? posts? comments? messages? code
    snippets? functions? programs? scripts? quer(?:y|ies) tables? data(?:set)? lists? numbers? words? phrases? quotes?
    poems? stor(?:y|ies) dialogues? conversations? transcripts? documents? reports? descriptions? titles? headlines?
    facts? recipes? letters? essays? abstracts? contexts? questions? premises? hypothes[ie]s equations? problems?
    expressions? json xml html csv logs? scenarios? situations? statements? topics? names? reviews? notes?
    feedback complaints? products? given material""".split()
)
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
_MATERIAL_LINE = re.compile(
    rf"^(?P<lead>[\s>#*_\[]{{0,12}})(?P<more>(?:[A-Z][\w'-]{{0,20}}[ \t]){{0,2}})(?:{_MATERIAL})"
    rf"(?:[ \t](?:\d{{1,2}}|[A-C]))?"
    rf"(?P<tail>[\]*_ \t]{{0,4}}{_COLON}?[*_ \t]{{0,4}})(?P<rest>.*)$",
    re.IGNORECASE,
)
_MATERIAL_WORD = re.compile(rf"(?:{_MATERIAL})[*_\s]{{0,4}}", re.IGNORECASE)
_QUALIFIERS = frozenset(
    """given input sample source original the following customer product movie film book news blog user example test
    first second python java javascript sql html job text short""".split()
)
_SECTION = re.compile(r"^\s{0,3}(?P<lead>#{2,6})\s{0,3}(?P<title>[^\W\d_][\w '/-]{0,40})[*_:\s]{0,6}$")
_LETTER = re.compile(r"[^\W\d_]")
_DIGITS = re.compile(r"\d+")
SEVERAL = re.compile(rf"(?<=\S)[ \t]+(?=\#{{2,6}}\s{{0,3}}(?:(?:{_ITEM_WORDS})\s?\d+|{_NAMES})(?!\w))", re.IGNORECASE)
"""Between two headings on one line."""
LATER_FIELD = re.compile(rf"(?<=\S)[ \t]+(?=(?:\*\*)?(?:input|output|label){_COLON}(?:\*\*)?\s)", re.IGNORECASE)
"""Before a further field of a task that stands on one line."""

HASH, BOLD, PLAIN, LOOSE = 6, 4, 2, 0
"""How well a heading is marked; an alias (Answer for Output) counts one less. LOOSE: `### Output Text on its line`."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the field `name`, with the text after it on its line and what dresses it in front ("###", "4.")."""

    name: str
    rank: int
    rest: str
    lead: str = ""

    @property
    def number(self) -> int | None:
        """The item's number where it stands before the name: `4. Output:`."""
        digits = _DIGITS.search(self.lead)
        return int(digits[0]) if digits else None


def heading(line: str) -> Heading | None:
    """The field's heading that `line` is, or begins with."""
    return _cached_heading(line) if len(line) <= _MAX_CACHED else _read_heading(line)


def _read_heading(line: str) -> Heading | None:
    match = _HEADING.match(line) if _LETTER.search(line, 0, 60) else None
    if match is None:
        return None
    word, lead, rest = match["name"].lower(), match["lead"], match["rest"]
    if rest and not re.search("[*_]", lead):  # the bullet of a list, no end of bold type
        rest = match["tail"].partition(":")[2].lstrip() + rest
    colon = ":" in match["tail"] or "\N{FULLWIDTH COLON}" in match["tail"]
    alias = word in _ALIASES
    name = _ALIASES.get(word) or _FIELD_OF.get(word)  # None: matched by a letter that only looks the same
    if name is None or (alias and match["number"]):  # "Task 3:" is the head of an item
        return None
    is_title = match["name"][0].isupper()
    if "#" in lead and not colon and rest and _MATERIAL_WORD.fullmatch(rest):  # "### Input Text"
        return Heading(name, HASH - alias, "", lead)
    if "#" in lead and not colon and rest:
        return None if alias or not is_title else Heading(name, LOOSE, rest, lead)
    style = HASH if "#" in lead else BOLD if re.search(r"\*\*|__|\[|\(", lead) else PLAIN if colon else None
    if style is None:
        return Heading(name, LOOSE, "", lead) if not rest and not alias and is_title else None
    return None if style == BOLD and not colon and rest else Heading(name, style - alias, rest, lead)


_cached_heading = lru_cache(maxsize=4096)(_read_heading)  # each line of a reply is looked at several times
_MAX_CACHED = 200
"""Characters of the lines that are cached."""


def item_mark(line: str) -> re.Match[str] | None:
    """What may be the head of an item: `## Task 2`, `[3]`, `4.`; groups lead, word, number, tail and rest."""
    return _cached_mark(line) if len(line) <= _MAX_CACHED else _read_mark(line)


def _read_mark(line: str) -> re.Match[str] | None:
    return _MARK.match(line) if _DIGITS.search(line, 0, 60) else None


_cached_mark = lru_cache(maxsize=4096)(_read_mark)


@dataclass(frozen=True, slots=True)
class Material:
    """A line that names a task's material in place of Input; `is_title`: nothing but the name stands on it."""

    rest: str
    is_title: bool
    lead: str


def material(line: str) -> Material | None:
    """The material that `line` names: `### Sentence`, `**Review:** ...`, `Email: ...`."""
    match = _MATERIAL_LINE.match(line) if _LETTER.search(line, 0, 60) else None
    if match is None:
        return None
    has_colon = ":" in match["tail"] or "\N{FULLWIDTH COLON}" in match["tail"]
    is_dressed = bool(re.search(r"#|\*\*|__|\[", match["lead"]))
    is_plain = not is_dressed and has_colon and set(match["more"].lower().split()) <= _QUALIFIERS
    if not (is_plain or (is_dressed and (has_colon or not match["rest"]))):
        return None
    return Material(match["rest"], is_dressed or not match["rest"], match["lead"])


def section(line: str) -> tuple[str, str] | None:
    """(title, hashes) of a line that is nothing but a Markdown heading."""
    match = _SECTION.match(line)
    return (match["title"].strip(), match["lead"]) if match else None
