"""Any OpenAI-compatible server as a ChatModel: the SDK's AsyncOpenAI over aiohttp, with its own retries off.

One call is one HTTP request; who tries again is the engine. Answers are read by `openai_replies`, without the SDK's
response models, which cost more time than the request. Several `base_urls` are one model behind several servers: the
one with the fewest requests in flight is asked next. The API key lives in an environment variable and in the SDK only.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit

from synth.errors import CredentialsError, RequestRefused, RetryableError, SynthError, UsageError
from synth.models.base import ChatRequest, Completion
from synth.models.openai_replies import UNKNOWN, Asked, read_failure, read_reply
from synth.records import digest

if TYPE_CHECKING:
    from openai import AsyncOpenAI

REST_S = 5.0
"""A server that could not be reached is passed over for so long while others answer."""
DEFLATE_RATIO = 1032
"""The most that deflate can expand: the cap on a compressed body is the cap divided by this."""
OPENAI_HOST = "api.openai.com"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class Settings:
    """`base_urls` goes before `base_url`. `timeout_s` bounds the whole request, `connect_timeout_s` its first part.

    `structured`: how a JSON schema is asked for; `auto` sends it until the server refuses the field, then goes on
    without, and asks a server once whether it keeps to a schema (OpenAI's own models do). `extra_body`: fields
    of the server's own, sent with every request. Times in seconds, `max_body_mb` in MiB.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    model: str
    base_url: str = "https://api.openai.com/v1"
    base_urls: tuple[str, ...] = ()
    api_key_env: str = "OPENAI_API_KEY"
    organization: str | None = None
    project: str | None = None
    timeout_s: float = 120.0
    connect_timeout_s: float = 10.0
    max_body_mb: float = 64.0
    structured: Literal["auto", "json_schema", "off"] = "auto"
    extra_body: dict[str, Any] = field(default_factory=dict)


def connect(settings: Settings) -> OpenAIModel:
    """A client for `settings`. Raises UsageError for a bad URL, CredentialsError where the key is missing."""
    if not settings.model:
        raise UsageError("the openai backend needs a model", "write it as openai:MODEL")
    urls = [_checked(url) for url in settings.base_urls or (settings.base_url,)]
    return OpenAIModel(settings, urls, _read_key(settings.api_key_env, urls))


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("base_url is not an http(s) address", "for example http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query:
        raise UsageError(
            f"base_url of {parts.hostname} holds a user name, a password or a query", "put the key into $OPENAI_API_KEY"
        )
    return url.rstrip("/")


def _read_key(name: str, urls: list[str]) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
        raise UsageError("api_key_env is the NAME of an environment variable", "for example OPENAI_API_KEY")
    key = os.environ.get(name, "").strip()
    if not key and all(urlsplit(url).hostname in _LOOPBACK for url in urls):
        return "none"
    if not key:
        raise CredentialsError(f"no key for {urls[0]}: ${name} is not set", f"export {name}=...")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise CredentialsError(f"the key in ${name} has characters that no key has", f"export {name} again")
    return key


@dataclass(slots=True, eq=False)
class Server:
    """One server: its connections, and how busy they are."""

    client: AsyncOpenAI
    asked: Asked
    in_flight: int = 0
    resting_until: float = 0.0

    async def post(self, path: str, body: dict[str, Any], timeout_s: float, **headers: str) -> Any:
        """The HTTP response, of whatever status, or a RetryableError where there is none.

        Errors are returned, so that none carries the SDK's exception (and its headers) along.
        """
        import httpx2
        import openai

        options: Any = {"headers": headers} if headers else {}
        try:
            async with asyncio.timeout(timeout_s):
                return await self.client.post(path, cast_to=httpx2.Response, body=body, options=options)
        except TimeoutError:
            return RetryableError(
                f"{self.asked.url} gave no whole answer within {timeout_s:g} s", "timeout", billed=UNKNOWN
            )
        except openai.APIStatusError as error:
            return error.response
        except BodyTooBig as error:
            return RetryableError(f"{self.asked.url}: {error}", "body_too_big", billed=UNKNOWN)
        except _connection_errors() as error:
            self.resting_until = asyncio.get_running_loop().time() + REST_S
            return _connection_failure(error, self.asked)


def open_server(settings: Settings) -> Server:
    """The server at `base_url`, for other questions than chat. Raises UsageError and CredentialsError as `connect`."""
    url = _checked(settings.base_url)
    return _server(settings, url, _read_key(settings.api_key_env, [url]))


class OpenAIModel:
    """A ChatModel over HTTP. `endpoint` is the first address, with a hash of `extra_body` where there is one.

    `structured_outputs`: whether the server keeps to a JSON schema; None where only asking it can tell.
    """

    def __init__(self, settings: Settings, urls: list[str], key: str) -> None:
        self.name = settings.model
        extra = f"#{digest(settings.extra_body)[:8]}" if settings.extra_body else ""
        self.endpoint = urls[0] + extra
        own = urlsplit(urls[0]).hostname == OPENAI_HOST
        sure = {"json_schema": True, "off": False}.get(settings.structured)
        self.structured_outputs = True if sure is None and own else sure
        self._settings = settings
        self._sends_schema = settings.structured != "off"
        self._max_tokens_field = "max_tokens"
        self._servers = [_server(settings, url, key) for url in urls]

    def __repr__(self) -> str:
        return f"OpenAIModel({self.name!r}, {self.endpoint!r})"

    async def complete(self, request: ChatRequest) -> Completion:
        """Ask once. Raises RetryableError, RequestRefused or CredentialsError."""
        for attempt in range(3):
            body = self._body(request)
            outcome = await self._ask(request, body)
            if isinstance(outcome, Completion):
                return outcome
            if attempt == 2 or not (isinstance(outcome, RequestRefused) and self._adapt(outcome, body)):
                raise outcome
        raise AssertionError("the last attempt returns or raises")

    async def close(self) -> None:
        """Close all connections."""
        for server in self._servers:
            await server.client.close()

    async def list_models(self) -> list[str]:
        """The names that the first server knows; empty where it does not say."""
        return await self._model_names(self._servers[0])

    def _least_busy(self) -> Server:
        if len(self._servers) == 1:
            return self._servers[0]
        now = asyncio.get_running_loop().time()
        return min(self._servers, key=lambda server: (server.resting_until > now, server.in_flight))

    async def _ask(self, request: ChatRequest, body: dict[str, Any]) -> Completion | SynthError:
        """One HTTP request to one of the servers."""
        server = self._least_busy()
        server.in_flight += 1
        try:
            return await self._send(server, request, body)
        finally:
            server.in_flight -= 1

    async def _send(self, server: Server, request: ChatRequest, body: dict[str, Any]) -> Completion | SynthError:
        path = "/chat/completions" if request.kind == "chat" else "/completions"
        headers = {"x-draw": str(request.draw)} if request.draw else {}
        response = await server.post(path, body, self._settings.timeout_s, **headers)
        if isinstance(response, SynthError):
            return response
        if not response.is_success:
            return await self._failure(server, response.status_code, response)
        return read_reply(response.content, request, server.asked)

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.name, **request.sampling.to_dict()}
        if request.kind == "chat":
            body["messages"] = request.messages
        else:
            body["prompt"] = request.text
        if request.draw and "seed" in body:
            body["seed"] += request.draw
        if request.num_choices != 1:
            body["n"] = request.num_choices
        if request.schema is not None and self._sends_schema:
            schema = {"name": "answer", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if self._max_tokens_field not in body and "max_tokens" in body:
            body[self._max_tokens_field] = body.pop("max_tokens")
        return body | self._settings.extra_body | request.extra_body

    def _adapt(self, refusal: RequestRefused, body: dict[str, Any]) -> bool:
        """Whether the server refused only a field of `body` that is spelt otherwise or left out from now on."""
        said = refusal.message
        if "max_tokens" in body and "max_completion_tokens" in said:
            self._max_tokens_field = "max_completion_tokens"
            return True
        auto = self._settings.structured == "auto"
        if auto and "response_format" in body and re.search(r"response_format|json_schema", said):
            self._sends_schema = False
            return True
        return False

    async def _failure(self, server: Server, status: int, response: Any) -> SynthError:
        try:
            said = response.json()
        except (ValueError, RecursionError):
            said = response.text
        error = read_failure(status, said, response.headers, server.asked)
        if status == 404 and isinstance(error, CredentialsError):
            names = await self._model_names(server)
            if names and self.name not in names:
                error.hint = f"{server.asked.url} has no model {self.name!r}; it has: {', '.join(names[:10])}"
        return error

    async def _model_names(self, server: Server) -> list[str]:
        import httpx2

        try:
            async with asyncio.timeout(5):
                response = await server.client.get("/models", cast_to=httpx2.Response)
            return [server.asked.quote(model["id"]) for model in response.json()["data"]]
        except (BodyTooBig, ValueError, KeyError, TypeError):
            return []
        except _connection_errors():
            return []


def _server(settings: Settings, url: str, key: str) -> Server:
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient

    http = DefaultAioHttpClient(
        timeout=httpx2.Timeout(None, connect=settings.connect_timeout_s),
        follow_redirects=False,
        event_hooks={"response": [_cap(int(settings.max_body_mb * 2**20))]},
    )
    client = AsyncOpenAI(
        api_key=key,
        base_url=url,
        organization=settings.organization,
        project=settings.project,
        max_retries=0,
        http_client=http,
        default_headers={"Accept-Encoding": "identity"},
    )
    if urlsplit(url).hostname != OPENAI_HOST:  # the SDK takes these from the environment, for whatever host
        client.organization, client.project = settings.organization, settings.project

    def hide(text: str) -> str:
        return text.replace(key, "[key]") if len(key) >= 6 else text

    return Server(client, Asked(url, settings.model, settings.api_key_env, hide))


class BodyTooBig(Exception):
    """A body passed the cap; what was read of it is dropped."""


def _cap(limit: int) -> Any:
    """A response hook of the HTTP client that stops reading after `limit` bytes, unpacked."""
    import httpx2

    class Capped(httpx2.AsyncByteStream):
        def __init__(self, stream: Any, limit: int) -> None:
            self.stream, self.left, self.limit = stream, limit, limit

        async def __aiter__(self) -> Any:
            async for chunk in self.stream:
                self.left -= len(chunk)
                if self.left < 0:
                    raise BodyTooBig(f"the body is bigger than {self.limit} bytes")
                yield chunk

        async def aclose(self) -> None:
            await self.stream.aclose()

    async def hook(response: Any) -> None:
        packed = response.headers.get("content-encoding", "identity") != "identity"
        response.stream = Capped(response.stream, limit // DEFLATE_RATIO if packed else limit)

    return hook


@cache
def _connection_errors() -> tuple[type[Exception], ...]:
    import aiohttp
    import httpx2
    import openai

    return (openai.OpenAIError, httpx2.HTTPError, aiohttp.ClientError, OSError, httpx2.InvalidURL)


def _connection_failure(error: Exception, asked: Asked) -> RetryableError:
    """Timeout or broken connection? The SDK calls a reset a timeout, the cause at the end of the chain knows better.

    What never reached the server costs nothing.
    """
    import aiohttp

    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    not_there = (aiohttp.ClientConnectorError, ConnectionRefusedError, aiohttp.ConnectionTimeoutError)
    billed = None if any(isinstance(one, not_there) for one in chain) else UNKNOWN
    if isinstance(chain[-1], TimeoutError):
        return RetryableError(f"{asked.url} could not be reached in time", "timeout", billed=billed)
    words = asked.quote(str(chain[-1])) or type(chain[-1]).__name__
    return RetryableError(f"{asked.url}: the connection failed ({words})", "connection", billed=billed)
