"""The defects of real teachers' texts, each a function from a good reply (or one good item) to a spoiled one.

Reply defects see the whole text; item defects see one task of it as a dict of `instruction`, `input`, `output`. Each
returns None where it has nothing to take hold of. Simple ones are made by `put`, `around` and `edit` in `faults`, which
lists them all and decides which is used when. Sources of the list: the filters of Self-Instruct and WizardLM,
AlpacaDataCleaned's list of defects, and replies of small open models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from synth.embedded.recognise import Prompt, examples, recognise

NO_PROMPT = recognise(())
Item = dict[str, str]


@dataclass(frozen=True, slots=True)
class Context:
    """What a defect may look at: its own randomness, the prompt, and the other items of the reply."""

    rng: Random
    prompt: Prompt = NO_PROMPT
    items: tuple[Item, ...] = ()
    at: int = 0

    @property
    def examples(self) -> list[str]:
        return examples(self.prompt)

    @property
    def parent(self) -> tuple[str, str]:
        return self.prompt.given

    def other(self) -> Item | None:
        rest = [item for index, item in enumerate(self.items) if index != self.at]
        return self.rng.choice(rest) if rest else None


_HEAD = re.compile(r"^## (?:Task|Example) \d+.*$", re.M)
_PART = re.compile(r"^### (\w+)[ \t]*$", re.M)
_LINE = re.compile(r"^[ \t]*(\d+\.)?[ \t]*(\S.*)$", re.M)
_FIELD = {"label": "output"}


def read_items(text: str, kind: str) -> list[Item]:
    """The items of a well-formed reply. An answer in prose is one item with an output only."""
    if kind == "list":
        return [{"number": found[1] or "", "instruction": found[2]} for found in _LINE.finditer(text)]
    if text.lstrip().startswith(("{", "[")):
        rows = _rows(_json(text))
        return [{_FIELD.get(key, key): value for key, value in row.items() if isinstance(value, str)} for row in rows]
    if not _PART.search(text):
        return [{"output": text}] if kind == "answer" else []
    bodies = _HEAD.split(text)[1:] if _HEAD.search(text) else [text]
    return [_sections(body) for body in bodies]


def _sections(body: str) -> Item:
    parts = _PART.split(body)[1:]
    names = [name.lower() for name in parts[::2]]
    return {_FIELD.get(name, name): value.strip("\n") for name, value in zip(names, parts[1::2], strict=True)}


def write_items(items: list[Item], text: str, kind: str) -> str:
    """`items` in the form of `text`, the reply they were read from."""
    if kind == "list":
        return "\n".join(f"{item['number']} {item['instruction']}".strip() for item in items)
    if text.lstrip().startswith(("{", "[")):
        data = _json(text)
        for row, item in zip(_rows(data), items, strict=True):
            row.update({key: item.get(_FIELD.get(key, key), value) for key, value in row.items()})
        return json.dumps(data, ensure_ascii=False)
    if not _PART.search(text):
        return items[0]["output"]
    heads, names = _HEAD.findall(text), {_FIELD.get(name.lower(), name.lower()): name for name in _PART.findall(text)}
    bodies = ["\n".join(f"### {names[key]}\n{value}" for key, value in item.items()) for item in items]
    return "\n\n".join(f"{head}\n{body}" for head, body in zip(heads, bodies, strict=True)) if heads else bodies[0]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _rows(data: Any) -> list[dict[str, Any]]:
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list)]
        data = lists[0] if lists else [data]
    return [row for row in data or [] if isinstance(row, dict)]


ReplyDefect = Callable[[str, Context], str | None]
ItemDefect = Callable[[Item, Context], Item | None]


def _with(item: Item, field: str, value: str | None) -> Item | None:
    return item | {field: value} if field in item and value is not None and value != item[field] else None


def put(field: str, *texts: str) -> ItemDefect:
    return lambda item, context: _with(item, field, context.rng.choice(texts))


def around(field: str, before: str, after: str = "") -> ItemDefect:
    return lambda item, context: _with(item, field, before + item.get(field, "") + after)


def edit(
    pattern: str, replacement: str | Callable[[re.Match[str]], str], *, instead: str | None = None, count: int = 0
) -> ReplyDefect:
    """The reply with a regular expression replaced; where it does not occur, `instead` (filled with the reply)."""

    def defect(text: str, context: Context) -> str | None:
        changed = re.sub(pattern, replacement, text, count=count, flags=re.M)
        return changed if changed != text else instead and instead.format(text.strip())

    return defect


def renumber(shape: str, *, start: int | None = None, only_lists: bool = False) -> ReplyDefect:
    """The heads `## Task 3` of the items, or the numbers `3.` of a list, in another shape."""

    def defect(text: str, context: Context) -> str | None:
        text = from_its_number(text, context)
        has_heads = _HEAD.search(text) is not None
        pattern = r"^## (?:Task|Example) (\d+)" if has_heads else r"^(\d+)\.(?=\s)"
        found = re.findall(pattern, text, re.M)
        numbers = iter(found if start is None else range(start, start + len(found)))
        changed = re.sub(pattern, lambda _: shape.format(next(numbers)), text, flags=re.M)
        return changed if changed != text and not (has_heads and only_lists) else None

    return defect


def from_its_number(text: str, context: Context) -> str:
    """A list that goes on after the prompt's last number, with that number put in front of its first item."""
    asked = re.search(r"^(\d+)\.\s*\Z", context.prompt.text, re.M)
    return f"{asked[1]}. {text.lstrip()}" if asked and not text.lstrip()[:1].isdigit() else text


def single_quotes(text: str, context: Context) -> str | None:
    data = _json(text)
    return repr(data) if isinstance(data, (dict, list)) and repr(data) != text else None


def trailing_comma(text: str, context: Context) -> str | None:
    """A comma behind the end of a JSON text."""
    changed = re.sub(r"([}\]])\s*$", r",\1", text)
    return changed if _json(text) is not None and changed != text else None


def copy_example(item: Item, context: Context) -> Item | None:
    return _with(item, "instruction", context.rng.choice(context.examples or [""]) or None)


def near_copy(item: Item, context: Context) -> Item | None:
    """An example with a word or two at its end."""
    shown = context.rng.choice(context.examples or [""])
    return _with(item, "instruction", f"{shown.rstrip('.')}, please." if len(shown.split()) >= 4 else None)


def repeat_in_batch(item: Item, context: Context) -> Item | None:
    """The first item of the reply again."""
    return _with(item, "instruction", context.items[0].get("instruction") if context.at else None)


def too_long(item: Item, context: Context) -> Item | None:
    """Its own words again and again, up to 200."""
    words = item.get("instruction", "").split()
    return _with(item, "instruction", " ".join((words * (200 // max(1, len(words)) + 1))[:200]))


def bad_instruction(item: Item, context: Context) -> Item | None:
    """Words without a task, in the size and shape of one."""
    words = re.findall(r"\w+", item.get("instruction", ""))
    context.rng.shuffle(words)
    return _with(item, "instruction", " ".join(words).capitalize() + "." if len(set(words)) > 2 else None)


NO_INPUT = ("N/A", "None", "none.", "<noinput>", "(no input)", "Not applicable", "-")
FOREIGN = (
    "The harbour is closed for repairs until May.",
    "Whisk two eggs with a pinch of salt and set them aside.",
    "def area(width, height):\n    return width * height",
    "Rain in the morning, clearing from the west towards noon.",
    "Mr Abbot left the parish in 1844 and never wrote again.",
    "Seat 14C, gate B7, boarding at 06:40.",
)
"""Material that has nothing to do with any instruction."""


def no_input_spelling(item: Item, context: Context) -> Item | None:
    """Another spelling of "No input", where the item has none."""
    lacks = item.get("input", "").strip().lower() in ("no input", "")
    return _with(item, "input", context.rng.choice(NO_INPUT)) if lacks else None


def echoes_input(item: Item, context: Context) -> Item | None:
    return _with(item, "output", item.get("input"))


def wrong_output(item: Item, context: Context) -> Item | None:
    """A plausible answer that is not the right one: another number, half of it, or another item's answer."""
    right = item.get("output", "")
    numbers, lines, other = list(re.finditer(r"\d+", right)), right.splitlines(), context.other()
    if numbers:
        found = context.rng.choice(numbers)
        changed = f"{right[: found.start()]}{int(found[0]) + context.rng.randint(1, 9)}{right[found.end() :]}"
    elif len(lines) > 1:
        changed = "\n".join(lines[1:] if lines[0] != lines[-1] else lines[:-1])
    else:
        changed = (other or {}).get("output") or " ".join(right.split()[::-1]) + " too"
    return _with(item, "output", changed)


def unchanged(item: Item, context: Context) -> Item | None:
    task = context.parent[0]
    same = _with(item, "instruction", task or None)
    return _with(same, "input", context.parent[1]) or same if same else None


def loses_input(item: Item, context: Context) -> Item | None:
    return _with(item, "input", "No input") if context.parent[1] not in ("", "No input") else None


def always_top(text: str, context: Context) -> str | None:
    """The highest grade for everything."""
    return edit(GRADE, r"\g<1>10" if "Difficulty" in text else r"\g<1>5")(text, context)


GRADE = r"^((?!Reason)[\w-]+:[ \t]*)\d+.*$"
"""A line with a grade."""
