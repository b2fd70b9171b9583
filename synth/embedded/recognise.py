"""Which of the pipeline's prompts a request is, and the data in it. Only headings, field names and fences are looked at.

The sentences of a prompt are free to be edited: a prompt is known by its first heading, and what it hands over stands in
Markdown fences under `##` headings. A request without any of the headings is a task to be answered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

HEADINGS = {
    "new tasks": "tasks",
    "more tasks": "list",
    "classification or not": "classify",
    "inputs and outputs": "instances",
    "labels and inputs": "labels",
    "rewrite a task": "rewrite",
    "invent a task": "invent",
    "compare two tasks": "compare",
    "grade an answer": "grade",
    "rate the difficulty": "rate",
    "which answer is better": "prefer",
    "find faults of a rewriting method": "find faults",
    "improve a rewriting method": "improve",
}
_FENCE = re.compile(r"(`{3,})[a-z]*")
_NO_INPUT = "no input"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced text and the line before it: "Example 2, input:"."""

    label: str
    text: str


@dataclass
class Section:
    """What stands under one heading."""

    title: str
    lines: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Prompt:
    """A recognised request. `kind` is "answer" for anything that is not one of the pipeline's prompts."""

    kind: str
    text: str
    preface: str
    sections: tuple[Section, ...]

    def section(self, title: str) -> Section:
        """The first section whose title begins so (case does not matter); an empty one if there is none."""
        wanted = title.lower()
        return next((one for one in self.sections if one.title.lower().startswith(wanted)), Section(title))

    def block(self, title: str, number: int = 0) -> str:
        """The n-th fenced text under a heading, "" where it says that there is no input."""
        blocks = self.section(title).blocks
        text = blocks[number].text if number < len(blocks) else ""
        return "" if text.strip().lower() == _NO_INPUT else text

    @property
    def operator(self) -> str:
        """What follows `## Method:`."""
        return self.section("method").title.partition(":")[2].strip().lower()

    @property
    def method(self) -> str:
        """What stands under `## Method:`."""
        return " ".join(" ".join(self.section("method").lines).split())


def recognise(messages: Sequence[dict[str, str]]) -> Prompt:
    """The prompt in the last message of the user."""
    text = next((m["content"] for m in reversed(messages) if m.get("role") == "user"), "")
    kind, fence, label = "answer", "", ""
    preface: list[str] = []
    inside: list[str] = []
    sections: list[Section] = []
    for line in text.split("\n"):
        if fence:
            if line.strip() == fence:
                (sections[-1] if sections else Section("")).blocks.append(Block(label, "\n".join(inside)))
                fence = ""
            else:
                inside.append(line)
            continue
        opening = _FENCE.fullmatch(line.strip())
        if opening:
            fence, inside = opening[1], []
            label = _last_line(sections[-1].lines if sections else preface)
        elif kind == "answer" and line.startswith("# "):
            kind = HEADINGS.get(line[2:].strip().lower(), "answer")
            sections = [Section("")]
        elif line.startswith("## "):
            sections.append(Section(line[3:].strip()))
        elif sections:
            sections[-1].lines.append(line)
        else:
            preface.append(line)
    intro = "\n".join(preface + (sections[0].lines if sections else []))
    return Prompt(kind, text, intro, tuple(sections))


def _last_line(lines: list[str]) -> str:
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def count(prompt: Prompt, words: str, default: int) -> int:
    """The number before one of the words ("8 more", "3 examples") in the sentences of the prompt."""
    found = re.search(rf"\b(\d+) (?:\w+ )?(?:{words})\b", prompt.preface)
    return min(int(found[1]), 50) if found else default


@dataclass(frozen=True, slots=True)
class Shown:
    """A task shown as an example."""

    instruction: str
    input: str


def examples(prompt: Prompt) -> list[Shown]:
    """The tasks shown in a prompt: fenced with a label each, or the lines of a numbered list."""
    if prompt.kind == "list":
        lines = [re.fullmatch(r"\d+\. (.+)", line.strip()) for line in prompt.section("list").lines]
        return [Shown(line[1], "") for line in lines if line]
    found: list[Shown] = []
    blocks = [block for section in prompt.sections for block in section.blocks]
    for block in blocks:
        if block.label.endswith("instruction:"):
            found.append(Shown(block.text, ""))
        elif block.label.endswith("input:") and found:
            found[-1] = Shown(found[-1].instruction, block.text)
    return found


def divided(instruction: str, material: str) -> tuple[str, str]:
    """Instruction and material; where there is no material, what stands behind the first blank line is it."""
    return (instruction, material) if material else split_task(instruction)


def split_task(text: str) -> tuple[str, str]:
    """Instruction and input of a task as a user would have typed it: the first blank line divides them."""
    instruction, _, material = text.strip().partition("\n\n")
    return instruction.strip(), material.strip()
