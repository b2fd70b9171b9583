"""Records through checks: each comes out as a Record or a Rejection. All checks look at every record, so that a report
can show how they overlap; the first one that refuses gives the rejection its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from synth.checks.base import Check, split_reason
from synth.records import Record, Rejection

STAGE = "select"
Result = Record | Rejection
NamedChecks = Sequence[tuple[str, Check]]


def apply_checks(records: Iterable[Record], checks: NamedChecks, stage: str = STAGE) -> Iterator[Result]:
    """One Record or Rejection for each record, in order."""
    return (decide(record, refusals(record, checks), checks, stage) for record in records)


def decide(record: Record, refused: Sequence[tuple[str, str]], checks: NamedChecks, stage: str = STAGE) -> Result:
    """What becomes of a record with these `refusals`. One that is kept is shown to the checks that keep state.

    A rejection's detail ends with the other checks that refused the record too: `... (also: refusal, truncated)`.
    """
    if not refused:
        return admit(record, checks)
    name, verdict = refused[0]
    reason, detail = split_reason(verdict)
    others = f"(also: {', '.join(other for other, _ in refused[1:])})" if refused[1:] else ""
    return Rejection(record, stage, name, reason, " ".join(filter(None, (detail, others))))


def refusals(record: Record, checks: NamedChecks) -> list[tuple[str, str]]:
    """The names of the checks that refuse a record, each with what it said."""
    verdicts = ((name, check(record)) for name, check in checks)
    return [(name, verdict) for name, verdict in verdicts if verdict is not None]


def admit(record: Record, checks: NamedChecks) -> Record:
    """Show a kept record to the checks that keep state; what they made of it."""
    for _, check in checks:
        admitted = getattr(check, "admitted", None)
        if admitted is not None:
            record = admitted(record) or record
    return record


def recall(record: Record, result: Result, checks: NamedChecks) -> None:
    """Show the checks that keep state a record again that an earlier process let through."""
    if isinstance(result, Rejection):
        return
    if _text(result) != _text(record):  # a check changed it, and those before that check saw another text
        admit(record, checks)
        return
    for _, check in checks:
        note = getattr(check, "recalled", None) or getattr(check, "admitted", None)
        if note is not None:
            note(record)


def _text(record: Record) -> tuple[object, ...]:
    return record.messages(), record.input, record.others
