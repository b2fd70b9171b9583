"""How every command fails: where its words go when nobody takes them, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


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
