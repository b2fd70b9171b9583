"""An answer as bytes on the wire, and the ways in which servers and proxies spoil it there.

`chat_body` writes the JSON of the OpenAI API. Each fault turns a good body into a `Wire`: a status, headers, bytes and
the manner of sending them. Nothing is sent here: `server` plays a Wire on a real socket.
"""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from synth.models.base import ChatRequest, Completion

MORE_THAN_THE_CAP = 65 * 2**20
"""Bytes of the huge bodies: one MiB above the client's default cap."""


Manner = Literal["whole", "reset", "slow", "late", "hang", "silent"]


@dataclass(frozen=True, slots=True)
class Wire:
    """What goes over the socket. `manner`: `whole`, half of it and a reset, byte by byte, late, never, or `silent` after
    the headers."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    manner: Manner = "whole"


WireFault = Callable[[bytes, Random], Wire]


def chat_body(answer: Completion, request: ChatRequest, model: str, identity: str) -> dict[str, Any]:
    """The response object of `/chat/completions` (or `/completions`) for an answer; `identity` becomes its id."""
    texts = answer.choices or (answer.text,)
    chat = request.kind == "chat"
    choices: list[dict[str, Any]] = []
    for index, given_text in enumerate(texts):
        text = None if answer.finish_reason == "unsupported" else given_text
        choice: dict[str, Any] = {"index": index, "finish_reason": answer.finish_reason, "logprobs": None}
        if chat:
            choice["message"] = {"role": "assistant", "content": text}
            if answer.reasoning and index == 0:
                choice["message"]["reasoning_content"] = answer.reasoning
        else:
            choice["text"] = text
        choices.append(choice)
    asked, given = answer.usage.prompt_tokens or 0, answer.usage.completion_tokens or 0
    usage = {"prompt_tokens": asked, "completion_tokens": given, "total_tokens": asked + given}
    kind, prefix = ("chat.completion", "chatcmpl-") if chat else ("text_completion", "cmpl-")
    row = {"id": prefix + identity[:24], "object": kind, "created": 0, "model": model}
    return row | {"choices": choices, "usage": usage}


def error_body(message: str, kind: str, code: str | int | None = None, param: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


def _rate_limited(body: bytes, rng: Random) -> Wire:
    """429 with a wish of 20 to 80 ms in one of three spellings."""
    wait = rng.randint(20, 80)
    wishes = (
        {"retry-after-ms": str(wait)},
        {"retry-after": f"{wait / 1000}"},
        {"x-ratelimit-reset-requests": f"{wait}ms"},
    )
    return Wire(error_body("Too many requests", "requests", "rate_limit_exceeded"), 429, rng.choice(wishes))


def _wrong_charset(body: bytes, rng: Random) -> Wire:
    head, mark, rest = body.partition(b'"choices"')
    spoiled = head + mark + rest.replace(b'": "', b'": "caf\xe9 ', 1)
    return Wire(spoiled, headers={"content-type": "application/json; charset=iso-8859-1"})


@functools.cache
def _packed_zeros() -> bytes:
    return gzip.compress(bytes(MORE_THAN_THE_CAP), mtime=0)


def _sent(manner: Manner) -> WireFault:
    return lambda body, rng: Wire(body, manner=manner)


def _error(status: int, *parts: str | int, headers: dict[str, str] | None = None) -> WireFault:
    """An error object, or bytes given as one text, with a status."""
    body = str(parts[0]).encode() if len(parts) == 1 else error_body(*parts)  # type: ignore[arg-type]
    return lambda good, rng: Wire(body, status, headers or {})


def _edited(spoil: Callable[[dict[str, Any]], object]) -> WireFault:
    def fault(body: bytes, rng: Random) -> Wire:
        data = json.loads(body)
        spoil(data)
        return Wire(json.dumps(data).encode())

    return fault


_HTML = {"content-type": "text/html"}
_CALL = {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": {"name": "search"}}]}
RETRIED: dict[str, WireFault] = {
    "rate_limited": _rate_limited,
    "server_error": _error(500, "The engine met an issue", "InternalServerError", 500),
    "overloaded": _error(503, "<html><h1>503 Service Unavailable</h1></html>", headers=_HTML),
    "reset": _sent("reset"),
    "hang": _sent("hang"),
    "slow_bytes": _sent("slow"),
    "cut_json": lambda body, rng: Wire(body[: rng.randint(1, max(1, len(body) - 2))]),
    "html": _error(200, "<!doctype html><title>Sign in</title><p>Please sign in.", headers=_HTML),
    "error_object": _error(200, "Provider returned an error", "provider_error"),
    "twice": lambda body, rng: Wire(body + body),
    "wrong_charset": _wrong_charset,
    "huge_body": lambda body, rng: Wire(b" " * MORE_THAN_THE_CAP + body),
    "gzip_bomb": lambda body, rng: Wire(_packed_zeros(), headers={"content-encoding": "gzip"}),
    "null_content": _edited(
        lambda data: [one.update(message={"role": "assistant", "content": None}, text=None) for one in data["choices"]]
    ),
    "no_choices": _edited(lambda data: data.update(choices=[])),
    "too_few_choices": _edited(lambda data: data["choices"].pop()),
    "gzip_in_gzip": lambda body, rng: Wire(
        gzip.compress(_packed_zeros(), mtime=0), headers={"content-encoding": "gzip, gzip"}
    ),
    "silent": _sent("silent"),
    "tool_calls": _edited(lambda data: data["choices"][0].update(message=_CALL, finish_reason="tool_calls", text="")),
    "abort": _edited(lambda data: data["choices"][0].update(finish_reason="abort")),
}
RECOVERED: dict[str, WireFault] = {
    "late": _sent("late"),
    "wrong_usage": _edited(lambda data: data.update(usage={"prompt_tokens": -1, "completion_tokens": "many"})),
    "odd_usage": _edited(lambda data: data.update(usage={"prompt_tokens": 10**30, "completion_tokens": True})),
}
REJECTED: dict[str, WireFault] = {
    "bad_request": _error(400, "The request cannot be processed", "BadRequestError", 400, "messages"),
    "refusal": _edited(
        lambda data: data["choices"][0].update(
            message={"role": "assistant", "content": None, "refusal": "This cannot be answered."}
        )
    ),
}
STOPPED: dict[str, WireFault] = {
    "unauthorized": _error(401, '{"error": "Unauthorized"}'),  # a bare string, as vLLM has it
    "no_quota": _error(429, "You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
    "redirect": _error(302, "<a href='/login'>Found</a>", headers=_HTML | {"location": "/login"}),
}
"""What a good client does about it: asks again, reads the answer all the same, rejects the item, or ends the run."""
