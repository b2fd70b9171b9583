"""Any OpenAI-compatible server as a ChatModel. One call is one HTTP request; who tries again is the engine.

Answers are read by `openai_replies`, without the SDK's response models, which cost more time than the request. Several
`base_urls` are one model behind several servers, each an OpenAIModel of its own (see `replicas`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from synth.errors import CredentialsError, RequestRefused, RetryableError, SynthError, UsageError
from synth.models.base import ChatRequest, Completion
from synth.models.batch_api import BatchApi, open_batches
from synth.models.openai_replies import Asked, read_failure, read_reply
from synth.models.replicas import EachAddress, Replicas, addresses_of, check_addresses
from synth.models.transport import OPENAI_HOST, Access, check_url, check_variable, open_server, read_key
from synth.records import digest

NOT_SHAPING = (
    *("api_key_env", "organization", "project", "timeout_s", "connect_timeout_s", "max_answer_bytes"),
    *("extra_headers", "extra_query", "each_address"),
)
"""Settings that cannot change an answer."""
RUNAWAY = ("\n\n\n", " \t", " " * 32)
"""White space that ends a reply held to a schema, at servers other than OpenAI's own; such a reply is then cut, and
refused. Between the texts of JSON nothing needs so much, and in one it is rare. A small model that has closed a text
too early may write white space alone, up to its limit: 12 to 44 % of all reply tokens of Qwen2.5-Coder-1.5B."""
OPTIONAL = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "stop", "seed", "logprobs", "top_logprobs")
"""Fields of a request that are left out for the rest of the run where a server refuses them by name."""
CHECK_S = 3.0
"""Seconds for one of several servers to say which models it has; one that says nothing is found out by asking."""
_UNKNOWN_FIELD = re.compile(
    r"unsupported|not (be )?support|unknown|unrecogni[sz]ed|not permitted|not allowed|unexpected"
    r"|only the default|extra (inputs|fields)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """`timeout_s` bounds the whole request, `connect_timeout_s` its first part.

    `structured`: how a JSON schema is asked for; `auto` sends it until the server refuses the field, then goes on
    without, and asks a server once whether it keeps to a schema (OpenAI's own models do). `max_answer_bytes`: a longer
    body is not read. `extra_body`: fields of the server's own, sent with every request; `extra_query`: parameters of
    every address, such as Azure's `api-version`; `extra_headers`: headers, each value `$NAME` for an environment
    variable. Times in seconds.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    model: str
    base_url: str = "https://api.openai.com/v1"
    base_urls: Annotated[
        tuple[str, ...],
        Field(description="Servers of the same model, in place of base_url; requests are divided by their load."),
    ] = ()
    each_address: EachAddress = False
    api_key_env: str = "OPENAI_API_KEY"
    organization: str | None = None
    project: str | None = None
    timeout_s: float = 120.0
    connect_timeout_s: float = 10.0
    max_answer_bytes: int = 4 * 2**20
    structured: Literal["auto", "json_schema", "off"] = "auto"
    extra_body: dict[str, Any] = field(default_factory=dict)
    extra_query: dict[str, str] = field(default_factory=dict)
    extra_headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse at once what must not stand in a recipe; no value is repeated. Raises UsageError."""
        for url in self.urls:
            check_url(url)
        check_addresses(self.urls, self.each_address)
        check_variable(self.api_key_env)
        for name, value in self.extra_headers.items():
            if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", name):
                raise UsageError("extra_headers has a name that no header can have", "letters, digits and hyphens")
            check_variable(value.removeprefix("$") if value.startswith("$") else "", f"extra_headers.{name}, $NAME,")

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of all servers."""
        return self.base_urls or (self.base_url,)

    @property
    def endpoint(self) -> str:
        """Who answers: the first address, with a hash of `extra_body` where there is one."""
        return check_url(self.urls[0]) + (f"#{digest(self.extra_body)[:8]}" if self.extra_body else "")

    def access(self) -> Access:
        """How the servers are reached. Raises CredentialsError for a header whose variable is not set."""
        headers = {name: os.environ.get(value[1:], "").strip() for name, value in self.extra_headers.items()}
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable() and value):
                variable = self.extra_headers[name]
                raise CredentialsError(f"{variable} for the header {name} is not set", f"export {variable[1:]}=...")
        return Access(
            self.api_key_env,
            self.connect_timeout_s,
            self.max_answer_bytes,
            self.organization,
            self.project,
            headers,
            self.extra_query,
        )


def connect(settings: Settings) -> OpenAIModel | Replicas:
    """A client for `settings`. Raises UsageError for a bad URL, CredentialsError where the key is missing."""
    if not settings.model:
        raise UsageError("the openai backend needs a model", "write it as openai:MODEL")
    urls = [check_url(url) for url in settings.urls]
    key = read_key(settings.api_key_env, urls)
    found = addresses_of(urls) if settings.each_address else urls
    models = [OpenAIModel(replace(settings, base_url=url, base_urls=()), key) for url in found]
    return Replicas(models, settings.endpoint) if len(models) > 1 else models[0]


def wrong_model(address: str, name: str, names: Sequence[str]) -> CredentialsError:
    """The error for a server whose models are `names`, and `name` is not among them."""
    error = CredentialsError(
        f"{address} has no model {name!r}; it has: {', '.join(names[:10])}", "check base_url, base_urls and model"
    )
    error.is_address, error.exit_code = True, UsageError.exit_code
    return error


class OpenAIModel:
    """A ChatModel over HTTP.

    `structured_outputs`: whether the server keeps to a JSON schema; None where only asking it can tell. `notes`: what
    had to be done otherwise than asked, one sentence each, in the server's own words.
    """

    def __init__(self, settings: Settings, key: str) -> None:
        self.name = settings.model
        self.endpoint = settings.endpoint
        self.address = check_url(settings.urls[0])
        own = urlsplit(self.address).hostname == OPENAI_HOST
        self._ends = () if own else RUNAWAY
        self._left_out = frozenset({"logprobs"} if own else ())  # its reasoning models refuse it, and none needs it
        sure = {"json_schema": True, "off": False}.get(settings.structured)
        self.structured_outputs = True if sure is None and own else sure
        self.notes: list[str] = []
        self._settings = settings
        self._sends_schema = settings.structured != "off"
        self._server = open_server(self.address, settings.model, key, settings.access())

    def __repr__(self) -> str:
        return f"OpenAIModel({self.name!r}, {self.endpoint!r})"

    async def complete(self, request: ChatRequest) -> Completion:
        """Ask once. Raises RetryableError, RequestRefused or CredentialsError.

        Where the server refuses a field of the request by its name, the request is sent again without it. Only where
        that helps is the field left out from then on.
        """
        refused: dict[str, str] = {}
        while True:
            body = self._body(request, self._left_out | refused.keys())
            outcome = await self._ask(request, body)
            if isinstance(outcome, Completion):
                self._leave_out(refused)
                return outcome
            name = self._refused_field(outcome, body)
            if name is None or name in refused:
                raise outcome
            refused[name] = outcome.message

    def _leave_out(self, refused: dict[str, str]) -> None:
        for name, words in refused.items():
            if name not in self._left_out:
                done = "is sent as max_completion_tokens" if name == "max_tokens" else "is left out"
                self.notes.append(f"{self.name}: {name} {done} from now on, since {words}")
        self._left_out |= refused.keys()

    def batch_api(self) -> BatchApi:
        """The server's batch API, for requests of this model."""
        return open_batches(self, self.address, self._settings.api_key_env, self._settings.access())

    def batch_row(self, request: ChatRequest) -> tuple[str, dict[str, Any]]:
        """Path and body of `request` as a row of a batch, without what a server may refuse hours later."""
        path = "/chat/completions" if request.kind == "chat" else "/completions"
        return path, self._body(request, self._left_out | {"logprobs"})

    def read_row(self, request: ChatRequest, status: int, said: Any, asked: Asked) -> Completion | SynthError:
        """The answer of a row of a batch, or why there is none. What may help is asked again by the next batch."""
        if 200 <= status < 300:
            return read_reply(json.dumps(said).encode(), request, asked)
        outcome = read_failure(status, said, {}, asked)
        name = self._refused_field(outcome, self._body(request, self._left_out))
        if name is None:
            return outcome
        self._leave_out({name: outcome.message})
        return RetryableError(outcome.message, "refused_field")

    async def is_there(self, timeout_s: float) -> bool:
        """Does the server give any response to a small question in time?"""
        return await self._server.model_names(timeout_s) is not None

    async def check(self) -> None:
        """Raises CredentialsError where the server says which models it has, and ours is not among them."""
        names = await self._server.model_names(CHECK_S)
        if names and self.name not in names:
            raise wrong_model(self.address, self.name, names)

    async def close(self) -> None:
        """Close all connections."""
        await self._server.client.close()

    async def _ask(self, request: ChatRequest, body: dict[str, Any]) -> Completion | SynthError:
        """One HTTP request."""
        path = "/chat/completions" if request.kind == "chat" else "/completions"
        headers = {"x-draw": str(request.draw)} if request.draw else {}
        response = await self._server.post(path, body, self._settings.timeout_s, **headers)
        if isinstance(response, SynthError):
            return response
        if not response.is_success:
            return await self._failure(response.status_code, response)
        return read_reply(response.content, request, self._server.asked)

    def _body(self, request: ChatRequest, left_out: frozenset[str]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.name, **request.sampling.to_dict()}
        if request.kind == "chat":
            body["messages"] = request.messages
        else:
            body["prompt"] = request.messages[0]["content"]
        if request.draw and "seed" in body:
            body["seed"] += request.draw
        if request.num_choices != 1:
            body["n"] = request.num_choices
        if request.logprobs and "logprobs" not in left_out:
            body["logprobs"] = True if request.kind == "chat" else 1
        if request.schema is not None and self._sends_schema and "response_format" not in left_out:
            if self._ends:
                body["stop"] = [*request.sampling.stop, *self._ends]
            schema = {"name": "answer", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if not left_out:
            return body | self._settings.extra_body | request.extra_body
        if "max_tokens" in left_out and "max_tokens" in body:
            body["max_completion_tokens"] = body["max_tokens"]
        body = {name: value for name, value in body.items() if name not in left_out}
        return body | self._settings.extra_body | request.extra_body

    def _refused_field(self, outcome: SynthError, body: dict[str, Any]) -> str | None:
        """The field of `body` that the server refuses by its name, if one can be done without.

        `logprobs` is refused in many words, and with 403 too (OpenAI's reasoning models): it is tried where no other is
        named.
        """
        said = outcome.message
        last = "logprobs" if "logprobs" in body else None
        if isinstance(outcome, CredentialsError):
            return last if "logprobs" in said.lower() else None
        if not isinstance(outcome, RequestRefused) or outcome.reason != "bad_request":
            return None
        if "max_tokens" in body and "max_completion_tokens" in said:
            return "max_tokens"
        fields = [name for name in OPTIONAL if name in body]
        if self._settings.structured == "auto" and "response_format" in body:
            fields.append("response_format")
            if re.search(r"response_format|json_schema", said):
                return "response_format"
        named = (outcome.field or "").rpartition(".")[2]
        if named in fields:
            return named
        if not _UNKNOWN_FIELD.search(said):
            return last
        return next((name for name in fields if re.search(rf"\b{name}\b", said)), last)

    async def _failure(self, status: int, response: Any) -> SynthError:
        try:
            said = response.json()
        except (ValueError, RecursionError):
            said = response.text
        error = read_failure(status, said, response.headers, self._server.asked)
        if status == 404 and isinstance(error, CredentialsError):
            names = await self._server.model_names()
            if names and self.name not in names:
                error.hint = wrong_model(self.address, self.name, names).message
        return error
