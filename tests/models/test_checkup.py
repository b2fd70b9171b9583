"""What the doctor says of models that behave in a known way."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

from synth.models.base import ChatRequest, Completion, FinishReason, Usage
from synth.models.checkup import SCHEMA, Finding, check_up, sample_request
from synth.models.vllm.metrics import Load

GOOD = json.dumps({"tasks": [{"instruction": "Sort the words.", "input": "b a"}] * 2})


@dataclass
class Scripted:
    """A model that gives the same answer to every request with a schema, and text to the others.

    `seats`: requests it works on at once. `schema_answers` are (text, why it ended), in turn.
    """

    schema_answers: tuple[tuple[str, FinishReason], ...] = ((GOOD, "stop"),)
    seats: int = 64
    latency: float = 0.01
    name: str = "scripted"
    endpoint: str = "here"
    asked: int = 0
    inside: int = 0

    def __post_init__(self) -> None:
        self.room = asyncio.Semaphore(self.seats)

    async def complete(self, request: ChatRequest) -> Completion:
        self.inside += 1
        async with self.room:
            await asyncio.sleep(self.latency)
        self.inside -= 1
        if request.schema is None:
            return Completion("## Task 1", usage=Usage(10, 100))
        self.asked += 1
        text, reason = self.schema_answers[self.asked % len(self.schema_answers)]
        return Completion(text, reason, Usage(10, 100))

    async def load(self) -> Load:
        return Load(min(self.inside, self.seats), max(0, self.inside - self.seats), 0.1)

    async def close(self) -> None: ...


def findings(**about: Any) -> dict[str, Finding]:
    async def look() -> list[Finding]:
        return await check_up(Scripted(**about), "chat")

    return {finding.name: finding for finding in asyncio.run(look())}


def test_answers_that_fit_and_come_fast_need_no_change() -> None:
    found = findings()
    assert {one.state for one in found.values()} == {"fine"} and not any(one.advice for one in found.values())
    assert found["throughput"].figures and found["throughput"].figures["at_once"]["requests"] == 32


@pytest.mark.parametrize(
    ("answers", "fitting", "cut", "advice"),
    [
        (((GOOD, "stop"), (GOOD[:50], "length")), 2, 2, "max_tokens"),
        (((GOOD[:50], "length"),), 0, 4, "came to its end"),
        (((GOOD, "stop"), ("Sure!", "stop")), 2, 0, "sections"),
        (((GOOD[:50], "length"), ("Sure!", "stop")), 0, 2, "sections"),
    ],
)
def test_answers_cut_at_the_cap_are_no_misses_of_the_schema(
    answers: tuple[tuple[str, FinishReason], ...], fitting: int, cut: int, advice: str
) -> None:
    found = findings(schema_answers=answers)["structured"]
    assert found.state == "poor" and advice in found.advice
    assert found.figures == {"asked": 4, "fitting": fitting, "cut": cut}
    assert ("did not end within 1024 tokens" in found.said) == bool(cut)


def test_a_checkup_asks_for_two_tasks_as_bootstrap_does() -> None:
    first, second = sample_request(1), sample_request(2)
    assert first != second and first.messages[0]["content"].startswith("# New tasks")
    assert "2 new tasks" in first.messages[-1]["content"] and "### Instruction" in first.messages[2]["content"]
    assert set(json.loads(sample_request(1, schema=SCHEMA).messages[2]["content"])) == {"tasks"}
    (only,) = sample_request(1, "completion").messages
    assert only["content"].startswith("# New tasks") and "2 new tasks" in only["content"]


def test_a_server_with_few_places_is_told_from_its_queue() -> None:
    found = findings(seats=4, latency=0.2)["throughput"]
    assert found.state == "poor" and "max_num_seqs" in found.advice
    assert found.figures and found.figures["waited"] > 8


def test_a_model_that_never_answers_is_left_when_the_time_is_over() -> None:
    found = asyncio.run(check_up(Scripted(latency=1000.0), "chat", max_s=1))
    assert [(one.name, one.state, one.said) for one in found] == [("answers", "broken", "no answer came within 1 s")]
