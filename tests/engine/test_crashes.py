"""A run can be killed at any moment: it goes on by the same command, pays nothing twice that it had, and ends the same."""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command, fresh
from runs import (
    KEY,
    FaultServer,
    finish,
    kill_when,
    made,
    on_a_small_disk,
    run,
    start,
    start_without_a_terminal,
    write_recipe,
)

from synth.engine.audit import ledger_problems
from synth.engine.ledger import FILE_NAME, LedgerReader

SLOTS = 16
POINTS = ("sent:20", "answered:30", "commit:4", "committed:9", "settled:9", "stage:2", "finish:2", "migrate:1")


@pytest.fixture(scope="module")
def one_server() -> Iterator[FaultServer]:
    with FaultServer("--latency", "0.03", "--spread", "0.5") as one:
        yield one


@pytest.fixture
def server(one_server: FaultServer) -> FaultServer:
    one_server.set_faults()
    return one_server


@pytest.fixture(scope="module")
def finished(one_server: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed, and its recipe beside it; to be copied."""
    folder = tmp_path_factory.mktemp("undisturbed")
    code, words = run(write_recipe(folder, one_server.url, concurrency=SLOTS), folder / "run")
    assert code == 0, words
    return folder


@pytest.fixture(scope="module")
def undisturbed(finished: Path) -> dict[str, str]:
    return made(finished / "run")


def maybe_paid_twice(run_dir: Path) -> int:
    """How many requests may have been paid twice, as the ledger says."""
    if not (run_dir / FILE_NAME).exists():
        return 0
    reader = LedgerReader(run_dir)
    count, _ = reader.maybe_paid_twice()
    reader.close()
    return count


def test_one_history_of_crashes_at_every_point_ends_with_the_same_bytes(
    server: FaultServer, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    recipe, folder = write_recipe(tmp_path, server.url, concurrency=SLOTS), tmp_path / "run"
    for point in POINTS[-1:] + POINTS[:-1]:
        before = server.stats()["again"]
        code, words = run(recipe, folder, env={"SYNTH_CRASH_AT": point})
        assert code == -signal.SIGKILL, (point, words)
        assert server.stats()["again"] - before <= SLOTS
    assert server.stats()["again"] <= maybe_paid_twice(folder) <= SLOTS * len(POINTS)
    code, words = run(recipe, folder)
    assert code == 0, words
    assert made(folder) == undisturbed
    assert ledger_problems(folder) == []


def test_a_finished_run_asks_nothing(
    server: FaultServer, finished: Path, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    recipe, folder = write_recipe(tmp_path, server.url, concurrency=SLOTS), tmp_path / "run"
    shutil.copytree(finished / "run", folder)
    assert run(recipe, folder)[0] == 0
    assert server.stats().get("requests", 0) == 0
    assert made(folder) == undisturbed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_stop_pays_nothing_twice(
    number: signal.Signals, server: FaultServer, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    recipe, folder = write_recipe(tmp_path, server.url, concurrency=SLOTS), tmp_path / "run"
    child = start(recipe, folder)
    assert kill_when(child, server, 30, number)
    code, words = finish(child)
    assert code == 128 + number, words
    assert maybe_paid_twice(folder) == 0
    code, words = run(recipe, folder)
    assert code == 0 and "paid twice" not in words
    assert server.stats()["again"] == 0
    assert made(folder) == undisturbed


def test_a_run_whose_terminal_is_gone_goes_on_and_stops_politely_all_the_same(
    server: FaultServer, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    recipe, folder = write_recipe(tmp_path, server.url, concurrency=SLOTS), tmp_path / "run"
    child = start_without_a_terminal(recipe, folder)
    assert kill_when(child, server, 30, signal.SIGTERM)
    assert child.wait() == 128 + signal.SIGTERM
    assert maybe_paid_twice(folder) == 0
    assert run(recipe, folder)[0] == 0
    assert made(folder) == undisturbed


def random_kills(server: FaultServer, folder: Path, kills: int, rng: random.Random) -> None:
    """Kill a run so often, whenever; each time no more is paid again than was in flight."""
    recipe = write_recipe(folder.parent, server.url, concurrency=SLOTS)
    done = 0
    for attempt in itertools.count():
        assert attempt < 4 * kills, "the run ends before it can be killed"
        before = server.stats()
        child = start(recipe, folder)
        if attempt % 3:  # somewhere in the requests
            killed = kill_when(child, server, before.get("requests", 0) + rng.randrange(1, 12))
        else:  # at any time: starting, between stages, writing files
            time.sleep(rng.uniform(0.3, 1.6))
            killed = child.poll() is None
            child.kill()
        finish(child)
        assert server.stats()["again"] - before["again"] <= SLOTS
        done += killed
        if done == kills or not killed:
            return


def test_random_kills_end_with_the_same_bytes(server: FaultServer, undisturbed: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    random_kills(server, folder, 3, random.Random(4))
    assert run(write_recipe(tmp_path, server.url, concurrency=SLOTS), folder)[0] == 0
    assert made(folder) == undisturbed
    assert ledger_problems(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_many_random_kills_end_with_the_same_bytes(
    seed: int, server: FaultServer, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    random_kills(server, folder, 20, random.Random(seed))
    assert run(write_recipe(tmp_path, server.url, concurrency=SLOTS), folder)[0] == 0
    assert made(folder) == undisturbed
    assert ledger_problems(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("point", ["sent", "answered", "commit", "committed", "settled"])
@pytest.mark.parametrize("count", [1, 3, 7, 15, 25, 40, 60])
def test_a_kill_at_any_point_of_any_stage_ends_with_the_same_bytes(
    point: str, count: int, server: FaultServer, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    recipe, folder = write_recipe(tmp_path, server.url, concurrency=SLOTS), tmp_path / "run"
    run(recipe, folder, env={"SYNTH_CRASH_AT": f"{point}:{count}"})
    assert run(recipe, folder)[0] == 0
    assert server.stats()["again"] <= SLOTS
    assert made(folder) == undisturbed


def test_one_slot_changes_nothing(server: FaultServer, undisturbed: dict[str, str], tmp_path: Path) -> None:
    code, words = run(write_recipe(tmp_path, server.url, concurrency=1), tmp_path / "run")
    assert code == 0, words
    assert made(tmp_path / "run") == undisturbed


def test_many_slots_and_another_hash_seed_change_nothing(
    server: FaultServer, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, server.url, concurrency=64)
    done = fresh("run", recipe, "--run", tmp_path / "run", env=KEY | {"PYTHONHASHSEED": "2"})
    assert done.returncode == 0, done.stderr
    assert made(tmp_path / "run") == undisturbed


def test_a_full_disk_ends_with_exit_5_and_loses_no_acknowledged_answer(
    server: FaultServer, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    recipe, folder = write_recipe(tmp_path, server.url, concurrency=SLOTS), tmp_path / "run"
    code, words = finish(Command("run", recipe, "--run", folder, env=KEY, main=on_a_small_disk))
    assert code == 5 and "disk" in words, words
    assert ledger_problems(folder) == []
    reader = LedgerReader(folder)
    [(stored,)] = reader.query("SELECT count(*) FROM requests WHERE state='answered'")
    reader.close()
    lost = server.stats()["requests"] - stored  # in flight, or answered and on the way to the disk
    assert stored and run(recipe, folder)[0] == 0
    assert server.stats()["again"] <= lost
    assert made(folder) == undisturbed


def test_poisoned_items_end_with_exit_3_and_are_filled_in_by_the_next_run(server: FaultServer, tmp_path: Path) -> None:
    recipe, folder = write_recipe(tmp_path, server.url, concurrency=SLOTS), tmp_path / "run"
    server.set_faults("poison=0.1")
    code, words = run(recipe, folder)
    assert code == 3 and "quarantined" in words
    server.set_faults()
    assert run(recipe, folder)[0] == 0
    assert run(recipe, folder)[0] == 0


def test_a_cap_on_money_ends_with_exit_4_and_the_rest_follows_when_it_is_raised(
    server: FaultServer, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    prices = "engine: {max_cost: 1.2, prices: {m: {prompt: 100, completion: 100}}}"
    recipe, folder = write_recipe(tmp_path, server.url, concurrency=SLOTS, more=prices), tmp_path / "run"
    code, words = run(recipe, folder)
    assert code == 4 and "budget reached" in words
    asked = server.stats()["requests"]
    assert 0 < asked < 60
    code, words = run(recipe, folder, "--set", "engine.max_cost=50")
    assert code == 0, words
    assert server.stats()["again"] == 0
    assert made(folder) == undisturbed


def test_the_key_is_written_nowhere(server: FaultServer, tmp_path: Path) -> None:
    [key] = KEY.values()
    recipe, folder = write_recipe(tmp_path, server.url), tmp_path / "run"
    server.set_faults("unauthorized=1")
    code, words = run(recipe, folder)
    assert code == 6 and key not in words
    assert key not in run(recipe, folder, "--debug")[1]
    server.set_faults()
    assert run(recipe, folder)[0] == 0
    for path in folder.rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes(), path


def test_a_second_process_is_refused_at_once(server: FaultServer, tmp_path: Path) -> None:
    recipe, folder = write_recipe(tmp_path, server.url, concurrency=1), tmp_path / "run"
    first = start(recipe, folder)
    while not (folder / FILE_NAME).exists():
        time.sleep(0.01)
    code, words = run(recipe, folder)
    assert code == 5 and f"process {first.pid} on" in words
    first.kill()
    finish(first)
