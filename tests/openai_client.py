"""A client of the network backend, and a server that answers by a function. Not a test itself."""

import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from synth.models import connect
from synth.models.base import ChatModel, ChatRequest, Completion

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
