"""Counts over the exported records, for the card: gathered one record at a time, in little memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from synth.metrics import count_words
from synth.records import Record
from synth.stages.export.pairs import margin_of

MOST_KINDS = 2_000
"""Different categories, languages and so on that are told apart; the rest is counted as one."""


@dataclass(slots=True)
class Totals:
    """`words`: field -> how many texts have how many words."""

    records: int = 0
    from_reference_teacher: int = 0
    multi_turn: int = 0
    with_system: int = 0
    compared: int = 0
    with_margin: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    words: dict[str, Counter[int]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Count one record."""
        self.records += 1
        self.from_reference_teacher += record.lineage.is_reference
        self.multi_turn += bool(record.history)
        self.with_system += bool(record.system)
        self.with_margin += margin_of(record) is not None
        self.compared += any(other.grade is not None for other in record.others)
        line = record.lineage
        self._count("origin", line.origin)
        self._count("teacher", line.model)
        self._count("operator", line.operator)
        self._count("generation", str(line.generation))
        self._count("category", record.meta.get("category"))
        self._count("requested category", record.meta.get("requested_category"))
        self._count("language", record.meta.get("language"))
        for name, text in (("instruction", record.instruction), ("input", record.input), ("output", record.output)):
            if text:
                words = len(text.split()) if text.isascii() else count_words(text)
                self.words.setdefault(name, Counter())[words] += 1

    def _count(self, name: str, value: object) -> None:
        if isinstance(value, str) and value:
            counter = self.counts.setdefault(name, Counter())
            counter[value if value in counter or len(counter) < MOST_KINDS else "(others)"] += 1

    def ranked(self, name: str, most: int = 20) -> list[tuple[str, int]]:
        """The commonest values of a count with how often they occur; what comes after them as one last line."""
        ranked = sorted(self.counts.get(name, Counter()).items(), key=lambda pair: (-pair[1], pair[0]))
        rest = sum(count for _, count in ranked[most:])
        return ranked[:most] + ([(f"({len(ranked) - most} others)", rest)] if rest else [])


def length_summary(words: Mapping[int, int]) -> dict[str, float]:
    """Texts, mean, median, 95th percentile and longest, in words."""
    total = sum(words.values())
    if not total:
        return {"texts": 0, "mean": 0.0, "median": 0, "p95": 0, "longest": 0}
    return {
        "texts": total,
        "mean": round(sum(length * count for length, count in words.items()) / total, 1),
        "median": _quantile(words, total, 0.5),
        "p95": _quantile(words, total, 0.95),
        "longest": max(words),
    }


def _quantile(words: Mapping[int, int], total: int, share: float) -> int:
    seen = 0
    for length in sorted(words):
        seen += words[length]
        if seen >= share * total:
            return length
    return 0
