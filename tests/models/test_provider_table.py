"""The documentation's table of providers: each row's settings reach a server as they stand there."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from synth.models import connect
from synth.models.base import ChatRequest

PAGE = (Path(__file__).parents[2] / "docs" / "teachers.md").read_text("utf-8")
TABLE = PAGE.partition("| provider | settings |\n|---|---|\n")[2].partition("\n\n")[0]
ROWS = {line.split("|")[1].strip(): re.findall("`([^`]+)`", line.split("|", 2)[2]) for line in TABLE.splitlines()}


async def asked(settings: dict[str, Any]) -> tuple[web.BaseRequest, dict[str, Any]]:
    """The one request that a server on loopback, standing for the provider's, gets from a teacher of `settings`."""
    got: list[tuple[web.BaseRequest, dict[str, Any]]] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        got.append((request, json.loads(await request.read())))
        return web.json_response({"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]})

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    path = re.sub("https://[^/]+", "", settings.get("base_url", "/v1"))
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    model = connect("openai", settings | {"model": "m", "base_url": url})
    try:
        await model.complete(ChatRequest(({"role": "user", "content": "hi"},)))
    finally:
        await model.close()
        await runner.cleanup()
    (only,) = got
    return only


@pytest.mark.parametrize("provider", ROWS)
def test_a_providers_settings_reach_the_server(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = yaml.safe_load("\n".join(ROWS[provider]))
    headers = settings.get("extra_headers", {})
    for variable in headers.values():
        monkeypatch.setenv(variable[1:], "key-of-the-provider")
    request, body = asyncio.run(asked(settings))
    assert settings.get("extra_body", {}).items() <= body.items()
    assert dict(request.query) == settings.get("extra_query", {})
    assert request.path.endswith("/chat/completions")
    assert all(request.headers[name] == "key-of-the-provider" for name in headers)


def test_the_table_was_found() -> None:
    assert len(ROWS) >= 5 and "Azure OpenAI" in ROWS
