"""The embedded teacher as an OpenAI-compatible server on loopback: chat, completions, models, usage, and faults.

It answers as any such server does, so that the network client, and any other client, can be tested against known truth.
Batches (`/files`, `/batches`) are in `batches`.
Limits and faults are real: resets reset the socket, slow bytes drip. `/stats` counts what was asked.
Not for production: one process, one thread, loopback only. Plain aiohttp, since it shares the machine with its client.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synth.embedded.batches import Batches, parse_batch_faults
from synth.embedded.faults import Faults, request_digest
from synth.embedded.wire import Wire, chat_body, error_body
from synth.errors import RequestRefused
from synth.models.base import ChatRequest, Completion, Sampling

if TYPE_CHECKING:
    from aiohttp import web

Answer = Callable[[ChatRequest], Completion]
JSON = "application/json"
READ_S = 30.0
"""A request that has not come whole by then is given up."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How the server behaves. Port 0 takes a free one.

    `capacity`: requests at once; past it a 429, or with `queue` a wait. `hang_s`, `drip_s` (a byte) and `late_s` are for
    the faults. `batch_s`: what a batch takes; `batch_faults`: see `batches.parse_batch_faults`.
    """

    port: int = 0
    latency_ms: float = 0.0
    capacity: int | None = None
    queue: bool = False
    api_key: str | None = None
    max_model_len: int = 32768
    hang_s: float = 3600.0
    drip_s: float = 1.0
    late_s: float = 1.0
    batch_s: float = 0.0
    batch_faults: str = ""


class BadBody(Exception):
    """The request cannot be understood (status 400)."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


class TeacherServer:
    """Handles HTTP requests for a model called `model` that answers by `answer`."""

    def __init__(self, model: str, answer: Answer, faults: Faults, settings: ServeSettings) -> None:
        self._model, self._answer, self._faults, self._settings = model, answer, faults, settings
        self._places = asyncio.Semaphore(settings.capacity) if settings.capacity else None
        self._counts: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._answered: set[str] = set()
        self._in_flight = self._peak = 0
        self.batches = Batches(self._row, parse_batch_faults(settings.batch_faults), settings.batch_s)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """The one handler; unknown paths get a 404 of the shape that vLLM uses."""
        from aiohttp import web

        if (request.url.host or "").strip("[]") not in ("127.0.0.1", "localhost", "::1"):
            return _error(403, "This server answers to loopback addresses alone", "Forbidden", "host")
        path = request.path.removeprefix("/v1")
        if path in ("/chat/completions", "/completions") and request.method == "POST":
            return await self._complete(request, path)
        if path == "/models":
            row = {"id": self._model, "object": "model", "created": 0, "owned_by": "synth"}
            row |= {"max_model_len": self._settings.max_model_len}
            return self._refused(request) or web.json_response({"object": "list", "data": [row]})
        if path.startswith(("/files", "/batches")):
            return self._refused(request) or await self.batches(request, path)
        if path == "/health":
            return web.Response()
        if path == "/stats":
            return web.json_response(self.stats("digests" in request.query))
        return web.json_response({"detail": "Not Found"}, status=404)

    def stats(self, digests: bool = False) -> dict[str, Any]:
        """What happened so far.

        admitted: past the limit, what a provider would bill · answered: sent whole and good · declined: of these, beyond
        the teacher · distinct, asked_again: of the admitted · answered_again: admitted though answered before · digests:
        how often each request was admitted.
        """
        asked = self._asked
        names = ("requests", "admitted", "answered", "declined", "throttled", "answered_again")
        row = {name: self._counts[name] for name in names}
        row |= {"distinct": len(asked), "asked_again": sum(asked.values()) - len(asked)}
        row |= {"in_flight": self._in_flight, "peak_in_flight": self._peak}
        rest = {"faults": dict(self._faults.counts), "cpu_s": time.process_time()}
        return row | rest | ({"digests": dict(asked)} if digests else {})

    def _refused(self, request: web.BaseRequest) -> web.Response | None:
        """A 401 for a wrong key. Like some real servers it repeats the key: a client has to hide it."""
        from aiohttp import web

        wanted = self._settings.api_key
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if wanted is None or hmac.compare_digest(given.encode(), wanted.encode()):
            return None
        body = error_body(f"Incorrect API key provided: {given}", "invalid_request_error", "invalid_api_key")
        return web.Response(body=body, status=401, content_type=JSON)

    async def _complete(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        self._counts["requests"] += 1
        refused = self._refused(request)
        if refused:
            return refused
        try:
            async with asyncio.timeout(READ_S):
                data = json.loads(await request.read())
            asked = read_request(data, path, request.headers.get("x-draw", "0"))
        except TimeoutError:
            return _error(408, f"The body did not come within {READ_S:g} s", "Request Timeout", "body")
        except (ValueError, RecursionError, TypeError, KeyError, AttributeError, OverflowError):
            return _error(400, "The body is not JSON of a request", "Bad Request", "body")
        except BadBody as error:
            return _error(400, str(error), "BadRequestError", error.param)
        if data.get("model") != self._model:
            message = f"The model `{data.get('model')}` does not exist. Valid names: {self._model}."
            return _error(404, message, "NotFoundError", "model")
        if self._places and self._places.locked() and not self._settings.queue:
            self._counts["throttled"] += 1
            return _error(429, "Too many requests", "requests", None, "rate_limit_exceeded")
        async with self._places or contextlib.nullcontext():
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
            try:
                return await self._admitted(request, asked)
            finally:
                self._in_flight -= 1

    async def _admitted(self, request: web.BaseRequest, asked: ChatRequest) -> web.StreamResponse:
        sent, is_good = self._worked_out(asked)
        await asyncio.sleep(self._settings.latency_ms / 1000)
        self._counts["answered"] += is_good
        return await self._play(request, sent)

    def _worked_out(self, asked: ChatRequest) -> tuple[Wire, bool]:
        """What is sent for an admitted request, and whether that is its good answer."""
        identity = request_digest(self._model, asked)
        attempt = self._asked[identity]
        self._asked[identity] += 1
        self._counts["admitted"] += 1
        self._counts["answered_again"] += identity in self._answered
        broken = self._faults.wire_fault(asked, identity, attempt)
        answer = self._answer_or_decline(asked)
        if answer.finish_reason != "unsupported":
            answer = self._faults.spoil(answer, asked, identity, attempt)
        tokens, limit = answer.usage.prompt_tokens or 0, self._settings.max_model_len
        if tokens > limit:
            message = f"This model's maximum context length is {limit} tokens. However, your prompt contains {tokens}."
            return Wire(error_body(message, "BadRequestError", 400, "input_tokens"), 400), False
        body = json.dumps(chat_body(answer, asked, self._model, identity)).encode()
        if broken:
            _, function, rng = broken
            return function(body, rng), False
        if answer.finish_reason != "unsupported":
            self._answered.add(identity)
        return Wire(body), True

    def _row(self, data: Any, path: str, draw: str, is_lost: bool) -> tuple[int, dict[str, Any]]:
        """Status and body of a request in a batch; what breaks a connection is an error 500 there."""
        self._counts["requests"] += 1
        try:
            asked = read_request(data, path, draw)
        except (BadBody, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            return 400, dict(json.loads(error_body(str(error), "BadRequestError", 400)))
        sent, is_good = self._worked_out(asked)
        self._counts["answered"] += is_good
        if is_lost:
            self._answered.discard(request_digest(self._model, asked))
        try:
            if sent.manner in ("whole", "late"):
                return sent.status, dict(json.loads(sent.body))
        except ValueError:
            pass
        return 500, dict(json.loads(error_body("The engine met an issue", "InternalServerError", 500)))

    def _answer_or_decline(self, asked: ChatRequest) -> Completion:
        """The answer; what the teacher cannot do becomes an answer of no text with the end `unsupported`."""
        try:
            return self._answer(asked)
        except RequestRefused as error:
            self._counts["declined"] += 1
            return Completion("", "unsupported", reasoning=error.message)

    async def _play(self, request: web.BaseRequest, wire: Wire) -> web.StreamResponse:
        """Send a spoiled answer in its own manner."""
        from aiohttp import web

        if wire.manner == "hang":
            await asyncio.sleep(self._settings.hang_s)
        if wire.manner == "late":
            await asyncio.sleep(self._settings.late_s)
        headers = {"content-type": JSON} | wire.headers
        if wire.manner in ("whole", "late"):
            return web.Response(body=wire.body, status=wire.status, headers=headers)
        response = web.StreamResponse(status=wire.status, headers=headers | {"content-length": str(len(wire.body))})
        await response.prepare(request)
        if wire.manner == "silent":
            await asyncio.sleep(self._settings.hang_s)
        if wire.manner == "slow":
            for at in range(len(wire.body)):
                await response.write(wire.body[at : at + 1])
                await asyncio.sleep(self._settings.drip_s)
        else:
            await response.write(wire.body[: len(wire.body) // 2])
            _reset(request)
        return response


def _reset(request: web.BaseRequest) -> None:
    """Close the connection so that the other side sees a reset and not an end."""
    if request.transport is not None:
        linger = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.transport.abort()


def _error(status: int, message: str, kind: str, param: str | None, code: str | int | None = None) -> web.Response:
    from aiohttp import web

    body = error_body(message, kind, code if code is not None else status, param)
    return web.Response(body=body, status=status, content_type=JSON)


_SAMPLING = {
    "temperature": (float, 0.0, 2.0),
    "top_p": (float, 0.0, 1.0),
    "max_tokens": (int, 1, 10**9),
    "presence_penalty": (float, -2.0, 2.0),
    "frequency_penalty": (float, -2.0, 2.0),
    "seed": (int, -(2**63), 2**64),
}
_KNOWN = {"model", "messages", "prompt", "stop", "n", "response_format", *_SAMPLING}


def read_request(data: Any, path: str, draw: str) -> ChatRequest:
    """The ChatRequest that our client made this body of, so that served and embedded teacher answer alike.

    Fields that are not of the API become `extra_body`. The client adds the draw to the seed; it is taken off again.
    """
    if not isinstance(data, dict):
        raise BadBody("The body is not an object", "body")
    if data.get("max_tokens") is None and data.get("max_completion_tokens") is not None:
        data["max_tokens"] = data.pop("max_completion_tokens")
    values = {name: _value(data, name, *bounds) for name, bounds in _SAMPLING.items()}
    ordinal = int(draw) if draw.isascii() and draw.isdigit() else 0
    if ordinal and values["seed"] is not None:
        values["seed"] -= ordinal
    stop = data.get("stop") or ()
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    count = _value(data, "n", int, 1, 128) or 1
    schema = ((data.get("response_format") or {}).get("json_schema") or {}).get("schema")
    return ChatRequest(
        messages=_messages(data) if path == "/chat/completions" else _prompt(data),
        sampling=Sampling(stop=stops, **values),
        schema=schema,
        draw=ordinal,
        kind="chat" if path == "/chat/completions" else "completion",
        num_choices=count,
        extra_body={name: value for name, value in data.items() if name not in _KNOWN},
    )


def _value(data: dict[str, Any], name: str, kind: type, least: float, most: float) -> Any:
    value = data.get(name)
    if value is None:
        return None
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
    if not fits or (kind is int and not isinstance(value, int)):
        raise BadBody(f"{name} must be a number from {least:g} to {most:g}, got {str(value)[:20]}", name)
    return value


def _messages(data: dict[str, Any]) -> tuple[dict[str, str], ...]:
    messages = data.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadBody("messages must be a list of at least one message", "messages")
    found = []
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadBody("a message is an object with a role and a content", "messages")
        content = message.get("content") or ""
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
        found.append({"role": message["role"], "content": str(content)})
    return tuple(found)


def _prompt(data: dict[str, Any]) -> tuple[dict[str, str], ...]:
    prompt = data.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt:
        raise BadBody("prompt must be one text that is not empty", "prompt")
    return ({"role": "user", "content": prompt},)


def serve(model: str, answer: Answer, on_ready: Callable[[str], None], faults: Faults, settings: ServeSettings) -> None:
    """Serve until SIGINT or SIGTERM. `on_ready` gets the base URL once requests are taken. OSError: the port is taken."""
    try:
        asyncio.run(_serve(TeacherServer(model, answer, faults, settings), settings.port, on_ready))
    finally:
        faults.close()


async def _serve(handler: TeacherServer, port: int, on_ready: Callable[[str], None]) -> None:
    from aiohttp import web

    runner = web.ServerRunner(web.Server(handler, handler_cancellation=True, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, backlog=1024)
        await site.start()
        on_ready(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        await stopped.wait()
    finally:
        await runner.cleanup()
