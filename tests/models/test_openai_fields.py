"""Fields of a request to a network endpoint: all that was asked for is sent, and what a server refuses is left out."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from openai_client import BODY, ask, client, outcome, scripted

from synth.errors import RequestRefused
from synth.models.base import Completion, Sampling
from synth.models.openai import RUNAWAY, Settings
from synth.models.openai import connect as connect_openai


def test_a_schema_is_left_out_once_the_server_refuses_it() -> None:
    bodies: list[dict[str, Any]] = []

    async def answer(data: dict[str, Any], _: web.BaseRequest) -> web.Response:
        bodies.append(data)
        while len(bodies) < 4:  # all four are under way before the first is refused
            await asyncio.sleep(0.001)
        if "response_format" in data:
            return web.json_response({"error": {"message": "unknown field response_format"}}, status=400)
        return web.json_response(BODY)

    async def run(structured: str) -> list[Any]:
        request = ask(schema={"type": "object"})
        async with scripted(answer) as url:
            model = client(url, structured=structured)
            seen = await asyncio.gather(*(model.complete(request) for _ in range(4)), return_exceptions=True)
            return [*seen, await outcome(model, request)]

    assert all(isinstance(one, Completion) for one in asyncio.run(run("auto")))
    assert [("response_format" in body) for body in bodies] == [True] * 4 + [False] * 5
    assert all(isinstance(one, RequestRefused) for one in asyncio.run(run("json_schema")))


def test_a_reply_held_to_a_schema_ends_where_white_space_runs_on() -> None:
    bodies: list[dict[str, Any]] = []

    async def answer(data: dict[str, Any], _: web.BaseRequest) -> web.Response:
        bodies.append(data)
        return web.json_response(BODY)

    async def run() -> None:
        async with scripted(answer) as url:
            model = client(url)
            for request in (ask(schema={"type": "object"}), ask(schema={"type": "object"}, sampling=SAMPLING), ask()):
                await model.complete(request)

    asyncio.run(run())
    assert [body.get("stop") for body in bodies] == [[*RUNAWAY], ["END", *RUNAWAY], None]


def test_max_tokens_is_renamed_where_the_server_wants_it() -> None:
    async def answer(data: dict[str, Any], _: web.BaseRequest) -> web.Response:
        if "max_tokens" in data:
            said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return web.json_response({"error": {"message": said}}, status=400)
        return web.json_response(BODY) if data["max_completion_tokens"] == 7 else web.Response(status=500)

    async def run() -> Completion | Exception:
        async with scripted(answer) as url:
            return await outcome(client(url), ask(sampling=Sampling(max_tokens=7)))

    assert isinstance(asyncio.run(run()), Completion)


SAMPLING = Sampling(0.7, 0.9, 50, 0.1, 0.1, ("END",), 3)


REFUSALS = {
    "temperature": {"error": {"message": "Unsupported value", "param": "temperature"}},
    "top_p": {"error": {"message": "Argument not supported on this model: top_p"}},
    "presence_penalty": {"error": {"message": "unknown field `presence_penalty`"}},
    "frequency_penalty": {"error": {"message": "Unrecognized request argument supplied: frequency_penalty"}},
    "stop": {"detail": [{"loc": ["body", "stop"], "msg": "Extra inputs are not permitted"}]},
    "seed": {"message": "seed is not supported here"},
    "max_tokens": {"error": {"message": "Use 'max_completion_tokens' instead.", "param": "max_tokens"}},
}


def test_every_field_a_server_refuses_by_name_is_left_out_and_said_once() -> None:
    bodies: list[dict[str, Any]] = []

    async def answer(data: dict[str, Any], _: web.BaseRequest) -> web.Response:
        bodies.append(data)
        refused = next((name for name in REFUSALS if name in data), None)
        return web.json_response(REFUSALS[refused], status=400) if refused else web.json_response(BODY)

    async def run() -> list[str]:
        async with scripted(answer) as url:
            model = client(url)
            for _ in range(3):
                assert isinstance(await model.complete(ask(sampling=SAMPLING)), Completion)
            await model.close()
            return list(getattr(model, "notes"))  # noqa: B009

    notes = asyncio.run(run())
    assert len(bodies) == len(REFUSALS) + 3
    assert bodies[-1].keys() == {"model", "messages", "max_completion_tokens"}
    assert len(notes) == len(REFUSALS) and all(any(f": {name} is" in note for note in notes) for name in REFUSALS)


NO_LOGPROBS = {
    "named": (400, "Unrecognized request argument supplied: logprobs"),
    "in other words": (400, "Logprobs is not enabled for models/m"),
    "without a name": (422, "Bad request"),
    "as a matter of rights": (403, "You are not allowed to request logprobs from this model."),
}


@pytest.mark.parametrize("refusal", NO_LOGPROBS)
def test_a_server_that_tells_no_logprobs_is_asked_for_none_from_then_on(refusal: str) -> None:
    bodies: list[dict[str, Any]] = []
    status, said = NO_LOGPROBS[refusal]

    async def answer(data: dict[str, Any], _: web.BaseRequest) -> web.Response:
        bodies.append(data)
        return web.json_response(
            {"error": {"message": said}} if "logprobs" in data else BODY,
            status=200 if "logprobs" not in data else status,
        )

    async def run() -> list[Completion]:
        async with scripted(answer) as url:
            model = client(url)
            found = [await model.complete(ask(logprobs=True)) for _ in range(2)]
            assert "logprobs is left out" in getattr(model, "notes")[0]  # noqa: B009
            await model.close()
            return found

    assert [one.mean_logprob for one in asyncio.run(run())] == [None, None]
    assert [body.get("logprobs") for body in bodies] == [True, None, None]


def test_logprobs_are_asked_for_where_they_are_wanted_and_change_no_key() -> None:
    bodies: list[dict[str, Any]] = []

    async def answer(data: dict[str, Any], _: web.BaseRequest) -> web.Response:
        bodies.append(data)
        told = {"logprobs": {"content": [{"token": "o", "logprob": -1.0}, {"token": "k", "logprob": -2.0}]}}
        return web.json_response({"choices": [BODY["choices"][0] | told]})

    wanted = ask(logprobs=True)

    async def run() -> float | None:
        async with scripted(answer) as url:
            model = client(url)
            for request in (ask(), ask(kind="completion", logprobs=True)):
                await model.complete(request)
            return (await model.complete(wanted)).mean_logprob

    assert asyncio.run(run()) == -1.5
    assert [body.get("logprobs") for body in bodies] == [None, 1, True]
    assert wanted.to_dict() == ask().to_dict()


def test_a_refusal_that_goes_on_without_the_field_changes_nothing() -> None:
    """One bad prompt whose refusal happens to name a field costs its item, not the field."""
    bodies: list[dict[str, Any]] = []

    async def answer(data: dict[str, Any], _: web.BaseRequest) -> web.Response:
        bodies.append(data)
        if data["messages"][0]["content"] == "bad":
            return web.json_response({"error": {"message": "temperature: unsupported text in prompt"}}, status=400)
        return web.json_response(BODY)

    async def run() -> None:
        async with scripted(answer) as url:
            model = client(url)
            with pytest.raises(RequestRefused):
                await model.complete(ask("bad", sampling=SAMPLING))
            await outcome(model, ask("good", sampling=SAMPLING))

    asyncio.run(run())
    assert [("temperature" in body) for body in bodies] == [True, False, True]


def test_a_field_the_user_insists_on_is_not_asked_for_without_end() -> None:
    bodies: list[dict[str, Any]] = []

    async def answer(data: dict[str, Any], _: web.BaseRequest) -> web.Response:
        bodies.append(data)
        return web.json_response({"error": {"message": "use max_completion_tokens"}}, status=400)

    async def run() -> Completion | Exception:
        async with scripted(answer) as url:
            return await outcome(client(url, extra_body={"max_tokens": 7}), ask())

    assert isinstance(asyncio.run(run()), RequestRefused)
    assert len(bodies) <= 3


def test_what_is_sent_is_what_was_asked_for() -> None:
    seen: list[tuple[dict[str, Any], str]] = []

    async def answer(data: dict[str, Any], request: web.BaseRequest) -> web.Response:
        seen.append((data, request.path))
        return web.json_response(BODY | {"choices": [{"text": "a"}, {"text": "b"}]})

    async def run() -> Completion | Exception:
        sampling = Sampling(temperature=0.7, top_p=0.5, max_tokens=9, stop=("END",), seed=40)
        request = ask("go", sampling=sampling, draw=2, kind="completion", num_choices=2, extra_body={"top_k": 3})
        async with scripted(answer) as url:
            return await outcome(client(url, extra_body={"top_k": 1, "min_p": 0.1}), request)

    got = asyncio.run(run())
    assert isinstance(got, Completion) and got.choices == ("a", "b")
    body = {"model": "embedded", "prompt": "go", "temperature": 0.7, "top_p": 0.5, "max_tokens": 9}
    body |= {"stop": ["END"], "seed": 42, "n": 2, "top_k": 3, "min_p": 0.1}
    assert seen == [(body, "/v1/completions")]


def test_extra_fields_of_the_settings_are_part_of_the_endpoint() -> None:
    plain = connect_openai(Settings("m", "http://127.0.0.1:1/v1/"))
    spiced = connect_openai(Settings("m", "http://127.0.0.1:1/v1", extra_body={"top_k": 1}))
    assert plain.endpoint == "http://127.0.0.1:1/v1" != spiced.endpoint
