"""The engine's promises to stages: order, resume, one question asked once, and an end to everything."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from workshop import Scripted, answer_all, engine_over, tasks

from synth.engine.ledger import LedgerReader, Result
from synth.engine.run import Ask, Engine, Fold, Item, StagePlan
from synth.errors import CredentialsError, RequestRefused, RetryableError, StageStopped, SynthError
from synth.models.base import ChatRequest, Completion, Sampling, Usage
from synth.prompts import Prompt
from synth.records import Record, Rejection

PLAN = StagePlan("s", "1", {})


async def stream(items: Sequence[Item]) -> AsyncIterator[Item]:
    for item in items:
        yield item


async def echo(value: Any, ask: Ask, rng: random.Random) -> list[Result]:
    return [Record(str(value), output=(await ask(Prompt(({"role": "user", "content": str(value)},), "p@1"))).text)]


async def outputs(engine: Engine, items: Sequence[Item], work: Any = echo, plan: StagePlan = PLAN) -> list[str]:
    """What a stage makes of items, in order: outputs, and reasons of rejections."""
    results = [r async for _, batch in engine.map(plan, stream(items), work) for r in batch]
    return [r.output if isinstance(r, Record) else r.reason for r in results]


def items(count: int) -> list[Item]:
    return [Item(f"i{n}", n) for n in range(count)]


async def jittered(request: ChatRequest) -> str:
    await asyncio.sleep(random.random() * 0.02)
    return f"to {request.messages[0]['content']}"


def test_results_come_in_item_order_and_are_not_asked_for_again(tmp_path: Path) -> None:
    async def main() -> None:
        for expected in (50, 0):
            model = Scripted(jittered)
            async with engine_over(tmp_path, model) as engine:
                assert await outputs(engine, items(50)) == [f"to {n}" for n in range(50)]
            assert len(model.asked) == expected

    asyncio.run(main())


def test_items_that_wait_for_an_earlier_one_are_counted_as_done(tmp_path: Path) -> None:
    first = asyncio.Event()

    async def the_first_is_slow(request: ChatRequest) -> str:
        if request.messages[0]["content"] == "0":
            await first.wait()
        return "text"

    async def main() -> None:
        async with engine_over(tmp_path, Scripted(the_first_is_slow)) as engine:
            work = asyncio.create_task(outputs(engine, items(20)))
            stage = engine.progress.stage(PLAN.name)
            while stage.done < 19:
                await asyncio.sleep(0.01)
            assert (stage.items, stage.ahead, stage.kept) == (0, 19, 0)
            first.set()
            await work
            assert (stage.items, stage.ahead, stage.done) == (20, 0, 20)

    asyncio.run(asyncio.wait_for(main(), 120))


def test_equal_items_are_told_apart_and_equal_questions_asked_once(tmp_path: Path) -> None:
    async def main() -> None:
        model = Scripted(jittered)
        async with engine_over(tmp_path, model) as engine:
            assert await outputs(engine, [Item("same", 1)] * 5) == ["to 1"] * 5
            rows = engine.ledger.query("SELECT item FROM outcomes ORDER BY ordinal")
            await engine.ledger.flush()
            rows = engine.ledger.query("SELECT item FROM outcomes ORDER BY ordinal")
        assert [row[0] for row in rows] == ["same", "same#2", "same#3", "same#4", "same#5"]
        assert len(model.asked) == 1

    asyncio.run(main())


def test_an_item_whose_input_changed_is_made_again(tmp_path: Path) -> None:
    async def main(meta: str) -> Any:
        async def keep(record: Record, ask: Ask, rng: random.Random) -> list[Result]:
            return [record]

        async with engine_over(tmp_path, Scripted(jittered)) as engine:
            batches = engine.map(PLAN, stream([Item("a", Record("x", meta={"m": meta}))]), keep)
            return [r.meta["m"] async for _, batch in batches for r in batch if isinstance(r, Record)]

    assert [asyncio.run(main(meta)) for meta in ("1", "1", "2")] == [["1"], ["1"], ["2"]]


def test_items_that_are_gone_and_settings_that_changed_leave_no_outcomes(tmp_path: Path) -> None:
    async def main() -> None:
        for chosen, plan in ((items(9), PLAN), (items(9)[3:7], PLAN), (items(2), StagePlan("s", "2", {}))):
            async with engine_over(tmp_path, Scripted(jittered)) as engine:
                expected = await outputs(engine, chosen, plan=plan)
            reader = LedgerReader(tmp_path)
            assert [record.output for record in reader.records("s")] == expected
            reader.close()

    asyncio.run(main())


@pytest.mark.usefixtures("quick_retries")
def test_an_empty_answer_is_never_taken(tmp_path: Path) -> None:
    answers = iter(["", "  \n", "good"])

    async def main() -> None:
        async with engine_over(tmp_path, Scripted(lambda request: next(answers)), max_attempts=3) as engine:
            assert await outputs(engine, items(1)) == ["good"]
            assert engine.budget.spent_tokens == 45  # three answers were billed

    asyncio.run(main())


def test_a_cut_answer_is_asked_once_more_with_a_larger_cap_then_set_aside(tmp_path: Path) -> None:
    async def main() -> None:
        model = Scripted(lambda request: Completion("half of", "length", Usage(1, 1)))
        async with engine_over(tmp_path, model) as engine:
            assert await outputs(engine, items(1)) == ["cut_off"]
        assert [request.sampling.max_tokens for request in model.asked] == [64, 128]

    asyncio.run(main())


@pytest.mark.parametrize("finish", ["content_filter", "unsupported"])
def test_a_refusal_is_asked_once_and_final(finish: str, tmp_path: Path) -> None:
    async def main() -> None:
        for expected in (1, 0):
            model = Scripted(lambda request: Completion("", finish))
            async with engine_over(tmp_path, model) as engine:
                assert await outputs(engine, items(1)) == [finish]
                assert engine.quarantined == 0
            assert len(model.asked) == expected

    asyncio.run(main())


def windowed(engine: Engine, count: int, window: int) -> AsyncIterator[list[Result]]:
    """Each item is made from the last result that it may see."""
    seen: list[str] = ["start"]

    def settle(_item: Item, results: list[Result]) -> list[Result]:
        seen.append(results[0].output[-8:] if isinstance(results[0], Record) else "lost")
        return results

    def may_start(started: int, committed: int) -> bool:
        return started < count and started - committed < window

    def make(number: int) -> Item:
        return Item(f"w{number}", f"{number} after {seen[-1]}")

    async def grown() -> AsyncIterator[list[Result]]:
        async for item, results in engine.grow(PLAN, make, may_start, echo, Fold(settle)):
            assert item.id == f"w{len(seen) - 2}"
            yield results

    return grown()


def test_a_growing_pool_is_the_same_at_any_concurrency_and_after_an_interruption(tmp_path: Path) -> None:
    async def main(folder: Path, slots: int, stop_after: int = 10**6) -> list[str]:
        model = Scripted(jittered)
        async with engine_over(folder, model, slots=slots) as engine:
            out: list[str] = []
            async for batch in windowed(engine, 40, 7):
                out += [result.output for result in batch if isinstance(result, Record)]
                if len(out) == stop_after:
                    return out
            return out

    full = asyncio.run(main(tmp_path / "a", 1))
    assert asyncio.run(main(tmp_path / "b", 64)) == full
    assert asyncio.run(main(tmp_path / "c", 16, 13)) == full[:13]
    assert asyncio.run(main(tmp_path / "c", 5)) == full


def stopped_by(error: Exception, tmp_path: Path) -> tuple[BaseException, int]:
    """What comes out of a stage when the 30th request fails so, and how many were sent."""

    def reply(request: ChatRequest) -> Any:
        return error if len(model.asked) == 30 else jittered(request)

    model = Scripted(reply)

    async def main() -> None:
        async with engine_over(tmp_path, model, slots=8) as engine:
            await asyncio.wait_for(outputs(engine, items(500)), 10)

    with pytest.raises(type(error)) as caught:
        asyncio.run(main())
    return caught.value, len(model.asked)


@pytest.mark.parametrize("error", [CredentialsError("no key"), SynthError("other"), ValueError("a mistake of ours")])
def test_a_fatal_error_comes_out_and_nothing_more_is_sent(
    error: Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raised, asked = stopped_by(error, tmp_path)
    assert raised is error and asked < 60
    gc.collect()
    assert not caplog.records, caplog.text  # asyncio logs what nobody looked at


def test_a_failing_stage_upstream_stops_those_after_it(tmp_path: Path) -> None:
    model = Scripted(jittered)

    async def source() -> AsyncIterator[Item]:
        for item in items(30):
            yield item
        raise StageStopped("enough")

    async def main() -> None:
        async with engine_over(tmp_path, model, slots=4) as engine:
            async for _ in engine.map(PLAN, source(), echo):
                pass

    with pytest.raises(StageStopped):
        asyncio.run(main())
    assert 10 < len(model.asked) < 30


def test_a_stop_keeps_what_is_in_flight_and_ends_in_time(tmp_path: Path) -> None:
    async def slow(request: ChatRequest) -> str:
        await asyncio.sleep(0.5 if int(request.messages[0]["content"]) < 6 else 60)
        return "late but paid"

    async def main() -> int:
        model = Scripted(slow)
        async with engine_over(tmp_path, model, slots=8, grace_s=3) as engine:
            stopping = asyncio.create_task(stop_when_full(engine, model))
            with pytest.raises(SynthError, match="stop"):
                await asyncio.wait_for(outputs(engine, items(500)), 20)
            await stopping
            return len(model.asked)

    async def stop_when_full(engine: Engine, model: Scripted) -> None:
        while len(model.asked) < 8:
            await asyncio.sleep(0.01)
        engine.stop(SynthError("stop"))

    assert asyncio.run(main()) == 8
    reader = LedgerReader(tmp_path)
    states = dict(reader.query("SELECT state, count(*) FROM requests GROUP BY 1"))
    assert states.pop("answered") == 6 and set(states) == {"planned"} and states["planned"] > 2
    assert reader.maybe_paid_twice()[0] == 2
    reader.close()


def test_a_stop_does_not_wait_for_a_long_retry(tmp_path: Path) -> None:
    async def main() -> None:
        model = Scripted(lambda request: RetryableError("busy", "rate_limit", retry_after=50.0, is_throttle=True))
        async with engine_over(tmp_path, model) as engine:
            asyncio.get_running_loop().call_later(0.1, engine.stop, SynthError("stop"))
            with pytest.raises(SynthError, match="stop"):
                await asyncio.wait_for(outputs(engine, items(50)), 2)
            (lane,) = engine.roles["teacher"].throttle.lanes
            assert lane.napping == lane.in_flight == 0
            assert engine.budget.reserved_tokens == 0

    asyncio.run(main())


def test_a_wish_longer_than_the_deadline_ends_the_run(tmp_path: Path) -> None:
    async def main() -> None:
        model = Scripted(lambda request: RetryableError("tomorrow", "rate_limit", retry_after=5e4, is_throttle=True))
        async with engine_over(tmp_path, model) as engine:
            await asyncio.wait_for(outputs(engine, items(50)), 5)

    with pytest.raises(SynthError, match="wants 50000 s of rest"):
        asyncio.run(main())


def test_a_refused_request_costs_its_item_alone(tmp_path: Path) -> None:
    def reply(request: ChatRequest) -> Any:
        return RequestRefused("no", "bad_request") if request.messages[0]["content"] == "3" else jittered(request)

    async def main() -> None:
        async with engine_over(tmp_path, Scripted(reply)) as engine:
            found = await outputs(engine, items(6))
            assert found == ["to 0", "to 1", "to 2", "bad_request", "to 4", "to 5"]
            assert engine.quarantined == 1

    asyncio.run(main())


@pytest.mark.usefixtures("quick_retries")
def test_an_attempt_that_may_have_been_billed_counts_at_its_worst(tmp_path: Path) -> None:
    replies = iter(
        [
            RetryableError("", "timeout", billed=(None, None)),
            RetryableError("", "server_error"),
            Completion("x", usage=Usage(1, 2)),
        ]
    )

    async def main() -> tuple[int, int]:
        async with engine_over(tmp_path, Scripted(lambda request: next(replies))) as engine:
            await outputs(engine, items(1))
            request = ChatRequest(({"role": "user", "content": "0"},), Sampling(max_tokens=64))
            worst = engine.budget.worst_case("scripted", request).tokens
            await engine.ledger.flush()
            assert engine.ledger.spent()[1] == engine.budget.spent_tokens
            return engine.budget.spent_tokens, worst + 3

    spent, expected = asyncio.run(main())
    assert spent == expected


def test_surrogates_in_an_answer_are_stored_as_replacement_marks(tmp_path: Path) -> None:
    async def main() -> None:
        for _ in range(2):
            async with engine_over(tmp_path, Scripted(lambda request: "half \ud83d")) as engine:
                assert await outputs(engine, items(1)) == ["half \ufffd"]

    asyncio.run(main())


def test_counts_add_up_in_the_request_states(tmp_path: Path) -> None:
    async def main() -> None:
        async with engine_over(tmp_path, Scripted(jittered)) as engine:
            await answer_all(engine, tasks(5))

    asyncio.run(main())
    reader = LedgerReader(tmp_path)
    assert reader.query("SELECT state, count(*) FROM request_states GROUP BY 1") == [("kept", 5)]
    assert isinstance(next(reader.results("respond")), Record | Rejection)
    reader.close()


def test_a_request_counts_as_under_way_from_when_it_left_not_from_when_it_was_noted(tmp_path: Path) -> None:
    async def slow(_request: ChatRequest) -> str:
        await asyncio.sleep(0.05)
        return "An answer."

    async def main() -> None:
        async with engine_over(tmp_path, Scripted(slow), slots=2) as engine:
            await answer_all(engine, tasks(20))

    asyncio.run(main())
    spans = LedgerReader(tmp_path).query("SELECT sent_at, answered_at FROM requests")
    out = [sum(sent <= at < answered for sent, answered in spans) for at, _ in spans]
    assert max(out) <= 3  # two slots; the next may leave while an answer is being written
