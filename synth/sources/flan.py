"""FLAN's way (arXiv 2109.01652): a labelled row told as an instruction, in one of ten wordings of its kind of task.

Three modes, as the paper compares them: `none` (input and output only), `name` (task and dataset named before the
input) and `instruction`. Each is a list of templates, so all three are rendered alike.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from synth.errors import UsageError
from synth.plugins import nearest
from synth.sources.templates import Template, wordings

Mode = Literal["none", "name", "instruction"]
MODES: tuple[Mode, ...] = ("none", "name", "instruction")
_FILE = Path(__file__).parent.parent / "data" / "task_kinds.yaml"
_OPTIONS = "{% if option_list %}\n\n{{option_list}}{% endif %}"
_STEPS = (
    '{% if rationale is defined %}\n\nShow how you get there, and end with "The answer is" and the answer.{% endif %}'
)


@dataclass(frozen=True, slots=True)
class TaskKind:
    """A kind of task: the fields it needs, the one it asks for, its wordings, and those that turn it round.

    `also`: further fields, with what is said where a dataset has no such column.
    """

    name: str
    cluster: str
    inputs: tuple[str, ...]
    output: str
    wordings: tuple[str, ...]
    turned: tuple[str, ...]
    also: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields of a row of this kind."""
        return (*self.inputs, self.output)

    def templates(self, mode: Mode, *, turned: bool = True) -> list[Template]:
        """The templates of a mode; those that turn the task round belong to `instruction` alone."""
        target = " ||| {{target_text}}"
        plain = "\n\n".join(f"{{{{{name}}}}}" for name in self.inputs)
        if mode != "instruction":
            head = "" if mode == "none" else "[{{task_name}}: {{dataset_name}}]\n\n"
            return wordings(f"{self.name} {mode}", [head + plain + target], metadata={"original_task": True})
        texts = [text + _OPTIONS + _STEPS + target for text in self.wordings]
        made = wordings(self.name, texts, metadata={"original_task": True})
        back = wordings(f"{self.name} turned", self.turned, metadata={"original_task": False})
        return made + (back if turned else [])


@functools.cache
def task_kinds() -> dict[str, TaskKind]:
    """The kinds by name."""
    rows: dict[str, Any] = yaml.safe_load(_FILE.read_text("utf-8"))
    return {
        name: TaskKind(
            name, row["cluster"], tuple(row["inputs"]), row["output"],
            tuple(row["wordings"]), tuple(row["turned"]), row.get("also", {}),
        )
        for name, row in rows.items()
    }  # fmt: skip


def find_kind(name: str) -> TaskKind:
    """The kind of that name. Raises UsageError where there is none."""
    kinds = task_kinds()
    if name not in kinds:
        raise UsageError(f"there is no kind of task {name!r}", nearest(name, kinds))
    return kinds[name]


def option_list(options: Sequence[str]) -> str:
    """FLAN's list of the answers there are; "" where there are none."""
    return "\n".join(["Options:", *(f"- {one}" for one in options)]) if options else ""


def chosen(label: Any, options: Sequence[str]) -> str | None:
    """The option that a label names, by its text or by its number from 0; None where it names none."""
    if isinstance(label, bool):
        label = int(label)
    text = str(label).strip()
    by_text = {one.casefold(): one for one in options}
    if text.casefold() in by_text:
        return by_text[text.casefold()]
    place = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
    return options[place] if 0 <= place < len(options) else None
