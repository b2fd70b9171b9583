"""What servers do wrong, one fault at a time and many together, over a real connection."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import FaultServer
from workshop import answer_all, client, engine_over, tasks

from synth.engine import health, run
from synth.engine.ledger import LedgerReader
from synth.errors import CredentialsError, SynthError
from synth.records import Record, Rejection


@pytest.fixture(scope="module")
def one_server() -> Iterator[FaultServer]:
    with FaultServer("--hang", "5", "--drip", "1") as one:
        yield one


pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture
def server(one_server: FaultServer) -> FaultServer:
    one_server.set_faults()
    return one_server


def answered(
    server: FaultServer | str, folder: Path, count: int = 30, grace_s: float = 60.0, **about: float
) -> list[Record | Rejection]:
    """What becomes of tasks when a run drives them over the server."""
    url = server if isinstance(server, str) else server.url
    results: list[Record | Rejection] = []

    async def main() -> None:
        async with engine_over(folder, client(url, **about), grace_s=grace_s) as engine:

            async def work() -> None:
                results.extend(await answer_all(engine, tasks(count)))

            await engine.drive(work())

    asyncio.run(main())
    return results


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
    results = answered(server, tmp_path, count=12, max_answer_bytes=2**20)
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


def test_an_endpoint_that_is_down_stops_the_run_and_keeps_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer() as gone:
        answered(gone, tmp_path, 10)
    monkeypatch.setattr(run, "FIRST_ANSWER_S", 0.5)
    started = time.monotonic()
    with pytest.raises(SynthError, match=r"the endpoint cannot be reached: .*(refused|failed)"):
        answered(gone, tmp_path, 500)
    assert time.monotonic() - started < 10
    reader = LedgerReader(tmp_path)
    assert len(list(reader.records("respond"))) == 10
    assert reader.spent()[0] == 0.0 and reader.maybe_paid_twice()[0] == 0
    reader.close()


def test_an_endpoint_that_says_nothing_stops_the_run_within_ten_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run.FIRST_ANSWER_S + health.LOOK_S < 10
    monkeypatch.setattr(run, "FIRST_ANSWER_S", 0.3)
    monkeypatch.setattr(health, "LOOK_S", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        started = time.monotonic()
        with pytest.raises(SynthError, match="takes requests and says nothing"):
            answered(f"http://127.0.0.1:{silent.getsockname()[1]}/v1", tmp_path, 3, grace_s=60)
        assert time.monotonic() - started < 30, "answers in flight are not waited for"


def test_an_endpoint_that_needs_long_for_its_first_answer_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "FIRST_ANSWER_S", 0.3)
    with FaultServer("--latency", "1.5") as slow:
        assert all(isinstance(result, Record) for result in answered(slow, tmp_path, 3))


@pytest.mark.parametrize("fault", ["error", "poison", "html", "null", "error_object"])
def test_ten_equal_failures_before_the_first_answer_stop_the_run(
    fault: str, server: FaultServer, tmp_path: Path
) -> None:
    server.set_faults(f"{fault}=1")
    started = time.monotonic()
    with pytest.raises(SynthError, match="10 requests in a row failed alike: http"):
        answered(server, tmp_path, 500)
    assert time.monotonic() - started < 10
    assert server.stats()["requests"] <= 32


def test_three_items_that_fail_alike_end_with_the_servers_words(server: FaultServer, tmp_path: Path) -> None:
    server.set_faults("poison=1")
    with pytest.raises(SynthError, match=r"not one request was answered: .*cannot be processed"):
        answered(server, tmp_path, 3)


def test_a_run_of_equal_refusals_later_on_stops_as_well(server: FaultServer, tmp_path: Path) -> None:
    async def main() -> None:
        async with engine_over(tmp_path, client(server.url)) as engine:
            await answer_all(engine, tasks(5))
            server.set_faults("poison=1")
            await answer_all(engine, tasks(300))

    with pytest.raises(SynthError, match=r"20 requests in a row failed alike: .*cannot be processed"):
        asyncio.run(main())
    assert server.stats()["requests"] < 100


def test_a_server_that_is_away_for_a_while_costs_no_item(tmp_path: Path) -> None:
    """It answers, is gone for longer than all attempts take, and comes back at the same address."""
    waited: list[str] = []

    async def main(server: FaultServer) -> list[Record | Rejection]:
        async with engine_over(tmp_path, client(server.url)) as engine:
            engine.progress.healths = [engine.roles["teacher"].health]
            work = asyncio.create_task(answer_all(engine, tasks(300)))
            while server.stats().get("answered", 0) < 40:
                await asyncio.sleep(0.01)
            server.process.kill()
            server.process.wait()
            await asyncio.sleep(3)
            waited.append(engine.progress.waiting_for)
            with FaultServer("--port", server.root.rpartition(":")[2]):
                return await work

    with FaultServer("--latency", "0.1") as server:
        results = asyncio.run(main(server))
    assert sum(isinstance(result, Record) for result in results) == 300
    assert re.match(r"waiting for [1-9]\d* s: .*connection failed", waited[0])


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
