"""One conversation of a foreign file, read for cleaning: nothing of it is judged or changed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from synth.records import Message, OtherAnswer
from synth.sources.chat import ROLES, message, text_of_parts
from synth.sources.rows import Row

Unread = tuple[str, str]
"""The place of a talk that cannot be read, and why."""


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation in OpenAI's messages, and where it stands. `others`: further answers to its last question."""

    where: str
    messages: Sequence[Message]
    meta: dict[str, Any] = field(default_factory=dict)
    others: tuple[OtherAnswer, ...] = ()


def read_talk(row: Row) -> Talk | Unread:
    """The talk of a row in ShareGPT's or OpenAI's form, or (place, reason)."""
    value = row.value
    turns = next(
        (value[key] for key in ("conversations", "messages", "items") if isinstance(value.get(key), list)), None
    )
    talk = [message("system", value["system"])] if isinstance(value.get("system"), str) and value["system"] else []
    if not turns:
        return row.where, "no_turns"
    for turn in turns:
        found = turn if isinstance(turn, dict) else {}
        role = ROLES.get(str(found.get("from", found.get("role"))).lower())
        text = found.get("value", found.get("content"))
        text = text_of_parts(text) if isinstance(text, list) else text
        if role is None:
            return row.where, "unknown_role"
        if not isinstance(text, str):
            return row.where, "not_text"
        talk.append(message(role, text))
    name = value.get("id")
    return Talk(row.where, talk, {"talk": name} if isinstance(name, str | int) else {})
