"""A chat model whose reply is a function of the request, and a stage run with it. Not a test itself.

from scripted import Scripted, collect, inventive

model = Scripted(lambda request: "Yes")
results = collect(tmp_path, model, lambda engine: bootstrap(engine, seeds, settings), concurrency=8)
model.requests  # all that was asked, in the order it came
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal

from synth.embedded.faults import prompt_kind
from synth.engine.budget import Budget
from synth.engine.ledger import Ledger
from synth.engine.progress import RunProgress
from synth.engine.run import Engine, EngineOptions, RoleModel
from synth.engine.throttle import Throttle
from synth.models.base import ChatRequest, Completion, Usage
from synth.records import Record, Rejection, digest

Reply = Callable[[ChatRequest], str | Completion]
Results = list[list[Record | Rejection]]


class Scripted:
    """A ChatModel. `reply` may raise what a model may raise; `delay` gives the seconds before an answer.

    Stop strings are honoured. `structured_outputs`: does it prefer JSON schemas, as some servers do?
    """

    name = endpoint = "scripted"

    def __init__(
        self, reply: Reply, delay: Callable[[ChatRequest], float] | None = None, structured_outputs: bool = False
    ) -> None:
        self.reply, self.delay, self.structured_outputs = reply, delay, structured_outputs
        self.requests: list[ChatRequest] = []

    async def complete(self, request: ChatRequest) -> Completion:
        """The scripted reply."""
        self.requests.append(request)
        if self.delay:
            await asyncio.sleep(self.delay(request))
        said = self.reply(request)
        if isinstance(said, Completion):
            return said
        for stop in request.sampling.stop:
            said = said.partition(stop)[0]
        return Completion(said, usage=Usage(len(prompt_of(request).split()), len(said.split())), model=self.name)

    async def close(self) -> None:
        """Nothing to close."""

    def prompts(self, kind: str) -> list[str]:
        """The prompts of one kind (see `kind_of`), as one text each, in the order they came."""
        return [whole(request) for request in self.requests if kind_of(request) == kind]


def prompt_of(request: ChatRequest) -> str:
    """The text of the last message."""
    return request.messages[-1]["content"]


def whole(request: ChatRequest) -> str:
    """All messages as one text."""
    return "\n\n".join(message["content"] for message in request.messages)


def kind_of(request: ChatRequest) -> str:
    """Which of our prompts a request is, as `prompt_kind` names them."""
    return prompt_kind(request.messages)


def jitter(request: ChatRequest) -> float:
    """Up to 4 ms, by the request alone: answers come in another order than they were asked for."""
    return draw_for(request, "delay").random() * 0.004


def draw_for(request: ChatRequest, *more: str) -> random.Random:
    """Randomness that belongs to a request."""
    return random.Random(digest(request.to_dict(), *more))


def collect(
    folder: Path,
    model: Scripted,
    stage: Callable[[Engine], AsyncIterator[list[Record | Rejection]]],
    *,
    concurrency: int = 8,
    kind: Literal["chat", "completion"] = "chat",
    run_seed: int = 0,
) -> Results:
    """All results of `stage` in a run folder, item by item."""

    results: Results = []

    async def pull(engine: Engine) -> None:
        async for batch in stage(engine):
            results.append(batch)

    async def main() -> None:
        ledger = Ledger(folder)
        roles = {role: RoleModel(model, Throttle(concurrency), kind=kind) for role in ("teacher", "judge")}
        engine = Engine(ledger, roles, Budget({}, (), None, None), RunProgress(), EngineOptions(run_seed))
        try:
            await engine.drive(pull(engine))
        finally:
            await ledger.aclose()

    asyncio.run(main())
    return results


# -- a teacher for bootstrap that never runs out of new tasks ---------------------------------------------------------

VERBS = "Sort List Describe Rewrite Count Explain Compare Plan Correct Translate Rank Summarise Draft Check Shorten Name".split()
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "il")]


def new_task(rng: random.Random) -> str:
    """An instruction of made-up words, unlike any other."""
    words = ["".join(rng.choices(SYLLABLES, k=2)) for _ in range(7)]
    return f"{rng.choice(VERBS)} {' '.join(words)}."


MATERIAL = "kale, pears and plums"


def inventive(request: ChatRequest) -> str:
    """A well-formed reply to each prompt of bootstrap, full of new tasks."""
    rng, kind = draw_for(request), kind_of(request)
    if kind == "list":
        shown = request.messages[-2]["content"].count("\n") + 1
        return "\n".join(f"{n}. {new_task(rng)}" for n in range(shown + 1, shown + 9))
    if kind in ("tasks", "full_tasks"):
        output = "\n### Output\nIt is {}." if kind == "full_tasks" else ""
        parts = [
            f"### Instruction\n{new_task(rng)}\n### Input\n{MATERIAL}{output.format(n)}"
            for n in range(1, num_wanted(request) + 1)
        ]
        return parts[0] if len(parts) == 1 else "\n".join(f"## Task {n}\n{part}" for n, part in enumerate(parts, 1))
    if kind == "classify":
        return rng.choice(("Yes", "No"))
    first, second = ("Label", "Input") if kind == "labels" else ("Input", "Output")
    return "\n".join(f"## Example {n}\n### {first}\nabc {n}\n### {second}\n{new_task(rng)}" for n in (1, 2))


def num_wanted(request: ChatRequest) -> int:
    """How many new tasks the last message asks for."""
    number = re.search(r"\d+(?= new tasks?)", prompt_of(request))
    return int(number[0]) if number else 1
