"""A whole run on a real vLLM: killed itself, its engine killed, and still all tasks at the end, nothing left running."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from synth.models.vllm import traces

pytestmark = pytest.mark.vllm
NUM_TASKS = 20


class Run:
    """`synth run` as a child process, its words in a file."""

    def __init__(self, folder: Path, teacher: dict[str, Any]) -> None:
        self.folder, self.said_path = folder / "run", folder / "said.txt"
        bootstrap = {"num_tasks": NUM_TASKS, "tasks_per_request": 1, "window": 8, "max_requests": 500}
        recipe = {
            "name": "vllm",
            "teacher": {"backend": "vllm", "concurrency": 2} | teacher,
            "bootstrap": bootstrap | {"structured": "json", "sampling": {"temperature": 0.7, "max_tokens": 200}},
            "respond": None,
        }
        self.path = folder / "recipe.yaml"
        self.path.write_text(yaml.safe_dump(recipe))

    def start(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "synth",
            "run",
            str(self.path),
            "--run",
            str(self.folder),
            "--until",
            "bootstrap",
        ]
        with self.said_path.open("ab") as said:
            return subprocess.Popen(command, stdout=said, stderr=said)

    @property
    def said(self) -> str:
        return self.said_path.read_text("utf-8", "replace")

    def count(self, question: str = "SELECT count(*) FROM requests WHERE state = 'answered'") -> int:
        try:
            with sqlite3.connect(f"file:{self.folder / 'ledger.sqlite'}?mode=ro", uri=True) as ledger:
                return int(ledger.execute(question).fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    def trace(self) -> traces.Trace:
        """The one server whose owner is not this process."""
        found = [traces.Trace(**json.loads(path.read_text())) for path in traces.folder().glob("*.json")]
        [ours] = [trace for trace in found if trace.owner != os.getpid()]
        return ours


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes], run: Run, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert process.poll() is None, run.said[-3000:]
        assert time.monotonic() < deadline, run.said[-3000:]
        time.sleep(0.05)


def test_a_run_outlives_kill_9_of_itself_and_of_its_engine(managed: dict[str, Any], tmp_path: Path) -> None:
    run = Run(tmp_path, managed)
    first = run.start()
    wait_until(lambda: run.count() >= 4, first, run)
    first.kill()
    first.wait()
    orphan = run.trace()
    assert traces.is_running(orphan)

    second = run.start()
    kept = run.count()
    wait_until(lambda: run.count() >= kept + 4, second, run)
    assert run.trace().pid == orphan.pid and "using the server of a run that was killed" in run.said
    engines = [pid for pid in traces.group(orphan.pid) if pid != orphan.pid]
    for pid in engines:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "restart 1 of 3" in run.said, second, run)
    assert not traces.group(orphan.pid)
    assert second.wait(300) == 0, run.said[-3000:]

    assert "The end of its log:" in run.said and "is ready after" in run.said
    kept_tasks = "SELECT count(*) FROM outcomes, json_each(results) WHERE json_extract(value, '$.kept') IS NOT NULL"
    assert run.count(kept_tasks) == NUM_TASKS
    assert run.count("SELECT count(*) FROM requests WHERE state = 'failed'") == 0
    assert not [path for path in traces.folder().glob("*.json") if json.loads(path.read_text())["owner"] == second.pid]


def test_ctrl_c_during_the_start_ends_run_and_server_at_once(managed: dict[str, Any], tmp_path: Path) -> None:
    run = Run(tmp_path, managed)
    process = run.start()
    wait_until(lambda: "loading" in run.said.lower() or "starting" in run.said, process, run)
    time.sleep(3)
    trace = run.trace()
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 130, run.said[-2000:]
    assert time.monotonic() - asked < 10
    assert not traces.is_running(trace)
