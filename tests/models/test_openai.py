"""The network client against a real server on loopback, well-behaved and not."""

import asyncio
import gzip
import json
import resource
import socket
import zlib
from collections.abc import Callable, Iterable
from itertools import chain, repeat
from typing import Any

import pytest
from aiohttp import web
from openai_client import BODY, KEY, QUICK, ask, client, outcome, scripted
from served import serving, stand_in

from synth.embedded.faults import FAULTS
from synth.errors import CredentialsError, RequestFailed, RetryableError
from synth.models.base import Completion, Sampling

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
