"""Phrases that are written and read by one definition.

A pattern is English with alternatives and slots: `"[find|work out] the total {col}[ of {rows}|]"`. `write` draws one of
the alternatives and fills the slots; `read` is the same pattern as a regular expression. Patterns are in lower case at
the start, have no full stop and write "a" also where "an" is right; `writer` puts that in order.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Union

from synth.embedded.draws import Draw

_ARTICLE = re.compile(r"\b([Aa])n (?=[a-z0-9{])")
Fill = Callable[[str], str | None]
Node = Union[str, "Slot", "Choice"]

NUMBER = r"-?\d+(?:\.\d+)?"
_WORDS = r"[a-z][a-z'-]*(?: [a-z][a-z'-]*)"
_COLUMN = r"(?:number of |(?!number of ))" + _WORDS + r"{0,4}?"
_THING = r"(?:(?:the|this|that) [a-z][a-z -]*?|it|that)"
SLOTS: dict[str, str] = {
    **dict.fromkeys(("rows", "them"), r"(?:(?:the|these|those) [^,?!]+?|them)"),
    "noun": _WORDS + r"{0,2}?",
    "row": _WORDS + r"{0,2}?",
    "it": _THING,
    "that": _THING,
    **dict.fromkeys(("col", "measure", "measures", "count", "cat", "cats", "key", "datecol", "new", "a", "b"), _COLUMN),
    **dict.fromkeys(("first", "second"), _COLUMN),
    "name": r"(?!(?:each|every|this|that|these|those|it) )[^,?!\"]+?",
    "val": r"(?!not )[^,?!\"]+?",
    "where": r"[^,?!\"]+?",
    "x": NUMBER,
    **dict.fromkeys(("n", "p", "times", "rate"), NUMBER),
    "per": r"[^\d,?!\"]+?",
    "k": "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve",
    "parity": "even|odd",
    "quoted": r"\"[^\"]*\"",
    "letter": r"\"[a-z]\"",
    "span": "days|weeks",
    "grain": "whole number|ten|hundred|five",
    "edge": "first|last",
    "case": "capital|small",
    "nth": "first|second|third|fourth|fifth|sixth|seventh|eighth|last",
    "good": "positive|good|favourable|satisfied|happy",
    "bad": "negative|bad|unfavourable|dissatisfied|unhappy",
    "to": "|".join(
        (
            "grams",
            "milligrams",
            "kilograms",
            "metres",
            "centimetres",
            "millimetres",
            "kilometres",
            "millilitres",
            "centilitres",
            "litres",
            "square metres",
            "seconds",
            "minutes",
            "hours",
            "days",
            "months",
            "cents",
            "dollars",
            "euros",
            "pounds",
            "Swiss francs",
            "miles",
            "pints",
        )
    ),
    "date": r"\d{1,2} [A-Z][a-z]+ \d{4}",
    "month": r"[A-Z][a-z]+",
    "labels": r"[a-z]+(?:, [a-z]+)* or [a-z]+",
    "one": r"(?!(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b)" + _WORDS + r"{0,2}?",
    "marks": "e-mail addresses|dates|times|prices|phone numbers",
    "place": r"[a-z][^,?!\"]*?",
}
"""Slot name, without digits at its end, to what it looks like. Any other slot is a few words without punctuation."""


def plain_articles(text: str) -> str:
    """The text with "a" for every "an", as patterns have it."""
    return _ARTICLE.sub(r"\1 ", text)


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
    nodes: tuple[Node, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", plain_articles(self.text))
        nodes, rest = _sequence(self.text, 0)
        if rest != len(self.text):
            raise ValueError(f"unbalanced bracket in pattern {self.text!r}")
        object.__setattr__(self, "nodes", nodes)

    @functools.cached_property
    def regex(self) -> re.Pattern[str]:
        """What `read` matches."""
        return re.compile(_regex(self.nodes, [0]), re.DOTALL)

    @functools.cached_property
    def count(self) -> int:
        """Number of different wordings, slots not counted."""
        return _count(self.nodes)

    @functools.cached_property
    def heads(self) -> frozenset[str]:
        """The possible first words; "" stands for any."""
        return frozenset(_heads(self.nodes))

    @functools.cached_property
    def wordings(self) -> tuple[str, ...]:
        """All wordings of a pattern without slots."""
        return tuple(_wordings(self.nodes))

    def write(self, draw: Draw, fill: Fill) -> str | None:
        """The phrase, or None if a slot that is needed cannot be filled."""
        parts: list[str] = []
        return "".join(parts) if _write(self.nodes, draw, fill, parts) else None

    def read(self, text: str) -> dict[str, str] | None:
        """The slots of `text`, or None if it is not this phrase."""
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
            while True:
                option, at = _sequence(text, at)
                options.append(option)
                at += 1
                if text[at - 1 : at] != "|":
                    break
            nodes.append(Choice(tuple(options)))
        else:
            nodes.append(Slot(token[0][1:-1]) if token[0][0] == "{" else token[0])
    return tuple(nodes), at


def _regex(nodes: tuple[Node, ...], serial: list[int]) -> str:
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


def _count(nodes: tuple[Node, ...]) -> int:
    total = 1
    for node in nodes:
        if isinstance(node, Choice):
            total *= sum(_count(option) for option in node.options)
    return total


def _wordings(nodes: tuple[Node, ...]) -> list[str]:
    texts = [""]
    for node in nodes:
        if isinstance(node, Slot):
            raise ValueError("a pattern with slots has no end of wordings")
        ends = [node] if isinstance(node, str) else [end for option in node.options for end in _wordings(option)]
        texts = [text + end for text in texts for end in ends]
    return texts


def _heads(nodes: tuple[Node, ...]) -> set[str]:
    """First words of all wordings; "" where the first word is or touches a slot."""
    texts = {""}
    for node in nodes:
        if isinstance(node, Slot):
            return {text.split(" ")[0] if " " in text else "" for text in texts}
        if isinstance(node, str):
            texts = {text + node for text in texts}
        else:
            ends = {end for option in node.options for end in _openings(option)}
            texts = {text + end if " " not in text else text for text in texts for end in ends}
        if all(" " in text for text in texts):
            break
    return {text.split(" ")[0] if "\0" not in text.split(" ")[0] else "" for text in texts}


def _openings(nodes: tuple[Node, ...]) -> set[str]:
    texts = {""}
    for node in nodes:
        if isinstance(node, Choice):
            texts = {text + end for text in texts for option in node.options for end in _openings(option)}
        else:
            texts = {text + ("\0" if isinstance(node, Slot) else node) for text in texts}
        texts = {text.split(" ")[0] + " " if " " in text else text for text in texts}
    return texts


def _write(nodes: tuple[Node, ...], draw: Draw, fill: Fill, parts: list[str]) -> bool:
    for node in nodes:
        if isinstance(node, str):
            parts.append(node)
        elif isinstance(node, Slot):
            value = fill(node.name)
            if value is None:
                return False
            parts.append(value)
        else:
            first = draw.below(len(node.options))
            for turn in range(len(node.options)):
                trial: list[str] = []
                if _write(node.options[(first + turn) % len(node.options)], draw, fill, trial):
                    parts.extend(trial)
                    break
            else:
                return False
    return True
