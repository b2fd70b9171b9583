"""What a run shows while it goes: measured rates only, changed stages only, and what Ctrl-C waits for."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from served import ServedTeacher

from synth.cli.progress import cells, changed_lines, describe, table
from synth.engine.progress import RunProgress
from synth.records import Record

ROOT = Path(__file__).parents[2]


def test_neither_a_rate_nor_a_time_is_shown_before_it_was_measured() -> None:
    progress = RunProgress(order=("bootstrap", "respond"))
    stage = progress.stage("bootstrap", 10)
    stage.committed([Record("a task that was stored before")] * 4)
    assert cells(stage, 10) == ["bootstrap", "4/10", "4", "0", "0", "", "", ""]
    stage.flies(2)
    stage.answered(100, 50, 0.5)
    stage.answered(100, 50, 0.5)
    assert cells(stage, 10)[-1] == ""  # nothing was done since the first request
    stage.committed([Record("a new task")] * 2)
    name, done, *_, speed, cost, left = cells(stage, 10)
    assert (name, done) == ("bootstrap", "6/10") and speed and left
    assert cost == "1.00/3.00"  # two records cost 1, four are left


def test_a_cost_at_an_unknown_price_is_said_to_be_unknown() -> None:
    progress = RunProgress(order=("bootstrap",))
    stage = progress.stage("bootstrap", 10)
    stage.answered(100, 50, 0.0, is_priced=False)
    assert cells(stage, 10)[-2] == "unknown" and "cost unknown" in describe(stage, 10)


def test_a_stage_expects_what_the_stage_before_it_kept() -> None:
    progress = RunProgress(order=("bootstrap", "respond", "select"))
    respond, bootstrap = progress.stage("respond"), progress.stage("bootstrap", 5)
    assert (progress.total(respond), progress.total(bootstrap)) == (5, 5)
    bootstrap.committed([Record("one")] * 3)
    bootstrap.finish()
    assert progress.total(respond) == 3
    assert [stage.name for stage in progress.ordered()] == ["bootstrap", "respond"]


def test_the_live_table_fits_80_columns_however_large_a_run_is() -> None:
    progress = RunProgress(order=("bootstrap", "respond"))
    stage = progress.stage("bootstrap", 99_999)
    stage.items = stage.kept = 12_345
    stage.rejected["check: reason"] = 1_234_567
    stage.flies(256)
    stage.answered(10, 10, 6.0)
    stage.answered(10, 10, 6.0)
    stage.items = stage.kept = 45_678
    console = Console(width=200, file=io.StringIO())
    console.print(table(progress))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert "45678/99999" in lines[1] and "1.2M" in lines[1] and max(len(line.rstrip()) for line in lines) <= 80


def test_a_stage_that_only_asks_for_others_is_shown_while_it_does() -> None:
    progress = RunProgress(order=("bootstrap",))
    progress.stage("bootstrap")
    progress.stage("probe").flies(1)
    assert [stage.name for stage in progress.ordered()] == ["probe", "bootstrap"]
    progress.stage("probe").flies(-1)
    assert [stage.name for stage in progress.ordered()] == ["bootstrap"]


def test_only_stages_that_changed_are_told_again() -> None:
    progress, said = RunProgress(order=("bootstrap",)), dict[str, str]()
    stage = progress.stage("bootstrap", 2)
    assert changed_lines(progress, said) == []
    stage.committed([Record("one")])
    assert (
        changed_lines(progress, said)
        == [describe(stage, 2)]
        == ["bootstrap: 1/2 done, 1 kept, 0 rejected, 0 in flight"]
    )


def started(run: Path, url: str) -> subprocess.Popen[str]:
    words = ["bootstrap", "--num-tasks", "50", "--teacher", "openai:embedded", "--base-url", url, "--run", str(run)]
    command = [sys.executable, "-m", "synth", *words, "--concurrency", "4"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)


def test_ctrl_c_says_what_it_waits_for_and_a_second_one_ends_at_once(tmp_path: Path) -> None:
    with ServedTeacher("--latency-ms", "600000") as teacher:
        child = started(tmp_path / "run", teacher.url)
        try:
            end = time.monotonic() + 120
            while teacher.stats().get("in_flight", 0) == 0 and time.monotonic() < end:
                time.sleep(0.1)
            child.send_signal(signal.SIGINT)
            assert child.stderr is not None
            line = next(line for line in child.stderr if line.startswith("stopping"))
            assert "answers in flight are waited for, 60 s at most" in line
            child.send_signal(signal.SIGINT)
            assert child.wait(timeout=50) in (-signal.SIGINT, 130)
            assert "ended at once" in child.stderr.read()
        finally:
            child.kill()
            child.wait()
