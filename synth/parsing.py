"""From a model's text to tasks, instances, rewrites, verdicts and grades, losing nothing that can be read.

Models drift: numbering restarts, headings turn bold, items share a line, a preamble or a code fence surrounds the list,
the last item is cut. One malformed item never costs its neighbours. Case and spacing inside texts stay as written.
Nothing here decides whether a text is good; that is what `synth.checks` is for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

NO_INPUT = re.compile(
    r"^[\s\"'`*_<(\[]*(?:no[\s_-]*inputs?(?:\s+(?:is\s+)?(?:needed|required|necessary|provided|given))?"
    r"|n\s*/?\s*a|none|null|nil|empty|not\s+applicable|not\s+needed|-+)[\s\"'`*_>)\].]*$",
    re.IGNORECASE,
)
_FIELDS = {"instruction": "instruction", "task": "instruction", "input": "input", "output": "output"}
_FIELDS |= {"answer": "output", "response": "output", "label": "label", "class label": "label"}
_NAMES = "instruction|class label|label|input|output|answer|response"
_MARKUP = r"[#*_>\-\s\[(]*"
_TASK_LINE = re.compile(
    rf"^{_MARKUP}(?:task|example|item)\s*(?:no\.?|number|\#)?\s*(?P<number>\d+)\s*[\])*_.:]*\s*(?P<rest>.*)$",
    re.IGNORECASE,
)
_FIELD_LINE = re.compile(
    rf"^(?P<lead>(?:\d+\s*[.)]\s*)?{_MARKUP})(?P<name>{_NAMES})(?:\s*\d+(?=\s*[*_]*:))?\s*(?P<tail>[\])*_]*\s*:?[*_]*)\s*(?P<rest>.*)$",
    re.IGNORECASE,
)
_INLINE_HEADING = re.compile(rf"(?<=\S)[ \t]+(?=\#{{2,6}}\s*(?:(?:task|example)\s*\d+|{_NAMES})\b)", re.IGNORECASE)
_INLINE_FIELD = re.compile(r"[ \t]+(?=(?:\*\*)?(?:input|output)(?:\*\*)?:\s)", re.IGNORECASE)
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})(.*)$")
_NUMBERED = re.compile(
    r"^\s*(?:[#*_>\-\[(]+\s*)*(?:task\s*)?(?P<number>\d{1,4})\s*[.):\]*_]+\s*(?P<rest>\S.*)?$", re.IGNORECASE
)
_INLINE_NUMBER = re.compile(r"(?<=[.?!\"')])\s+(?=(?P<number>\d{1,4})[.)]\s+[A-Z\"'(])")


@dataclass(frozen=True, slots=True)
class ParsedTask:
    """One task of a reply; `problem` is a reason code when it cannot be used, and None when it can."""

    instruction: str
    input: str = ""
    output: str = ""
    problem: str | None = None


@dataclass(slots=True)
class _Section:
    number: int | None = None
    fields: dict[str, list[str]] = field(default_factory=dict)
    open: str | None = None
    repeated: bool = False

    def text(self, name: str) -> str:
        return _unwrap("\n".join(self.fields.get(name, [])).strip())


def clean_input(text: str) -> str:
    """`text`, or "" where it only says in some spelling that there is no input."""
    return "" if NO_INPUT.match(text) else text.strip()


def parse_tasks(text: str, *, cut: bool = False, wants_output: bool = False) -> list[ParsedTask]:
    """All tasks of a reply in headed sections or in JSON. `cut`: the reply ended at max_tokens, its last item is dropped."""
    rows = _json_rows(text)
    if rows is not None:
        tasks = [_json_task(row, wants_output) for row in rows]
    else:
        tasks = [_section_task(s, wants_output) for s in _sections(text) if s.fields]
    if cut and tasks:
        last = tasks[-1]
        tasks[-1] = ParsedTask(last.instruction, last.input, last.output, "cut_off")
    return tasks


def parse_instances(text: str, *, cut: bool = False, wants_label: bool = False) -> list[ParsedTask]:
    """The examples of a reply to the instance prompts, as tasks without an instruction; labels stand in `output`."""
    found = []
    for section in _sections(text):
        if not section.fields:
            continue
        output = section.text("label") or section.text("output") if wants_label else section.text("output")
        problem = "no_output" if not output else None
        found.append(ParsedTask("", clean_input(section.text("input")), output, problem))
    if cut and found:
        found[-1] = ParsedTask("", found[-1].input, found[-1].output, "cut_off")
    return found


def parse_rewrite(text: str) -> ParsedTask:
    """The rewritten task of a reply to an evolution prompt; a reply without headings is taken as the instruction."""
    sections = [s for s in _sections(text) if s.fields.get("instruction")]
    if sections:
        extra = [s for s in sections[1:] if s.text("instruction")]
        problem = "several_tasks" if extra else None
        return ParsedTask(sections[0].text("instruction"), clean_input(sections[0].text("input")), "", problem)
    bare = _unwrap(text.strip())
    return ParsedTask(bare, "", "", None if bare else "no_instruction")


def parse_numbered(text: str, first: int, *, cut: bool = False) -> list[ParsedTask]:
    """The items of a numbered list that goes on at `first` (its number may be missing), each one line of text.

    Items may run over several lines, share one, carry bold or bracketed numbers, or start again at 1.
    """
    items: list[list[str]] = []
    lines = _INLINE_NUMBER.sub("\n", _strip_fence(text)).split("\n")
    numbered = [_NUMBERED.match(line) for line in lines]
    leading = bool(lines) and numbered[0] is None and not _is_preamble(lines, numbered)
    for line, match in zip(lines, numbered, strict=True):
        if match:
            items.append([match["rest"] or ""])
        elif line.strip() and (items or leading):
            if items and not _ends_list(items[-1], line):
                items[-1].append(line.strip())
            elif not items:
                items.append([line.strip()])
    tasks = [ParsedTask(_unwrap(" ".join(" ".join(parts).split()))) for parts in items]
    tasks = [t if t.instruction else ParsedTask("", problem="no_instruction") for t in tasks]
    if cut and tasks:
        tasks[-1] = ParsedTask(tasks[-1].instruction, problem="cut_off")
    return tasks


def parse_yes_no(text: str) -> bool | None:
    """True or False where the reply's first word says yes or no, else None."""
    match = re.match(
        r"[\s\"'*_(\[#>-]*(?:(?:classification|answer|verdict)\s*:\s*[*_\"']*)?(yes|no)\b", text, re.IGNORECASE
    )
    return None if match is None else match[1].lower() == "yes"


def parse_choice(text: str, name: str, choices: tuple[str, ...]) -> str | None:
    """The choice (in the spelling of `choices`) after the last line `name: ...`; None where there is none or several."""
    found = re.findall(rf"^[\s*_#>-]*{re.escape(name)}[*_\s]*:[*_\s]*(.+)$", text, re.IGNORECASE | re.MULTILINE)
    value = (found[-1] if found else text).strip().strip("*_.\"'`[]() ").casefold()
    exact = [choice for choice in choices if value == choice.casefold()]
    if exact or not found:
        return exact[0] if exact else None
    begun = [choice for choice in choices if re.match(rf"{re.escape(choice.casefold())}\b", value)]
    return begun[0] if len(begun) == 1 else None


def parse_score(text: str, name: str, low: int, high: int) -> int | None:
    """The whole number after the last line `name: ...`; None when it is missing or outside low..high."""
    found = re.findall(
        rf"^[\s*_#>-]*{re.escape(name)}[*_\s]*:[*_\s]*(-?\d+)(?![\d.]*\d)", text, re.IGNORECASE | re.MULTILINE
    )
    if not found and re.fullmatch(r"[\s*_\"']*-?\d+[\s*_\"'.]*", text):
        found = re.findall(r"-?\d+", text)
    value = int(found[-1]) if found and len(found[-1]) < 6 else None
    return value if value is not None and low <= value <= high else None


def parse_reason(text: str) -> str:
    """What stands after `Reason:`, on one line, at most 300 characters."""
    match = re.search(r"^[\s*_#>-]*reason[*_\s]*:[*_\s]*(.+)$", text, re.IGNORECASE | re.MULTILINE)
    return match[1].strip()[:300] if match else ""


def find_json(text: str) -> Any:
    """The first JSON object or array in `text`: the whole, a fenced block, or a balanced span. None if there is none."""
    fences = re.findall(r"```(?:json)?\s*\n(.*?)```", text, re.DOTALL | re.IGNORECASE)
    for candidate in (text.strip(), *fences, *_spans(text)):
        try:
            value = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict | list):
            return value
    return None


def _spans(text: str) -> Iterator[str]:
    for opening, closing in ("{}", "[]"):
        start, end = text.find(opening), text.rfind(closing)
        if 0 <= start < end:
            yield text[start : end + 1]


def _json_rows(text: str) -> list[Any] | None:
    if not re.match(r"\s*(?:```(?:json)?\s*)?[\[{]", text):
        return None
    value = find_json(text)
    if isinstance(value, dict):
        value = value.get("tasks", value.get("examples", [value]))
    return value if isinstance(value, list) else None


def _json_task(row: Any, wants_output: bool) -> ParsedTask:
    if not isinstance(row, dict):
        return ParsedTask(str(row)[:500], problem="not_an_object")
    texts = [row.get(name) or "" for name in ("instruction", "input", "output")]
    if not all(isinstance(value, str) for value in texts):
        return ParsedTask(str(row.get("instruction", ""))[:500], problem="wrong_type")
    return _checked(texts[0].strip(), clean_input(texts[1]), texts[2].strip(), wants_output)


def _section_task(section: _Section, wants_output: bool) -> ParsedTask:
    instruction, output = section.text("instruction"), section.text("output")
    if section.repeated:
        return ParsedTask(instruction, section.text("input"), output, "merged_sections")
    return _checked(instruction, clean_input(section.text("input")), output, wants_output)


def _checked(instruction: str, given: str, output: str, wants_output: bool) -> ParsedTask:
    problem = "no_instruction" if not instruction else "no_output" if wants_output and not output else None
    return ParsedTask(instruction, given, output, problem)


def _sections(text: str) -> list[_Section]:
    """The reply cut at its `Task N` headings (or where a field comes round again), each with its fields' lines."""
    sections = [_Section()]
    fence: str | None = None
    for line in _split_lines(_strip_fence(text)):
        current = sections[-1]
        task = _TASK_LINE.match(line)
        if task and (fence is None or _follows(task, current)):
            sections.append(_Section(int(task["number"])))
            fence, line = None, task["rest"]
            if not line.strip():
                continue
            current = sections[-1]
        mark = _FENCE.match(line)
        if mark and current.open:
            fence = _toggle(fence, mark)
        elif fence is None and (found := _field(line)) is not None:
            name, rest = found
            if name in current.fields and name == "instruction":
                current = _Section()
                sections.append(current)
            elif name in current.fields:
                current.repeated = True
            current.open = name
            current.fields.setdefault(name, []).append(rest)
            continue
        if current.open:
            current.fields[current.open].append(line)
    return sections


def _follows(task: re.Match[str], current: _Section) -> bool:
    return current.number is not None and int(task["number"]) == current.number + 1


def _toggle(fence: str | None, mark: re.Match[str]) -> str | None:
    ticks = mark[1]
    if fence is None:
        return ticks
    closes = ticks[0] == fence[0] and len(ticks) >= len(fence) and not mark[2].strip()
    return None if closes else fence


def _field(line: str) -> tuple[str, str] | None:
    match = _FIELD_LINE.match(line)
    if match is None:
        return None
    marked = any(mark in match["lead"] for mark in "#*") or ":" in match["tail"]
    alone = not match["rest"].strip()
    if ":" in match["tail"] or alone or (marked and "#" in match["lead"] and _short_heading(match)):
        return _FIELDS[match["name"].lower()], match["rest"]
    return None


def _short_heading(match: re.Match[str]) -> bool:
    """`### Instruction Write a poem`: heading and text on one line, as models do when they save line breaks."""
    return match["lead"].strip().startswith("#") and match["name"][0].isupper()


def _split_lines(text: str) -> list[str]:
    lines: list[str] = []
    for line in _INLINE_HEADING.sub("\n", text).split("\n"):
        field_line = _FIELD_LINE.match(line)
        if field_line and field_line["name"].lower() == "instruction" and ":" in field_line["tail"]:
            lines.extend(_INLINE_FIELD.sub("\n", line).split("\n"))
        else:
            lines.append(line)
    return lines


def _strip_fence(text: str) -> str:
    """`text` without a code fence around the whole reply."""
    match = re.fullmatch(r"\s*(`{3,})[a-z]*[ \t]*\n(.*?)\n?[ \t]*\1\s*", text, re.DOTALL | re.IGNORECASE)
    return match[2] if match and "\n" + match[1] not in match[2] else text


def _unwrap(text: str) -> str:
    """A field's text without a bare fence or bold marks around all of it. A fence that names a language stays."""
    fence = re.fullmatch(r"(`{3,})(?:text|plaintext|markdown)?[ \t]*\n(.*)\n[ \t]*\1", text, re.DOTALL)
    if fence and fence[1] not in fence[2]:
        return fence[2].strip("\n")
    bold = re.fullmatch(r"\*\*([^*]+)\*\*", text, re.DOTALL)
    return bold[1].strip() if bold else text


def _is_preamble(lines: list[str], numbered: list[re.Match[str] | None]) -> bool:
    """Is the text before the first number talk about the list rather than its first item?"""
    head = [line for line, match in zip(lines, numbered, strict=True) if line.strip()][:1]
    if not head:
        return True
    talk = re.match(
        r"\s*(?:sure|certainly|of course|here\b|okay|ok\b|below|the following|i\b|great)", head[0], re.IGNORECASE
    )
    return bool(talk) or head[0].rstrip().endswith(":")


def _ends_list(parts: list[str], line: str) -> bool:
    """Is `line` talk after the list rather than the rest of its last item?"""
    return bool(parts[0]) and bool(
        re.match(r"\s*(?:let me know|i hope|these tasks|note that|feel free|would you like)", line, re.IGNORECASE)
    )
