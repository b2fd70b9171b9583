"""Who stays by the grades: bounds, the best share, the best k, and distance to what is picked. Pure; asks nobody.

A record without the grade that is asked for is not kept, and the reason says so. Seeds were written by people: they
are not graded, always stay, and take no place of the k.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.checks.novelty import NoveltyIndex
from synth.checks.semantic import Nearest
from synth.records import Record, Rejection, digest
from synth.stages.select.checking import STAGE, Result
from synth.stages.select.settings import KeepSettings

Vector = NDArray[np.float32]

CRITERIA = ("correctness", "following", "completeness")
Verdict = tuple[str, str, str]
"""Check, reason, detail."""


def grade_of(record: Record, criterion: str) -> float | None:
    """A grade noted with a record; None where there is none."""
    grades = record.meta.get("grades")
    value = grades.get(criterion) if isinstance(grades, dict) else None
    return float(value) if isinstance(value, int | float) else None


def is_graded(record: Record) -> bool:
    """Whether grades apply to this record at all: all but seeds as they were written."""
    return record.lineage.origin != "seed" or record.lineage.generation > 0


def keep(results: Sequence[Result], settings: KeepSettings, vectors: dict[str, Vector] | None = None) -> list[Result]:
    """`results` in their order, with a Rejection in place of each record that does not stay.

    `vectors`: of unit length, by record id (see `text_of`); without them distance is measured by ROUGE-L.
    """
    places = [n for n, result in enumerate(results) if isinstance(result, Record) and is_graded(result)]
    records = {n: result for n in places if isinstance(result := results[n], Record)}
    refused: dict[int, Verdict] = {n: v for n, record in records.items() if (v := _below(record, settings))}
    ranked = sorted((n for n in places if n not in refused), key=lambda n: _rank(records[n], settings))
    shared = ranked if settings.by == "ifd" else records  # ifd: a share of the valid rows, as in its code
    wanted = len(ranked) if settings.share is None else math.ceil(settings.share * len(shared))
    best, rest = ranked[:wanted], ranked[wanted:]
    refused |= dict.fromkeys(rest, ("keep", "not_in_best_share", f"the best {settings.share or 0:.0%} are kept"))
    refused |= _picked(best, records, settings, vectors)
    return [
        Rejection(result, STAGE, *refused[n]) if n in refused and isinstance(result, Record) else result
        for n, result in enumerate(results)
    ]


def _below(record: Record, settings: KeepSettings) -> Verdict | None:
    """Why a record is out whatever the others are like."""
    for criterion, least in settings.bounds.items():
        grade = grade_of(record, criterion)
        if grade is None:
            return "grade", "no_grade", f"of {criterion}"
        if grade < least:
            return "grade", "below_min_grade", f"{criterion} {grade:.2f}, at least {least:g} wanted"
    score = _score(record, settings)
    if score is None:
        return "keep", "no_score", f"nothing to rank it by {settings.by}"
    if settings.by == "ifd" and score > 1:
        return "keep", "instruction_no_help", f"ifd {score:.3f}: the answer is no likelier with its instruction"
    return None


def _score(record: Record, settings: KeepSettings) -> float | None:
    if settings.by == "ifd":
        ifd = record.meta.get("ifd")
        return float(ifd) if isinstance(ifd, int | float) else None
    quality = grade_of(record, "overall")
    ranks = settings.share is not None or settings.top_k is not None
    if settings.by == "grade":
        return quality if quality is not None or settings.bounds or ranks else 0.0
    complexity = record.meta.get("complexity")
    return None if quality is None or not isinstance(complexity, int | float) else quality * complexity


def _rank(record: Record, settings: KeepSettings) -> tuple[float, float, str]:
    """The best first; equals by correctness, then by a hash."""
    return -(_score(record, settings) or 0.0), -(grade_of(record, "correctness") or 0.0), digest(record.to_dict())


def _picked(
    ranked: Sequence[int], records: dict[int, Record], settings: KeepSettings, vectors: dict[str, Vector] | None
) -> dict[int, Verdict]:
    """Walk from the best down; who is passed over, and why."""
    refused: dict[int, Verdict] = {}
    nearness = _nearness(settings.distance, vectors)
    room = len(ranked) if settings.top_k is None else settings.top_k
    for n in ranked:
        if room == 0:
            refused[n] = ("keep", "not_in_top_k", f"the best {settings.top_k} are kept")
        elif nearness and (near := nearness(records[n])):
            refused[n] = ("keep", "too_near", near)
        else:
            room -= 1
    return refused


def text_of(record: Record) -> str:
    """What two records are compared by: all that is asked."""
    return record.asked()


def _nearness(distance: float | None, vectors: dict[str, Vector] | None) -> Callable[[Record], str | None] | None:
    """A function that adds a record to the picked ones, or says which of them it is too near to."""
    if distance is None:
        return None
    ids: list[str] = []
    index: Any = NoveltyIndex(1 - distance, floor=1 - distance) if vectors is None else Nearest()

    def by_words(record: Record) -> str | None:
        verdict = index.add_if_novel(text_of(record))
        if verdict.nearest is not None and not verdict.novel:
            return f"ROUGE-L {verdict.score:.3f} to {ids[verdict.nearest]}"
        if verdict.no_tokens:
            index.add(text_of(record))
        ids.append(record.id)
        return None

    def by_vectors(record: Record) -> str | None:
        assert vectors is not None
        score, nearest = index.best(vectors[record.id])
        if nearest is not None and score > 1 - distance:
            return f"cosine {score:.3f} to {ids[nearest]}"
        index.add(vectors[record.id])
        ids.append(record.id)
        return None

    return by_words if vectors is None else by_vectors
