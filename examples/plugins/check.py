"""A check of your own: a function of options returns a function of a record. A recipe names it `check:no_shouting`."""

from __future__ import annotations

from synth import Check, Record


def no_shouting(share: float = 0.5) -> Check:
    """Rejects answers of which more than this share of the letters are capitals."""

    def check(record: Record) -> str | None:
        letters = [letter for letter in record.output if letter.isalpha()]
        capitals = sum(letter.isupper() for letter in letters)
        return f"shouting: {capitals} capitals" if capitals > share * len(letters) else None

    return check
