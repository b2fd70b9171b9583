"""The network client against a real server on loopback, well-behaved and not."""

import asyncio
import gzip
import json
import logging
import resource
import socket
import traceback
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import chain, repeat
from typing import Any

import pytest
from aiohttp import web
from served import serving, stand_in

from synth.embedded.faults import FAULTS
from synth.errors import CredentialsError, RequestFailed, RequestRefused, RetryableError, UsageError
from synth.models import connect
from synth.models.base import ChatModel, ChatRequest, Completion, Sampling
from synth.models.openai import Settings
from synth.models.openai import connect as connect_openai

KEY = "sk-canary-5f0c1d7e9b"
QUICK = {"timeout_s": 0.4}
BODY = {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}


def ask(text: str = "hello", **fields: Any) -> ChatRequest:
    return ChatRequest(({"role": "user", "content": text},), **fields)


def client(*urls: str, **options: Any) -> ChatModel:
    return connect("openai", {"model": "embedded", "base_urls": urls, "api_key_env": "CANARY_KEY", **options})


async def outcome(model: ChatModel, request: ChatRequest) -> Completion | Exception:
    try:
        return await model.complete(request)
    except Exception as error:
        return error
    finally:
        await model.close()


@asynccontextmanager
async def scripted(answer: Callable[[dict[str, Any], web.BaseRequest], Awaitable[web.StreamResponse]]) -> Any:
    """A server that answers by a function of the parsed body."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await answer(json.loads(await request.read() or "{}"), request)

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    await runner.cleanup()


REASONS = {
    "rate_limited": "rate_limit",
    "server_error": "server_error",
    "overloaded": "server_error",
    "reset": "connection",
    "hang": "timeout",
    "slow_bytes": "timeout",
    "cut_json": "bad_body",
    "html": "bad_body",
    "error_object": "error_in_body",
    "twice": "bad_body",
    "wrong_charset": "bad_body",
    "huge_body": "body_too_big",
    "gzip_bomb": "body_too_big",
    "null_content": "empty_answer",
    "no_choices": "no_choices",
    "too_few_choices": "too_few_choices",
    "bad_request": "bad_request",
    "gzip_in_gzip": "body_too_big",
    "silent": "timeout",
    "tool_calls": "empty_answer",
    "abort": "broken_off",
    "open_thoughts": "empty_answer",
    "empty": "empty_answer",
    "blank": "empty_answer",
}


@pytest.mark.parametrize("fault", [name for name, fault in FAULTS.items() if fault.stage in ("transport", "envelope")])
def test_each_fault_on_the_wire_becomes_its_own_error(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", KEY)

    async def run() -> tuple[Completion | Exception, int]:
        async with serving(stand_in, f"{fault}=1", drip_s=0.01, late_s=0.05) as (url, server):
            request = ask(num_choices=2 if fault == "too_few_choices" else 1, sampling=Sampling(temperature=0.5))
            options = QUICK if REASONS.get(fault) == "timeout" else {"max_answer_bytes": 2**20}
            return await outcome(client(url, **options), request), server.stats()["faults"].get(fault)

    got, times = asyncio.run(run())
    assert times == 1
    expected = FAULTS[fault].expect
    if fault in REASONS:
        assert isinstance(got, RequestFailed) and got.reason == REASONS[fault]
        assert isinstance(got, RetryableError) == (expected == "retried")
    elif expected == "stopped":
        where = "base_url" if fault == "redirect" else "CANARY_KEY"
        assert isinstance(got, CredentialsError) and where in got.hint
    else:
        assert isinstance(got, Completion)
        finish = {"refusal": "content_filter", "content_filter": "content_filter", "cut": "length"}
        assert got.finish_reason == finish.get(fault, "stop")
        assert "<think>" not in got.text and bool(got.reasoning) == (fault in ("think_block", "reasoning_field"))


def test_a_wish_for_time_arrives_with_the_error() -> None:
    async def run() -> Completion | Exception:
        async with serving(stand_in, "rate_limited=1") as (url, _):
            return await outcome(client(url), ask())

    error = asyncio.run(run())
    assert isinstance(error, RetryableError) and error.is_throttle
    assert error.retry_after is not None and 0.02 <= error.retry_after <= 0.08


@pytest.mark.parametrize("fault", ["", "hang=1", "reset=1", "html=1", "bad_request=1", "unauthorized=1", "no_quota=1"])
def test_the_key_appears_nowhere(fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("CANARY_KEY", KEY)
    caplog.set_level(logging.DEBUG)

    async def run() -> str:
        wanted = None if fault else "another key, so that the server answers 401 and repeats ours"
        async with serving(stand_in, fault, api_key=wanted) as (url, _):
            model = client(url, **(QUICK if fault == "hang=1" else {}))
            try:
                await model.complete(ask())
            except Exception as error:
                lines = traceback.TracebackException.from_exception(error, capture_locals=False).format()
                return f"{error!r}{error.__dict__}{''.join(lines)}{error.__context__!r}{model!r}{model.endpoint}"
            finally:
                await model.close()
        raise AssertionError("no error")

    seen = asyncio.run(run())
    assert KEY not in seen
    assert KEY not in caplog.text
    assert fault or "[key]" in seen


def test_a_wrong_key_says_which_variable_to_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", KEY)

    async def run() -> Completion | Exception:
        async with serving(stand_in, api_key="right") as (url, _):
            return await outcome(client(url), ask())

    error = asyncio.run(run())
    assert isinstance(error, CredentialsError) and "CANARY_KEY" in error.hint


def test_a_wrong_model_names_those_that_exist() -> None:
    async def run() -> Completion | Exception:
        async with serving(stand_in) as (url, _):
            return await outcome(client(url, model="nope"), ask())

    error = asyncio.run(run())
    assert isinstance(error, CredentialsError) and "it has: embedded" in error.hint


def test_a_wrong_path_says_so() -> None:
    async def run() -> Completion | Exception:
        async with serving(stand_in) as (url, _):
            return await outcome(client(url + "/deeper"), ask())

    error = asyncio.run(run())
    assert isinstance(error, CredentialsError) and "base_url" in error.hint


def test_a_server_that_is_not_there_is_worth_another_try() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    error = asyncio.run(outcome(client(url), ask()))
    assert isinstance(error, RetryableError) and error.reason == "connection" and url in error.message


def test_requests_go_where_the_fewest_are_in_flight() -> None:
    """Of two servers one answers nothing for long: it gets its half of the 16 requests in flight, and no more."""
    seen: Counter[str] = Counter()

    async def run() -> None:
        released = asyncio.Event()

        def came(to: str) -> None:
            seen[to] += 1
            if seen.total() == 160:
                released.set()

        async def quick(data: dict[str, Any], _: web.BaseRequest) -> web.Response:
            came("quick")
            return web.json_response(BODY)

        async def stuck(data: dict[str, Any], _: web.BaseRequest) -> web.Response:
            came("stuck")
            await released.wait()
            return web.json_response(BODY)

        async with scripted(quick) as first, scripted(stuck) as second:
            model, slots = client(first, second), asyncio.Semaphore(16)

            async def one_request(number: int) -> None:
                async with slots:
                    await model.complete(ask(f"number {number}"))

            await asyncio.gather(*(one_request(number) for number in range(160)))
            await model.close()

    asyncio.run(run())
    assert seen.total() == 160 and 1 <= seen["stuck"] <= 9


def test_a_dead_server_among_several_costs_one_request() -> None:
    async def run() -> tuple[int, int]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            dead = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        async with serving(stand_in) as (alive, server):
            model = client(dead, alive)
            failed = 0
            for number in range(10):
                try:
                    await model.complete(ask(f"number {number}"))
                except RetryableError:
                    failed += 1
            await model.close()
            return failed, server.stats()["answered"]

    assert asyncio.run(run()) == (1, 9)


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


def test_headers_and_query_come_from_settings_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "canary-team-1")
    seen: list[tuple[str | None, str]] = []

    async def answer(data: dict[str, Any], request: web.BaseRequest) -> web.Response:
        seen.append((request.headers.get("X-Team"), request.query_string))
        return web.json_response({"error": {"message": "no canary-team-1 here"}}, status=400)

    async def run() -> Completion | Exception:
        async with scripted(answer) as url:
            options = {"extra_headers": {"X-Team": "$TEAM"}, "extra_query": {"api-version": "2024-10-21"}}
            return await outcome(client(url, **options), ask())

    error = asyncio.run(run())
    assert seen == [("canary-team-1", "api-version=2024-10-21")]
    assert "canary-team-1" not in f"{error!r}{error.__dict__}"
    monkeypatch.delenv("TEAM")
    with pytest.raises(CredentialsError, match=r"\$TEAM"):
        client("http://127.0.0.1:1/v1", extra_headers={"X-Team": "$TEAM"})
    with pytest.raises(UsageError, match="NAME of an environment variable"):
        client("http://127.0.0.1:1/v1", extra_headers={"Authorization": f"Bearer {KEY}"})


def packed(times: int, num_mb: int) -> bytes:
    """A reply with that much padding, packed so often; the padding is never in memory as a whole."""
    body = json.dumps(BODY | {"padding": ""}).encode()
    pieces: Iterable[bytes] = chain([body[:-2]], repeat(b"x" * 1_000_000, num_mb), [body[-2:]])
    for _ in range(times):
        press = zlib.compressobj(wbits=31)
        pieces = [b"".join([*map(press.compress, pieces), press.flush()])]
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("encoding", "make_body", "reason"),
    [
        ("gzip", lambda: packed(1, 0), None),
        ("deflate, gzip", lambda: gzip.compress(zlib.compress(json.dumps(BODY).encode())), None),
        ("gzip", lambda: packed(1, 5), "body_too_big"),
        ("gzip, gzip", lambda: packed(2, 100), "body_too_big"),
        ("gzip, gzip, gzip", lambda: packed(3, 100), "body_too_big"),
        ("gzip", lambda: b"not gzip", "bad_body"),
        ("br", lambda: b"whatever", "bad_body"),
    ],
    ids=["one layer", "two layers", "big", "bomb", "bomb of bombs", "broken", "not asked for"],
)
def test_a_body_is_bounded_on_every_layer_of_packing(
    encoding: str, make_body: Callable[[], bytes], reason: str | None
) -> None:
    body = make_body()

    async def answer(data: dict[str, Any], request: web.BaseRequest) -> web.Response:
        headers = {"content-encoding": encoding, "content-type": "application/json"}
        return web.Response(body=body, headers=headers)

    async def run() -> Completion | Exception:
        async with scripted(answer) as url:
            return await outcome(client(url), ask())

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    got = asyncio.run(run())
    assert getattr(got, "reason", None) == reason
    assert isinstance(got, RetryableError if reason else Completion)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_a_server_on_loopback_is_never_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def answer(data: dict[str, Any], request: web.BaseRequest) -> web.Response:
        return web.json_response(BODY)

    async def run() -> Completion | Exception:
        async with scripted(answer) as url:
            return await outcome(client(url), ask())

    assert isinstance(asyncio.run(run()), Completion)


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


def test_an_organization_in_the_environment_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    seen: list[str | None] = []

    async def answer(data: dict[str, Any], request: web.BaseRequest) -> web.Response:
        seen.append(request.headers.get("OpenAI-Organization"))
        return web.json_response(BODY)

    async def run(**options: Any) -> None:
        async with scripted(answer) as url:
            await outcome(client(url, **options), ask())

    asyncio.run(run())
    asyncio.run(run(organization="org-named"))
    assert seen == [None, "org-named"]


def test_headers_of_any_kind_do_no_harm() -> None:
    async def answer(data: dict[str, Any], request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nnot a header at all\r\n\x00: x\r\n\r\n{}")
        request.transport.close()
        await asyncio.sleep(0)
        return web.Response()

    async def run() -> Completion | Exception:
        async with scripted(answer) as url:
            return await outcome(client(url), ask())

    assert isinstance(asyncio.run(run()), RetryableError)


def test_a_missing_key_is_named_and_loopback_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CANARY_KEY", raising=False)
    client("http://127.0.0.1:1/v1")
    with pytest.raises(CredentialsError, match="CANARY_KEY"):
        client("https://far.example/v1")


@pytest.mark.parametrize("key", ["zwölf", "two words", "line\nbreak"])
def test_a_key_no_header_can_carry_is_refused_without_being_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", key)
    with pytest.raises(CredentialsError) as raised:
        client("https://far.example/v1")
    assert key not in repr(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": KEY},
        {"api_key_env": KEY},
        {"base_url": f"https://user:{KEY}@far.example/v1"},
        {"base_url": f"ftp://{KEY}"},
        {"timeout_s": KEY},
        {"structured": KEY},
        {"extra_body": KEY},
    ],
)
def test_a_key_in_the_wrong_place_is_refused_without_being_shown(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as raised:
        connect("openai", {"model": "tiny", **options})
    assert KEY not in f"{raised.value}{raised.value.hint}"


def test_extra_fields_of_the_settings_are_part_of_the_endpoint() -> None:
    plain = connect_openai(Settings("m", "http://127.0.0.1:1/v1/"))
    spiced = connect_openai(Settings("m", "http://127.0.0.1:1/v1", extra_body={"top_k": 1}))
    assert plain.endpoint == "http://127.0.0.1:1/v1" != spiced.endpoint
