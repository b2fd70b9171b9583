"""Neighbours by meaning are those of the vectors, worked out one by one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from made_run import NOUNS, PEOPLE, PLACES, VERBS, make_run

from synth.checks.semantic import static_vectors
from synth.engine.ledger import LedgerReader
from synth.records import Record
from synth.review.desk import Desk
from synth.review.meaning import Meaning


def make_model(folder: Path) -> Path:
    """A model2vec folder made on the spot: a random direction for each word."""
    pytest.importorskip("model2vec")
    from model2vec import StaticModel
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = sorted({word for text in (*VERBS, *NOUNS, *PLACES, *PEOPLE) for word in re.findall(r"\w+", text)})
    rows = np.random.default_rng(1).normal(size=(len(words) + 1, 16)).astype(np.float32)
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(["[UNK]", *words])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    StaticModel(rows, tokenizer).save_pretrained(folder)
    return folder


def test_the_nearest_rows_are_those_of_the_highest_cosine(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    make_run(tmp_path / "run", roots=60, files=False)
    ledger = LedgerReader(tmp_path / "run")
    tasks = [(one if isinstance(one, Record) else one.record).task() for one in ledger.results("select")]
    ledger.close()
    desk = Desk(tmp_path / "run")
    try:
        meaning = Meaning(desk, str(model))
        meaning.wait()
        row = desk.row("select", 3, 0)
        assert row is not None and len(meaning.places) == len(tasks)
        found = meaning.nearest(row)
        vectors = static_vectors(str(model))(tasks)
        cosines = sorted({task: float(one) for task, one in zip(tasks, vectors @ vectors[3], strict=True)
                          if task != tasks[3]}.values(), reverse=True)  # fmt: skip
        assert [score for score, _ in found] == pytest.approx(cosines[: len(found)], abs=0.01)
        assert len(found) == 5
    finally:
        desk.close()
