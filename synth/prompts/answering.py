"""The request that answers a record: chat messages, with its system text and history before the question."""

from __future__ import annotations

from synth.prompts import Prompt, render
from synth.records import Record


def answering(record: Record, name: str = "answer") -> Prompt:
    """The messages of `record` up to its question, which the prompt `name` (or a user's .jinja file) words."""
    question = render(name, instruction=record.instruction, input=record.input)
    return Prompt((*record.earlier(), *question.messages), question.version)
