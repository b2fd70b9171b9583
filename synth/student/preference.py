"""Which answers are better: pairs and labelled answers as rows that a preference is learned from. No tensors here.

DPO (arXiv 2305.18290) learns from a better and a worse answer to one prompt. KTO (arXiv 2402.01306) learns from single
answers known to be good or bad; beside each it needs the same prompt with an answer to another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from synth.records import Record
from synth.student.encode import UNLEARNED, Encoded, Encoder, Row
from synth.student.presets import TrainSettings
from synth.student.templates import conversation_of


@dataclass(frozen=True, slots=True)
class Judged(Row):
    """Two rows, one behind the other; the second begins at `border`.

    A pair: the better answer, then the worse one. For KTO: an answer, `sign` 1 for a good and -1 for a bad one, then
    the answer of another record. `weight`: how much its loss counts.
    """

    border: int = 0
    sign: int = 1
    weight: float = 1.0

    @property
    def parts(self) -> tuple[Row, ...]:
        """The two rows."""
        cut = self.border
        halves = ((self.ids[:cut], self.labels[:cut]), (self.ids[cut:], self.labels[cut:]))
        return tuple(Row(self.record_id, ids, labels) for ids, labels in halves)


def judged_rows(records: Sequence[Record], encoder: Encoder, settings: TrainSettings) -> Encoded:
    """The rows of records with worse answers, for KTO of all answers; those that do not fit are listed by id."""
    found = Encoded([])
    rows: list[Judged] = []
    for (good, bad), sign in _labelled(records) if settings.loss == "kto" else _pairs(records):
        if conversation_of(good).system and encoder.template.folds_system:
            found.folded.append(good.id)
        whole = [_last_answer(one, encoder) for one in (good, bad)]
        parts = [Row(good.id, one.ids[: settings.max_length], one.labels[: settings.max_length]) for one in whole]
        if not all(part.num_learned for part in parts):
            found.unlearnable.append(good.id)
            continue
        if any(len(one.ids) > settings.max_length for one in whole):
            found.truncated.append(good.id)
        one, other = parts
        rows.append(Judged(good.id, one.ids + other.ids, one.labels + other.labels, border=len(one.ids), sign=sign))
    return replace(found, rows=_balanced(rows) if settings.loss == "kto" else [*rows])


Two = tuple[tuple[Record, Record], int]


def _pairs(records: Sequence[Record]) -> list[Two]:
    """Each record with its own answer and with each worse one."""
    return [
        ((record, replace(record, output=worse.output)), 1)
        for record in records
        if record.output.strip()
        for worse in record.worse()
    ]


def _labelled(records: Sequence[Record]) -> list[Two]:
    """Good answers first, then bad ones, each with the answer before it in this order (the first with the last).

    A record's own answer is a good one, and so are others that are as good.
    """
    good = [replace(one, output=text) for one in records for text in (one.output, *one.as_good()) if text.strip()]
    bad = [replace(one, output=worse.output) for one in records for worse in one.worse()]
    answers = [*((one, 1) for one in good), *((one, -1) for one in bad)]
    befores = [answers[-1][0], *(record for record, _ in answers[:-1])] if answers else []
    return [
        ((record, replace(record, output=before.output)), sign)
        for (record, sign), before in zip(answers, befores, strict=True)
    ]


def _balanced(rows: Sequence[Judged]) -> list[Row]:
    """KTO's rows with weights by which good and bad ones count alike, as the paper advises (its equation 8)."""
    good = sum(row.sign == 1 for row in rows)
    least = min(good, len(rows) - good) or 1
    return [replace(row, weight=min(1.0, least / (good if row.sign == 1 else len(rows) - good))) for row in rows]


def _last_answer(record: Record, encoder: Encoder) -> Row:
    """The record's row with labels in its last answer only: earlier ones are given, whichever answer follows."""
    ids, labels = encoder.encode(conversation_of(record))
    end = max((place + 1 for place, label in enumerate(labels) if label != UNLEARNED), default=0)
    start = max((place + 1 for place in range(end) if labels[place] == UNLEARNED), default=0)
    return Row(record.id, ids, [UNLEARNED] * start + labels[start:])
