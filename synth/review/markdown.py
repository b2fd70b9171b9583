"""Markdown of strangers as markup that can do nothing: no HTML of theirs, no links, no pictures."""

from __future__ import annotations

from functools import cache
from typing import Any

from markupsafe import Markup

from synth.stages.report.blocks import show

MAX_CHARS = 6_000
"""Longer texts are cut, which bounds the size of a page and the time of the parser."""


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").disable(
        ["html_block", "html_inline", "link", "image", "autolink", "reference", "entity"]
    )  # fmt: skip


def to_html(text: str) -> Markup:
    """The markup of a text; every character of it is escaped by the parser, whose own tags are all there are."""
    return Markup(_parser().render(show(text, MAX_CHARS)))
