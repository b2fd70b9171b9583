"""How near instructions come to the seeds and to each other, by ROUGE-L, over whole data sets in seconds.

Words become characters, so rapidfuzz can compare a text with thousands at once; its similarity is then ROUGE-L's F1.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from synth.metrics import tokens

MAX_PAIRS = 40_000_000
"""Pairs compared at most, which is a few seconds; above it a sample is compared with all."""
CHUNK = 64


def coded(texts: Sequence[str], codes: dict[str, int]) -> list[str]:
    """Each text as a string of one character a word; equal words get equal characters, kept in `codes`."""
    return ["".join(_character(codes.setdefault(word, len(codes))) for word in tokens(text)) for text in texts]


def _character(number: int) -> str:
    number += 1 if number < 0xD7FF else 0x801  # surrogates are no characters
    return chr(min(number, 0x10FFFF))


def nearest(texts: Sequence[str], others: Sequence[str], codes: dict[str, int]) -> list[float]:
    """For each text the highest ROUGE-L F1 (0..1) to any of `others`; 0 where there are none."""
    rows, columns = coded(texts, codes), coded(others, codes)
    return (
        [float(score) for chunk in _scores(rows, columns) for score in chunk.max(axis=1)]
        if columns
        else [0.0] * len(rows)
    )


def nearest_within(texts: Sequence[str], codes: dict[str, int]) -> list[float]:
    """For each text, or for a sample of them, the highest ROUGE-L F1 to any other of the texts."""
    rows = coded(texts, codes)
    if len(rows) < 2:
        return []
    wanted = max(1, min(len(rows), MAX_PAIRS // len(rows)))
    chosen = list(range(len(rows))) if wanted == len(rows) else random.Random(0).sample(range(len(rows)), wanted)
    found: list[float] = []
    for start, chunk in zip(range(0, wanted, CHUNK), _scores([rows[i] for i in chosen], rows), strict=True):
        for place, index in enumerate(chosen[start : start + CHUNK]):
            chunk[place, index] = 0.0
        found += [float(score) for score in chunk.max(axis=1)]
    return found


def _scores(rows: Sequence[str], columns: Sequence[str]) -> Iterator[Any]:
    """Similarities of CHUNK rows at a time with all columns; a text without words is like nothing."""
    from rapidfuzz import process
    from rapidfuzz.distance import Indel

    empty = np.array([not column for column in columns])
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        chunk = process.cdist(part, columns, scorer=Indel.normalized_similarity, dtype=np.float32)
        chunk[np.array([not row for row in part])] = 0.0
        chunk[:, empty] = 0.0
        yield chunk
