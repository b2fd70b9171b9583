"""The join through files gives the verdicts of the join in memory, wherever its parts are done."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from checks.test_novelty import THRESHOLDS, stream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth.checks import corpus_join
from synth.checks.corpus_join import Run, in_processes, novel_in_corpus, on_ray
from synth.checks.novelty import novel_subset
from synth.errors import UsageError


def same_as_in_memory(
    texts: list[str], folder: Path, *, threshold: float = 0.7, strict: bool = False, run: Run = map
) -> None:
    verdicts = list(novel_in_corpus(iter(texts), folder, threshold=threshold, strict=strict, run=run))
    expected = novel_subset(texts, threshold=threshold, strict=strict)
    assert [index for index, verdict in enumerate(verdicts) if verdict is None] == expected.kept
    assert [verdict for verdict in verdicts if verdict is not None] == expected.removed
    assert not list(folder.iterdir())


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_join, "BLOCK", 17)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), threshold=st.sampled_from(THRESHOLDS), strict=st.booleans())
def test_every_verdict_is_that_of_the_join_in_memory(
    seed: int, threshold: float, strict: bool, tmp_path: Path, small_blocks: None
) -> None:
    same_as_in_memory(stream(random.Random(seed), 80, 90), tmp_path, threshold=threshold, strict=strict)


@pytest.mark.parametrize("texts", [[], [""], ["", "a", "a", "!"], ["a b c"] * 40, [f"n{n}" for n in range(34)]])
def test_a_corpus_that_is_hardly_there_is_taken(texts: list[str], tmp_path: Path, small_blocks: None) -> None:
    same_as_in_memory(texts, tmp_path)


def test_a_corpus_of_one_template_and_one_of_long_texts_are_settled_one_by_one(tmp_path: Path) -> None:
    same_as_in_memory([f"Classify the mood of review {n} in {n % 7} words and say why." for n in range(400)], tmp_path)
    rng = random.Random(4)
    same_as_in_memory([" ".join(rng.choices("a b c d e f g h".split(), k=60)) for _ in range(40)], tmp_path)


def test_parts_may_be_done_in_any_order_and_in_other_processes(tmp_path: Path, small_blocks: None) -> None:
    texts = stream(random.Random(5), 150, 30)

    def backwards(work: object, parts: Iterable[int]) -> Iterator[int]:
        return map(work, reversed(list(parts)))  # type: ignore[call-overload]

    same_as_in_memory(texts, tmp_path, run=backwards)
    with in_processes(2) as run:
        same_as_in_memory(texts, tmp_path, run=run)


@pytest.mark.slow
def test_parts_may_be_done_on_ray(tmp_path: Path, small_blocks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: the join in its tasks is not tested")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    ray.init("local", num_cpus=2, object_store_memory=80 * 2**20, **quiet)
    try:
        same_as_in_memory(stream(random.Random(6), 60, 30), tmp_path, run=on_ray)
    finally:
        ray.shutdown()


def test_a_threshold_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        list(novel_in_corpus(["a"], tmp_path, threshold=3))
