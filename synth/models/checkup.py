"""A look at a model before it is given work: does it answer, does it keep to a schema, how fast is it.

Asks what bootstrap asks, so that the figures mean something for a run. Works with any ChatModel; changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from synth.errors import BudgetReached, RequestFailed, RequestRefused, RetryableError, SynthError
from synth.models.base import ChatModel, ChatRequest, Completion, Sampling
from synth.prompts import Prompt, render
from synth.prompts.replies import task_reply
from synth.records import Record

ROOM = 6144
"""Tokens that a request of bootstrap may need: prompt and answer with the defaults."""
ANSWER_TOKENS = 256
FEW = 4
SLOW_S = 0.02
"""A model that answers faster than this has nothing to gain from requests at once."""
ADVICE = "no run can work with it: see whether it is up, whether base_url is right, and what its log says"
QUEUE_S = 0.2
"""Seconds between two looks at a server's queue."""
LOOK_S = 5.0
"""Seconds after which a server is asked whether it is there (`is_there()`, an optional part of the protocol), and those
it has to say so."""
_TEXT = {"type": "string", "maxLength": 200}
_TASK = {
    "type": "object",
    "properties": {"instruction": _TEXT, "input": _TEXT},
    "required": ["instruction", "input"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"tasks": {"type": "array", "items": _TASK, "minItems": 2, "maxItems": 2}},
    "required": ["tasks"],
    "additionalProperties": False,
}
_WANTED = (
    ("sort or rank the items of a list", "list"),
    ("solve a word problem with numbers", ""),
    ("calculate with units, times or dates", ""),
    ("summarise a text", "text"),
    ("answer a question of general knowledge", ""),
)
_SHOWN = (
    Record("Name three uses for an old newspaper."),
    Record("Put the towns in order of their distance from the sea.", "Aldmoor 12 km, Besk 3 km"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `state`: fine, poor (it works, but see `advice`) or broken. `figures`: for programs."""

    name: str
    state: Literal["fine", "poor", "broken"]
    said: str
    advice: str = ""
    figures: dict[str, Any] | None = None


async def check_up(
    model: ChatModel, kind: Literal["chat", "completion"], num_requests: int = 32, max_s: float = math.inf
) -> list[Finding]:
    """What can be said about `model` after `num_requests` + 9 small requests; only the first if that fails.

    What is not known after `max_s` seconds is not waited for, and the last finding says so.
    """
    found: list[Finding] = []
    try:
        async with asyncio.timeout(None if math.isinf(max_s) else max_s):
            found.append(await _answers(model, kind))
            if found[0].state == "broken":
                return found
            found += await _context(model)
            found += await _batch_api(model)
            found.append(await _structured(model, kind))
            found.append(await _throughput(model, kind, num_requests))
    except TimeoutError:
        found.append(_out_of_time(found, max_s))
    return found


def _out_of_time(found: Sequence[Finding], max_s: float) -> Finding:
    if not found:
        return Finding("answers", "broken", f"no answer came within {max_s:.0f} s", ADVICE)
    return Finding(
        "time",
        "poor",
        f"what is not listed was not known after {max_s:.0f} s",
        "allow more --max-seconds, or ask fewer --requests",
    )


def sample_request(
    number: int, kind: Literal["chat", "completion"] = "chat", schema: dict[str, Any] | None = None
) -> ChatRequest:
    """Request `number` of a checkup: two tasks wanted, as bootstrap asks for them."""
    wanted = [_wanted(number + place, f"house number {number}") for place in range(2)]
    reply = task_reply(_SHOWN, with_outputs=False, as_json=schema is not None)
    example = {"wanted": [_wanted(4, "housekeeping"), _wanted(0, "towns")], "reply": reply}
    prompt = render("diverse", examples=[example], wanted_items=wanted, topic="", with_inputs=True, with_outputs=False)
    sampling = Sampling(temperature=1.0, max_tokens=ANSWER_TOKENS if schema is None else 4 * ANSWER_TOKENS)
    messages = prompt.messages if kind == "chat" else Prompt.of(prompt.text, prompt.version).messages
    return ChatRequest(messages, sampling, schema, kind=kind)


def _wanted(number: int, topic: str) -> dict[str, str]:
    kind, material = _WANTED[number % len(_WANTED)]
    return {"kind": kind, "topic": topic, "language": "", "material": material}


async def _answers(model: ChatModel, kind: Literal["chat", "completion"]) -> Finding:
    request = sample_request(0, kind)
    try:
        first = await _first(model, request)
        if isinstance(first, SynthError) and not isinstance(first, RetryableError):
            raise first
        started = time.monotonic()
        answer = await model.complete(request)
    except BudgetReached:
        raise
    except SynthError as error:
        return Finding("answers", "broken", error.message, error.hint or ADVICE)
    seconds = time.monotonic() - started
    said = f"{answer.model or model.name} answered in {seconds:.1f} s"
    figures = {"seconds": round(seconds, 3), "model": answer.model, "endpoint": model.endpoint}
    if "<think>" in answer.text:
        return Finding("answers", "poor", f"{said}, with its thoughts in the text", "set reasoning_parser", figures)
    if answer.reasoning and not answer.text.strip():
        advice = "it thinks longer than max_tokens allows: raise max_tokens, or turn thinking off in extra_body"
        return Finding("answers", "poor", f"{said}, but only with thoughts", advice, figures)
    if answer.usage.completion_tokens is None:
        return Finding("answers", "poor", f"{said}, without counting tokens", "budgets will be estimates", figures)
    return Finding("answers", "fine", said, figures=figures)


async def _first(model: ChatModel, request: ChatRequest) -> Completion | SynthError:
    """The first answer, for which weights may be loaded or a server started. A server that says nothing is left."""
    asked = asyncio.create_task(_try(model, request))
    is_there = getattr(model, "is_there", None)
    try:
        await asyncio.wait({asked}, timeout=LOOK_S)
        if not asked.done() and is_there is not None and not await is_there(LOOK_S):
            return RequestRefused(f"{model.endpoint} gives no response at all", "silent")
        return await asked
    finally:
        asked.cancel()


async def _context(model: ChatModel) -> list[Finding]:
    """The context length, where the backend knows it (`facts()`, an optional part of the protocol)."""
    facts = getattr(model, "facts", None)
    if facts is None:
        return []
    known: dict[str, Any] = await facts()
    length = known.get("max_model_len")
    if length is None:
        return [Finding("context", "poor", "the server does not say how long its context is", "", known)]
    said = f"{length:,} tokens" + (f" (vLLM {known['version']})" if known.get("version") else "")
    if length < ROOM:
        advice = f"set max_model_len to {ROOM} or more, or ask for fewer tasks per request"
        return [Finding("context", "poor", said, advice, known)]
    return [Finding("context", "fine", said, figures=known)]


async def _batch_api(model: ChatModel) -> list[Finding]:
    """Are there batches, where the backend knows of them (`batch_api()`, an optional part of the protocol)?"""
    connect = getattr(model, "batch_api", None)
    if connect is None:
        return []
    try:
        api = connect()
    except SynthError as error:
        return [Finding("batches", "fine", error.message, figures={"batches": False})]
    try:
        await api.page(1)
    except SynthError as error:
        return [Finding("batches", "fine", f"no batch API: {error.message}", figures={"batches": False})]
    finally:
        await api.close()
    return [Finding("batches", "fine", "a batch API (`api: batch`)", figures={"batches": True})]


async def _structured(model: ChatModel, kind: Literal["chat", "completion"]) -> Finding:
    """Do answers keep to a schema? One cut at the token cap says nothing about that, so it is told apart."""
    requests = [sample_request(number, kind, SCHEMA) for number in range(FEW)]
    answers = await asyncio.gather(*(_try(model, request) for request in requests))
    whole = [answer for answer in answers if isinstance(answer, Completion) and answer.finish_reason != "length"]
    cut = sum(isinstance(answer, Completion) for answer in answers) - len(whole)
    fitting = sum(_fits(answer.text) for answer in whole)
    figures = {"asked": FEW, "fitting": fitting, "cut": cut}
    said = f"{fitting} of {FEW} answers keep to a JSON schema"
    said += f", {cut} did not end within {requests[0].sampling.max_tokens} tokens" if cut else ""
    if fitting == FEW:
        return Finding("structured", "fine", said, figures=figures)
    if fitting + cut == FEW:
        advice = "it keeps to schemas but is wordy: give answers room (max_tokens, bootstrap.sampling.max_tokens)"
        if not fitting:
            advice = "no answer came to its end: raise max_tokens, or set bootstrap.structured to sections"
        return Finding("structured", "poor", said, advice, figures)
    refusal = next((answer.message for answer in answers if isinstance(answer, SynthError)), "")
    advice = "bootstrap reads headed sections too: set bootstrap.structured to sections"
    return Finding("structured", "poor", f"{said}{': ' * bool(refusal)}{refusal}", advice, figures)


async def _throughput(model: ChatModel, kind: Literal["chat", "completion"], num_requests: int) -> Finding:
    few = await _timed(model, [sample_request(1000 + n, kind) for n in range(FEW)], 1)
    queue = asyncio.create_task(_longest_queue(model))
    many = await _timed(model, [sample_request(2000 + n, kind) for n in range(num_requests)], num_requests)
    queue.cancel()
    waited, kv_use = await queue
    figures: dict[str, Any] = {"one_at_a_time": few, "at_once": many | {"requests": num_requests}}
    figures |= {"waited": waited, "kv_use": kv_use} if hasattr(model, "load") else {}
    rate, alone = many["tokens_per_s"], few["tokens_per_s"]
    hours = 10_000 * 300 / max(rate, 0.1) / 3600
    said = (
        f"{rate:,.0f} tokens/s with {num_requests} requests at once ({alone:,.0f} one at a time), "
        f"an answer in {many['median_s']:.1f} s; 10,000 answers of 300 tokens take about {hours:.1f} h"
    )
    if many["failed"]:
        said += f"; {many['failed']} failed: {many['error']}"
        if many["failed"] == num_requests:
            return Finding("throughput", "broken", said, ADVICE, figures)
        return Finding("throughput", "poor", said, "set concurrency lower, or leave it at auto", figures)
    is_slow = few["median_s"] >= SLOW_S
    gain = many["answers_per_s"] / max(few["answers_per_s"], 0.01)
    advice = _advice(num_requests, gain, waited, kv_use) if is_slow else ""
    return Finding("throughput", "poor" if advice else "fine", said, advice, figures)


def _advice(num_requests: int, gain: float, waited: int, kv_use: float) -> str:
    """What would make it faster: from the gain by asking at once, the requests kept waiting and the cache in use."""
    if waited > num_requests // 4:
        room = "gpu_memory_utilization, or lower max_model_len" if kv_use > 0.8 else "max_num_seqs"
        return f"{waited} of {num_requests} requests had to wait in the server's queue: raise {room}"
    if num_requests >= 8 and gain < 2:
        return "it hardly works in parallel: check the server's limit (vLLM: max_num_seqs, KV cache; others: slots)"
    return ""


async def _longest_queue(model: ChatModel) -> tuple[int, float]:
    """The most requests that waited at two looks in a row, and the cache in use then, seen until cancelled.

    By `load()`, an optional part of the protocol; (0, 0.0) where there is none.
    """
    look, before, found = getattr(model, "load", None), 0, (0, 0.0)
    with suppress(asyncio.CancelledError):
        while look is not None:
            load = await look()
            if load is not None:
                found = max(found, (min(before, load.waiting), load.kv_use))
                before = load.waiting
            await asyncio.sleep(QUEUE_S)
    return found


async def _timed(model: ChatModel, requests: Sequence[ChatRequest], slots: int) -> dict[str, Any]:
    """Tokens and answers a second, the median time of an answer, and what failed, with `slots` requests at a time."""
    room = asyncio.Semaphore(slots)
    seconds: list[float] = []

    async def one(request: ChatRequest) -> Completion | SynthError:
        async with room:
            started = time.monotonic()
            answer = await _try(model, request)
            seconds.append(time.monotonic() - started)
            return answer

    started = time.monotonic()
    answers = await asyncio.gather(*map(one, requests))
    passed = max(time.monotonic() - started, 1e-6)
    good = [answer for answer in answers if isinstance(answer, Completion)]
    bad = [answer for answer in answers if isinstance(answer, SynthError)]
    tokens = sum(answer.usage.completion_tokens or len(answer.text) // 4 for answer in good)
    return {
        "tokens_per_s": round(tokens / passed, 1),
        "answers_per_s": round(len(good) / passed, 2),
        "median_s": round(median(seconds), 3),
        "failed": len(bad),
        "error": bad[0].message[:200] if bad else "",
    }


async def _try(model: ChatModel, request: ChatRequest) -> Completion | SynthError:
    try:
        return await model.complete(request)
    except RequestFailed as error:
        return error


def _fits(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    tasks = found.get("tasks") if isinstance(found, dict) else None
    return isinstance(tasks, list) and all(isinstance(t, dict) and set(t) == {"instruction", "input"} for t in tasks)
