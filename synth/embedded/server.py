"""The embedded teacher as an OpenAI-compatible server on loopback: chat, completions, models, usage, and faults.

It answers as any such server does, so that the network client, and any other client, can be tested against known truth.
Batches (`/files`, `/batches`) are in `batches`.
Limits and faults are real: resets reset the socket, slow bytes drip. `/stats` counts what was asked.
Not for production: one process, one thread, loopback only. Plain aiohttp, since it shares the machine with its client.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import signal
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synth.embedded.batches import Batches, parse_batch_faults, refusal
from synth.embedded.faults import Faults, request_digest
from synth.embedded.wire import Wire, chat_body, error_body
from synth.errors import RequestRefused
from synth.models.base import ChatRequest, Completion, Sampling

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
    hang_s: float = 3600.0
    drip_s: float = 1.0
    late_s: float = 1.0
    batch_s: float = 0.0
    batch_faults: str = ""


class TeacherServer:
    """Handles HTTP requests for a model called `model` that answers by `answer`."""

    def __init__(self, model: str, answer: Answer, faults: Faults, settings: ServeSettings) -> None:
        self._model, self._answer, self._faults, self._settings = model, answer, faults, settings
        self._counts: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._answered: set[str] = set()
        self._in_flight = self._peak = 0
        self._places = asyncio.Semaphore(settings.capacity or 10**6)
        self.batches = Batches(self._row, parse_batch_faults(settings.batch_faults), settings.batch_s)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """The one handler; unknown paths get a 404 of the shape that vLLM uses."""
        if (request.url.host or "").strip("[]") not in ("127.0.0.1", "localhost", "::1"):
            return refusal(403, "This server answers to loopback addresses alone", "Forbidden", "host")
        path = request.path.removeprefix("/v1")
        if path in ("/chat/completions", "/completions") and request.method == "POST":
            return await self._complete(request, path)
        if path == "/models":
            row = {"id": self._model, "object": "model", "created": 0, "owned_by": "synth"}
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
        row: dict[str, Any] = {name: self._counts[name] for name in names}
        row |= {"distinct": len(asked), "asked_again": sum(asked.values()) - len(asked)}
        row |= {"in_flight": self._in_flight, "peak_in_flight": self._peak}
        row |= {"faults": dict(self._faults.counts)}
        return row | ({"digests": dict(asked)} if digests else {})

    def _refused(self, request: web.BaseRequest) -> web.Response | None:
        """A 401 for a wrong key. Like some real servers it repeats the key: a client has to hide it."""
        wanted = self._settings.api_key
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if wanted is None or hmac.compare_digest(given.encode(), wanted.encode()):
            return None
        return refusal(401, f"Incorrect API key provided: {given}", code="invalid_api_key")

    async def _complete(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        self._counts["requests"] += 1
        refused = self._refused(request)
        if refused:
            return refused
        try:
            async with asyncio.timeout(READ_S):
                body = BODIES[path].model_validate_json(await request.read())
        except TimeoutError:
            return refusal(408, f"The body did not come within {READ_S:g} s", "Request Timeout", "body")
        except ValidationError as problem:
            wrong = problem.errors()[0]
            return refusal(400, wrong["msg"], "BadRequestError", str(*wrong["loc"][:1]) or "body")
        if body.model != self._model:
            message = f"The model `{body.model}` does not exist. Valid names: {self._model}."
            return refusal(404, message, "NotFoundError", "model")
        if self._places.locked() and not self._settings.queue:
            self._counts["throttled"] += 1
            return refusal(429, "Too many requests", "requests", None, "rate_limit_exceeded")
        async with self._places:
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
            try:
                return await self._admitted(request, read_request(body, request.headers.get("x-draw", "0")))
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
        body = json.dumps(chat_body(answer, asked, self._model, identity)).encode()
        if broken:
            function, rng = broken
            return function(body, rng), False
        if answer.finish_reason != "unsupported":
            self._answered.add(identity)
        return Wire(body), True

    def _row(self, data: Any, path: str, draw: str, is_lost: bool) -> tuple[int, dict[str, Any]]:
        """Status and body of a request in a batch; what breaks a connection is an error 500 there."""
        self._counts["requests"] += 1
        try:
            asked = read_request(BODIES[path].model_validate(data), draw)
        except (KeyError, ValidationError) as error:
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


class Body(BaseModel):
    """What both kinds of request have. Fields that are not of the API become `extra_body`."""

    model_config = ConfigDict(extra="allow", strict=True)
    model: str = ""
    temperature: int | float | None = Field(None, ge=0, le=2)
    top_p: int | float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    presence_penalty: int | float | None = Field(None, ge=-2, le=2)
    frequency_penalty: int | float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=-(2**63), le=2**64)
    stop: str | list[str] | None = None
    n: int | None = Field(None, ge=1, le=128)
    response_format: dict[str, Any] | None = None


class Message(BaseModel):
    model_config = ConfigDict(strict=True)
    role: str
    content: str | None = None


class ChatBody(Body):
    kind: ClassVar[Literal["chat", "completion"]] = "chat"
    messages: list[Message] = Field(min_length=1)

    def asked(self) -> tuple[dict[str, str], ...]:
        return tuple({"role": one.role, "content": one.content or ""} for one in self.messages)


class TextBody(Body):
    kind: ClassVar[Literal["chat", "completion"]] = "completion"
    prompt: Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1, max_length=1)]

    def asked(self) -> tuple[dict[str, str], ...]:
        return ({"role": "user", "content": self.prompt if isinstance(self.prompt, str) else self.prompt[0]},)


BODIES: dict[str, type[ChatBody | TextBody]] = {"/chat/completions": ChatBody, "/completions": TextBody}


def read_request(body: ChatBody | TextBody, draw: str) -> ChatRequest:
    """The ChatRequest that our client made this body of, so that served and embedded teacher answer alike.

    The client adds the draw to the seed; it is taken off again.
    """
    ordinal = int(draw) if draw.isascii() and draw.isdigit() else 0
    sampling = body.model_dump(include=set(Sampling.__slots__))
    sampling["stop"] = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    sampling["max_tokens"] = body.max_tokens or body.max_completion_tokens
    sampling["seed"] = None if body.seed is None else body.seed - ordinal
    schema = (body.response_format or {}).get("json_schema")
    return ChatRequest(
        messages=body.asked(),
        sampling=Sampling(**sampling),
        schema=schema.get("schema") if isinstance(schema, dict) else None,
        draw=ordinal,
        kind=body.kind,
        num_choices=body.n or 1,
        extra_body=body.model_extra or {},
    )


async def serve(handler: TeacherServer, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. `on_ready` gets the base URL once requests are taken. OSError: the port is taken."""
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
