"""Grades of a run: how they are spread, by where the records come from, and what was kept of them.

All graded records count, those rejected afterwards too: the kept ones alone would show the threshold, not the
grader. A run without a grading stage shows the grades that its records carry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synth.engine.ledger import LedgerReader
from synth.judge import flat_grades
from synth.metrics import bootstrap_interval, mean
from synth.records import Record, Rejection
from synth.stages.report import charts
from synth.stages.report.blocks import Block, Cell, Figure, Note, Table, show
from synth.verdicts import row_key

STAGE = "grade"
GRADE_WORDS = (
    "grade",
    "score",
    "quality",
    "correctness",
    "completeness",
    "complexity",
    "ifd",
    "agreement",
    "following",
)
NOT_GRADES = ("nearest_score", "most_similar.score", "grades.draws", "complexity_before")
FEW = 21  # different grades that are shown one by one
MAX_SOURCES = 12


@dataclass(slots=True)
class QualityFacts:
    """`kept` and `refused`: name -> grade -> records. `sources`: (source, name) -> grades.

    `reasons`: why records have no grade, where there was a grading stage.
    """

    kept: dict[str, Counter[float]] = field(default_factory=dict)
    refused: dict[str, Counter[float]] = field(default_factory=dict)
    sources: dict[tuple[str, str], Counter[float]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    total: int = 0

    def add(self, record: Record, is_kept: bool) -> None:
        """Count the grades of one record."""
        self.total += 1
        source = record.lineage.operator or record.lineage.origin
        for name, grade in grades_of(record.meta).items():
            (self.kept if is_kept else self.refused).setdefault(name, Counter())[grade] += 1
            self.sources.setdefault((source, name), Counter())[grade] += 1

    def all_of(self, name: str) -> Counter[float]:
        """Every grade of a name."""
        return self.kept.get(name, Counter()) + self.refused.get(name, Counter())


class QualityCollector:
    """Sees the final records as they are read for other reasons, then gives the facts."""

    def __init__(self, ledger: LedgerReader) -> None:
        self._ledger = ledger
        self._has_stage = STAGE in ledger.stages()
        self._facts = QualityFacts()
        self._stayed: set[str] = set()

    def see(self, record: Record) -> None:
        """Take note of a final record."""
        if self._has_stage:
            self._stayed.add(row_key(record))
        else:
            self._facts.add(record, True)

    def facts(self) -> QualityFacts:
        """The grades of the grading stage, or of the final records where there was none."""
        for result in self._ledger.results(STAGE) if self._has_stage else ():
            if isinstance(result, Rejection):
                self._facts.total += 1
                self._facts.reasons[result.reason] += 1
            else:
                self._facts.add(result, row_key(result) in self._stayed)
        return self._facts


def grades_of(meta: Mapping[str, Any]) -> dict[str, float]:
    """The notes of a record that are grades of its quality: numbers named so, also one level down."""
    found: dict[str, float] = {}
    for key, value in meta.items():
        inner = {f"{key}.{name}": one for name, one in value.items()} if isinstance(value, dict) else {key: value}
        for name, one in inner.items():
            is_number = isinstance(one, int | float) and not isinstance(one, bool) and one == one
            if is_number and name not in NOT_GRADES and any(word in name for word in GRADE_WORDS):
                found[name] = round(float(one), 2)
    return found


def quality_blocks(facts: QualityFacts) -> list[Block]:
    """A histogram of each kind of grade, a warning where one tells nothing, and the means by source."""
    names = sorted(facts.kept.keys() | facts.refused.keys())
    blocks: list[Block] = []
    if facts.reasons:
        why = ", ".join(f"{reason} {count:,}" for reason, count in facts.reasons.most_common())
        blocks.append(Note(f"{facts.reasons.total():,} records could not be graded and were rejected: {why}."))
    if warning := flat_grades({show(name): facts.all_of(name) for name in names if name.startswith("grade")}):
        blocks.append(Note(warning, True))
    blocks += [_histogram(facts, name) for name in names]
    if names:
        blocks.append(_by_source(facts, names))
    return blocks or [Note("No grades of quality were made in this run.")]


def _histogram(facts: QualityFacts, name: str) -> Figure:
    grades = facts.all_of(name)
    parts = {"kept": facts.kept.get(name, Counter()), "rejected": facts.refused.get(name, Counter())}
    bins = _bins(grades)
    series = {part: [sum(n for g, n in counts.items() if low <= g < high) for _, low, high in bins]
              for part, counts in parts.items() if counts}  # fmt: skip
    labels = [label for label, _, _ in bins]
    columns = [(label, {part: float(values[n]) for part, values in series.items()}) for n, label in enumerate(labels)]
    rows: list[tuple[Cell, ...]] = [
        (label, *(values[n] for values in series.values())) for n, label in enumerate(labels)
    ]
    total = grades.total()
    average = sum(grade * count for grade, count in grades.items()) / total
    note = f"{total:,} of {facts.total:,} records carry it; mean {average:.2f}."
    title = f"Records by {name}"
    header = (name, *("records" if len(series) == 1 else part for part in series))
    return Figure(title, charts.histogram(title, columns, name), Table(title, header, rows), note)


def _bins(grades: Counter[float]) -> list[tuple[str, float, float]]:
    """(label, from, to): one for each grade where they are few, else twenty of equal width."""
    if len(grades) <= FEW:
        return [(f"{grade:g}", grade, grade + 1e-9) for grade in sorted(grades)]
    low, high = min(grades), max(grades)
    width = (high - low) / 20
    edges = [low + n * width for n in range(20)] + [high + 1e-9]
    return [(f"{edges[n]:.2f}", edges[n], edges[n + 1]) for n in range(20)]


def _by_source(facts: QualityFacts, names: list[str]) -> Table:
    """Mean and 95 % interval (bootstrap over records) of each kind of grade, by operator, method or origin."""
    sizes: Counter[str] = Counter()
    for (source, _), counts in facts.sources.items():
        sizes[source] = max(sizes[source], counts.total())
    rows: list[tuple[Cell, ...]] = []
    for source, size in sizes.most_common(MAX_SOURCES):
        cells = []
        for name in names:
            values = sorted(facts.sources.get((source, name), Counter()).elements())
            low, high = bootstrap_interval(values, 0, 1000) if values else (0.0, 0.0)
            cells.append(f"{mean(values):.2f} ({low:.2f} to {high:.2f})" if values else "")
        rows.append((show(source, 60), size, *cells))
    return Table("Mean grades by source, with 95 % intervals", ("source", "records", *names), rows)
