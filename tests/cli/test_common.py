"""How every command fails: where its words go when nobody takes them, and how it ends."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from synth.cli.common import guard
from synth.errors import RequestFailed, TrainingError


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
@pytest.mark.parametrize("words", [["schema"], ["seeds", "stats", "seed_tasks/seed_tasks.jsonl", "--json"]])
def test_a_full_disk_behind_stdout_is_exit_5_and_no_traceback(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "synth", *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 5
    assert "disk space" in done.stderr and "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = f"{sys.executable} -m synth schema | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("{", "")


def wrapped(error: Exception, own: Exception | None) -> Exception:
    """`own` raised from `error`, as libraries and stages do; None for `error` itself."""
    try:
        try:
            raise error
        except Exception as inner:
            if own is None:
                raise
            raise own from inner
    except Exception as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "own", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), None, 5),
        (OSError(errno.ENOSPC, "No space left on device"), TrainingError("the student could not be trained"), 5),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), RuntimeError("the file is broken"), 5),
        (RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"), None, 5),
        (OSError(errno.EACCES, "Permission denied"), TrainingError("the student could not be trained"), 1),
        (RequestFailed("a server said: no space left", "server_error"), None, 1),
    ],
)
def test_a_full_disk_is_exit_5_however_it_is_wrapped(error: Exception, own: Exception | None, code: int) -> None:
    with pytest.raises(typer.Exit) as raised, guard():
        raise wrapped(error, own)
    assert raised.value.exit_code == code
