"""Reparsing works from stored answers alone."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import synth
from runs import FaultServer, made, run, write_recipe

from synth.engine.ledger import FILE_NAME, LedgerReader
from synth.engine.stored import stored_models
from synth.errors import SynthError, UsageError
from synth.pipeline import read_run_recipe
from synth.pipeline import run as run_pipeline
from synth.pipeline.verify import run_problems


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer("--latency", "0.01") as one:
        yield one


@pytest.fixture(scope="module")
def finished(server: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    assert run(write_recipe(folder, server.url, num_tasks=9), folder / "run")[0] == 0
    return folder / "run"


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_reparsing_gives_the_same_without_a_server_and_refuses_to_ask(
    server: FaultServer, folder: Path, tmp_path: Path
) -> None:
    before, asked = made(folder), server.stats()["requests"]
    ledger = LedgerReader(folder)
    assert stored_models(ledger)["teacher"].structured_outputs is None  # a stored answer tells
    ledger.close()
    result = run_pipeline(read_run_recipe(folder), folder, until="export", offline=True)
    assert result.progress.requests == 0 and result.quarantined == 0
    assert made(folder) == before

    lost = tmp_path / "lost"
    shutil.copytree(folder, lost)
    db = sqlite3.connect(lost / FILE_NAME)
    db.execute("DELETE FROM requests WHERE key=(SELECT key FROM requests WHERE stage='respond' LIMIT 1)")
    db.commit()
    result = run_pipeline(read_run_recipe(lost), lost, until="select", offline=True, fewer=True)
    assert result.quarantined == 1 and result.progress.requests == 0
    reader = LedgerReader(lost)
    assert [r.reason for r in reader.rejections("respond")] == ["no_stored_answer"]
    assert reader.query("SELECT count(*) FROM requests WHERE state<>'answered'") == [(0,)]
    reader.close()

    db.execute("DELETE FROM requests WHERE key=(SELECT key FROM requests WHERE stage='bootstrap' LIMIT 1)")
    db.commit()
    db.close()
    with pytest.raises(SynthError, match="no stored answer; from there on the pool differs"):
        run_pipeline(read_run_recipe(lost), lost, until="select", offline=True)
    assert server.stats()["requests"] == asked


def test_fewer_records_never_take_the_place_of_more_without_being_told(folder: Path) -> None:
    before = made(folder)
    db = sqlite3.connect(folder / FILE_NAME)
    db.execute("DELETE FROM requests WHERE key=(SELECT key FROM requests WHERE stage='respond' LIMIT 1)")
    db.commit()
    db.close()
    with pytest.raises(UsageError, match=r"records would be left of the \d+ there are; nothing was changed"):
        run_pipeline(read_run_recipe(folder), folder, until="export", offline=True)
    assert made(folder) == before


def test_a_killed_reparse_leaves_the_run_as_it_was(server: FaultServer, folder: Path, tmp_path: Path) -> None:
    before = made(folder)
    killed = synth("reparse", folder, env={"SYNTH_CRASH_AT": "settled:9"})
    assert killed.returncode == -signal.SIGKILL
    asked = server.stats()["requests"]
    assert run(write_recipe(tmp_path, server.url, num_tasks=9), folder)[0] == 0 and server.stats()["requests"] == asked
    assert made(folder) == before and run_problems(folder) == []


def test_an_extended_run_is_made_again_byte_for_byte_from_its_answers(
    server: FaultServer, folder: Path, tmp_path: Path
) -> None:
    """At each extension, after a kill in one, and by a second run: the same bytes, no calls."""
    recipe = write_recipe(tmp_path, server.url, num_tasks=9)
    for wanted, crash in ((20, ""), (31, "answered:9"), (31, ""), (40, "")):
        flags = ("--set", f"bootstrap.num_tasks={wanted}")
        code, words = run(recipe, folder, *flags, env={"SYNTH_CRASH_AT": crash} if crash else None)
        assert code == (-signal.SIGKILL if crash else 0), words
        if crash:
            continue
        before, asked = made(folder), server.stats()["requests"]
        result = run_pipeline(read_run_recipe(folder), folder, until="export", offline=True)
        assert result.progress.requests == 0 and made(folder) == before
        assert run(recipe, folder, *flags)[0] == 0
        assert server.stats()["requests"] == asked and made(folder) == before
