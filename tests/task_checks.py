"""What a check of tasks says, for the tests of several files."""

from __future__ import annotations

from synth.checks.tasks import CHECKS
from synth.records import Record


def said(name: str, instruction: str, given: str = "") -> str | None:
    """The reason of a check with its defaults, without its detail."""
    verdict = CHECKS[name](Record(instruction, given))
    return None if verdict is None else verdict.partition(":")[0]
