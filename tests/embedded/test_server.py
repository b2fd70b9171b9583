"""The served teacher: the OpenAI shapes, its limits, its counts."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from commands import synth
from served import REPLIES, ServedTeacher, prompt_for, serving, stand_in

from synth.errors import RequestRefused
from synth.models.base import ChatRequest, Completion

CHAT = {"model": "embedded", "messages": [{"role": "user", "content": "hello"}]}


async def post(url: str, body: Any, path: str = "/chat/completions", **headers: str) -> tuple[int, Any, Any]:
    data = body if isinstance(body, str) else json.dumps(body)
    async with aiohttp.ClientSession() as session, session.post(url + path, data=data, headers=headers) as response:
        text = await response.text()
        return response.status, json.loads(text) if text.startswith("{") else text, response.headers


def answer_to(body: Any, path: str = "/chat/completions", **settings: Any) -> tuple[int, Any, Any]:
    async def run() -> tuple[int, Any, Any]:
        async with serving(stand_in, **settings) as (url, _):
            return await post(url, body, path)

    return asyncio.run(run())


def test_a_chat_answer_has_the_shape_of_the_api() -> None:
    status, data, headers = answer_to(CHAT | {"n": 2})
    assert status == 200 and headers["content-type"].startswith("application/json")
    assert data["object"] == "chat.completion" and data["model"] == "embedded"
    assert [choice["index"] for choice in data["choices"]] == [0, 1]
    assert data["choices"][0]["message"] == {"role": "assistant", "content": REPLIES["answer"]}
    assert data["usage"]["total_tokens"] == data["usage"]["prompt_tokens"] + data["usage"]["completion_tokens"]


def test_a_completion_has_the_shape_of_the_api() -> None:
    status, data, _ = answer_to({"model": "embedded", "prompt": ["hello"]}, "/completions")
    assert (status, data["object"], data["choices"][0]["text"]) == (200, "text_completion", REPLIES["answer"])


def test_models_health_and_unknown_paths() -> None:
    async def run() -> list[Any]:
        async with serving(stand_in) as (url, _), aiohttp.ClientSession() as session:
            models = await (await session.get(url + "/models")).json()
            health = (await session.get(url.removesuffix("/v1") + "/health")).status
            unknown = await session.get(url + "/nope")
            return [models, health, unknown.status, await unknown.json()]

    models, health, status, said = asyncio.run(run())
    assert models["data"][0]["id"] == "embedded"
    assert (health, status, said) == (200, 404, {"detail": "Not Found"})


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ("not json", 400, "body"),
        ("[" * 50_000, 400, "body"),
        ([], 400, "body"),
        (CHAT | {"messages": []}, 400, "messages"),
        (CHAT | {"messages": [1]}, 400, "messages"),
        (CHAT | {"n": 0}, 400, "n"),
        (CHAT | {"temperature": -1}, 400, "temperature"),
        (CHAT | {"max_tokens": 0}, 400, "max_tokens"),
        (CHAT | {"seed": "x"}, 400, "seed"),
        (CHAT | {"model": "nope"}, 404, "model"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_field(body: Any, status: int, param: str) -> None:
    got, data, _ = answer_to(body)
    assert (got, data["error"]["param"]) == (status, param)


@pytest.mark.parametrize("queue", [False, True])
def test_past_the_capacity_a_request_is_refused_or_waits(queue: bool) -> None:
    async def run() -> tuple[list[int], dict[str, Any]]:
        async with serving(stand_in, capacity=4, queue=queue, latency_ms=50) as (url, server):
            seen = await asyncio.gather(*(post(url, CHAT) for _ in range(12)))
            return sorted(status for status, _, _ in seen), server.stats()

    statuses, stats = asyncio.run(run())
    assert statuses == ([200] * 12 if queue else [200] * 4 + [429] * 8)
    assert stats["peak_in_flight"] == 4 and stats["in_flight"] == 0
    assert stats["throttled"] == (0 if queue else 8)


def test_a_client_that_goes_away_frees_its_place() -> None:
    async def run() -> list[int]:
        async with serving(stand_in, latency_ms=5000) as (url, server):
            tasks = [asyncio.ensure_future(post(url, CHAT)) for _ in range(8)]
            await asyncio.sleep(0.2)
            before = server.stats()["in_flight"]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.1)
            return [before, server.stats()["in_flight"]]

    assert asyncio.run(run()) == [8, 0]


def test_counts_say_how_often_each_request_was_admitted() -> None:
    async def run() -> dict[str, Any]:
        async with serving(stand_in) as (url, server):
            for seed in (1, 2, 1, 1):
                await post(url, CHAT | {"seed": seed})
            return server.stats(digests=True)

    stats = asyncio.run(run())
    assert (stats["requests"], stats["admitted"], stats["answered"]) == (4, 4, 4)
    assert (stats["distinct"], stats["asked_again"], sorted(stats["digests"].values())) == (2, 2, [1, 3])


def test_what_the_teacher_declines_is_said_in_the_end_and_counted() -> None:
    async def run() -> tuple[Any, Any]:
        def decline(request: ChatRequest) -> Completion:
            raise RequestRefused("beyond the teacher", "unsupported")

        async with serving(decline, "light") as (url, server):
            return await post(url, CHAT), server.stats()

    (status, data, _), stats = asyncio.run(run())
    choice = data["choices"][0]
    assert (status, choice["finish_reason"], choice["message"]["content"]) == (200, "unsupported", None)
    assert (stats["declined"], stats["faults"]) == (1, {})


def test_a_key_is_asked_for_where_one_is_set() -> None:
    async def run() -> list[int]:
        async with serving(stand_in, api_key="right") as (url, _):
            keys = ("", "Bearer wrong", "Bearer right")
            return [(await post(url, CHAT, Authorization=key))[0] for key in keys]

    assert asyncio.run(run()) == [401, 401, 200]


def test_the_command_serves_from_its_own_process_and_stops_on_a_signal() -> None:
    with ServedTeacher("--faults", "think_block=1") as teacher:
        sort = "Sort the numbers from the smallest to the largest.\n\n3, 1, 2"
        prompt = prompt_for("self_instruct", instructions=[sort] * 8)
        status, data, _ = asyncio.run(post(teacher.url, CHAT | {"messages": list(prompt.messages)}))
        assert status == 200 and data["choices"][0]["finish_reason"] == "stop"
        assert teacher.stats()["faults"] == {"think_block": 1} and teacher.labels()[0]["fault"] == "think_block"
        process = teacher.process
    assert process.returncode == 0


def test_a_port_that_is_taken_is_named() -> None:
    with ServedTeacher() as teacher:
        port = teacher.url.rsplit(":")[-1].removesuffix("/v1")
        done = synth("serve-teacher", "--port", port)
    assert done.returncode == 2 and f"port {port}" in done.stderr
