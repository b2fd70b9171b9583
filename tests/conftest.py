"""Folders of tests lie in memory where there is room: the ledger forces every commit to the disk, and thousands of
commits would wait for it, 5 to 10 ms each."""

from __future__ import annotations

import gc
import os
import shutil
from functools import cache
from multiprocessing import util
from pathlib import Path

import pytest
import typer.testing
from hypothesis import settings

MEMORY, NEEDED = Path("/dev/shm"), 4 * 2**30

if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > NEEDED:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

if "PYTEST_XDIST_WORKER" in os.environ:  # the cores are shared; torch reads this when it is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")
gc.set_threshold(50_000)  # as `synth` does: a third of the time to import all tests is the search for garbage
typer.testing._get_command = cache(typer.testing._get_command)  # type: ignore[attr-defined]  # made once, not for each call
util.get_temp_dir()  # where the socket of commands.py lies: not in the folder of the test that happens to start it
settings.register_profile("the same everywhere", derandomize=True, deadline=None)
settings.load_profile("the same everywhere")


def pytest_collection_finish() -> None:
    """Leave all that was imported out of the search for garbage, which is half the time of training a small student."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed requests of this process are tried again after milliseconds instead of seconds."""
    monkeypatch.setattr("synth.engine.retry.BASE_S", 0.001)
