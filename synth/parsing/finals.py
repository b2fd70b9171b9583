"""Answers with worked steps: a rationale, then "The answer is …" on the last line (arXiv 2201.11903)."""

from __future__ import annotations

import re

_FINAL = re.compile(r"\bthe (?:final )?answer is:?", re.IGNORECASE)
_LEAD = re.compile(r"\b(?:so|therefore|thus|hence),?\s*\Z", re.IGNORECASE)
MAX_FINAL = 500
"""Characters of a final answer; more is running text."""


def with_final(rationale: str, final: str) -> str:
    """The steps, and the final answer in a line of its own."""
    return f"{rationale.strip()}\nThe answer is {final.strip().removesuffix('.')}."


def split_final(text: str) -> tuple[str, str] | None:
    """(rationale, final answer) by the last "The answer is …"; None where there is none, or no answer after it."""
    found = list(_FINAL.finditer(text))
    if not found:
        return None
    last = found[-1]
    steps = text[: last.start()].rstrip()
    lead = _LEAD.search(steps, max(0, len(steps) - 20))
    final = text[last.end() :].strip().partition("\n")[0].strip("*\"'“”: ").removesuffix(".").strip("*\"'“” ")
    return (steps[: lead.start()].rstrip() if lead else steps, final) if 0 < len(final) <= MAX_FINAL else None
