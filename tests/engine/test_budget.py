"""The cap on money and tokens holds at every instant, whatever is asked at once and whatever it turns out to cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import VirtualLoop, run_virtual
from workshop import Scripted, answer_all, engine_over, tasks

from synth.engine.budget import NOTHING, Budget, Price, Reservation
from synth.errors import BudgetReached, RetryableError, UsageError
from synth.models.base import ChatRequest, Completion, Sampling, Usage
from synth.records import Record

CALLS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1), st.floats(0, 5)), max_size=60
)


@settings(max_examples=60, deadline=None)
@given(calls=CALLS, max_cost=st.floats(0.0001, 0.01), max_tokens=st.integers(50, 20_000), spent=st.floats(0, 0.001))
def test_spent_and_reserved_never_pass_the_cap(
    calls: list[tuple[int, int, float, float, float]], max_cost: float, max_tokens: int, spent: float
) -> None:
    price = Price(1.0, 4.0)
    budget = Budget({"m": price}, ("m",), max_cost, max_tokens)
    budget.already_spent(min(spent, max_cost), 0)

    def check() -> None:
        assert budget.spent_cost + budget.reserved_cost <= max_cost * (1 + 1e-9)
        assert budget.spent_tokens + budget.reserved_tokens <= max_tokens
        assert budget.reserved_tokens >= 0

    async def one(call: tuple[int, int, float, float, float]) -> bool:
        prompt, answer, used_prompt, used_answer, seconds = call
        worst = Reservation(prompt, answer, price.cost(prompt, answer))
        try:
            await budget.reserve(worst)
        except BudgetReached:
            return False
        check()
        await asyncio.sleep(seconds)
        real = (int(prompt * used_prompt), int(answer * used_answer))
        budget.settle(worst, Reservation(*real, price.cost(*real)))
        check()
        return True

    async def main(_: VirtualLoop) -> None:
        await asyncio.gather(*(one(call) for call in calls))

    run_virtual(main)
    assert budget.reserved_tokens == 0 and budget.reserved_cost == 0


def test_a_request_waits_for_room_that_others_may_leave() -> None:
    async def main(_: VirtualLoop) -> list[str]:
        budget = Budget({}, ("m",), None, 100)
        order: list[str] = []

        async def one(name: str, seconds: float) -> None:
            await budget.reserve(Reservation(20, 60, 0.0))
            order.append(name)
            await asyncio.sleep(seconds)
            budget.settle(Reservation(20, 60, 0.0), Reservation(5, 5, 0.0))

        await asyncio.gather(one("a", 3), one("b", 1))
        return order

    assert run_virtual(main) == ["a", "b"]


def test_a_cap_on_money_needs_a_price() -> None:
    with pytest.raises(UsageError, match="price of m2 is unknown"):
        Budget({"m1": Price()}, ("m1", "m2"), 1.0, None)


@given(st.text(max_size=300), st.integers(1, 500))
def test_the_worst_case_bounds_what_any_tokenizer_makes_of_it(text: str, max_tokens: int) -> None:
    request = ChatRequest(({"role": "user", "content": text},), Sampling(max_tokens=max_tokens))
    worst = Budget({}, (), None, None).worst_case("m", request)
    assert worst.prompt_tokens > len(text.encode("utf-8", "replace"))
    assert worst.completion_tokens == max_tokens


def test_usage_that_was_not_told_counts_at_its_worst() -> None:
    worst = Reservation(100, 50, 1.0)
    budget = Budget({}, (), None, None)
    assert budget.real("m", Usage(None, 3), worst).prompt_tokens == 100
    assert budget.real("m", Usage(7, None), worst).completion_tokens == 50


PRICE = Price(prompt=1.0, completion=10.0)


def spend(folder: Path, max_cost: float | None, reply: object = None) -> tuple[float, int, int]:
    """Answer 40 tasks within a budget: cost so far, requests of this run, records."""

    async def main() -> tuple[float, int, int]:
        model = Scripted(reply or (lambda request: Completion("Fine.", usage=Usage(20, 2000))))
        async with engine_over(folder, model, max_cost=max_cost, price=PRICE, grace_s=1.0) as engine:
            try:
                results = await answer_all(engine, tasks(40))
            except BudgetReached:
                results = []
            return engine.budget.spent_cost, len(model.asked), sum(isinstance(r, Record) for r in results)

    return asyncio.run(main())


def test_a_run_stops_at_its_cap_and_goes_on_when_it_is_raised(tmp_path: Path) -> None:
    one = PRICE.cost(20, 2000)
    cap = 12.5 * PRICE.cost(200, 2048)
    cost, asked, _ = spend(tmp_path, cap)
    assert 0 < asked < 40 and cost == pytest.approx(asked * one) and cost <= cap
    cost, again, _ = spend(tmp_path, cap)
    assert cost <= cap
    cost, rest, kept = spend(tmp_path, None)
    assert kept == 40 and asked + again + rest == 40
    assert cost == pytest.approx(40 * one)


def test_money_and_slots_never_wait_for_each_other(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()

    def reply(request: ChatRequest) -> object:
        text = request.messages[0]["content"]
        seen[text] += 1
        busy = RetryableError("busy", "rate_limit", retry_after=0.01, is_throttle=True)
        return busy if seen[text] < 3 else Completion("Fine.", usage=Usage(20, 10))

    async def main() -> int:
        cap = 4.2 * PRICE.cost(200, 2048)  # room for as many as there are slots
        async with engine_over(tmp_path, Scripted(reply), slots=4, max_cost=cap, price=PRICE) as engine:
            return len(await asyncio.wait_for(answer_all(engine, tasks(40)), 20))

    assert asyncio.run(main()) == 40


def test_nothing_is_held_of_a_budget_without_caps() -> None:
    budget = Budget({}, ("m",), None, None)
    asyncio.run(budget.reserve(Reservation(10, 10, 0.0)))
    budget.settle(Reservation(10, 10, 0.0), NOTHING)
    assert (budget.reserved_tokens, budget.spent_tokens) == (0, 0)
