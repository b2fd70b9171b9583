"""The review beside a run that goes on, is killed, goes on again, and starts over in the same folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import Command, synth
from reviewing import Review, reviewed, until

from synth.engine.ledger import LedgerReader


def start(folder: Path, latency_ms: int, *more: str) -> Command:
    small = ("--set", "bootstrap.num_tasks=40", "--set", "bootstrap.window=4", "--set", "evolve.rounds=1")
    slow = ("--set", f"teacher.latency_ms={latency_ms}", "--concurrency", "4")
    return Command("run", "examples/quickstart.yaml", "--run", folder, "--until", "select", *small, *slow, *more)


def rows_in(folder: Path) -> int:
    ledger = LedgerReader(folder)
    try:
        return sum(1 for name in ledger.stages() for _ in ledger.results(name))
    finally:
        ledger.close()


def shown(server: Review) -> int:
    return int(re.search(r'data-rows="(\d+)"', server.ask("/")[1])[1])  # type: ignore[index]


def test_rows_are_followed_over_a_kill_a_restart_and_a_fresh_start(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = start(folder, 100)
    try:
        until((folder / "ledger.sqlite").is_file)
        with reviewed(folder) as server:
            found = server.wait(lambda found: found["rows"] > 0 and found["running"])
            assert found["answered"] > 0 and found["stages"][0]["stage"] == "bootstrap"
            run.kill()
            server.wait(lambda found: not found["running"])
            for more in ((), ("--fresh",)):
                run = start(folder, 0, *more)
                assert run.wait() == 0
                server.wait(lambda found: not found["running"] and not found["behind"])
                until(lambda: shown(server) == rows_in(folder))
            assert server.ask("/?stage=select")[0] == 200
    finally:
        run.kill()


@pytest.mark.parametrize("name", ["nothing", "a file"])
def test_a_folder_without_a_run_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("x")
    done = synth("review", tmp_path / name)
    assert done.returncode == 2 and "run" in done.stderr
