"""An engine with everything real about it, for tests inside one process. Not a test itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from synth.engine.budget import Budget, Price
from synth.engine.ledger import Ledger
from synth.engine.progress import RunProgress
from synth.engine.run import Engine, EngineOptions, RoleModel
from synth.engine.throttle import Throttle
from synth.models.base import ChatModel, ChatRequest, Completion, Usage
from synth.models.openai import Settings, connect
from synth.models.replicas import servers_of
from synth.records import Record, Rejection
from synth.stages.respond import RespondSettings, respond


class Scripted:
    """A ChatModel that says what `reply` returns; an exception returned is raised."""

    def __init__(self, reply: Any) -> None:
        self.name, self.endpoint, self.reply = "scripted", "test", reply
        self.asked: list[ChatRequest] = []

    async def complete(self, request: ChatRequest) -> Completion:
        self.asked.append(request)
        said = self.reply(request)
        said = await said if hasattr(said, "__await__") else said
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Completion) else Completion(said, usage=Usage(10, 5))

    async def close(self) -> None:
        pass


def client(*urls: str, **about: Any) -> ChatModel:
    """The network client for a fault server, or for several."""
    return connect(Settings("m", base_urls=urls, **about))


@asynccontextmanager
async def engine_over(
    run_dir: Path,
    model: ChatModel,
    *,
    slots: int | None = 16,
    max_cost: float | None = None,
    price: Price | None = None,
    **options: Any,
) -> AsyncIterator[Engine]:
    """An engine in `run_dir` with `model` as its teacher; closed properly at the end."""
    ledger = Ledger(run_dir)
    budget = Budget({model.name: price} if price else {}, (model.name,), max_cost, None)
    budget.already_spent(*ledger.spent())
    roles = {"teacher": RoleModel(model, Throttle(slots, servers_of(model)), max_tokens=64)}
    engine = Engine(ledger, roles, budget, RunProgress(), EngineOptions(**options))
    try:
        yield engine
    finally:
        await engine.drain(1.0)
        await model.close()
        await ledger.aclose()


def tasks(count: int) -> list[Record]:
    """So many tasks to answer."""
    return [Record(f"Describe the number {n} in a few words.") for n in range(count)]


async def answer_all(engine: Engine, records: Sequence[Record]) -> list[Record | Rejection]:
    """Run the stage `respond` over records."""

    async def stream() -> AsyncIterator[Record]:
        for record in records:
            yield record

    settings = RespondSettings()
    return [result async for batch in respond(engine, stream(), settings) for result in batch]
