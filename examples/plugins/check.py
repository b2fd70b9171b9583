"""A check of your own: a function of a record and options. A recipe names it `check:no_shouting`."""

from __future__ import annotations

from synth import Record


def no_shouting(record: Record, share: float = 0.5) -> str | None:
    """Rejects answers of which more than this share of the letters are capitals."""
    letters = [letter for letter in record.output if letter.isalpha()]
    capitals = sum(letter.isupper() for letter in letters)
    return f"shouting: {capitals} capitals" if capitals > share * len(letters) else None
