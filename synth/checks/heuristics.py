"""Checks of the task itself: the published rules of Self-Instruct and Alpaca, each on its own, and a few of ours.

They read the instruction and the input, not the sense. The published rules were made for English and for models of
2022; where one does harm today, its note says so, and a rule of ours that aims at the same fault stands beside it.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Literal

from synth.checks.base import Check, full_text
from synth.metrics import count_words
from synth.records import Record
from synth.verify.language import detect_language

SELF_INSTRUCT_WORDS = (
    *("image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps"),
    *("draw", "plot", "go to"),
)
ALPACA_WORDS = (*SELF_INSTRUCT_WORDS, "video", "audio", "music", "flowchart", "diagram")

_MEDIUM = (
    r"(?:image|picture|photo(?:graph)?|screenshot|drawing|painting|video|clip|audio|recording|song|file|attachment|"
)
_MEDIUM += r"spreadsheet|document|graph|chart|diagram|map|figure|slide|scan)s?"
_MEDIA = re.compile(
    rf"\b(?:look(?:ing)? at|watch|listen to|view|open|see|describe|transcribe|caption|identify|analy[sz]e|examine)\s+"
    rf"(?:\w+\s+)?(?:the|this|that|these|those|my|our)\s+(?:(?:attached|following|given|above|below|linked|uploaded|"
    rf"enclosed)\s+)?{_MEDIUM}\b(?!\s+of\b)"
    rf"|\b(?:attached|uploaded|enclosed)\s+{_MEDIUM}\b|\bin the {_MEDIUM} (?:above|below|attached)\b"
    rf"|^\s*(?:please\s+)?(?:draw|sketch|paint|photograph|film|record|sing|play)\s+(?:me\s+)?(?:an?|the)\s+"
    rf"|^\s*(?:please\s+)?(?:create|generate|make|produce)\s+(?:an?|the)\s+(?:image|picture|photo|drawing|video|animation)\b",
    re.IGNORECASE,
)
_SHOWN = re.compile(
    rf"\b(?:look(?:ing)? at|watch|listen to)\s+(?:the|this|that|these|those)\s+"
    rf"(?:(?:attached|linked|uploaded|enclosed)\s+)?{_MEDIUM}\b(?!\s+(?:of|below|above|in the input)\b)",
    re.IGNORECASE,
)
_URL = r"(?:https?://|www\.)\S+"
_VISIT = re.compile(
    rf"\b(?:read|visit|open|go to|browse|check|watch|summari[sz]e|follow|see|review|look at|describe)\b"
    rf"(?:[^.?!\n]|\.(?=\S)){{0,80}}?{_URL}",
    re.IGNORECASE,
)
_ABOUT_URLS = re.compile(
    r"\b(?:urls?|uri|domain|host ?name|protocol|query string|query|parameters?|shorten|encode|link text)\b", re.I
)
_OWN_LIFE = re.compile(
    r"\b(?:how (?:do you feel (?:about|when|today|now)|are you feeling)|(?:typical |average )?day in your (?:own )?life"
    r"|your (?:own )?(?:childhood|hobbies|best friend|parents|birthday|hometown|typical day|daily life|feelings)"
    r"|(?:books?|films?|movies?|novel|place|places|country|city|event|dream|time) (?:that |which )?"
    r"you(?:'ve| have)(?: \w+ly)? (?:visited|read|been|seen|travelled|traveled|watched|experienced|met|had))\b",
    re.IGNORECASE,
)
_PRETEND = re.compile(r"\b(?:imagine|pretend|suppose|as if|role|character|persona|friend's)\b", re.IGNORECASE)


def instruction_length(min_words: int = 4, max_words: int = 150) -> Check:
    """Refuses instructions of fewer or more words. Defaults as published (more than 3, at most 150).

    A question that goes on with a talk ("And in French?") may be shorter.

    Where a script writes no spaces each character counts as a word, and as half a word towards `max_words`.
    """
    if not 0 <= min_words <= max_words:
        raise ValueError(f"min_words {min_words} and max_words {max_words} must ascend")

    def check(record: Record) -> str | None:
        words, spaced = count_words(record.instruction), len(record.instruction.split())
        if words < min_words and not record.history:
            return f"too_short: {words} words"
        longest = spaced + max(0, words - spaced) / 2
        return f"too_long: {longest:.0f} words" if longest > max_words else None

    return check


def banned_words(words: Sequence[str] | Literal["alpaca", "self_instruct"] = "alpaca") -> Check:
    """Refuses instructions with one of these whole words or phrases, in any case.

    The published lists name what a model of 2022 could not do. They also hit "file a complaint" and "draw a
    conclusion"; `needs_media` is narrower.
    """
    lists = {"alpaca": ALPACA_WORDS, "self_instruct": SELF_INSTRUCT_WORDS}
    chosen = lists.get(words) if isinstance(words, str) else words
    if chosen is None:
        raise ValueError(f"words must be a list, or one of {', '.join(lists)}")
    return _word_check(chosen, "banned_word", lambda record: record.instruction)


def toxic_words(
    words: Sequence[str] = ("fuck", "shit", "cunt", "bitch", "asshole", "motherfucker", "bastard"),
) -> Check:
    """Refuses records with one of these words anywhere. Off by default: a word list knows no context; give your own."""
    return _word_check(words, "toxic_word", full_text)


def _word_check(words: Sequence[str], reason: str, text: Callable[[Record], str]) -> Check:
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE) if words else None

    def check(record: Record) -> str | None:
        found = pattern.search(text(record)) if pattern else None
        return f"{reason}: {found[0].lower()}" if found else None

    return check


def write_a_program(record: Record, prefix: str = "Write a program") -> str | None:
    """Refuses instructions that start so (Self-Instruct: its model answered them badly)."""
    return "write_a_program" if record.instruction.startswith(prefix) else None


def starts_with_punctuation(record: Record) -> str | None:
    """Refuses instructions whose first character is ASCII punctuation, as published: even a quote (see `odd_start`)."""
    return "starts_with_punctuation" if record.instruction[:1] in string.punctuation and record.instruction else None


def non_ascii_start(record: Record, languages: Sequence[str] = ("en",)) -> str | None:
    """Refuses instructions whose first character is not ASCII, as published, but only in these languages.

    An empty list means every language, as the published code has it.
    """
    if record.instruction[:1].isascii():
        return None
    return "non_ascii_start" if not languages or detect_language(record.instruction) in languages else None


def odd_start(record: Record) -> str | None:
    """Refuses instructions that start with a sign no sentence starts with: arrows, bullets, commas, closing brackets.

    Letters, numbers, opening quotes and brackets, ¿ and ¡, currency signs and names such as .NET, #tag or -5 are fine.
    """
    text = record.instruction
    kind = unicodedata.category(text[0]) if text else "L"
    if (
        kind[0] in "LNM"
        or kind in ("Ps", "Pi", "Pf", "Sc")
        or (text[0] in "\"'`¿¡#@$/\\.-+<~=*_&%" and text[1:2].strip())
    ):
        return None
    return f"odd_start: U+{ord(text[0]):04X}"


def needs_media(record: Record) -> str | None:
    """Refuses tasks about a picture, sound or file that no text model sees or makes.

    With an input, which may stand for it, only those that say to look at it, watch it or listen to it.
    """
    found = (_SHOWN if record.input.strip() else _MEDIA).search(record.instruction)
    return f"needs_media: {found[0].strip()}" if found else None


def needs_web(record: Record) -> str | None:
    """Refuses tasks that send the model to a web page. Tasks about the spelling of an address are fine."""
    found = _VISIT.search(record.instruction)
    if found and not _ABOUT_URLS.search(record.instruction):
        return f"needs_web: {found[0][-80:]}"
    return None


def needs_person(record: Record) -> str | None:
    """Refuses tasks that ask the model for a life of its own: its feelings, its day, what it has read. English only.

    Models of 1.5 B write about one such task in twenty after the published Self-Instruct seeds.
    """
    found = _OWN_LIFE.search(record.instruction[:2000])
    return f"needs_person: {found[0]}" if found and not _PRETEND.search(record.instruction[:2000]) else None


def ends_with_colon(record: Record, fields: Sequence[Literal["input", "output"]] = ("input", "output")) -> str | None:
    """Refuses inputs and outputs that end with a colon: something should have followed (Self-Instruct)."""
    ending = (name for name in fields if getattr(record, name).rstrip().endswith((":", "：")))
    name = next(ending, None)
    return f"ends_with_colon: {name}" if name else None


class RepeatedTask:
    """Refuses a task (instruction and input) that was kept before: `duplicate` with the same answer, else `conflict`.

    Self-Instruct drops all instances of a task with conflicting answers; in a stream the first one stays. A task that
    `annotate` turned round ("write a review that is positive") has as many right answers as there are rows.
    """

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._answered: set[tuple[str, str]] = set()

    def __call__(self, record: Record) -> str | None:
        if (record.id, record.output) in self._answered:
            return f"duplicate: of {record.id}"
        return f"conflict: of {record.id}" if record.id in self._asked and not record.meta.get("is_turned") else None

    def admitted(self, record: Record) -> Record | None:
        """Remembers the task and its answer."""
        self._asked.add(record.id)
        self._answered.add((record.id, record.output))
        return None


CHECKS: dict[str, Callable[..., Any]] = {
    check.__name__: check
    for check in (
        instruction_length, banned_words, toxic_words, write_a_program, starts_with_punctuation, non_ascii_start,
        odd_start, needs_media, needs_web, needs_person, ends_with_colon,
    )
} | {"repeated_task": RepeatedTask}  # fmt: skip
