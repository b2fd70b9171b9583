"""Export and report are killed before any of the steps by which they make files: the same command makes the same files."""

from __future__ import annotations

import hashlib
import random
import signal
from functools import partial
from pathlib import Path

import pytest
from commands import Command
from killed import counted
from made_run import make_run

COMMANDS = {
    "export": ("--format", "alpaca", "--format", "csv", "--format", "messages"),
    "report": (),
}


def synth(command: str, folder: Path, kill_before: int = 0) -> tuple[int, int]:
    """The exit code of a command over a run folder, and how many steps it took to make its files."""
    child = Command(command, folder, *COMMANDS[command], main=partial(counted, kill_before))
    assert child.wait() in (0, -signal.SIGKILL), child.stderr
    return child.wait(), int(child.stderr.rpartition("steps ")[2] or 0)


def files(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(("ledger", "lock"))]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def check(command: str, folder: Path, draw: int | None) -> None:
    make_run(folder / "whole" / "run", roots=6, rounds=1, files=False)
    code, steps = synth(command, folder / "whole" / "run")
    assert code == 0 and steps >= 2
    places = range(1, steps + 1) if draw is None else random.Random(draw).sample(range(1, steps + 1), 2)
    for place in places:
        run = folder / str(place) / "run"
        make_run(run, roots=6, rounds=1, files=False)
        assert synth(command, run, place)[0] == -signal.SIGKILL
        assert synth(command, run)[0] == 0
        assert files(run).keys() == files(folder / "whole" / "run").keys(), place
        same = [name for name in files(run) if name.startswith("export") and "manifest" not in name]
        assert all(files(run)[name] == files(folder / "whole" / "run")[name] for name in same), place


@pytest.mark.parametrize("command", COMMANDS)
def test_two_kills_leave_nothing_that_the_same_command_does_not_finish(command: str, tmp_path: Path) -> None:
    check(command, tmp_path, draw=1)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_kill_before_any_step_leaves_nothing_that_the_same_command_does_not_finish(
    command: str, tmp_path: Path
) -> None:
    check(command, tmp_path, draw=None)
