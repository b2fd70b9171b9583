"""What a check is: it looks at one record and gives None, or the reason to refuse it. It never asks a model.

A check keeps no state, or keeps it in `admitted`: the caller runs all checks on a record first, and only a record that
passed every one of them is admitted. So a record that another check refused never enters the pool of the novelty check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from synth.records import Record


class Check(Protocol):
    """Gives None for a record that is fine, else a short code, or `code: detail` where there is more to say."""

    def __call__(self, record: Record, /) -> str | None: ...


class StatefulCheck(Protocol):
    """A check that wants to see what was kept.

    `admitted` is called once for each kept record, in order. What it returns, if anything, is kept in its place: the
    same record with a note in `meta`, or with text masked. `recalled`, where a check has it, takes its place when a run
    goes on, for records that were kept before: it need not work out the note again.
    """

    def __call__(self, record: Record, /) -> str | None: ...

    def admitted(self, record: Record, /) -> Record | None: ...


PairCheck = Callable[[Record, Record], str | None]
"""A check of an evolved record against the one it came from: `(parent, child)`; same answers as a Check."""


def split_reason(verdict: str) -> tuple[str, str]:
    """The code and the detail ("" if none) of what a check returned."""
    code, _, detail = verdict.partition(": ")
    return code, detail


def full_text(record: Record) -> str:
    """All that a reader of the record sees, one text below the other: earlier turns, instruction, input and output."""
    return "\n".join(filter(None, (record.asked(), record.output)))


def each_exchange(check: Check) -> Check:
    """`check` on every exchange of a conversation, the earliest that it rejects first."""

    def checked(record: Record) -> str | None:
        verdicts = (check(exchange) for exchange in record.exchanges())
        return next((verdict for verdict in verdicts if verdict is not None), None)

    return checked
