"""What other thresholds would keep: counted over the rows there are, with no request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from synth.review.desk import Desk
from synth.review.table import Table, bound_of

SLIDERS = {
    "least": ("grade", "Keep rows with a grade of at least", "grade: below_min_grade"),
    "nearest": ("nearest", "Keep rows whose ROUGE-L to their nearest neighbour is at most", "novelty: too_similar"),
    "longest": ("words", "Keep rows whose answer has at most so many words", ""),
    "shortest": ("words", "Keep rows whose answer has at least so many words", ""),
}
"""Name → (column, what it does, the reason of the rejections that it would undo)."""
KEEPS_ABOVE = ("least", "shortest")


def sliders(desk: Desk) -> list[dict[str, Any]]:
    """The thresholds that this run's rows have numbers for: name, label, lowest, highest, where it begins."""
    made = []
    with desk.columns() as table:
        for name, (column, label, _) in SLIDERS.items():
            values = table.column(column)
            known = values[~np.isnan(values)]
            if len(known) and known.min() < known.max():
                low, high = float(known.min()), float(known.max())
                start = low if name in KEEPS_ABOVE else high
                made.append({"name": name, "label": label, "low": low, "high": high, "start": start})
    return made


def count(desk: Desk, query: Mapping[str, str]) -> dict[str, int]:
    """Of the rows that the last stage kept: how many there are, and how many all the thresholds leave.

    `back`: rows rejected by a threshold of that kind that all these thresholds would let through.
    """
    stages = desk.source.stages()
    with desk.columns() as table:
        kept = table.code("state") == table.number_of("kept")
        last = table.code("stage") == table.number_of(stages[-1] if stages else "")
        stays, reasons = _stays(table, query)
        back = ~kept & np.isin(table.code("reason"), [table.number_of(reason) for reason in reasons]) & stays
        return {"kept": int((kept & last).sum()), "left": int((kept & last & stays).sum()), "back": int(back.sum())}


def _stays(table: Table, query: Mapping[str, str]) -> tuple[Any, set[str]]:
    """(the rows that all thresholds let through, the reasons of the rejections they would undo)."""
    stays, reasons = np.ones(len(table.ids), np.bool_), set()
    for name, (column, _, reason) in SLIDERS.items():
        bound = bound_of(query.get(name, ""))
        if bound is not None:
            values = table.column(column)
            with np.errstate(invalid="ignore"):
                stays &= ~(values < bound) if name in KEEPS_ABOVE else ~(values > bound)
            reasons |= {reason} - {""}
    return stays, reasons
