"""Work in actors of a real Ray: the same bytes as in one process, though workers and drivers are killed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from runs import KEY, FaultServer, finish, kill_when, made, start, write_recipe

from synth.engine.audit import ledger_problems
from synth.engine.ledger import LedgerReader
from synth.pipeline import run
from synth.recipe import Recipe, read_recipe

ray = pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: work in its actors is not tested")
pytestmark = pytest.mark.slow
SLOTS = 8
ON_RAY = "engine: {on: ray, workers: 2}"


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer("--latency", "0.02", "--spread", "0.5") as one:
        yield one


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray whose workers are killed when they get their 15th answer."""
    env = KEY | {"SYNTH_CRASH_AT": "answered:15", "RAY_USAGE_STATS_ENABLED": "0"}
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    logging.getLogger("ray").setLevel(logging.ERROR)
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    with mock.patch.dict(os.environ, env):
        ray.init("local", num_cpus=2, object_store_memory=80 * 2**20, **quiet)
    yield
    ray.shutdown()


def recipe_of(folder: Path, url: str, more: str = "") -> Recipe:
    """A small chain of all data stages."""
    return read_recipe(write_recipe(folder, url, concurrency=SLOTS, more=more))


def test_killed_workers_cost_what_was_in_flight_and_change_nothing(
    cluster: None, server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(*next(iter(KEY.items())))
    server.set_faults()
    run(recipe_of(tmp_path, server.url), tmp_path / "here")
    asked = server.stats()["requests"]
    server.set_faults()
    run(recipe_of(tmp_path, server.url, ON_RAY), tmp_path / "away")
    assert made(tmp_path / "away") == made(tmp_path / "here")
    assert ledger_problems(tmp_path / "away") == []
    again = server.stats()["requests"] - asked
    reader = LedgerReader(tmp_path / "away")
    counted, _ = reader.maybe_paid_twice()
    reader.close()
    kills = asked // 14 + 2  # each worker has 14 answers at least
    assert 1 <= server.stats()["again"] <= again <= counted <= kills * SLOTS


def test_a_killed_driver_goes_on_with_what_its_workers_stored(server: FaultServer, tmp_path: Path) -> None:
    server.set_faults()
    run(recipe_of(tmp_path, server.url), tmp_path / "here")
    recipe = write_recipe(tmp_path, server.url, concurrency=SLOTS, more=ON_RAY)
    for _ in range(2):
        before = server.stats()
        child = start(recipe, tmp_path / "away")
        kill_when(child, server, before["requests"] + 40)
        finish(child)
    assert finish(start(recipe, tmp_path / "away"))[0] == 0
    assert made(tmp_path / "away") == made(tmp_path / "here")
    assert ledger_problems(tmp_path / "away") == []
