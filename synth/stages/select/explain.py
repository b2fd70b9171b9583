"""What the settings would do to records that are there, without asking any model: for choosing checks and thresholds.

Grades come from a run that made them (`stored_grades`), vectors from a model on this machine or from a run's ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from synth.checks import build_checks
from synth.checks.base import split_reason
from synth.checks.semantic import Semantic, unit_length
from synth.engine.entries import request_key
from synth.engine.ledger import LedgerReader
from synth.engine.stored import stored_models
from synth.models.embeddings import embedding_request, read_vector
from synth.records import Record, Rejection, canonical_json, digest, record_of
from synth.stages.select.checking import STAGE, Result, apply_checks, decide, refusals
from synth.stages.select.keep import CRITERIA, grade_of, keep, text_of
from synth.stages.select.people import read_decisions, with_edit
from synth.stages.select.settings import EmbeddingSettings, KeepSettings, SelectSettings
from synth.stages.select.stage import CHUNK, EMBEDDER, named_checks

if TYPE_CHECKING:
    from synth.checks.semantic import Vectors


@dataclass(slots=True)
class CheckSummary:
    """What one check would reject: all it refuses, those where it comes first, and those that only it refuses."""

    name: str
    refuses: int = 0
    first: int = 0
    alone: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[Record, str]] = field(default_factory=list)

    def add(self, record: Record, verdict: str, place: int, of: int, num_samples: int) -> None:
        """Count one refusal: number `place` of the `of` refusals of this record."""
        self.refuses += 1
        self.first += place == 0
        self.alone += of == 1
        self.reasons[split_reason(verdict)[0]] += 1
        if len(self.samples) < num_samples:
            self.samples.append((record, verdict))


@dataclass(slots=True)
class Explanation:
    """`overlaps`: how many records two checks (in the recipe's order) both refuse. `results`: one for each record.

    `vectors`: of the records that passed the checks, by id, where there are any.
    """

    checks: list[CheckSummary]
    overlaps: Counter[tuple[str, str]]
    results: list[Result]
    vectors: dict[str, Any] | None = None

    @property
    def total(self) -> int:
        """Records that came in."""
        return len(self.results)

    @property
    def kept(self) -> int:
        """Records that stay."""
        return sum(isinstance(result, Record) for result in self.results)

    def to_dict(self) -> dict[str, Any]:
        """A JSON object; samples by id, instruction and what the check said."""
        return {
            "total": self.total,
            "kept": self.kept,
            "checks": [
                {
                    "name": c.name,
                    "refuses": c.refuses,
                    "first": c.first,
                    "alone": c.alone,
                    "reasons": dict(c.reasons.most_common()),
                    "samples": [{"id": r.id, "instruction": r.instruction, "verdict": v} for r, v in c.samples],
                }
                for c in self.checks
            ],
            "overlaps": [{"checks": list(pair), "records": n} for pair, n in self.overlaps.most_common()],
        }


def content_key(record: Record) -> str:
    """What grades are found again by: task and answer."""
    return digest(record.instruction, record.input, record.output, record.earlier())


def stored_grades(results: Iterable[Result]) -> dict[str, Result]:
    """The results of a run's grading stage, by what was graded."""
    return {content_key(record_of(r)): r for r in results}


def explain(
    records: Sequence[Record],
    settings: SelectSettings,
    num_samples: int = 5,
    *,
    grades: Mapping[str, Result] | None = None,
    vectors: Vectors | None = None,
) -> Explanation:
    """What each check of `settings` would reject of `records`, with the first samples and the overlaps.

    `grades`: see `stored_grades`; records may carry grades in `meta` as well. `vectors`: needed for `semantic`.
    """
    decided = read_decisions(settings.review_path)
    records = [with_edit(record, decided) for record in records]
    rows = vectors([text_of(record) for record in records]) if vectors else None
    semantic = Semantic(settings.semantic) if settings.semantic is not None and rows is not None else None
    checks = named_checks(settings, semantic, decided)
    by_grades = ("grade", "keep") if grades or settings.keep else ()
    summaries = {name: CheckSummary(name) for name in (*(name for name, _ in checks), *by_grades)}
    overlaps: Counter[tuple[str, str]] = Counter()
    results: list[Result] = []
    passed: dict[str, Any] = {}
    for number, record in enumerate(records):
        if semantic and rows is not None and number % CHUNK == 0:
            semantic.prepare(records[number : number + CHUNK], rows[number : number + CHUNK])
        refused = refusals(record, checks)
        for place, (name, verdict) in enumerate(refused):
            summaries[name].add(record, verdict, place, len(refused), num_samples)
            overlaps.update((name, other) for other, _ in refused[place + 1 :])
        result = _graded(decide(record, refused, checks), grades or {})
        if isinstance(result, Record) and rows is not None:
            passed[result.id] = rows[number]
        results.append(result)
    if settings.keep:
        results = keep(results, settings.keep, passed if rows is not None else None)
    for result in results:
        if isinstance(result, Rejection) and result.check in ("grade", "keep"):
            summaries[result.check].add(result.record, f"{result.reason}: {result.detail}", 0, 1, num_samples)
    return Explanation(list(summaries.values()), overlaps, results, passed if rows is not None else None)


def _graded(record: Result, grades: Mapping[str, Result]) -> Result:
    """A kept record with the grades it got in a run, or the Rejection that it got there for want of them."""
    if isinstance(record, Rejection):
        return record
    found = grades.get(content_key(record))
    if isinstance(found, Record):
        noted = {name: found.meta[name] for name in ("grades", "complexity", "ifd") if name in found.meta}
        return replace(record, meta=record.meta | noted)
    return Rejection(record, STAGE, "grade", found.reason, found.detail) if found else record


def graded_values(results: Iterable[Result]) -> dict[str, list[float]]:
    """Every grade that records carry, kept or not: criterion -> grades, those without any left out."""
    values: dict[str, list[float]] = {}
    for result in results:
        record = record_of(result)
        found = {name: grade_of(record, name) for name in (*CRITERIA, "overall")}
        found |= {name: record.meta.get(name) for name in ("complexity", "ifd")}
        for name, value in found.items():
            if isinstance(value, int | float):
                values.setdefault(name, []).append(float(value))
    return values


def stored_vectors(reader: LedgerReader, settings: EmbeddingSettings) -> Vectors:
    """Vectors that a run's server has given already; a text without one gets zeros, which are near to nothing."""
    who = stored_models(reader)[EMBEDDER]

    def look_up(texts: Sequence[str]) -> Any:
        rows = []
        for text in texts:
            key = request_key(who.endpoint, settings.model, canonical_json(embedding_request(text).to_dict()))
            found = reader.query("SELECT text FROM requests WHERE key=? AND state='answered'", key)
            rows.append(read_vector(found[0][0]) if found else None)
        width = next((len(row) for row in rows if row is not None), 1)
        return unit_length([np.zeros(width) if row is None else row for row in rows])

    return look_up


def what_if(records: Sequence[Record], check: str, option: str, values: Sequence[Any], **others: Any) -> dict[Any, int]:
    """For each value of an option of `check`: how many of `records` that check alone would refuse."""
    counts = {}
    for value in values:
        checks = build_checks([{check: {**others, option: value}}])
        counts[value] = sum(isinstance(result, Rejection) for result in apply_checks(records, checks))
    return counts


def what_if_kept(
    results: Sequence[Result], settings: KeepSettings | None, option: str, values: Sequence[Any], vectors: Any = None
) -> dict[Any, int]:
    """For each value of an option of `keep`: how many of the records among `results` would not stay.

    `option` may name a criterion: `min_grade.correctness`.
    """
    start = (settings or KeepSettings()).model_dump()
    counts = {}
    for value in values:
        name, _, criterion = option.partition(".")
        asked = KeepSettings.model_validate(start | {name: {criterion: value} if criterion else value})
        stayed = keep(results, asked, vectors)
        counts[value] = sum(isinstance(r, Rejection) for r in stayed) - sum(isinstance(r, Rejection) for r in results)
    return counts
