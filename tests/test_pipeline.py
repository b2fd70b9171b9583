"""The whole way over one run folder, as a user starts it: child processes, real files, the embedded teacher."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from commands import ROOT, Command, fresh, synth

from synth.engine.lock import run_lock

SMALL = ["--set", "bootstrap.num_tasks=24", "--set", "bootstrap.window=8", "--set", "evolve.rounds=1"]


def quickstart(run: Path, *args: str, until: str = "export") -> list[str]:
    return ["run", str(ROOT / "examples" / "quickstart.yaml"), "--run", str(run), "--until", until, *SMALL, *args]


def answered(run: Path) -> int:
    """How many answers the ledger holds; none while it is being made."""
    with contextlib.closing(sqlite3.connect(run / "ledger.sqlite")) as db, contextlib.suppress(sqlite3.Error):
        return int(db.execute("SELECT count(*) FROM requests WHERE state='answered'").fetchone()[0])
    return 0


def sha(run: Path) -> str:
    return hashlib.sha256((run / "export" / "alpaca.json").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    done = synth(*quickstart(run))
    assert done.returncode == 0, done.stderr
    return run


def test_the_export_has_the_same_bytes_at_any_concurrency_and_hash_seed(undisturbed: Path, tmp_path: Path) -> None:
    alone = synth(*quickstart(tmp_path / "alone", "--concurrency", "1"))
    done = fresh(*quickstart(tmp_path / "run", "--concurrency", "32"), env={"PYTHONHASHSEED": "2"})
    assert alone.returncode == done.returncode == 0, done.stderr
    assert sha(tmp_path / "alone") == sha(tmp_path / "run") == sha(undisturbed)


def test_a_run_killed_three_times_ends_with_the_same_bytes(undisturbed: Path, tmp_path: Path) -> None:
    rng = random.Random(11)
    command = quickstart(tmp_path / "run", "--set", "teacher.latency_ms=20")
    for _ in range(3):
        child = Command(*command)
        time.sleep(rng.uniform(0.1, 1.0))
        child.kill()
    done = synth(*command)
    assert done.returncode == 0, done.stderr
    assert sha(tmp_path / "run") == sha(undisturbed)


def test_a_finished_run_costs_no_calls(undisturbed: Path) -> None:
    done = synth(*quickstart(undisturbed, "--json"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["requests"] == 0


def test_bootstrap_ends_with_exactly_the_number_asked_for_and_every_candidate_is_counted(undisturbed: Path) -> None:
    facts = json.loads(synth("status", str(undisturbed), "--json").stdout)
    stages = facts["stages"]
    assert set(stages) == {"bootstrap", "evolve", "respond", "select"}
    assert stages["respond"]["kept"] + sum(stages["respond"]["rejected"].values()) == stages["evolve"]["kept"]
    assert stages["select"]["kept"] + sum(stages["select"]["rejected"].values()) == stages["respond"]["kept"]


def test_another_recipe_is_refused_with_the_differences_and_a_way_on(undisturbed: Path) -> None:
    other = [arg.replace("num_tasks=24", "num_tasks=25") for arg in quickstart(undisturbed)]
    without_set = ["run", str(ROOT / "examples" / "bootstrap.yaml"), "--run", str(undisturbed)]
    done = synth(*without_set)
    assert done.returncode == 2 and "bootstrap.num_tasks" in done.stderr and "--accept-changes" in done.stderr
    assert synth(*other, "--json").returncode == 0  # a change given by --set is meant
    assert synth(*quickstart(undisturbed)).returncode == 0


def test_verify_finds_a_changed_export(undisturbed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(undisturbed, copy)
    assert synth("verify", str(copy)).returncode == 0
    data = bytearray((copy / "export" / "alpaca.json").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "export" / "alpaca.json").write_bytes(data)
    done = synth("verify", str(copy))
    assert done.returncode == 5 and "alpaca.json" in done.stderr


def test_ctrl_c_keeps_the_answers_and_exits_130(tmp_path: Path) -> None:
    run = tmp_path / "run"
    child = Command(*quickstart(run, "--set", "teacher.latency_ms=200"))
    child.until(lambda _: (run / "ledger.sqlite").exists() and answered(run))
    child.send_signal(signal.SIGINT)
    assert child.wait() == 130, child.stderr
    errors = child.stderr
    assert "same command" in errors and "Traceback" not in errors
    assert json.loads(synth("status", str(run), "--json").stdout)["possibly_paid_twice"] == 0


def test_a_run_folder_that_cannot_be_written_is_exit_5(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = synth(*quickstart(tmp_path / "file" / "run"))
    assert done.returncode == 5 and "Traceback" not in done.stderr


def test_a_second_process_on_the_same_run_is_refused_at_once_naming_the_first(tmp_path: Path) -> None:
    with run_lock(tmp_path / "run"):
        done = synth(*quickstart(tmp_path / "run"))
    assert done.returncode == 5 and f"process {os.getpid()}" in done.stderr


def test_instances_held_out_for_evaluation_are_in_no_export(undisturbed: Path, tmp_path: Path) -> None:
    held_out = [json.loads(line) for line in (undisturbed / "held_out.jsonl").read_text("utf-8").splitlines()]
    done = synth("export", str(undisturbed), "--format", "alpaca_jsonl", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    by_hand = [json.loads(line) for line in (tmp_path / "out" / "alpaca.jsonl").read_text("utf-8").splitlines()]
    assert by_hand == json.loads((undisturbed / "export" / "alpaca.json").read_text("utf-8"))
    assert held_out
    assert not {(r["instruction"], r["input"]) for r in held_out} & {(r["instruction"], r["input"]) for r in by_hand}
