"""Phrases that are written and read by one definition.

A pattern is English with alternatives and slots: `"[find|work out] the total {col}[ of {rows}|]"`. `write` draws one of
the alternatives and fills the slots; `read` is the same pattern as a regular expression. Patterns are in lower case at
the start, have no full stop and write "a" also where "an" is right; `writer.finished` puts that in order.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Union

from synth.embedded.draws import Draw

Fill = Callable[[str], str | None]
Node = Union[str, "Slot", "Choice"]

NUMBER = r"-?\d+(?:\.\d+)?"
_WORDS = r"[a-z][a-z'-]*(?: [a-z][a-z'-]*)"
_COLUMN = r"(?:number of |(?!number of ))[a-z][a-z'-]*(?: (?!by\b)[a-z][a-z'-]*){0,4}?"
_UNITS = (
    "grams|milligrams|kilograms|metres|centimetres|millimetres|kilometres|millilitres|centilitres|litres|square metres|"
    "seconds|minutes|hours|days|months|cents"
)
SLOTS: dict[str, str] = {
    **dict.fromkeys(("rows", "them"), r"(?:(?:the|these|those) [^,?!]+?|them)"),
    **dict.fromkeys(("noun", "row"), r"(?!(?:two|three|four|five)\b)" + _WORDS + r"{0,2}?"),
    **dict.fromkeys(("it", "that"), r"(?:(?:the|this|that) [a-z][a-z -]*?|it|that)"),
    **dict.fromkeys(("col", "measure", "measures", "count", "cat"), _COLUMN),
    "name": r"(?!(?:each|every|this|that|these|those|it) )[^,?!\"]+?",
    "val": r"(?!not )[^,?!\"]+?",
    "where": r"[^,?!\"]+?",
    **dict.fromkeys(("x", "n", "p"), NUMBER),
    "per": r"[^\d,?!\"]+?",
    "quoted": r"\"[^\"]*\"",
    "grain": "whole number|ten|hundred|five",
    "good": "positive|good|favourable|satisfied|happy",
    "bad": "negative|bad|unfavourable|dissatisfied|unhappy",
    "to": _UNITS,
    "labels": r"[a-z]+(?:, [a-z]+)* or [a-z]+",
    "place": r"[a-z][^,?!\"]*?",
}
"""Slot name, without digits at its end, to what it looks like. Any other slot is a few words without punctuation."""


def plain_articles(text: str) -> str:
    """The text with "a" for every "an", as patterns have it."""
    return re.sub(r"\b([Aa])n (?=[a-z0-9{])", r"\1 ", text)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place to be filled."""

    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Alternatives, each a sequence of nodes."""

    options: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True)
class Pattern:
    """One pattern, compiled on first use. `text` is the source."""

    text: str

    @functools.cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The parsed source. Raises ValueError for brackets that do not match."""
        text = plain_articles(self.text)
        nodes, end = _sequence(text, 0)
        if end != len(text):
            raise ValueError(f"unbalanced bracket in pattern {text!r}")
        return nodes

    @functools.cached_property
    def regex(self) -> re.Pattern[str]:
        return re.compile(_regex(self.nodes, [0]), re.DOTALL)

    @functools.cached_property
    def wordings(self) -> tuple[str, ...]:
        """All wordings, with a NUL character in place of each slot."""
        return tuple(_wordings(self.nodes))

    @functools.cached_property
    def heads(self) -> frozenset[str]:
        """The possible first words; "" stands for any."""
        firsts = {wording.split(" ", 1)[0] for wording in self.wordings}
        return frozenset("" if "\0" in first else first for first in firsts)

    def write(self, draw: Draw, fill: Fill) -> str | None:
        parts: list[str] = []
        return "".join(parts) if _write(self.nodes, draw, fill, parts) else None

    def read(self, text: str) -> dict[str, str] | None:
        match = self.regex.fullmatch(text)
        if match is None:
            return None
        return {name.partition("__")[0]: value for name, value in match.groupdict().items() if value is not None}


_TOKEN = re.compile(r"[\[\]|]|\{[a-z0-9]+\}|[^\[\]|{}]+")


def _sequence(text: str, at: int) -> tuple[tuple[Node, ...], int]:
    nodes: list[Node] = []
    while at < len(text) and text[at] not in "|]":
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"bad pattern {text!r} at {at}")
        at = token.end()
        if token[0] == "[":
            options = []
            while text[at - 1 : at] in ("[", "|"):
                option, at = _sequence(text, at)
                options.append(option)
                at += 1
            nodes.append(Choice(tuple(options)))
        else:
            nodes.append(Slot(token[0][1:-1]) if token[0][0] == "{" else token[0])
    return tuple(nodes), at


def _regex(nodes: Iterable[Node], serial: list[int]) -> str:
    parts = []
    for node in nodes:
        if isinstance(node, str):
            parts.append(re.escape(node))
        elif isinstance(node, Slot):
            serial[0] += 1
            shape = SLOTS.get(node.name.rstrip("0123456789"), r"[^,.?!\"]+?")
            parts.append(f"(?P<{node.name}__{serial[0]}>{shape})")
        else:
            parts.append("(?:" + "|".join(_regex(option, serial) for option in node.options) + ")")
    return "".join(parts)


def _wordings(nodes: Iterable[Node]) -> list[str]:
    texts = [""]
    for node in nodes:
        if isinstance(node, Choice):
            ends = [end for option in node.options for end in _wordings(option)]
        else:
            ends = ["\0" if isinstance(node, Slot) else node]
        texts = [text + end for text in texts for end in ends]
    return texts


def _write(nodes: Iterable[Node], draw: Draw, fill: Fill, parts: list[str]) -> bool:
    for node in nodes:
        if isinstance(node, Choice):
            if not _write_one(node, draw, fill, parts):
                return False
            continue
        value = fill(node.name) if isinstance(node, Slot) else node
        if value is None:
            return False
        parts.append(value)
    return True


def _write_one(choice: Choice, draw: Draw, fill: Fill, parts: list[str]) -> bool:
    """One of the options, the first from a random place on whose slots can be filled."""
    first = draw.between(0, len(choice.options) - 1)
    for turn in range(len(choice.options)):
        trial: list[str] = []
        if _write(choice.options[(first + turn) % len(choice.options)], draw, fill, trial):
            parts.extend(trial)
            return True
    return False
