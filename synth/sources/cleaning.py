"""Talks as people shared them → records: what is cleaned, what is removed and why, and where long talks are split.

The steps are those of Vicuna's data (FastChat's cleaning of ShareGPT): HTML to Markdown, wrong roles, too few turns,
other languages, blocked words, repeated talks, and parts of at most `max_tokens`. A part begins with a user.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from synth.errors import UsageError
from synth.records import Lineage, Message, Record, digest, split_messages
from synth.sources.chat import message
from synth.sources.files import read_rows
from synth.sources.rows import Reading
from synth.sources.talks import Talk, Unread, read_talk
from synth.sources.trees import Tree, is_tree_row, read_trees, threads
from synth.verify.language import detect_language

MAX_HTML = 500_000
"""Characters of HTML in one turn; a talk with a longer one is removed, as it would take seconds to convert."""
SEEN_OF_LANGUAGE = 1_000
"""Characters of each side of a talk that its language is told by."""

_BLOCK = "(?:div|p|pre|ol|ul|h[1-6]|table|blockquote)"
_PAGE_STARTS, _PAGE_ENDS = re.compile(rf"<{_BLOCK}\b"), re.compile(rf"</{_BLOCK}>\Z")
_PAGE_CLASS = re.compile(r"<div[^>]{0,300}\b(?:markdown|prose|whitespace-pre-wrap)\b")
_COPY_CODE = re.compile(r"^(`{3,})\n?([\w+#.-]{0,20})Copy code[ \t]*\n?", re.M)
_PAGER = re.compile(r"\A\s*\d{1,3} / \d{1,3}[ \t]*\n\s*")


def estimated_tokens(text: str) -> int:
    """A quarter of the bytes of UTF-8: about right for English, too many for most other scripts."""
    return len(text.encode("utf-8", "replace")) // 4 + 1


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What a talk must be to stay. `max_tokens`: of one record; a longer talk is split between exchanges."""

    min_exchanges: int = 1
    languages: frozenset[str] = frozenset()
    blocked: tuple[str, ...] = ()
    max_tokens: int | None = None
    count_tokens: Callable[[str], int] = estimated_tokens


@dataclass(slots=True)
class Cleaned:
    """The records, in order. `removed`: (place, reason) of each talk or exchange that is not among them.

    `changed`: what was done to talks that stay → their number. Every talk is in `talks`, and kept or removed.
    """

    records: list[Record] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    talks: int = 0

    @property
    def reasons(self) -> dict[str, int]:
        """Reason → how many were removed for it."""
        return dict(Counter(reason for _, reason in self.removed).most_common())


class Removed(Exception):
    """A talk that does not stay, and why."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file. `trees`: the message trees in it, where it holds such."""

    cleaned: Cleaned
    trees: list[Tree]
    counts: dict[str, int]


def import_talks(path: str | Path, cleaning: Cleaning, choice: str | int = "best") -> Imported:
    """The cleaned talks of a file of ShareGPT's, OpenAI's or OpenAssistant's form; `choice`: see `trees.threads`.

    Raises InputError where the file as a whole cannot be read. A row that cannot be is among those removed.
    """
    reading = Reading()
    rows = read_rows(path, reading)
    broken = [(mistake, "unreadable_row") for mistake in reading.mistakes]
    if not any(is_tree_row(row.value) for row in rows[:20]):
        return Imported(clean([*broken, *map(read_talk, rows)], cleaning), [], {})
    found = read_trees(rows)
    talks = (talk for tree in found.trees for talk in _threads(tree, choice))
    return Imported(clean([*broken, *found.refused, *talks], cleaning), found.trees, found.counts)


def _threads(tree: Tree, choice: str | int) -> Sequence[Talk | Unread]:
    return [*threads(tree, choice)] or [(tree.where, "no_answer")]


def clean(talks: Iterable[Talk | Unread], cleaning: Cleaning) -> Cleaned:
    """Clean `talks`; a pair (place, reason) stands for one that could not be read."""
    done, seen = Cleaned(), set[str]()
    blocked = _blocked(cleaning.blocked)
    for talk in talks:
        done.talks += 1
        if isinstance(talk, tuple):
            done.removed.append(talk)
            continue
        try:
            system, pairs, changes = _cleaned(talk.messages)
            _check(system, pairs, cleaning, blocked)
            own = digest(system, pairs)
            if own in seen:
                raise Removed("repeated")
        except Removed as reason:
            done.removed.append((talk.where, str(reason)))
            continue
        seen.add(own)
        done.changed.update(changes)
        _split(talk, system, pairs, cleaning, done)
    return done


# --- one talk --------------------------------------------------------------------------------------------------------


def _cleaned(messages: Sequence[Message]) -> tuple[str, list[tuple[str, str]], list[str]]:
    """(system text, exchanges, what was changed). Raises Removed."""
    changes: list[str] = []
    talk = [message(one["role"], _plain(one, changes)) for one in messages]
    first = next((at for at, one in enumerate(talk) if one["role"] != "system"), 0)
    if talk[first]["role"] == "assistant":
        del talk[first]
        changes.append("greeting of the assistant left out")
    if len(talk) > first and talk[-1]["role"] == "user":
        del talk[-1]
        changes.append("unanswered last question left out")
    try:
        system, pairs = split_messages(talk)
    except ValueError:
        raise Removed("wrong_roles") from None
    if any(not user.strip() or not answer.strip() for user, answer in pairs):
        raise Removed("empty_turn")
    return system, pairs, list(dict.fromkeys(changes))


def _plain(turn: Message, changes: list[str]) -> str:
    """The turn's text without what the site put around it."""
    text = turn["content"].strip()
    is_page = _PAGE_CLASS.match(text) or (turn["role"] == "assistant" and _PAGE_STARTS.match(text))
    if is_page and _PAGE_ENDS.search(text, len(text) - 20):
        if len(text) > MAX_HTML:
            raise Removed("html_too_long")
        text = markdown(text)
        changes.append("HTML made Markdown")
    bare = _COPY_CODE.sub(r"\1\2\n", _PAGER.sub("", text)) if turn["role"] == "assistant" else text
    if bare != text:
        changes.append("buttons of the page left out")
    return bare


def markdown(html: str) -> str:
    """A page's HTML as Markdown. Raises UsageError where the package for it is not installed."""
    return str(_converter()(html)).strip()


@cache
def _converter() -> Callable[[str], Any]:
    try:
        from html_to_markdown import ConversionOptions, convert
    except ImportError:
        raise UsageError(
            "talks in HTML need the package html-to-markdown", "pip install synth-instruct[chats]"
        ) from None
    options = ConversionOptions(extract_metadata=False, max_depth=200, autolinks=False)
    return lambda html: convert(html, options).content


def _check(system: str, pairs: Sequence[tuple[str, str]], cleaning: Cleaning, blocked: Callable[[str], bool]) -> None:
    """Raises Removed for a talk that is not wanted."""
    if len(pairs) < max(1, cleaning.min_exchanges):
        raise Removed("too_short")
    if cleaning.languages:
        sides = (_start(user for user, _ in pairs), _start(answer for _, answer in pairs))
        if any(code not in cleaning.languages for side in sides if (code := detect_language(side))):
            raise Removed("other_language")
    if cleaning.blocked and any(map(blocked, (system, *(text for pair in pairs for text in pair)))):
        raise Removed("blocked_words")


def _start(texts: Iterable[str]) -> str:
    found, length = [], 0
    for text in texts:
        found.append(text[: SEEN_OF_LANGUAGE - length])
        length += len(found[-1])
        if length >= SEEN_OF_LANGUAGE:
            break
    return "\n".join(found)


def _blocked(phrases: Sequence[str]) -> Callable[[str], bool]:
    """Does a text hold one of the phrases as whole words? Letters' case does not matter."""
    known = {phrase.casefold(): re.compile(rf"(?<!\w){re.escape(phrase.casefold())}(?!\w)") for phrase in phrases}

    def is_blocked(text: str) -> bool:
        folded = text.casefold()
        return any(phrase in folded and word.search(folded) is not None for phrase, word in known.items())

    return is_blocked


# --- parts -----------------------------------------------------------------------------------------------------------


def _split(talk: Talk, system: str, pairs: list[tuple[str, str]], cleaning: Cleaning, done: Cleaned) -> None:
    """Add the talk's records to `done`: one, or one for each part."""
    parts = [pairs] if cleaning.max_tokens is None else list(_parts(talk.where, system, pairs, cleaning, done))
    if len(parts) > 1:
        done.changed["split into parts"] += 1
    for number, part in enumerate(parts, 1):
        meta = talk.meta | ({"part": number, "parts": len(parts)} if len(parts) > 1 else {})
        (question, answer), others = part[-1], talk.others if part[-1] is pairs[-1] else ()
        done.records.append(Record(question, "", answer, system, tuple(part[:-1]), others, Lineage("import"), meta))


def _parts(
    where: str, system: str, pairs: Sequence[tuple[str, str]], cleaning: Cleaning, done: Cleaned
) -> Iterator[list[tuple[str, str]]]:
    """Runs of exchanges that fit, each as long as possible; an exchange that fits nowhere is removed."""
    room = (cleaning.max_tokens or 0) - (cleaning.count_tokens(system) if system else 0)
    part: list[tuple[str, str]] = []
    size = 0
    for number, pair in enumerate(pairs, 1):
        tokens = sum(map(cleaning.count_tokens, pair))
        if part and (size + tokens > room):
            yield part
            part, size = [], 0
        if tokens > room:
            done.removed.append((f"{where}: exchange {number}", "exchange_too_long"))
            continue
        part.append(pair)
        size += tokens
    if part:
        yield part
