"""What was charged is in the account: status, cost and caps, whatever became of the reply; and nothing is asked for twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from runs import FaultServer
from workshop import Scripted, answer_all, client, engine_over, tasks

from synth.engine.budget import Price
from synth.engine.ledger import LedgerReader
from synth.errors import BudgetReached
from synth.models.base import ChatRequest, Completion, Sampling, Usage
from synth.records import Record
from synth.stages.evolve import EvolveSettings, evolve
from synth.stages.respond import RespondSettings, respond

PRICE = Price(prompt=1000.0, completion=1000.0)
BILLED = ("empty", "tool_calls", "abort", "thoughts", "filtered")


@pytest.fixture(scope="module")
def one_server() -> Iterator[FaultServer]:
    with FaultServer() as one:
        yield one


pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture
def server(one_server: FaultServer) -> FaultServer:
    one_server.set_faults()
    return one_server


def spent(server: FaultServer, folder: Path, max_cost: float | None = None) -> tuple[float, float, int, int]:
    """Cost by the budget and by the ledger, tokens as shown, and requests sent, for four tasks with two tries each."""

    async def main() -> tuple[float, float, int, int]:
        options: dict[str, Any] = {"max_cost": max_cost, "price": PRICE, "max_attempts": 2}
        async with engine_over(folder, client(server.url), **options) as engine:
            try:
                await answer_all(engine, tasks(4))
            except BudgetReached:
                assert max_cost
            await engine.ledger.flush()
            shown = engine.progress.stage("respond")
            tokens = shown.prompt_tokens + shown.completion_tokens
            return engine.budget.spent_cost, engine.ledger.spent()[0], tokens, server.stats().get("requests", 0)

    return asyncio.run(main())


@pytest.mark.parametrize("fault", BILLED)
def test_a_reply_that_cannot_be_used_is_paid_for_all_the_same(fault: str, server: FaultServer, tmp_path: Path) -> None:
    server.set_faults(f"{fault}=1")
    cost, stored, tokens, requests = spent(server, tmp_path)
    assert requests == (4 if fault == "filtered" else 8)
    assert cost == pytest.approx(stored) and tokens > 20 * requests
    assert cost == pytest.approx(PRICE.cost(tokens, 0))
    reader = LedgerReader(tmp_path)
    assert sum(row["tokens"] for row in reader.request_totals()) == tokens
    reader.close()


@pytest.mark.parametrize("fault", BILLED)
def test_such_replies_reach_the_cap(fault: str, server: FaultServer, tmp_path: Path) -> None:
    server.set_faults(f"{fault}=1")
    cap = PRICE.cost(2048 + 400, 0)  # room for one at a time, and for some of what the others leave
    cost, _, _, requests = spent(server, tmp_path, cap)
    assert 0 < cost <= cap and 0 < requests <= (4 if fault == "filtered" else 7)


def test_a_count_beyond_belief_is_charged_at_the_worst_case(server: FaultServer, tmp_path: Path) -> None:
    server.set_faults("incredible=1")
    cost, stored, tokens, requests = spent(server, tmp_path)
    assert requests == 4 and cost == pytest.approx(stored) and 4 * 2048 < tokens < 4 * 2400


def of_some_length(request: ChatRequest) -> Completion:
    """An answer that needs 10 to 100 tokens, by the number in its task."""
    number = int(request.messages[0]["content"].partition("number ")[2].split()[0])
    wanted = 10 + 10 * number
    cap = request.sampling.max_tokens or 10**6
    return Completion(f"{number} " + "x" * wanted, "length" if wanted > cap else "stop", Usage(5, min(wanted, cap)))


def test_raising_max_tokens_asks_only_for_what_was_cut(tmp_path: Path) -> None:
    def asked(cap: int) -> tuple[int, int]:
        model = Scripted(of_some_length)

        async def main() -> int:
            async with engine_over(tmp_path, model) as engine:

                async def stream() -> AsyncIterator[Record]:
                    for task in tasks(10):
                        yield task

                settings = RespondSettings(sampling=Sampling(temperature=0.7, max_tokens=cap))
                batches = respond(engine, stream(), settings)
                return sum([isinstance(one, Record) async for batch in batches for one in batch])

        return asyncio.run(main()), len(model.asked)

    assert asked(30) == (6, 10 + 7), "seven are cut at 30 and asked again at 60, four of them in vain"
    assert asked(100) == (10, 4)
    assert asked(200) == (10, 0)
    assert asked(80) == (10, 2), "two would be cut at 80: they are asked, and found whole under the cap they had"


def test_a_changed_sampling_asks_anew_only_what_it_changes(tmp_path: Path) -> None:
    rewrite = "### Instruction\nDo it, and say why in detail and with two examples.\n### Input\nNo input"

    def reply(request: ChatRequest) -> str:
        return rewrite if "# " in request.messages[0]["content"] else "A whole answer of some words."

    def asked(temperature: float) -> list[float | None]:
        model = Scripted(reply)

        async def main() -> None:
            async with engine_over(tmp_path, model) as engine:

                async def stream() -> AsyncIterator[Record]:
                    for task in tasks(4):
                        yield task

                settings = EvolveSettings(
                    rounds=1, judge=False, checks=[], answer_sampling=Sampling(temperature=temperature, max_tokens=50)
                )
                async for _ in evolve(engine, stream(), settings):
                    pass

        asyncio.run(main())
        return [request.sampling.temperature for request in model.asked]

    assert set(asked(0.7)) >= {1.0, 0.7}
    assert set(asked(0.3)) == {0.3}
