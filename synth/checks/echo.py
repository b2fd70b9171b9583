"""A reply that repeats the request it answers: the wanted attributes, a heading, a rule, a shown example.

The check is built from the messages of that request, so it needs no word list and works in any language. Small models
echo their prompts often, and no check of a text by itself can tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from synth.checks.base import Check
from synth.records import Record
from synth.tokens import unicode_tokens

SHARE = 0.5
"""An echo is a text of which this share of the words or more stands in pieces that the request has too."""
MIN_WORDS = 5
_PIECE_END = re.compile(r"(?<=[.!?:;])\s+|(?<=[。！？；：])|\n")
_SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+|(?<=[。！？；：])|\n\s*\n")
"""A sentence may go over several lines."""
_LABEL = re.compile(r"\s*[\w ]{1,20}[:：]\s+")
Words = tuple[str, ...]


class Echo:
    """Tells whether a text repeats the request with these `messages`.

    `given`: texts of the request that a reply may repeat, such as the input of a task that is to be rewritten.
    """

    def __init__(self, messages: Sequence[Mapping[str, str]], given: Iterable[str] = ()) -> None:
        self._allowed = {words for text in given for words in _repeatable(text)}
        self._asked = [_parts(one["content"]) for one in messages]

    def find(self, text: str, min_words: int = 1) -> str | None:
        """What `text` repeats, at most 80 characters of it; None where it is no echo, or has fewer words."""
        whole = tuple(unicode_tokens(text))
        if len(whole) < min_words:
            return None
        if self._knows(whole):
            return " ".join(whole)[:80]
        repeated = [words for words in _pieces(text) if self._knows(words)]
        is_echo = whole and sum(map(len, repeated)) >= SHARE * len(whole)
        return " / ".join(map(" ".join, repeated))[:80] if is_echo else None

    def _knows(self, words: Words) -> bool:
        return words not in self._allowed and any(words in parts for parts in self._asked)


def repeats_request(messages: Sequence[Mapping[str, str]], given: Iterable[str] = ()) -> Check:
    """A check that refuses records whose instruction, input or output repeats the request with these `messages`.

    Inputs and outputs of fewer than MIN_WORDS words may be those of an example: a label, a number, a name.
    """
    echo = Echo(messages, given)

    def check(record: Record) -> str | None:
        long = (("input", record.input, MIN_WORDS), ("output", record.output, MIN_WORDS))
        for name, text, least in (("instruction", record.instruction, 1), *long):
            found = echo.find(text, least)
            if found is not None:
                return f"prompt_echo: {name}: {found}"
        return None

    return check


def repeats_rules(messages: Sequence[Mapping[str, str]], asked: Record) -> Check:
    """A check that refuses answers that repeat the system text which a prompt adds to the record `asked`.

    What the record's own system text says may be quoted.
    """
    own = messages[len(asked.earlier()) :]
    echo = Echo([one for one in own if one["role"] == "system"], (asked.instruction, asked.input))

    def check(record: Record) -> str | None:
        found = echo.find(record.output, MIN_WORDS)
        return None if found is None else f"prompt_echo: output: {found}"

    return check


@lru_cache(64)
def _parts(content: str) -> frozenset[Words]:
    """What a reply might repeat of a message; cached, since the requests of a stage begin with the same messages."""
    return frozenset(words for text in _texts(content) for words in _repeatable(text))


def _texts(content: str) -> list[str]:
    """A message, and where it is JSON the texts in it."""
    try:
        found = [json.loads(content)]
    except (ValueError, RecursionError):
        return [content]
    texts = [content]
    for one in found:  # grows while it is read
        found += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        texts += [one] if isinstance(one, str) else []
    return texts


def _repeatable(text: str) -> Iterator[Words]:
    """What a reply might repeat of `text`: all of it, each line, each sentence, each of them without its label."""
    for part in (text, *text.split("\n"), *_PIECE_END.split(text), *_SENTENCE_END.split(text)):
        label = _LABEL.match(part)
        for one in (part, part[label.end() :]) if label else (part,):
            if words := tuple(unicode_tokens(one)):
                yield words


def _pieces(text: str) -> Iterator[Words]:
    """The sentences and lines of `text`."""
    return filter(None, (tuple(unicode_tokens(piece)) for piece in _PIECE_END.split(text)))
