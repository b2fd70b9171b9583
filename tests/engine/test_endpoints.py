"""One model behind several servers: who is asked, who is left out, and what a server's death costs."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from runs import FaultServer
from virtual_time import FakeServer, VirtualLoop, flood_two, run_virtual
from workshop import Scripted, answer_all, client, engine_over, tasks

from synth.engine.ledger import LedgerReader
from synth.engine.throttle import AFFINE, FAILURES, WINDOW, Throttle, prefix_of
from synth.errors import CredentialsError, RetryableError, SynthError, UsageError
from synth.models.base import ChatModel, ChatRequest, Completion, Usage
from synth.models.openai import Settings
from synth.models.replicas import Replicas, addresses_of
from synth.records import Record, Rejection

pytestmark = pytest.mark.usefixtures("quick_retries")
TURNS = ({"role": "user", "content": "Tell me of lakes."}, {"role": "assistant", "content": "They are wet."})
OTHER = ({"role": "user", "content": "How old is the moon?"},)
BROKEN = RetryableError("it is broken", "server_error")
AWAY = RetryableError("it is away", "connection", is_outage=True)


# -- the choice --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [None, 64])
@pytest.mark.parametrize("seats", [(8, 24), (24, 8)])
def test_two_servers_of_unequal_speed_reach_the_sum_of_their_rates(
    concurrency: int | None, seats: tuple[int, int]
) -> None:
    async def main(loop: VirtualLoop) -> float:
        servers = [FakeServer(loop, ((0.0, count),), latency=1.0, queue=True, seed=count) for count in seats]
        throttle = Throttle(concurrency, (None, None), clock=loop.time)
        await flood_two(*servers, throttle, 120)
        return sum(server.working(40, 118) for server in servers)

    assert run_virtual(main) >= 0.95 * 32


def two(concurrency: int = 8, **about: Any) -> Throttle:
    return Throttle(concurrency, (None, None), **about)


async def take(throttle: Throttle, *messages: dict[str, str]) -> int:
    """The number of the lane that is given to a prompt."""
    return throttle.lanes.index(await throttle.acquire(0, prefix_of(messages)))


def test_the_turns_of_a_talk_stay_at_one_server_while_its_load_allows() -> None:
    async def main(_: VirtualLoop) -> tuple[list[int], list[int]]:
        throttle = two(16)
        first, other = await take(throttle, TURNS[0]), await take(throttle, *OTHER)
        turns = [await take(throttle, *TURNS, {"role": "user", "content": str(n)}) for n in range(4)]
        return [first, other], turns

    (first, other), turns = run_virtual(main)
    assert other != first, "what shares nothing goes to the idle server"
    assert turns[0] == first and set(turns) == {first, other}, f"it may have {AFFINE:g} times the load, not more"


def test_whoever_waits_is_served_where_its_beginning_is_known_but_is_passed_over_few_times() -> None:
    async def main(_: VirtualLoop) -> list[str]:
        throttle, order = two(1), list[str]()
        one, another = await throttle.acquire(0, prefix_of(TURNS)), await throttle.acquire(0, prefix_of(OTHER))

        async def wait(name: str, *messages: dict[str, str]) -> None:
            lane = await throttle.acquire(0, prefix_of(messages))
            order.append(name)
            assert (lane is one) == (name != "last")
            if lane is one:
                lane.release()

        waiters = [asyncio.create_task(wait("stranger", *OTHER))]
        waiters += [asyncio.create_task(wait("friend", *TURNS)) for _ in range(WINDOW + 4)]
        await asyncio.sleep(0.1)
        one.release()
        await asyncio.wait_for(asyncio.gather(*waiters), 5)
        another.release()
        return order

    order = run_virtual(main)
    assert order[0] == "friend" and order.index("stranger") == WINDOW - 1


def test_what_others_ask_of_a_server_counts_as_its_load() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        class Load:
            running, waiting, kv_use, preemptions = 30, 5, 0.1, 0

        class Busy:
            async def load(self) -> Load:
                return Load()

        throttle = Throttle(None, (Busy(), None), clock=loop.time)
        await take(throttle)
        await asyncio.sleep(0.1)  # the first look
        return [await take(throttle) for _ in range(10)]

    assert run_virtual(main) == [1] * 10


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["", "lakes", "moon" * 100])), max_size=60), st.integers(1, 9))
def test_no_slot_is_lost_or_given_twice(steps: list[tuple[bool, str]], slots: int) -> None:
    async def main(_: VirtualLoop) -> None:
        throttle, held = two(slots), list[Any]()
        waiting = set[asyncio.Task[Any]]()
        for comes, text in steps:
            if comes:
                waiting.add(asyncio.create_task(throttle.acquire(0, prefix_of([{"content": text}]))))
            elif held:
                held.pop().release()
            await asyncio.sleep(0.01)
            done = {task for task in waiting if task.done()}
            waiting -= done
            held += [task.result() for task in done]
            assert throttle.in_flight == len(held) <= 2 * slots
            assert not waiting or len(held) == 2 * slots

    run_virtual(main)


# -- one that fails ----------------------------------------------------------------------------------------------------


def test_a_server_that_fails_is_out_and_tried_with_single_requests_until_it_answers() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        throttle, seen = two(100, clock=loop.time), list[int]()
        bad = throttle.lanes[0]
        for _ in range(FAILURES):
            assert not bad.is_out
            assert throttle.failed(bad, BROKEN)
        assert bad.is_out and throttle.limit == 100

        async def burst() -> int:
            lanes = [await throttle.acquire() for _ in range(50)]
            for lane in lanes:
                lane.release()
            return lanes.count(bad)

        seen.append(await burst())
        await asyncio.sleep(1.1)
        seen += [await burst(), await burst()]
        await asyncio.sleep(2.1)
        seen.append(await burst())
        bad.answered(loop.now - 0.1)
        await asyncio.sleep(4.1)
        return [*seen, min(2, await burst())]

    assert run_virtual(main) == [0, 1, 0, 1, 2]


def test_who_waits_gets_a_server_that_comes_back_though_nothing_else_moves() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, float]:
        throttle = two(1, clock=loop.time)
        throttle.failed(throttle.lanes[0], AWAY)
        assert await take(throttle) == 1
        return await asyncio.wait_for(take(throttle), 60), loop.now

    lane, at = run_virtual(main)
    assert lane == 0 and at == pytest.approx(1.0, abs=0.01)


def test_while_one_server_is_in_order_failures_of_another_say_nothing_of_the_model() -> None:
    throttle = two()
    one, other = throttle.lanes
    assert throttle.failed(one, AWAY) and throttle.failed(one, AWAY)
    assert not throttle.failed(other, BROKEN), "the last one that is left"
    assert throttle.limit == 8


def counted(replies: list[Any]) -> Replicas:
    """Two servers that say what the functions return, each under an address of its own."""
    servers = [Scripted(reply) for reply in replies]
    for number, server in enumerate(servers):
        server.endpoint = f"server {number}"
    return Replicas(servers, "servers")


def test_a_server_that_only_errs_costs_no_item_and_few_requests(tmp_path: Path) -> None:
    async def good(_: Any) -> Completion:
        await asyncio.sleep(0.002)
        return Completion("A number of the usual kind, neither small nor large.", usage=Usage(10, 5))

    model = counted([lambda _: BROKEN, good])

    async def main() -> list[Record | Rejection]:
        async with engine_over(tmp_path, model) as engine:
            return await answer_all(engine, tasks(200))

    results = asyncio.run(main())
    assert sum(isinstance(result, Record) for result in results) == 200
    reader = LedgerReader(tmp_path)
    bad, fine = reader.server_totals()
    assert (bad["server"], bad["answered"], fine["answered"]) == ("server 0", 0, 200)
    assert bad["asked"] == len(model.servers[0].asked)  # type: ignore[attr-defined]
    ((requests, attempts),) = reader.query("SELECT count(*), sum(attempts) FROM requests WHERE state='answered'")
    assert (requests, attempts) == (200, bad["asked"] + fine["asked"]), "one that was moved is one request"


# -- over the network --------------------------------------------------------------------------------------------------


def outputs(results: list[Record | Rejection]) -> list[Any]:
    return [result.to_dict() for result in results]


def answers(folder: Path, *urls: str, count: int = 60, said: list[str] | None = None) -> list[Record | Rejection]:
    async def main() -> list[Record | Rejection]:
        async with engine_over(folder, client(*urls)) as engine:
            engine.progress.say = (said if said is not None else []).append
            results: list[Record | Rejection] = []

            async def work() -> None:
                results.extend(await answer_all(engine, tasks(count)))

            await engine.drive(work())
            return results

    return asyncio.run(main())


def test_a_server_that_dies_in_mid_run_costs_what_was_in_flight_and_changes_no_byte(tmp_path: Path) -> None:
    async def main(one: FaultServer, other: FaultServer) -> list[Record | Rejection]:
        async with engine_over(tmp_path / "two", client(one.url, other.url)) as engine:
            work = asyncio.create_task(answer_all(engine, tasks(200)))
            while one.stats().get("answered", 0) < 8 and not work.done():
                await asyncio.sleep(0.01)
            one.process.kill()
            one.process.wait()
            return await work

    with FaultServer("--latency", "0.1") as one, FaultServer("--latency", "0.05") as other:
        results = asyncio.run(main(one, other))
        seen = other.stats()
    with FaultServer("--port", one.root.rpartition(":")[2]):
        assert outputs(results) == outputs(answers(tmp_path / "one", one.url, count=200))
    reader = LedgerReader(tmp_path / "two")
    assert reader.query("SELECT count(*), sum(state='answered') FROM requests") == [(200, 200)]
    totals = {row["server"]: row["answered"] for row in reader.server_totals()}
    assert totals[one.url] > 0 and totals[one.url] + totals[other.url] == 200
    assert seen["answered"] == totals[other.url], "nothing that had been answered was asked again"


def test_a_run_may_go_on_with_more_servers_and_asks_nothing_again(tmp_path: Path) -> None:
    with FaultServer() as one, FaultServer() as other:
        first = answers(tmp_path, one.url)
        again = answers(tmp_path, one.url, other.url)
        assert other.stats().get("requests", 0) == 0 and one.stats()["again"] == 0
    assert outputs(first) == outputs(again)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


def test_a_server_that_is_down_at_the_start_is_told_in_one_sentence_and_done_without(tmp_path: Path) -> None:
    said: list[str] = []
    down = free_address()
    with FaultServer() as one:
        results = answers(tmp_path, down, one.url, said=said)
    assert all(isinstance(result, Record) for result in results)
    assert len(said) == 1 and said[0].startswith(down) and "the other servers get its requests" in said[0]
    assert all(row["server"] != down or not row["answered"] for row in LedgerReader(tmp_path).server_totals())


def test_where_all_servers_are_down_the_run_ends_with_their_words(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(SynthError, match="cannot be reached"):
        answers(tmp_path, free_address(), free_address())
    assert time.monotonic() - began < 60


def test_a_server_with_another_model_is_refused_before_anything_is_paid(tmp_path: Path) -> None:
    async def other_model(request: web.BaseRequest) -> web.Response:
        assert request.path == "/v1/models"
        return web.json_response({"data": [{"id": "other"}]})

    async def main(one: FaultServer) -> str:
        runner = web.ServerRunner(web.Server(other_model, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            async with engine_over(tmp_path, client(one.url, url)) as engine:
                await engine.drive(as_work(answer_all(engine, tasks(20))))
        finally:
            await runner.cleanup()
        return url

    async def as_work(work: Any) -> None:
        await work

    with FaultServer() as one:
        with pytest.raises(CredentialsError, match=r"http://\S+ has no model 'm'; it has: other") as raised:
            asyncio.run(main(one))
        assert raised.value.exit_code == UsageError.exit_code and one.stats().get("requests", 0) == 0


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Host name → addresses that it is to stand for."""
    names: dict[str, list[str]] = {}
    usual = socket.getaddrinfo

    def found(host: str, *about: Any, **more: Any) -> list[Any]:
        return [one for name in names.get(host, [host]) for one in usual(name, *about, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    return names


def test_a_name_that_stands_for_several_servers_is_asked_at_each_address(
    resolve: dict[str, list[str]], tmp_path: Path
) -> None:
    async def main(model: ChatModel) -> list[Record | Rejection]:
        async with engine_over(tmp_path, model) as engine:
            return await answer_all(engine, tasks(60))

    with FaultServer("--latency", "0.02", host="127.0.0.2") as one:
        port = one.root.rpartition(":")[2]
        with FaultServer("--latency", "0.02", "--port", port, host="127.0.0.3") as other:
            url = f"http://models.test:{port}/v1"
            resolve["models.test"] = ["::1", "127.0.0.3", "127.0.0.2"]  # no server listens at the first
            results = asyncio.run(main(client(url, each_address=True)))
            asked = [server.stats()["requests"] for server in (one, other)]
            assert min(asked) >= 1 and sum(asked) == 60
            resolve["models.test"] = ["127.0.0.2"]
            again = asyncio.run(main(client(url, each_address=True)))
            assert outputs(again) == outputs(results) and one.stats()["requests"] == asked[0], "stored under the name"


def test_a_name_stays_as_it_is_where_it_cannot_be_resolved_or_stands_for_one_server(
    resolve: dict[str, list[str]],
) -> None:
    resolve["one.test"], resolve["none.test"] = ["127.0.0.1"], ["no-such-host.invalid"]
    assert addresses_of(["http://one.test/v1", "http://none.test:8000/v1"]) == [
        "http://one.test/v1",
        "http://none.test:8000/v1",
    ]
    resolve["six.test"] = ["::2", "::1"]
    assert addresses_of(["http://six.test:8000/v1"]) == ["http://[::1]:8000/v1", "http://[::2]:8000/v1"]


def test_addresses_are_not_asked_one_by_one_where_certificates_are_of_the_name() -> None:
    with pytest.raises(UsageError, match="each_address goes with http://"):
        Settings("m", "https://models.test/v1", each_address=True)


def test_asked_as_a_whole_the_first_server_that_can_be_reached_answers() -> None:
    async def ask(*said: Any) -> tuple[str, list[int]]:
        model = counted([lambda _, one=one: one for one in said])
        request = ChatRequest(({"role": "user", "content": "hi"},))
        return (await model.complete(request)).text, [len(server.asked) for server in model.servers]  # type: ignore[attr-defined]

    assert asyncio.run(ask(AWAY, "here", "there")) == ("here", [1, 1, 0])
    with pytest.raises(RetryableError, match="it is broken"):
        asyncio.run(ask(BROKEN, "here"))
    with pytest.raises(RetryableError, match="it is away"):
        asyncio.run(ask(AWAY, AWAY))


def test_the_same_address_twice_is_refused_however_it_is_written() -> None:
    with pytest.raises(UsageError, match="base_urls names http://host:8000/v1 twice"):
        Settings("m", base_urls=("http://host:8000/v1", "http://b/v1", "http://HOST:8000/v1/"))


def test_the_pieces_of_a_longer_prompt_begin_with_those_of_a_shorter() -> None:
    text = "".join(random.Random(0).choices("abc ", k=2000))
    short, long = ([{"content": text[:1024]}], [{"content": text}])
    assert list(prefix_of(long))[:4] == list(prefix_of(short)) and len(prefix_of(long)) == 8
