"""Which of the pipeline's prompts a request is, and the data in it. Only headings, field names and fences are looked at.

The sentences of a prompt are free to be edited: a prompt is known by the heading of its system message (or of its only
message), what it hands over stands in Markdown fences under `##` headings or in its last user message, and its worked
examples are the assistant's messages. A request without any of the headings is a task to be answered.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

HEADINGS = {
    "new tasks": "tasks",
    "more tasks": "list",
    "classification or not": "classify",
    "inputs and outputs": "instances",
    "labels and inputs": "labels",
    "rewrite a task": "rewrite",
    "invent a task": "invent",
    "say it in other words": "rephrase",
    "compare two tasks": "compare",
    "grade an answer": "grade",
    "rate the difficulty": "rate",
    "play the user": "user turn",
    "criticise an answer": "criticise",
    "revise an answer": "revise",
    "which answer is better": "prefer",
    "find faults of a rewriting method": "find faults",
    "improve a rewriting method": "improve",
}
_FENCE = re.compile(r"(`{3,})[a-z]*")
_NO_INPUT = "no input"
NO_TEXT = "none"
_ASKED = re.compile(r"^(?:Rewrite this task|Write a new task), ([\w ]+): (.*)\Z", re.MULTILINE)
_FIELD = re.compile(r"\n### (Instruction|Input|Output|Label)\n")


@dataclass
class Section:
    """A heading and the fenced texts under it."""

    title: str
    blocks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Prompt:
    """A recognised request. `kind` is "answer" for anything that is not one of the pipeline's prompts.

    `text`: the last message of the user; `shown`: the replies of the worked examples.
    """

    kind: str
    text: str
    preface: str
    sections: tuple[Section, ...]
    shown: tuple[str, ...] = ()

    def block(self, title: str, number: int = 0) -> str:
        """The n-th fenced text under the heading that begins so, "" where it says that there is no input."""
        found = next((one.blocks for one in self.sections if one.title.lower().startswith(title)), [])
        text = found[number] if number < len(found) else ""
        return "" if text.strip().lower() == _NO_INPUT else text

    @property
    def operator(self) -> str:
        return self._asked()[0].replace(" ", "_")

    @property
    def method(self) -> str:
        return self._asked()[1]

    @property
    def given(self) -> tuple[str, str]:
        """Instruction and input of the task that is to be evolved."""
        text = _ASKED.split(self.text)[0].rpartition("\n```\n")[2].strip()
        (found,) = _tasks(text) or [{"instruction": "", "input": ""}]
        return found["instruction"], found.get("input", "")

    def _asked(self) -> tuple[str, str]:
        found = _ASKED.search(self.text)
        return (found[1].lower(), found[2]) if found else ("", "")


def recognise(messages: Sequence[dict[str, str]]) -> Prompt:
    """The prompt of a chat: by its system message, else by the last message of the user."""
    asked = next((m["content"] for m in reversed(messages) if m.get("role") == "user"), "")
    system = next((m["content"] for m in messages if m.get("role") == "system"), "")
    is_chat = system.startswith("# ") and system[2:].split("\n")[0].strip().lower() in HEADINGS
    found = _read(system if is_chat else asked)
    shown = tuple(m["content"] for m in messages if m.get("role") == "assistant")
    if not is_chat:
        return replace(found, text=asked)
    preface = f"{found.preface}\n{asked}"
    return replace(found, text=asked, preface=preface, shown=shown, sections=(*found.sections, *_read(asked).sections))


def _read(text: str) -> Prompt:
    """The heading, sections and fenced blocks of a text."""
    kind, fence = "answer", ""
    preface: list[str] = []
    inside: list[str] = []
    sections: list[Section] = []
    for line in text.split("\n"):
        opening = _FENCE.fullmatch(line.strip())
        if fence and line.strip() == fence:
            (sections[-1] if sections else Section("")).blocks.append("\n".join(inside))
            fence = ""
        elif fence:
            inside.append(line)
        elif opening:
            fence, inside = opening[1], []
        elif kind == "answer" and line.startswith("# "):
            kind = HEADINGS.get(line[2:].strip().lower(), "answer")
            sections = [Section("")]
        elif line.startswith("## "):
            sections.append(Section(line[3:].strip()))
        elif len(sections) <= 1:
            preface.append(line)
    return Prompt(kind, text, "\n".join(preface), tuple(sections))


@functools.lru_cache(maxsize=512)
def fields(text: str) -> dict[str, str]:
    parts = _FIELD.split(f"\n{text}")
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {name.lower(): "" if body.strip().lower() == NO_TEXT else body.strip("\n") for name, body in pairs}


def count(prompt: Prompt, words: str, default: int) -> int:
    """The number before one of the words ("8 more", "3 examples") in the sentences of the prompt."""
    found = re.search(rf"\b(\d+) (?:\w+ )?(?:{words})\b", prompt.preface)
    return min(int(found[1]), 50) if found else default


def wants_answers(prompt: Prompt) -> bool:
    """Does a prompt for new tasks ask for their answers in the same reply?"""
    shows = any("### Output\n" in reply or '"output": ' in reply for reply in prompt.shown)
    return shows or re.search(r"\bwith (?:its answer|their answers)\b", prompt.text) is not None


def examples(prompt: Prompt) -> list[str]:
    """The instructions that the worked examples of a prompt show: numbered lines, JSON or headed sections."""
    if prompt.kind == "list":
        lines = [re.fullmatch(r"\d+\. (.+)", line.strip()) for reply in prompt.shown for line in reply.split("\n")]
        return [line[1] for line in lines if line]
    return [task["instruction"] for reply in prompt.shown for task in _tasks(reply)]


def _tasks(reply: str) -> list[dict[str, str]]:
    if reply.startswith("{"):
        found = json.loads(reply)
        return list(found.get("tasks", [found]))
    return [one for one in map(fields, re.split(r"^## Task \d+$", reply, flags=re.MULTILINE)) if "instruction" in one]


def divided(instruction: str, material: str) -> tuple[str, str]:
    """Instruction and material; where there is no material, what stands behind the first blank line is it."""
    return (instruction, material) if material else split_task(instruction)


def split_task(text: str) -> tuple[str, str]:
    """Instruction and input of a task as a user would have typed it: the first blank line divides them."""
    instruction, _, material = text.strip().partition("\n\n")
    return instruction.strip(), material.strip()
