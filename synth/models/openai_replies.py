"""What an OpenAI-compatible server said: a body to a Completion, a status to an error of ours. Pure, no network.

The shapes are those of OpenAI's API reference and what vLLM, llama.cpp, OpenRouter and Azure make of it.
Whatever the body holds, the outcome is a Completion, a RetryableError, a RequestRefused or a CredentialsError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from synth.errors import CredentialsError, RequestFailed, RequestRefused, RetryableError, SynthError, UsageError
from synth.models.base import ChatRequest, Completion, FinishReason, Usage
from synth.models.retry_after import retry_after
from synth.parsing.thoughts import split_thoughts

RETRYABLE = {408: "timeout", 409: "conflict", 423: "conflict", 425: "too_early", 429: "rate_limit", 499: "timeout"}
_FINISH: dict[str, FinishReason] = {"length": "length", "max_tokens": "length", "content_filter": "content_filter"}
LEAST_LOGPROB = -100.0
"""What is told to be less likely is no measurement."""
UNKNOWN = (None, None)
"""Charged for tokens that nobody counted."""
_BROKEN_FINISH = {"error", "abort", "cancelled"}
_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "account_deactivated"}
_TOO_LONG = re.compile(r"context.?(length|window|size)|max_model_len|too (long|large|many tokens)", re.I)
_FILTERED = re.compile(r"content.?(filter|policy|management)|moderation|flagged", re.I)


@dataclass(frozen=True, slots=True)
class Asked:
    """The server asked, for error messages. `hide` takes secrets out of a text that a server wrote."""

    url: str
    model: str
    key_env: str
    hide: Callable[[str], str] = lambda text: text

    def quote(self, said: Any) -> str:
        """The server's own words in one short line that is safe on a terminal."""
        line = " ".join(self.hide(_message(said)).split())
        return "".join(char if char.isprintable() else "�" for char in line)[:300]


def read_reply(body: bytes, request: ChatRequest, asked: Asked) -> Completion | SynthError:
    """The answer in the body of a status 200, or why there is none (returned, not raised).

    An empty answer is an error; empty text is accepted only with `length` (reasoning used up all tokens) and
    `content_filter`. A server that answers 200 has done the work, so an error says what it was charged.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        start = asked.quote(body[:200].decode("utf-8", "replace"))
        return RetryableError(
            f"{asked.url} sent {len(body)} bytes that are not JSON: {start}", "bad_body", billed=UNKNOWN
        )
    if not isinstance(data, dict):
        return RetryableError(f"{asked.url} sent JSON that is not an object", "bad_body", billed=UNKNOWN)
    usage = _usage(data.get("usage"))
    try:
        outcome = _outcome(data, request, asked)
    except (AttributeError, KeyError, TypeError, IndexError):
        outcome = RetryableError(f"{asked.url} sent JSON of another shape than an answer's", "bad_body")
    if isinstance(outcome, RequestFailed) and (usage != Usage() or not data.get("error")):
        outcome.billed = (usage.prompt_tokens, usage.completion_tokens)
    return outcome


def _outcome(data: dict[str, Any], request: ChatRequest, asked: Asked) -> Completion | SynthError:
    if data.get("error"):
        code = data["error"].get("code") if isinstance(data["error"], dict) else None
        if isinstance(code, int) and 400 <= code < 600:
            return read_failure(code, data, {}, asked)
        return RetryableError(f"{asked.url} sent an error with status 200: {asked.quote(data)}", "error_in_body")
    choices = data.get("choices") or []
    if not choices:
        return RetryableError(f"{asked.url} sent no choices", "no_choices")
    if len(choices) > 1:
        choices = sorted(choices, key=lambda choice: choice.get("index") or 0)
    finish = choices[0].get("finish_reason") or "stop"
    if finish == "unsupported":
        return RequestRefused("the teacher cannot do this task", "unsupported")
    if finish in _BROKEN_FINISH:
        return RetryableError(f"{asked.url} gave up on the answer (finish_reason {finish!r})", "broken_off")
    return _completion(data, choices, finish, request, asked)


def _completion(
    data: dict[str, Any], choices: list[dict[str, Any]], finish: str, request: ChatRequest, asked: Asked
) -> Completion | SynthError:
    texts, reasonings, refused = zip(*(_choice(choice) for choice in choices), strict=True)
    reason: FinishReason = "content_filter" if refused[0] else _FINISH.get(finish, "stop")
    if reason == "stop" and not all(text.strip() for text in texts):
        return RetryableError(f"{asked.url} sent an empty answer", "empty_answer")
    wanted = request.num_choices
    if len(texts) < wanted:
        return RetryableError(f"{asked.url} sent {len(texts)} of {wanted} choices", "too_few_choices")
    return Completion(
        text=texts[0],
        finish_reason=reason,
        usage=_usage(data.get("usage")),
        model=_text(data.get("model"))[:200] or asked.model,
        reasoning=reasonings[0],
        choices=texts[:wanted] if wanted > 1 else (),
        mean_logprob=_mean_logprob(choices[0].get("logprobs")),
    )


def _choice(choice: dict[str, Any]) -> tuple[str, str, bool]:
    """Text, reasoning and whether it is a refusal, of one chat or completions choice."""
    message = choice.get("message")
    if message is None:
        return *split_thoughts(_text(choice["text"])), False
    if message.get("refusal"):
        return _text(message["refusal"]), "", True
    text, inline = split_thoughts(_text(message.get("content")))
    apart = _text(message.get("reasoning_content") or message.get("reasoning"))
    return text, "\n".join(filter(None, (apart, inline))), False


def _mean_logprob(told: Any) -> float | None:
    """The mean over the tokens of a chat or completions choice; None where none is told, or what is told is none.

    OpenAI writes -9999 for what is very unlikely, DeepSeek for every token: such numbers are left out.
    """
    if not isinstance(told, dict):
        return None
    rows = told.get("content") or told.get("token_logprobs")
    found = [row.get("logprob") if isinstance(row, dict) else row for row in rows] if isinstance(rows, list) else []
    known = [value for value in found if isinstance(value, int | float) and LEAST_LOGPROB <= value <= 0]
    return round(sum(known) / len(known), 4) if known else None


def _text(content: Any) -> str:
    """A string that can be encoded, of a content that is a string, null, or a list of typed parts."""
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        return ""
    if content.isascii():
        return content
    return content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    return Usage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None


def read_failure(status: int, said: Any, headers: Mapping[str, str], asked: Asked) -> SynthError:
    """The error for an HTTP status and what came with it (parsed JSON or text)."""
    code, words = _code(said), asked.quote(said)
    text = f"{asked.url} answered {status}" + (f": {words}" if words else "")
    if code in _QUOTA or status == 402:
        return CredentialsError(text, f"the account of ${asked.key_env} has no quota left: add credit")
    if status in RETRYABLE or status >= 500:
        wish = retry_after(headers)
        throttled = status == 429 or (status in (503, 529) and wish is not None)
        reason = RETRYABLE.get(status, "server_error")
        is_outage = status in (502, 503) and not throttled
        return RetryableError(text, reason, retry_after=wish, is_throttle=throttled, is_outage=is_outage)
    if code == "content_filter" or (status in (400, 403) and _FILTERED.search(words)):
        return RequestRefused(text, "content_filter")
    if status in (401, 403):
        return CredentialsError(text, f"check the key in ${asked.key_env}: is it one for {asked.url}?")
    if status in (404, 405) or 300 <= status < 400:
        error = CredentialsError(text, f"check base_url (it usually ends in /v1) and the model {asked.model!r}")
        error.is_address, error.exit_code = True, UsageError.exit_code
        return error
    if status == 413 or code == "context_length_exceeded" or (status == 400 and _TOO_LONG.search(words)):
        return RequestRefused(text, "too_long", "ask for fewer tokens or show fewer examples")
    refused = RequestRefused(text, "bad_request")
    refused.field = _field(said)
    return refused


def _error(said: Any) -> Any:
    return said["error"] if isinstance(said, dict) and said.get("error") else said


def _code(said: Any) -> str:
    error = _error(said)
    codes = (error.get("code"), error.get("type")) if isinstance(error, dict) else ()
    return next((code for code in codes if isinstance(code, str) and code), "")


def _field(said: Any) -> str | None:
    """The field of the request that the server names: `error.param` (OpenAI), or `detail[].loc` (FastAPI)."""
    error = _error(said)
    if not isinstance(error, dict):
        return None
    details = error.get("detail")
    if isinstance(details, list) and details and isinstance(details[0], dict):
        place = details[0].get("loc")
        return ".".join(map(str, place)) if isinstance(place, list) else None
    return error["param"] if isinstance(error.get("param"), str) else None


def _message(said: Any) -> str:
    error = _error(said)
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or json.dumps(error)
    return error if isinstance(error, str) else "" if error is None else str(error)
