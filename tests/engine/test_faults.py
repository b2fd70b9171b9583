"""What servers do wrong, one fault at a time and many together, over a real connection."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import FaultServer
from workshop import answer_all, client, engine_over, tasks

from synth.engine.ledger import LedgerReader
from synth.errors import CredentialsError, SynthError
from synth.records import Record, Rejection


@pytest.fixture(scope="module")
def one_server() -> Iterator[FaultServer]:
    with FaultServer("--hang", "5", "--drip", "1") as one:
        yield one


@pytest.fixture
def server(one_server: FaultServer) -> FaultServer:
    one_server.set_faults()
    return one_server


def answered(server: FaultServer, folder: Path, count: int = 30, **about: float) -> list[Record | Rejection]:
    async def main() -> list[Record | Rejection]:
        async with engine_over(folder, client(server.url, **about)) as engine:
            return await answer_all(engine, tasks(count))

    return asyncio.run(main())


PASSING = ("throttle", "error", "cut", "html", "error_object", "no_choices", "null", "charset", "twice", "reset")


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_costs_no_item(fault: str, server: FaultServer, tmp_path: Path) -> None:
    server.set_faults(f"{fault}=0.3")
    results = answered(server, tmp_path)
    assert server.stats()[fault] >= 3
    assert all(isinstance(result, Record) and result.output for result in results)


@pytest.mark.parametrize("fault", ["hang", "slow"])
def test_a_silent_server_is_left_and_asked_again(fault: str, server: FaultServer, tmp_path: Path) -> None:
    server.set_faults(f"{fault}=0.1")
    results = answered(server, tmp_path, timeout_s=0.5)
    assert server.stats()[fault] >= 1
    assert all(isinstance(result, Record) for result in results)


def test_a_body_without_end_is_cut_off(server: FaultServer, tmp_path: Path) -> None:
    server.set_faults("huge=0.1")
    results = answered(server, tmp_path, count=12, max_body_mb=1.0)
    assert server.stats()["huge"] >= 1
    assert all(isinstance(result, Record) for result in results)


def test_poisoned_items_are_quarantined_with_their_reason_and_asked_again_next_time(
    server: FaultServer, tmp_path: Path
) -> None:
    server.set_faults("poison=0.1")
    first = answered(server, tmp_path, 60)
    lost = [result for result in first if isinstance(result, Rejection)]
    assert 0 < len(lost) == server.stats()["poison"]
    assert {(r.check, r.reason) for r in lost} == {("request", "bad_request")}
    server.set_faults()
    second = answered(server, tmp_path, 60)
    assert all(isinstance(result, Record) for result in second)
    assert server.stats()["requests"] == len(lost)
    assert [r.instruction for r in second if isinstance(r, Record)] == [r.instruction for r in tasks(60)]


MANY = "throttle=0.10,error=0.10,poison=0.01,cut=0.05"


def seconds_and_kinds(url: str, folder: Path, count: int) -> tuple[float, Counter[str]]:
    """How long so many tasks take, and what came of them."""

    async def main() -> tuple[float, Counter[str]]:
        async with engine_over(folder, client(url), slots=24) as engine:
            started = time.monotonic()
            results = await answer_all(engine, tasks(count))
            kinds = Counter(r.reason if isinstance(r, Rejection) else "kept" for r in results)
            return time.monotonic() - started, kinds

    return asyncio.run(main())


def test_many_faults_together_cost_only_the_poisoned_items(server: FaultServer, tmp_path: Path) -> None:
    server.set_faults(MANY)
    _, kinds = seconds_and_kinds(server.url, tmp_path, 300)
    poisoned = server.stats()["poison"]
    assert kinds == {"kept": 300 - poisoned, "bad_request": poisoned}


@pytest.mark.slow
def test_many_faults_together_cost_less_than_twice_the_time(tmp_path: Path) -> None:
    with FaultServer("--latency", "0.1", "--spread", "0.2") as slow:
        calm, _ = seconds_and_kinds(slow.url, tmp_path / "calm", 2000)
        slow.set_faults(MANY)
        rough, kinds = seconds_and_kinds(slow.url, tmp_path / "rough", 2000)
    assert kinds["kept"] + kinds["bad_request"] == 2000
    assert rough < 2 * calm, (rough, calm)


def test_a_refused_key_stops_the_run_at_once(server: FaultServer, tmp_path: Path) -> None:
    server.set_faults("unauthorized=1")
    with pytest.raises(CredentialsError):
        answered(server, tmp_path, 500)
    assert server.stats()["requests"] <= 16


def test_an_endpoint_that_is_down_stops_the_run_and_keeps_what_there_is(tmp_path: Path) -> None:
    with FaultServer() as gone:
        answered(gone, tmp_path, 10)

    async def main() -> None:
        async with engine_over(tmp_path, client(gone.url), max_attempts=2, deadline_s=2.0) as engine:
            await answer_all(engine, tasks(500))

    with pytest.raises(SynthError, match="the last 20 requests failed"):
        asyncio.run(main())
    reader = LedgerReader(tmp_path)
    assert len(list(reader.records("respond"))) == 10
    reader.close()


def test_a_clock_that_jumps_by_hours_changes_nothing(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = answered(server, tmp_path / "calm")
    server.set_faults("throttle=0.2,error=0.1")
    jumps, real = itertools.cycle([0.0, 36_000.0, -90_000.0, 5.0]), time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    started = time.monotonic()
    assert answered(server, tmp_path / "jumping") == calm
    assert time.monotonic() - started < 60
