"""The code blocks of a page, and how each kind is run. Not a test itself.

A page is followed from top to bottom in one folder, as a reader would: a block with a `title="file.yaml"` is written to
that file; `console` lines that start with `$` are run; `python` blocks run in one namespace per page; other `yaml` blocks
must be recipes. Blocks titled "needs ..." (a server, a GPU) are only checked: their commands and flags must exist and the
recipes they name must be valid.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^( *)```([\w-]+)?(?: +title=\"([^\"]*)\")?[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its title, its text and the line it starts in."""

    language: str
    title: str
    text: str
    line: int

    @property
    def only_checked(self) -> bool:
        """Does it need what a test has not?"""
        return self.title.startswith("needs ")

    @property
    def is_file(self) -> bool:
        """Is it the content of a file?"""
        return bool(re.fullmatch(r"[\w./-]+\.\w+", self.title))

    def commands(self) -> list[str]:
        """The lines that a reader types; those that end with a backslash go on in the next."""
        joined = self.text.replace("\\\n", " ")
        lines = [line.strip() for line in joined.splitlines()]
        return [line[2:].partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, without the indentation of those in lists."""
    text = page.read_text("utf-8")
    found = []
    for match in FENCE.finditer(text):
        indent, language, title, body = match.groups()
        body = re.sub(f"^{indent}", "", body, flags=re.MULTILINE)
        found.append(Block(language or "", title or "", body, text[: match.start()].count("\n") + 1))
    return found


def words(command: str) -> list[str]:
    """A command as a shell splits it."""
    return shlex.split(command)
