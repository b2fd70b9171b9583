"""The served teacher answers odd requests with 400, strangers with 403, and waits for no body for ever."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request

import pytest
from served import ServedTeacher

BODIES = [b"", b"[]", b"7", b'"x"', b"null", b"{}", b"[" * 5000, b"\xff\xfe", b'{"model": 1, "messages": 5}']
BODIES += [b'{"model": "embedded", "messages": [1]}', b'{"model": "embedded", "messages": [{"content": {}}]}']
BODIES += [b'{"model": "embedded", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1e400}']
BODIES += [b'{"model": "embedded", "messages": [{"role": "user", "content": "x"}], "stop": {"a": 1}, "n": "z"}']


def status(url: str, body: bytes, **headers: str) -> int:
    request = urllib.request.Request(f"{url}/chat/completions", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        assert "message" in json.loads(error.read())["error"]
        return error.code


@pytest.fixture(scope="module")
def url() -> str:
    with ServedTeacher() as served:
        yield served.url


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:30].decode("latin-1"))
def test_an_odd_body_is_a_bad_request(body: bytes, url: str) -> None:
    assert status(url, body) in (400, 404)
    assert status(url, body, **{"x-draw": "many"}) in (400, 404)


def test_another_host_is_refused(url: str) -> None:
    assert status(url, b"{}", Host="rebound.example") == 403
    assert status(url, b"{}", Host="localhost:1") == 400


def test_a_body_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from served import serving, stand_in

    from synth.embedded import server

    monkeypatch.setattr(server, "READ_S", 0.2)

    async def main() -> bytes:
        async with serving(stand_in) as (url, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2].split("/")[0]))
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\n{")
            line = await asyncio.wait_for(reader.readline(), 10)
            writer.close()
            return line

    assert b"408" in asyncio.run(main())
