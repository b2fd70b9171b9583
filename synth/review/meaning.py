"""Neighbours by meaning: a vector for each row of the last stage, made in the background by a model on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synth.checks.semantic import static_vectors
from synth.engine.ledger import LedgerReader, results_from_json
from synth.errors import SynthError
from synth.pipeline import read_run_recipe
from synth.records import record_of
from synth.review.desk import Desk, Row

CHUNK = 1024
NEIGHBOURS = 5


def local_model(run_dir: Path) -> str | None:
    """The model2vec folder that the run's recipe names for `select`, if any."""
    with suppress(SynthError):
        embeddings = getattr(getattr(read_run_recipe(run_dir), "select", None), "embeddings", None)
        return embeddings.model if embeddings is not None and embeddings.base_url is None else None
    return None


class Meaning:
    """The vectors of a run's rows as they are when it is made. Raises UsageError where the model cannot be loaded."""

    def __init__(self, desk: Desk, model: str) -> None:
        self._desk, self._encode = desk, static_vectors(model)
        self.places: list[tuple[int, int]] = []
        self._vectors: list[NDArray[np.float16]] = []
        self._maker = threading.Thread(target=self._make, daemon=True)
        self._maker.start()

    def wait(self) -> None:
        """Until every row has its vector."""
        self._maker.join()

    def _make(self) -> None:
        stages = self._desk.source.stages()
        with LedgerReader(self._desk.run_dir) as ledger:
            rows = self._rows(ledger, stages[-1]) if stages else iter(())
            while chunk := list(islice(rows, CHUNK)):
                vectors = self._encode([text for _, _, text in chunk]).astype(np.float16)
                self.places += [(ordinal, place) for ordinal, place, _ in chunk]
                self._vectors.append(vectors)

    def _rows(self, ledger: LedgerReader, stage: str) -> Iterator[tuple[int, int, str]]:
        sql = "SELECT ordinal, results FROM outcomes WHERE stage=? ORDER BY ordinal"
        for ordinal, text in ledger.rows(sql, stage):
            for place, result in enumerate(results_from_json(text)):
                yield ordinal, place, record_of(result).task()

    def nearest(self, row: Row) -> Sequence[tuple[float, Row]]:
        """The rows of the last stage that are nearest in meaning to a row's task, each task once, with cosines."""
        blocks, stages = list(self._vectors), self._desk.source.stages()
        if not blocks:
            return []
        own = self._encode([row.record.task()])[0].astype(np.float32)
        cosines = np.concatenate([block.astype(np.float32) @ own for block in blocks])
        found: dict[str, tuple[float, Row]] = {}
        for number in np.argsort(-cosines)[: 20 * NEIGHBOURS]:
            other = self._desk.row(stages[-1], *self.places[number])
            if other is not None and other.record.task() != row.record.task():
                found.setdefault(other.record.task(), (float(cosines[number]), other))
            if len(found) == NEIGHBOURS:
                break
        return list(found.values())
