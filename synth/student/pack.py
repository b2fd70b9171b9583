"""Several examples in one row of fixed length, so that no time goes into padding.

Best fit over a few open rows, in the order given. TRL's own packing (best fit decreasing) fills as well, but sorts by
length first, and examples of one length are often of one kind: a small student that sees one row a step then learns
from lopsided steps (measured on nine small operations, 1,600 steps: 79 % of unseen items right this way, 56 % sorted,
2,000).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from synth.student.encode import Row

OPEN_ROWS = 32  # rows being filled at a time; more fill better and mix less


@dataclass(slots=True)
class PackedRow:
    """Examples one after the other; `seq_lengths` says where each ends (the column name is TRL's)."""

    input_ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    seq_lengths: list[int] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Append one example."""
        self.input_ids += row.ids
        self.labels += row.labels
        self.seq_lengths.append(len(row.ids))


def pack(rows: Sequence[Row], max_length: int, open_rows: int = OPEN_ROWS) -> list[PackedRow]:
    """Every example once, whole, in rows of at most `max_length` tokens (an example must not be longer)."""
    packed: list[PackedRow] = []
    filling: list[PackedRow] = []
    for row in rows:
        fitting = [target for target in filling if len(target.input_ids) + len(row.ids) <= max_length]
        if fitting:
            max(fitting, key=lambda target: len(target.input_ids)).add(row)
            continue
        if len(filling) >= open_rows:
            filling.remove(max(filling, key=lambda target: len(target.input_ids)))
        filling.append(PackedRow())
        filling[-1].add(row)
        packed.append(filling[-1])
    return packed
