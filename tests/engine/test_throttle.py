"""The adaptive limit against servers that refuse, queue, ration and err, on a virtual clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from virtual_time import FakeServer, VirtualLoop, flood, run_virtual

from synth.engine.adaptive import MAX, AdaptiveLimit
from synth.engine.throttle import Throttle

STEPS = ((0.0, 8), (60.0, 32), (120.0, 4))


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


def test_a_rationing_server_is_used_up_with_few_refusals() -> None:
    server, _, _ = flooded(120, seats=((0.0, 10**6),), rate=20.0, latency=1.0, seed=3)
    assert server.working(60, 118) >= 0.85 * 20
    assert server.share_refused(60, 120) < 0.08


@pytest.mark.parametrize("wish", [None, 0.05])
def test_refusals_that_have_nothing_to_do_with_load_do_not_slow_the_run(wish: float | None) -> None:
    server, throttle, _ = flooded(40, seats=((0.0, 10**6),), noise=0.1, latency=0.2, wish=wish, backlog=600)
    assert throttle.limit == MAX
    assert server.working(20, 38) > 0.6 * MAX


def test_an_unlimited_server_gets_all_that_is_allowed() -> None:
    _, throttle, trace = flooded(20, seats=((0.0, 10**6),), latency=0.2, backlog=600)
    assert throttle.limit == MAX and throttle.control.cuts == 0
    assert next(at for at, limit in trace if limit == MAX) < 5


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
            await throttle.acquire(rank)
            order.append(name)
            throttle.release()

        await throttle.acquire()
        tasks = [asyncio.create_task(one(name, rank)) for name, rank in (("c", 1), ("a", 0), ("d", 1), ("b", 0))]
        await asyncio.sleep(0.1)
        throttle.release()
        await asyncio.gather(*tasks)
        return order

    assert run_virtual(main) == ["a", "b", "c", "d"]


def test_a_cancelled_waiter_leaves_its_slot_to_the_next() -> None:
    async def main(_: VirtualLoop) -> int:
        throttle = Throttle(1)
        await throttle.acquire()
        waiters = [asyncio.create_task(throttle.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        throttle.release()
        waiters[0].cancel()
        waiters[1].cancel()
        await asyncio.wait_for(waiters[2], 1)
        return throttle.in_flight

    assert run_virtual(main) == 1


def test_a_fixed_number_of_slots_obeys_retry_after_too() -> None:
    server_times: list[float] = []

    async def main(loop: VirtualLoop) -> None:
        throttle = Throttle(4, clock=loop.time)
        await throttle.acquire()
        throttle.refused(loop.now, 30.0)

        async def one() -> None:
            await throttle.acquire()
            server_times.append(loop.now)
            throttle.release()

        await asyncio.gather(*(one() for _ in range(8)))

    run_virtual(main)
    assert min(server_times) >= 30.0
