"""The defects of real teachers' texts, each a small function from a good reply (or one good item) to a spoiled one.

Reply defects see the whole text; item defects see one task of it as a dict of `instruction`, `input`, `output`. Each
returns None where it has nothing to take hold of. Which is used when is decided in `faults`. Sources of the list: the
filters of Self-Instruct and WizardLM, AlpacaDataCleaned's list of defects, and replies of small open models.
"""

from __future__ import annotations

import json
import re
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
        """The instructions shown in the prompt."""
        return [one.instruction for one in examples(self.prompt)]

    @property
    def parent(self) -> tuple[str, str]:
        """Instruction and input of the task that is to be evolved."""
        return self.prompt.given

    def other(self) -> Item | None:
        """Another item of the same reply."""
        rest = [item for index, item in enumerate(self.items) if index != self.at]
        return self.rng.choice(rest) if rest else None


# --- items in and out of a reply -----------------------------------------------------------------------------------

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
    """The objects of a JSON reply: its first list of objects, or itself."""
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list)]
        data = lists[0] if lists else [data]
    return [row for row in data or [] if isinstance(row, dict)]


# --- the form of a list --------------------------------------------------------------------------------------------


def _renumbered(text: str, shape: str, start: int | None = None) -> str | None:
    """The heads `## Task 3` of the items, or the numbers `3.` of a list, in another shape."""
    pattern = r"^## (?:Task|Example) (\d+)" if _HEAD.search(text) else r"^(\d+)\.(?=\s)"
    found = re.findall(pattern, text, re.M)
    numbers = iter(found if start is None else range(start, start + len(found)))
    changed = re.sub(pattern, lambda _: shape.format(next(numbers)), text, flags=re.M)
    return changed if changed != text else None


def _from_its_number(text: str, context: Context) -> str:
    """A list that goes on after the prompt's last number, with that number put in front of its first item."""
    asked = re.search(r"^(\d+)\.\s*\Z", context.prompt.text, re.M)
    return f"{asked[1]}. {text.lstrip()}" if asked and not text.lstrip()[:1].isdigit() else text


def numbering_words(text: str, context: Context) -> str | None:
    return _renumbered(_from_its_number(text, context), "Task {}:")


def numbering_paren(text: str, context: Context) -> str | None:
    return _renumbered(_from_its_number(text, context), "{})")


def numbering_bold(text: str, context: Context) -> str | None:
    return _renumbered(_from_its_number(text, context), "**{}.**")


def restarts_at_one(text: str, context: Context) -> str | None:
    return _renumbered(_from_its_number(text, context), "{}.", 1) if not _HEAD.search(text) else None


def bullets(text: str, context: Context) -> str | None:
    return _renumbered(_from_its_number(text, context), "-") if not _HEAD.search(text) else None


def merged_line(text: str, context: Context) -> str | None:
    """Two numbered items on one line."""
    changed = re.sub(r"\n+(?=\d+\. )", " ", text, count=1)
    return changed if changed != text else None


def headings_bold(text: str, context: Context) -> str | None:
    changed = _PART.sub(r"**\1:**", text)
    return changed if changed != text else None


def headings_plain(text: str, context: Context) -> str | None:
    changed = _PART.sub(lambda found: found[1].upper() + ":", text)
    return changed if changed != text else None


def heading_inline(text: str, context: Context) -> str | None:
    """The text starts on the line of its heading."""
    changed = re.sub(r"^### (\w+)\n(?=\S)", r"### \1: ", text, flags=re.M)
    return changed if changed != text else None


def item_heads_lost(text: str, context: Context) -> str | None:
    changed = _HEAD.sub("", text).strip()
    return changed if changed != text else None


def preamble(text: str, context: Context) -> str | None:
    return "Sure! Here is what you asked for:\n\n" + _from_its_number(text, context)


def postamble(text: str, context: Context) -> str | None:
    return text + "\n\nLet me know if you would like to have more of these!"


def code_fence(text: str, context: Context) -> str | None:
    return f"```markdown\n{_from_its_number(text, context)}\n```"


def single_quotes(text: str, context: Context) -> str | None:
    """JSON as Python would print it."""
    data = _json(text)
    return repr(data) if isinstance(data, (dict, list)) and repr(data) != text else None


def trailing_comma(text: str, context: Context) -> str | None:
    changed = re.sub(r"([}\]])\s*$", r",\1", text)
    return changed if _json(text) is not None and changed != text else None


# --- what a proposed task says -------------------------------------------------------------------------------------


def _with(item: Item, field: str, value: str | None) -> Item | None:
    return item | {field: value} if field in item and value is not None and value != item[field] else None


def copy_example(item: Item, context: Context) -> Item | None:
    return _with(item, "instruction", context.rng.choice(context.examples or [""]) or None)


def near_copy(item: Item, context: Context) -> Item | None:
    """An example with a word or two at its end."""
    shown = context.rng.choice(context.examples or [""])
    return _with(item, "instruction", f"{shown.rstrip('.')}, please." if len(shown.split()) >= 4 else None)


def repeat_in_batch(item: Item, context: Context) -> Item | None:
    other = context.items[0] if context.at else None
    return _with(item, "instruction", other.get("instruction") if other else None)


def too_short(item: Item, context: Context) -> Item | None:
    return _with(item, "instruction", context.rng.choice(("Sort it.", "Go on.", "Translate.")))


def too_long(item: Item, context: Context) -> Item | None:
    words = item.get("instruction", "").split()
    return _with(item, "instruction", " ".join((words * (200 // max(1, len(words)) + 1))[:200]))


def starts_with_mark(item: Item, context: Context) -> Item | None:
    return _with(item, "instruction", context.rng.choice((", ", ": ", ") ", "; ")) + item.get("instruction", ""))


def starts_non_ascii(item: Item, context: Context) -> Item | None:
    return _with(item, "instruction", "→ " + item.get("instruction", ""))


def write_program(item: Item, context: Context) -> Item | None:
    return _with(item, "instruction", "Write a program that does the following. " + item.get("instruction", ""))


def asks_image(item: Item, context: Context) -> Item | None:
    what = context.rng.choice(("the image", "the attached file", "the graph", "the video"))
    return _with(item, "instruction", f"Look at {what} and describe what it shows in three sentences.")


def asks_link(item: Item, context: Context) -> Item | None:
    return _with(item, "instruction", "Read https://news.example/today and list its three main points.")


def other_language(item: Item, context: Context) -> Item | None:
    return _with(item, "instruction", "请把下面的句子翻译成法语，并说明理由。")


def bad_instruction(item: Item, context: Context) -> Item | None:
    """Words without a task, in the size and shape of one."""
    words = re.findall(r"\w+", item.get("instruction", ""))
    context.rng.shuffle(words)
    return _with(item, "instruction", " ".join(words).capitalize() + "." if len(set(words)) > 2 else None)


# --- inputs --------------------------------------------------------------------------------------------------------

NO_INPUT = ("N/A", "None", "none.", "<noinput>", "(no input)", "Not applicable", "-")


def no_input_spelling(item: Item, context: Context) -> Item | None:
    """Another spelling of "No input", where the item has none."""
    lacks = item.get("input", "").strip().lower() in ("no input", "")
    return _with(item, "input", context.rng.choice(NO_INPUT)) if lacks else None


def placeholder_input(item: Item, context: Context) -> Item | None:
    return _with(item, "input", "[insert your text here]")


FOREIGN = (
    "The harbour is closed for repairs until May.",
    "Whisk two eggs with a pinch of salt and set them aside.",
    "def area(width, height):\n    return width * height",
    "Rain in the morning, clearing from the west towards noon.",
    "Mr Abbot left the parish in 1844 and never wrote again.",
    "Seat 14C, gate B7, boarding at 06:40.",
)


def bad_input(item: Item, context: Context) -> Item | None:
    """Material that has nothing to do with the instruction."""
    return _with(item, "input", context.rng.choice(FOREIGN))


# --- outputs -------------------------------------------------------------------------------------------------------


def empty_output(item: Item, context: Context) -> Item | None:
    return _with(item, "output", "")


def as_an_ai(item: Item, context: Context) -> Item | None:
    return _with(item, "output", "As an AI language model, I do not have access to that and cannot help with it.")


def short_sorry(item: Item, context: Context) -> Item | None:
    return _with(item, "output", "Sorry, but there is not enough context to do this.")


def only_punctuation(item: Item, context: Context) -> Item | None:
    return _with(item, "output", "...")


def only_stop_words(item: Item, context: Context) -> Item | None:
    return _with(item, "output", "It is what it is and that is that.")


def invented_url(item: Item, context: Context) -> Item | None:
    return _with(item, "output", "According to https://stats.example/report-2, it is so. " + item.get("output", ""))


def leaks_stop(item: Item, context: Context) -> Item | None:
    """The reply goes on with the frame of a training prompt."""
    return _with(item, "output", item.get("output", "") + "\n### Instruction:\nNow do the same for the next one.")


def loops(item: Item, context: Context) -> Item | None:
    return _with(item, "output", " ".join(["and so the result is the same"] * 40))


def mojibake(item: Item, context: Context) -> Item | None:
    return _with(item, "output", "Itâ€™s cafÃ© timeâ€¦ " + item.get("output", ""))


def echoes_input(item: Item, context: Context) -> Item | None:
    return _with(item, "output", item.get("input"))


def wrong_output(item: Item, context: Context) -> Item | None:
    """A plausible answer that is not the right one: another number, another item's answer, or half of it."""
    right = item.get("output", "")
    numbers = list(re.finditer(r"\d+", right))
    if numbers:
        found = context.rng.choice(numbers)
        return _with(
            item, "output", f"{right[: found.start()]}{int(found[0]) + context.rng.randint(1, 9)}{right[found.end() :]}"
        )
    lines = right.splitlines()
    if len(lines) > 1:
        return _with(item, "output", "\n".join(lines[1:] if lines[0] != lines[-1] else lines[:-1]))
    other = context.other()
    return _with(
        item, "output", other["output"] if other and other.get("output") else " ".join(right.split()[::-1]) + " too"
    )


# --- evolution -----------------------------------------------------------------------------------------------------


def leaks_marker(item: Item, context: Context) -> Item | None:
    return _with(item, "instruction", "#Rewritten Prompt#: " + item.get("instruction", ""))


def speaks_of_rewriting(item: Item, context: Context) -> Item | None:
    return _with(
        item, "instruction", f"The rewritten prompt, harder than the given prompt: {item.get('instruction', '')}"
    )


def unchanged(item: Item, context: Context) -> Item | None:
    task = context.parent[0]
    same = _with(item, "instruction", task or None)
    return _with(same, "input", context.parent[1]) or same if same else None


def answers_instead(item: Item, context: Context) -> Item | None:
    return _with(item, "instruction", "The answer is 42, since all the others were left out.")


def loses_input(item: Item, context: Context) -> Item | None:
    return _with(item, "input", "No input") if context.parent[1] not in ("", "No input") else None


def drifts(item: Item, context: Context) -> Item | None:
    """Another task altogether."""
    return _with(item, "instruction", "Explain in two paragraphs how tides come about and why they differ by place.")


def grows(item: Item, context: Context) -> Item | None:
    """Far more than the 20 words that were allowed."""
    more = " Take every case into account, give reasons, name your sources and weigh them against each other."
    return _with(item, "instruction", item.get("instruction", "") + more * 8)


# --- verdicts ------------------------------------------------------------------------------------------------------


def undecided(text: str, context: Context) -> str | None:
    return "That depends on how one looks at it."


def wordy_verdict(text: str, context: Context) -> str | None:
    return f"{text.strip().rstrip('.')}, because the task leaves little room for anything else."


def label_outside(text: str, context: Context) -> str | None:
    """A verdict that was not on offer."""
    changed = re.sub(r"^(Verdict:[ \t]*).*$", r"\1perhaps", text, flags=re.M)
    return changed if changed != text else "Maybe"


def verdict_bold(text: str, context: Context) -> str | None:
    changed = re.sub(r"^(\w[\w-]*):[ \t]*(.+)$", r"**\1:** \2", text, flags=re.M)
    return changed if changed != text else f"**{text.strip()}**"


def position_bias(text: str, context: Context) -> str | None:
    """The first answer wins, whatever it says."""
    changed = re.sub(r"^Verdict:.*$", "Verdict: A", text, flags=re.M)
    return changed if changed != text else None


def _scored(text: str, value: str) -> str | None:
    changed = re.sub(r"^((?!Reason)[\w-]+:[ \t]*)\d+.*$", rf"\g<1>{value}", text, flags=re.M)
    return changed if changed != text else None


def score_too_high(text: str, context: Context) -> str | None:
    return _scored(text, "11")


def score_as_word(text: str, context: Context) -> str | None:
    return _scored(text, "four")


def score_of_ten(text: str, context: Context) -> str | None:
    """`3/5` in place of `3`."""
    changed = re.sub(r"^((?!Reason)[\w-]+:[ \t]*\d+)[ \t]*$", r"\1/5", text, flags=re.M)
    return changed if changed != text else None


def always_top(text: str, context: Context) -> str | None:
    return _scored(text, "10" if "Difficulty" in text else "5")
