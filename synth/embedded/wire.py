"""An answer as bytes on the wire, and the ways in which servers and proxies spoil it there.

`chat_body` writes the JSON of the OpenAI API. Each fault turns a good body into a `Wire`: a status, headers, bytes and
the manner of sending them. Nothing is sent here: `server` plays a Wire on a real socket.
"""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal

from synth.models.base import ChatRequest, Completion

MORE_THAN_THE_CAP = 65 * 2**20
"""Bytes of the huge bodies: one MiB above the client's default cap."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What goes over the socket. `manner`: `whole`, half of it and a reset, byte by byte, late, or never."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    manner: Literal["whole", "reset", "slow", "late", "hang"] = "whole"


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
    """The error object of the OpenAI API."""
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


def rate_limited(body: bytes, rng: Random) -> Wire:
    """429 with a wish of 20 to 80 ms in one of three spellings."""
    wait = rng.randint(20, 80)
    wishes = (
        {"retry-after-ms": str(wait)},
        {"retry-after": f"{wait / 1000}"},
        {"x-ratelimit-reset-requests": f"{wait}ms"},
    )
    return Wire(error_body("Too many requests", "requests", "rate_limit_exceeded"), 429, rng.choice(wishes))


def server_error(body: bytes, rng: Random) -> Wire:
    """500 as a crashed worker of vLLM gives it."""
    return Wire(error_body("The engine met an issue", "InternalServerError", 500), 500)


def overloaded(body: bytes, rng: Random) -> Wire:
    """503 in a proxy's HTML."""
    return Wire(b"<html><h1>503 Service Unavailable</h1></html>", 503, {"content-type": "text/html"})


def bad_request(body: bytes, rng: Random) -> Wire:
    """400, and again at every try: a poisoned item."""
    return Wire(error_body("The request cannot be processed", "BadRequestError", 400, "messages"), 400)


def unauthorized(body: bytes, rng: Random) -> Wire:
    """401 with the error as a bare string, as vLLM does it."""
    return Wire(b'{"error": "Unauthorized"}', 401)


def no_quota(body: bytes, rng: Random) -> Wire:
    """429 that no waiting will cure."""
    return Wire(error_body("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), 429)


def reset(body: bytes, rng: Random) -> Wire:
    """The connection is reset in the middle of the body."""
    return Wire(body, manner="reset")


def hang(body: bytes, rng: Random) -> Wire:
    """Not a byte ever comes."""
    return Wire(body, manner="hang")


def late(body: bytes, rng: Random) -> Wire:
    """The answer is good but late."""
    return Wire(body, manner="late")


def slow_bytes(body: bytes, rng: Random) -> Wire:
    """The answer drips, byte by byte."""
    return Wire(body, manner="slow")


def cut_json(body: bytes, rng: Random) -> Wire:
    """The body ends early, though its length is announced as such."""
    return Wire(body[: rng.randint(1, max(1, len(body) - 2))])


def html(body: bytes, rng: Random) -> Wire:
    """A login page or a proxy's notice with status 200."""
    return Wire(b"<!doctype html><title>Sign in</title><p>Please sign in.", headers={"content-type": "text/html"})


def error_object(body: bytes, rng: Random) -> Wire:
    """An error object with status 200."""
    return Wire(error_body("Provider returned an error", "provider_error"))


def twice(body: bytes, rng: Random) -> Wire:
    """The answer is delivered twice in one body."""
    return Wire(body + body)


def wrong_charset(body: bytes, rng: Random) -> Wire:
    """Latin-1 bytes in what should be UTF-8."""
    head, mark, rest = body.partition(b'"choices"')
    spoiled = head + mark + rest.replace(b'": "', b'": "caf\xe9 ', 1)
    return Wire(spoiled, headers={"content-type": "application/json; charset=iso-8859-1"})


def huge_body(body: bytes, rng: Random) -> Wire:
    """Bigger than any client should take."""
    return Wire(b" " * MORE_THAN_THE_CAP + body)


def gzip_bomb(body: bytes, rng: Random) -> Wire:
    """Small on the wire, huge when unpacked."""
    return Wire(_packed_zeros(), headers={"content-encoding": "gzip"})


@functools.cache
def _packed_zeros() -> bytes:
    return gzip.compress(bytes(MORE_THAN_THE_CAP), mtime=0)


def null_content(body: bytes, rng: Random) -> Wire:
    """A choice whose content is null."""

    def spoil(data: dict[str, Any]) -> None:
        for choice in data["choices"]:
            choice |= {"message": {"role": "assistant", "content": None}, "text": None}

    return _edited(body, spoil)


def no_choices(body: bytes, rng: Random) -> Wire:
    """An empty list of choices."""
    return _edited(body, lambda data: data.update(choices=[]))


def too_few_choices(body: bytes, rng: Random) -> Wire:
    """One choice less than asked for."""
    return _edited(body, lambda data: data["choices"].pop())


def refusal(body: bytes, rng: Random) -> Wire:
    """The model declines in the field that the API has for it."""
    message = {"role": "assistant", "content": None, "refusal": "This cannot be answered."}
    return _edited(body, lambda data: data["choices"][0].update(message=message))


def wrong_usage(body: bytes, rng: Random) -> Wire:
    """Nonsense in place of token counts."""
    return _edited(body, lambda data: data.update(usage={"prompt_tokens": -1, "completion_tokens": "many"}))


def _edited(body: bytes, spoil: Callable[[dict[str, Any]], object]) -> Wire:
    data = json.loads(body)
    spoil(data)
    return replace(Wire(b""), body=json.dumps(data).encode())
