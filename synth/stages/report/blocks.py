"""What a report page is put together from. Plain data: the template draws it, and every text in it is foreign text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

Cell = str | int | float
MAX_TEXT = 600
"""Characters of a foreign text that are shown."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)


def show(text: str, limit: int = MAX_TEXT) -> str:
    """Foreign text as it may be shown: cut to `limit`, with characters that hide or turn text written as escapes."""
    cut = text if len(text) <= limit else f"{text[:limit]} … ({len(text) - limit} more characters)"
    return _HIDDEN.sub(lambda match: f"\\u{{{ord(match[0]):x}}}", cut.replace("\r\n", "\n"))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header. Numbers are aligned to the right; `caption` says what the table holds."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its numbers beside it; `note` says what one must know to read it."""

    title: str
    svg: Markup
    table: Table
    note: str = ""
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph. A warning is something the reader must not miss."""

    text: str
    is_warning: bool = False
    kind: Literal["note"] = "note"


@dataclass(frozen=True, slots=True)
class Numbers:
    """A few big numbers, each with what it counts."""

    values: Sequence[tuple[str, str]]
    kind: Literal["numbers"] = "numbers"


@dataclass(frozen=True, slots=True)
class Samples:
    """Texts under a line that folds them away: (heading, body) each."""

    title: str
    samples: Sequence[tuple[str, str]]
    kind: Literal["samples"] = "samples"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to read: (where it comes from, its texts by name) each."""

    rows: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    kind: Literal["rows"] = "rows"


Piece = tuple[Literal["same", "added", "removed"], str]


@dataclass(frozen=True, slots=True)
class Steps:
    """One task through its evolution: (what was done, the text in pieces) for each step."""

    title: str
    steps: Sequence[tuple[str, Sequence[Piece]]]
    kind: Literal["steps"] = "steps"


@dataclass(frozen=True, slots=True)
class Listing:
    """A file's text as it is."""

    title: str
    text: str
    kind: Literal["listing"] = "listing"


Block = Table | Figure | Note | Numbers | Samples | Rows | Steps | Listing


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page."""

    id: str
    title: str
    blocks: Sequence[Block]
