"""Rows of three texts: Alpaca (with `system` and `history`), Dolly, prompt and completion, columns named by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from synth.parsing import clean_input
from synth.records import Message, Record, split_messages
from synth.sources.chat import conversation, message, transcript_turns, turn_of, with_system
from synth.sources.rows import Fields

Columns = Mapping[str, str]
_FOOTNOTE = re.compile(r"\[\d{1,4}\]")


def task(fields: Fields, columns: Columns, require_output: bool, meta: dict[str, Any] | None = None) -> list[Record]:
    """A record of three texts; `columns` names the keys of instruction, input and output."""
    instruction = fields.text(columns["instruction"])
    input_text = fields.text(columns["input"], may_be_empty=True) if "input" in columns else ""
    output = fields.text(columns["output"], may_be_empty=not require_output) if "output" in columns else ""
    if require_output and "output" not in columns:
        fields.bad("no column is named for the output; add output=COLUMN")
    return [Record(instruction, input_text, output, meta=meta or {})]


def alpaca(fields: Fields, require_output: bool) -> list[Record]:
    """Alpaca's three keys, with `system` and `history` as LLaMA-Factory (pairs) or our tables (messages) have them.

    A `category` is kept: comparisons of answers are told by it.
    """
    category = fields.row.value.get("category")
    meta = {"category": category} if isinstance(category, str) and category.strip() else {}
    fields.used |= set(meta)
    columns = {"instruction": "instruction", "input": "input", "output": "output"}
    found = [_without_no_input(fields, record) for record in task(fields, columns, require_output, meta)]
    system, history = fields.text("system", may_be_empty=True), fields.get("history")
    if not history and not system:
        return found
    first, pairs = _history(fields, history or [])
    systems = dict.fromkeys(filter(None, (system, first)))
    return [replace(record, system="\n\n".join(systems), history=pairs) for record in found]


def _without_no_input(fields: Fields, record: Record) -> Record:
    given = clean_input(record.input)
    if record.input.strip() and not given:
        fields.changed("`input` said in words that there is none, and was emptied")
        return replace(record, input="")
    return record


def _history(fields: Fields, given: Any) -> tuple[str, tuple[tuple[str, str], ...]]:
    """(system text, pairs) of a `history` of pairs or of messages."""
    turns: list[Any] = []
    for one in given if isinstance(given, list) else [given]:
        pair = list(one) if isinstance(one, list | tuple) and len(one) == 2 else None
        turns += [message("user", pair[0]), message("assistant", pair[1])] if pair else [one]
    talk = [found for number, turn in enumerate(turns, 1) if (found := turn_of(fields, number, turn))]
    try:
        system, history = split_messages(talk)
    except ValueError as error:
        fields.bad(f"`history`: {error}")
        return "", ()
    if any(not answer.strip() for _, answer in history):
        fields.bad("an answer within `history` is empty; fill it or remove its turns")
    return system, tuple(history)


def dolly(fields: Fields, require_output: bool) -> list[Record]:
    """Dolly's four keys; its category says whether the task is a classification.

    Its passages are from Wikipedia and carry marks of footnotes, such as [42], which are taken out.
    """
    category = fields.text("category", may_be_empty=True)
    meta = {"category": category, "is_classification": category == "classification"} if category else {}
    found = task(fields, {"instruction": "instruction", "input": "context", "output": "response"}, require_output, meta)
    plain = [replace(record, input=_FOOTNOTE.sub("", record.input)) for record in found]
    if plain != found:
        fields.changed("marks of footnotes were taken out of `context`")
    return plain


def orca(fields: Fields, require_output: bool) -> list[Record]:
    """OpenOrca's triples: a system text, a question (or a transcript), an explained answer (Orca, arXiv 2306.02707)."""
    fields.used.add("id")
    system = fields.text("system_prompt", may_be_empty=True) or fields.text("system", may_be_empty=True)
    found = task(fields, {"instruction": "question", "output": "response"}, require_output)
    turns = transcript_turns(found[0].instruction)
    written = [_of_turns(record, turns) if turns else record for record in found]
    return [replace(record, system=system or record.system) for record in written]


def prompt_completion(fields: Fields, require_output: bool) -> list[Record]:
    """TRL's form: two texts, of which the prompt may be a transcript, or two lists of turns."""
    prompt, completion = fields.get("prompt"), fields.get("completion")
    system = fields.text("system", may_be_empty=True)
    if isinstance(prompt, list):
        turns = with_system(prompt + (completion if isinstance(completion, list) else []), system)
        return conversation(fields, turns, require_output)
    found = task(fields, {"instruction": "prompt", "output": "completion"}, require_output)
    turns = transcript_turns(prompt) if isinstance(prompt, str) else None
    written = [_of_turns(record, turns) if turns else _bare(record) for record in found]
    return [replace(record, system=record.system or system) for record in written]


def _of_turns(record: Record, turns: list[Message]) -> Record:
    system, history = split_messages(turns[:-1])
    return replace(record, instruction=turns[-1]["content"], system=system, history=tuple(history))


def _bare(record: Record) -> Record:
    """Without the empty line that trainers want between a prompt and its completion."""
    return replace(record, instruction=record.instruction.removesuffix("\n\n"))
