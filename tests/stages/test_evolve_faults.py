"""Bad evolutions of each class planted in the embedded teacher's replies are eliminated; sound ones are kept."""

from __future__ import annotations

import asyncio
import runpy
from pathlib import Path
from typing import Any

import pytest

from synth.engine.ledger import LedgerReader
from synth.records import Record

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PLANTS = 60
PLANTING = runpy.run_path(str(BENCHMARKS / "evolve_faults.py"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    folder = tmp_path_factory.mktemp("evolved")
    runpy.run_path(str(BENCHMARKS / "evolve.py"))["make"](folder, 160, 1, seed=3)
    reader = LedgerReader(folder)
    try:
        return [record for record in reader.records("evolve") if not record.lineage.generation]
    finally:
        reader.close()


@pytest.fixture(scope="module")
def sound(parents: list[Record]) -> tuple[dict[str, Record], Any]:
    found: tuple[dict[str, Record], Any] = asyncio.run(PLANTING["sound_children"](parents, len(parents)))
    return found


def test_of_sound_evolutions_at_most_one_in_a_hundred_is_lost(sound: tuple[dict[str, Record], Any]) -> None:
    kept, lost = sound
    assert len(kept) >= 100 and lost.total() <= 0.01 * len(kept), lost


@pytest.mark.parametrize("name", list(PLANTING["CLASSES"]))
def test_of_each_planted_class_95_in_a_hundred_are_caught(
    name: str, parents: list[Record], sound: tuple[dict[str, Record], Any]
) -> None:
    found = asyncio.run(PLANTING["score"](name, parents, sound[0], PLANTS))
    assert found.planted == PLANTS and found.share >= 0.95, (found.planted, found.reasons, found.by_operator)
