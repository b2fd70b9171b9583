"""Keys and headers of the network client: where they come from, and that no text shows them."""

import asyncio
import logging
import traceback
from typing import Any

import pytest
from aiohttp import web
from openai_client import BODY, KEY, QUICK, ask, client, outcome, scripted
from served import serving, stand_in

from synth.errors import CredentialsError, UsageError
from synth.models import connect
from synth.models.base import Completion


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
