"""A template of your own: how a student sees a conversation. A recipe names it `template:PLAIN`."""

from __future__ import annotations

from synth import Segment, TurnTemplate
from synth.student.templates import Turn


def opening(turn: Turn, system: str, is_first: bool) -> list[Segment]:
    """What stands before an answer. "content" is data; the rest is the template's own."""
    head = [Segment(system, "content"), Segment("\n")] if system and is_first else []
    return [*head, Segment("Q: "), Segment(turn.user_text, "content"), Segment("\nA: ")]


PLAIN = TurnTemplate("plain", opening, closing="\n")
