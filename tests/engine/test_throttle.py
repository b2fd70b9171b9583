"""The adaptive limit against servers that refuse, queue, ration and err, on a virtual clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from virtual_time import FakeServer, VirtualLoop, flood, run_virtual

from synth.engine.limits import MAX, MAX_LED, AdaptiveLimit, LoadFollower
from synth.engine.throttle import Throttle
from synth.models.vllm.metrics import Load

STEPS = ((0.0, 8), (60.0, 32), (120.0, 4))


class Telling:
    """A server that tells its load by `load`."""

    def __init__(self, load: Any) -> None:
        self.load = load


def flooded(seconds: float, backlog: int = 150, **about: Any) -> tuple[FakeServer, Throttle, list[tuple[float, int]]]:
    async def main(loop: VirtualLoop) -> tuple[FakeServer, Throttle, list[tuple[float, int]]]:
        server, throttle = FakeServer(loop, **about), Throttle(clock=loop.time)
        return server, throttle, await flood(server, throttle, seconds, backlog)

    return run_virtual(main)


SERVERS = {
    "latency": st.floats(0.2, 2.0),
    "spread": st.floats(0.0, 0.5),
    "wish": st.sampled_from([None, None, 0.2, 0.5, 1.0]),
    "seed": st.integers(0, 10**6),
}
NO_SHRINKING = (Phase.explicit, Phase.generate)


def check_steps(latency: float, spread: float, wish: float | None, seed: int) -> None:
    server, _, _ = flooded(180, seats=STEPS, latency=latency, spread=spread, wish=wish, seed=seed)
    for start, seats in STEPS:
        assert server.working(start + 40, start + 60) >= 0.85 * seats, start
        assert server.share_refused(start + 30, start + 60) < 0.05, start
    assert server.calls_while_closed == 0


@settings(max_examples=8, deadline=None, derandomize=True, phases=NO_SHRINKING)
@given(**SERVERS)
def test_capacity_is_found_after_each_step(latency: float, spread: float, wish: float | None, seed: int) -> None:
    check_steps(latency, spread, wish, seed)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True, phases=NO_SHRINKING)
@given(**SERVERS)
def test_capacity_is_found_by_many_servers(latency: float, spread: float, wish: float | None, seed: int) -> None:
    check_steps(latency, spread, wish, seed)


@pytest.mark.parametrize("sigma", [0.0, 0.8])
@pytest.mark.parametrize("seats", [24, 90])
def test_a_server_that_queues_is_filled_and_not_flooded(seats: int, sigma: float) -> None:
    server, _, trace = flooded(150, seats=((0.0, seats),), queue=True, sigma=sigma, seed=seats, backlog=600)
    assert server.working(60, 148) >= 0.85 * seats
    late = [limit for at, limit in trace if at > 60]
    assert sum(late) / len(late) < 1.7 * seats


@pytest.mark.parametrize("seed", range(4))
def test_a_queue_behind_32_places_is_noticed_before_128_requests_are_in_flight(seed: int) -> None:
    server, _, trace = flooded(150, seats=((0.0, 32),), queue=True, seed=seed, backlog=600)
    assert max(limit for _, limit in trace) <= 64 and max(limit for at, limit in trace if at > 30) <= 48
    assert server.working(30, 148) >= 0.9 * 32


def test_a_rationing_server_is_used_up_with_few_refusals() -> None:
    server, _, _ = flooded(120, seats=((0.0, 10**6),), rate=20.0, latency=1.0, seed=3)
    assert server.working(60, 118) >= 0.85 * 20
    assert server.share_refused(60, 120) < 0.08


@pytest.mark.parametrize("wish", [None, 0.05])
def test_refusals_that_have_nothing_to_do_with_load_do_not_slow_the_run(wish: float | None) -> None:
    server, throttle, _ = flooded(20, seats=((0.0, 10**6),), noise=0.1, latency=0.2, wish=wish, backlog=600)
    assert throttle.limit == MAX
    assert server.working(12, 19) > 0.6 * MAX


def test_an_unlimited_server_gets_all_that_is_allowed() -> None:
    _, throttle, trace = flooded(8, seats=((0.0, 10**6),), latency=0.2, backlog=600)
    assert throttle.limit == MAX and throttle.lanes[0].control.cuts == 0
    assert next(at for at, limit in trace if limit == MAX) < 5


# -- servers that tell their load ------------------------------------------------------------------------------------


def led(seconds: float, others: int = 0, **about: Any) -> tuple[FakeServer, list[tuple[float, int]]]:
    """A flooded server that queues, and says what runs and waits; `others` requests of other clients are there too."""

    async def main(loop: VirtualLoop) -> tuple[FakeServer, list[tuple[float, int]]]:
        server = FakeServer(loop, queue=True, **about)

        async def look() -> Load:
            await asyncio.sleep(0.01)
            return Load(server.inside, len(server.line), 0.2, generated_tokens=int(1000 * loop.time()))

        async def other() -> None:
            while True:
                await server.call()

        strangers = [asyncio.create_task(other()) for _ in range(others)]
        trace = await flood(server, Throttle(clock=loop.time, servers=[Telling(look)]), seconds, 1500)
        for task in strangers:
            task.cancel()
        return server, trace

    return run_virtual(main)


@pytest.mark.parametrize(("seats", "sigma"), [(24, 0.0), (24, 0.8), (90, 0.0), (90, 0.8), (700, 0.8)])
def test_a_server_that_tells_its_load_is_full_within_seconds_and_its_queue_short(seats: int, sigma: float) -> None:
    server, trace = led(40, seats=((0.0, seats),), sigma=sigma, latency=2.0, seed=seats)
    assert server.working(4, 38) >= 0.97 * seats
    assert all(limit <= 1.4 * seats + 4 for at, limit in trace if at > 10)


def test_the_load_is_followed_when_seats_come_and_go() -> None:
    server, trace = led(180, seats=STEPS)
    for start, seats in STEPS:
        assert server.working(start + 20, start + 60) >= 0.9 * seats, start
        assert all(limit <= 1.5 * seats + 5 for at, limit in trace if start + 30 < at <= start + 60), start


def test_a_server_shared_with_others_is_not_flooded_by_us() -> None:
    server, trace = led(60, others=60, seats=((0.0, 40),), latency=2.0)
    assert server.working(10, 58) >= 0.97 * 40
    assert all(limit <= 60 for at, limit in trace if at > 20)


def test_where_the_load_cannot_be_had_the_answers_are_watched() -> None:
    async def main(loop: VirtualLoop) -> tuple[FakeServer, int]:
        async def look() -> None:
            return None

        server = FakeServer(loop, ((0.0, 24),), queue=True)
        await flood(server, throttle := Throttle(clock=loop.time, servers=[Telling(look)]), 100)
        return server, throttle.limit

    server, limit = run_virtual(main)
    assert server.working(40, 98) >= 0.85 * 24 and limit < 60


def test_a_fixed_number_of_slots_is_not_led() -> None:
    async def main(loop: VirtualLoop) -> int:
        async def look() -> Load:
            raise AssertionError("nobody should look")

        throttle = Throttle(4, [Telling(look)], clock=loop.time)
        await flood(FakeServer(loop, ((0.0, 24),), queue=True), throttle, 10)
        return throttle.limit

    assert run_virtual(main) == 4


def followed(*looks: Load, limit: int = 100, in_flight: int = 100) -> list[int]:
    follower = LoadFollower()
    return [follower.wanted(look, limit, in_flight) for look in looks]


def test_a_fuller_cache_lets_fewer_in_and_a_preemption_sends_some_away() -> None:
    assert followed(*(Load(100, 0, use) for use in (0.0, 0.45, 0.8, 0.95))) == [200, 150, 111, 100]
    thrown_out = Load(100, 0, 0.95, preemptions=3)
    assert followed(Load(100, 0, 0.95), thrown_out, Load(90, 9, 0.95, 3), Load(90, 8, 0.95, 3)) == [100, 90, 100, 90]


def test_a_server_that_still_reads_prompts_is_not_full() -> None:
    looks = [Load(4, 12), Load(4, 12), Load(10, 6), Load(16, 0)]
    assert followed(*looks, limit=16, in_flight=16) == [16, 16, 16, 32]
    looks = [Load(16, 48, generated_tokens=100), Load(16, 48, generated_tokens=200)]
    assert followed(*looks, limit=64, in_flight=64) == [64, 20]


def test_a_queue_that_is_empty_for_a_moment_does_not_raise_the_limit() -> None:
    looks = Load(16, 9, 0.2), Load(16, 4, 0.3), Load(16, 0, 0.4)
    assert followed(*looks, limit=20, in_flight=20) == [20, 20, 20]


def test_a_limit_with_little_to_do_stays_as_it_is() -> None:
    assert LoadFollower().wanted(Load(3, 0), 64, 3) == 64
    assert LoadFollower().wanted(Load(16, 0), 64, 64) == 64, "the server has not yet seen the others"


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.floats(0, 1), st.integers(0, 5)), max_size=50))
def test_no_load_leads_out_of_bounds(looks: list[tuple[int, int, float, int]]) -> None:
    control, follower = AdaptiveLimit(clock=Clock()), LoadFollower()
    for look in looks:
        control.follow(follower.wanted(Load(*look), control.limit, min(control.limit, 40)))
        assert 1 <= control.limit <= MAX_LED


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_of_refusals_is_one_cut() -> None:
    clock = Clock()
    control = AdaptiveLimit(64, clock=clock)
    for _ in range(64):
        clock.now += 0.001
        control.on_throttle(100.0, 1.0)
    assert control.cuts == 1 and control.limit == 48
    assert control.paused_until == clock.now + 1.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 3), st.floats(0, 2)), max_size=300))
def test_the_limit_stays_within_its_bounds(outcomes: list[tuple[bool, float, float]]) -> None:
    clock = Clock()
    control = AdaptiveLimit(16, 64, clock)
    for good, wait, latency in outcomes:
        clock.now += wait
        if good:
            control.on_answer(clock.now - latency, control.limit, control.limit)
        else:
            control.on_throttle(clock.now - latency, wait or None)
        assert 1 <= control.limit <= 64
        assert 0 <= control.background <= 0.25


def test_a_lower_rank_goes_first_and_equals_in_order() -> None:
    async def main(_: VirtualLoop) -> list[str]:
        throttle, order = Throttle(1), list[str]()

        async def one(name: str, rank: int) -> None:
            lane = await throttle.acquire(rank)
            order.append(name)
            lane.release()

        lane = await throttle.acquire()
        tasks = [asyncio.create_task(one(name, rank)) for name, rank in (("c", 1), ("a", 0), ("d", 1), ("b", 0))]
        await asyncio.sleep(0.1)
        lane.release()
        await asyncio.gather(*tasks)
        return order

    assert run_virtual(main) == ["a", "b", "c", "d"]


def test_a_cancelled_waiter_leaves_its_slot_to_the_next() -> None:
    async def main(_: VirtualLoop) -> int:
        throttle = Throttle(1)
        lane = await throttle.acquire()
        waiters = [asyncio.create_task(throttle.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        lane.release()
        waiters[0].cancel()
        waiters[1].cancel()
        await asyncio.wait_for(waiters[2], 1)
        return throttle.in_flight

    assert run_virtual(main) == 1


def test_a_fixed_number_of_slots_obeys_retry_after_too() -> None:
    server_times: list[float] = []

    async def main(loop: VirtualLoop) -> None:
        throttle = Throttle(4, clock=loop.time)
        (await throttle.acquire()).refused(loop.now, 30.0)

        async def one() -> None:
            lane = await throttle.acquire()
            server_times.append(loop.now)
            lane.release()

        await asyncio.gather(*(one() for _ in range(8)))

    run_virtual(main)
    assert min(server_times) >= 30.0
