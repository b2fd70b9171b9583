"""Near-duplicates in meaning: the cosine of a record's vector to every one kept before it, exact, the first one stays.

Off unless a recipe names a source of vectors: a model2vec model (`static_vectors`) or a server
(`synth.models.embeddings`). What "near" means depends on that model: read the pairs before trusting a threshold. Scores
are rounded to 6 digits, so that the order in which a processor adds up decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.errors import UsageError
from synth.records import Record

Matrix = NDArray[np.float32]

BLOCK = 8192  # kept vectors compared at a time: the products of a chunk with them fit the memory


class Nearest:
    """Vectors of unit length, in the order they were added; the nearest of them to another one."""

    def __init__(self) -> None:
        self._rows: Any = None
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, vector: Matrix) -> None:
        """Append one vector."""
        if self._rows is None:
            self._rows = np.empty((1024, len(vector)), np.float32)
        if self._size == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._size] = vector
        self._size += 1

    def best(self, vector: Matrix, start: int = 0) -> tuple[float, int | None]:
        """(cosine, position) of the nearest vector from position `start` on; the first of equals, None of none."""
        scores, places = self.best_of_each(vector[None, :], start)
        return float(scores[0]), (int(places[0]) if places[0] >= 0 else None)

    def best_of_each(self, vectors: Matrix, start: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The same for each row of `vectors`; the position is -1 where there is none."""
        best, place = np.full(len(vectors), -2.0), np.full(len(vectors), -1, np.int64)
        for low in range(start, self._size, BLOCK):
            scores = np.round((vectors @ self._rows[low : min(low + BLOCK, self._size)].T).astype(np.float64), 6)
            top = scores.argmax(axis=1)
            score = scores[np.arange(len(vectors)), top]
            closer = score > best
            best[closer], place[closer] = score[closer], top[closer] + low
        return best, place


class Semantic:
    """The check: refuses a record whose cosine to one kept before passes `threshold`.

    `prepare` is given the vectors of the next records, in order, before the check sees them: their comparison with all
    that is kept by then is one product of matrices. A record without a vector passes.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._kept = Nearest()
        self._ids: list[str] = []
        self._known: dict[str, tuple[Matrix, float, int]] = {}
        self._compared = 0
        self._last: Matrix | None = None

    def prepare(self, records: Sequence[Record], vectors: Matrix) -> None:
        """Take the vectors (unit length, one row a record) of the records that come next."""
        scores, places = self._kept.best_of_each(vectors)
        self._compared = len(self._kept)
        rows = zip(records, vectors, scores.tolist(), places.tolist(), strict=True)
        self._known = {record.id: (vector, score, place) for record, vector, score, place in rows}

    def __call__(self, record: Record) -> str | None:
        self._last = None
        if record.id not in self._known:
            return None
        vector, score, place = self._known[record.id]
        self._last = vector
        since, at = self._kept.best(vector, self._compared)
        if at is not None and since > score:
            score, place = since, at
        return f"too_close: cosine {score:.3f} to {self._ids[place]}" if score > self.threshold else None

    def admitted(self, record: Record) -> Record | None:
        """Remember the vector of the record that was looked at last (another check may have changed its text since)."""
        if self._last is not None:
            self._kept.add(self._last)
            self._ids.append(record.id)
        return None


def unit_length(vectors: Any) -> Matrix:
    """Rows scaled to length 1; a row of zeros stays so, and is near to nothing."""
    rows = np.ascontiguousarray(vectors, np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Matrix = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled


Vectors = Callable[[Sequence[str]], "Matrix"]
"""Texts to vectors of unit length, one row each."""


def static_vectors(model: str) -> Vectors:
    """Vectors by a model2vec model in a folder or of the hub. Raises UsageError where it cannot be loaded.

    Nothing is downloaded unless a model of the hub is named.
    """
    try:
        from model2vec import StaticModel
    except ImportError as error:
        raise UsageError("model2vec is not installed", "pip install 'synth-instruct[semantic]'") from error
    try:
        loaded = StaticModel.from_pretrained(model)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UsageError(f"{model}: no model2vec model can be loaded ({reason})", "name its folder") from error
    return lambda texts: unit_length(loaded.encode(list(texts), use_multiprocessing=False))


def semantic_subset(
    texts: Sequence[str], vectors: Vectors, threshold: float, *, strict: bool = False, chunk: int = 512
) -> list[tuple[int, float] | None]:
    """What the check keeps of `texts`, in order: None for each kept one, (nearest index, cosine) for each other.

    `strict`: a cosine of exactly the threshold is refused too.
    """
    kept, places = Nearest(), list[int]()
    found: list[tuple[int, float] | None] = []
    for start in range(0, len(texts), chunk):
        rows = vectors(texts[start : start + chunk])
        scores, nearest = kept.best_of_each(rows)
        before = len(kept)
        for number, (score, place) in enumerate(zip(scores.tolist(), nearest.tolist(), strict=True)):
            since, at = kept.best(rows[number], before)
            if at is not None and since > score:
                score, place = since, at
            if score > threshold or (strict and score == threshold):
                found.append((places[place], score))
                continue
            found.append(None)
            kept.add(rows[number])
            places.append(start + number)
    return found
