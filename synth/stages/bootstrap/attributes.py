"""The attributes the method `diverse` draws for each task, so that variety is asked for rather than hoped for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from synth.prompts.domains import DOMAINS
from synth.stages.bootstrap.settings import BootstrapSettings


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of task: what the assistant is to do, and the `material` that it cannot do without ("" for none)."""

    phrase: str
    material: str = ""


KINDS = {
    "arithmetic": Kind("solve a word problem with numbers"),
    "brainstorm": Kind("collect ideas, names or examples"),
    "classify": Kind("put a short text into one of a few classes, which the instruction names", "text"),
    "closed_qa": Kind("answer a question from a passage", "passage"),
    "code_output": Kind("say what a short piece of code prints", "code"),
    "explain_code": Kind("explain what a short piece of code does", "code"),
    "extract_json": Kind("extract data from a text into JSON", "text"),
    "false_premise": Kind("answer a question that takes something for granted which is not so"),
    "feedback": Kind("give feedback on a text that somebody wrote", "text"),
    "fiction_verse": Kind("write a story, a scene or a poem"),
    "find_bug": Kind("find and mend the mistake in a short piece of code", "code"),
    "grammar": Kind("correct the spelling and grammar of a text with mistakes", "text with mistakes"),
    "letter_email": Kind("write a letter or an e-mail"),
    "logic": Kind("solve a small puzzle that has one answer"),
    "open_qa": Kind("answer a question of general knowledge"),
    "plan": Kind("make a plan or a timetable"),
    "refuse_safely": Kind("answer a question about health, law or safety with due care"),
    "rewrite": Kind("rewrite a text for other readers", "text"),
    "role_play": Kind("play a role and say what that person would say"),
    "sort_rank_compare": Kind("sort or rank the items of a list", "list"),
    "sql": Kind("write an SQL query for a table", "table"),
    "summarise": Kind("summarise a text", "text"),
    "table_transform": Kind("change a table into another form", "table"),
    "text_operations": Kind("do something with the words or letters of a text", "text"),
    "translate": Kind("translate a text into another language", "text"),
    "units_dates": Kind("calculate with units, times or dates"),
    "write_code": Kind("write a small program or function"),
}
"""The kinds of our own seeds; those of other seeds are named by their own category, or drawn from here."""
DOLLY_KINDS = {
    "brainstorming": KINDS["brainstorm"],
    "classification": KINDS["classify"],
    "closed_qa": KINDS["closed_qa"],
    "creative_writing": KINDS["fiction_verse"],
    "general_qa": Kind("answer a question on which people may differ"),
    "information_extraction": Kind("pull facts out of a passage", "passage"),
    "open_qa": KINDS["open_qa"],
    "summarization": Kind("summarise a passage", "passage"),
}
"""The eight categories of databricks-dolly-15k."""


def kind_of(category: str) -> Kind:
    """The kind that a category names: one of KINDS or DOLLY_KINDS, or the user's own word for it."""
    other = Kind(f"do a task of the kind {category.replace('_', ' ')}")
    return (KINDS | DOLLY_KINDS).get(category.replace(" ", "_"), other)


def draw_attributes(
    settings: BootstrapSettings, categories: Sequence[str], run_seed: int, number: int, rng: random.Random
) -> list[dict[str, str]]:
    """The attributes of the tasks of request `number`. A language is an ISO 639-1 code here.

    Kinds and domains are dealt like cards: each comes once before any comes again. The domain is left out where the
    user gives a topic.
    """
    drawn = []
    for place in range(number * settings.per_request, (number + 1) * settings.per_request):
        row = {"category": _dealt(categories, place, f"{run_seed} kinds")}
        row |= {} if settings.topic else {"domain": _dealt(DOMAINS, place, f"{run_seed} domains")}
        row["language"] = draw_language(settings, rng) or ""
        drawn.append({name: value for name, value in row.items() if value})
    return drawn


def _dealt(cards: Sequence[str], place: int, seed: str) -> str:
    """Card number `place` of packs that are each shuffled anew."""
    pack = random.Random(f"{seed} {place // len(cards)}").sample(cards, len(cards))
    return pack[place % len(cards)]


def draw_language(settings: BootstrapSettings, rng: random.Random) -> str | None:
    """One of the languages wanted, as a code; None where any will do."""
    return rng.choice(settings.named_languages) if settings.named_languages else None
