"""One HTTP server that speaks OpenAI's protocol: its client, bounds on what it may send, and errors without secrets.

The SDK's AsyncOpenAI over aiohttp, with its own retries off. The API key lives in the environment and in the SDK only.
"""

from __future__ import annotations

import asyncio
import os
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from synth.errors import CredentialsError, RetryableError, UsageError
from synth.models.openai_replies import UNKNOWN, Asked

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI_HOST = "api.openai.com"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class Access:
    """How a server is reached. `headers` are secrets as the key is; `query` is part of every address."""

    api_key_env: str
    connect_timeout_s: float = 10.0
    max_answer_bytes: int = 4 * 2**20
    organization: str | None = None
    project: str | None = None
    headers: Mapping[str, str] | None = None
    query: Mapping[str, str] | None = None


@dataclass(slots=True, eq=False)
class Server:
    """One server and its connections."""

    client: AsyncOpenAI
    asked: Asked

    async def post(self, path: str, body: dict[str, Any], timeout_s: float, **headers: str) -> Any:
        """What a POST of JSON comes to (see `response`)."""
        import httpx2

        options: Any = {"headers": headers} if headers else {}
        return await self.response(
            self.client.post(path, cast_to=httpx2.Response, body=body, options=options), timeout_s
        )

    async def response(self, call: Awaitable[Any], timeout_s: float) -> Any:
        """The HTTP response to a call of the client, of whatever status, or a RetryableError where there is none.

        Errors are returned, so that none carries the SDK's exception (and its headers) along.
        """
        import openai

        try:
            async with asyncio.timeout(timeout_s):
                return await call
        except TimeoutError:
            return RetryableError(
                f"{self.asked.url} gave no whole answer within {timeout_s:g} s: raise timeout_s or lower concurrency",
                "timeout",
                billed=UNKNOWN,
            )
        except openai.APIStatusError as error:
            return error.response
        except BadBody as error:
            return RetryableError(f"{self.asked.url}: {error}", error.reason, billed=UNKNOWN)
        except connection_errors() as error:
            return _connection_failure(error, self.asked)

    async def model_names(self, timeout_s: float = 5.0) -> list[str] | None:
        """The models it says it has; None where it gives no response at all in time."""
        import httpx2
        import openai

        try:
            async with asyncio.timeout(timeout_s):
                response = await self.client.get("/models", cast_to=httpx2.Response)
            return [self.asked.quote(model["id"]) for model in response.json()["data"]]
        except (BadBody, openai.APIStatusError, ValueError, KeyError, TypeError, RecursionError):
            return []
        except TimeoutError:
            return None
        except connection_errors():
            return None


def check_url(url: str) -> str:
    """`url` without a slash at its end. Raises UsageError for one that cannot be used, or holds what must be secret."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("base_url is not an http(s) address", "for example http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query:
        raise UsageError(
            f"base_url of {parts.hostname} holds a user name, a password or a query",
            "put a key into $OPENAI_API_KEY and a query such as api-version into extra_query",
        )
    return url.rstrip("/")


def check_variable(name: str, where: str = "api_key_env") -> str:
    """`name`. Raises UsageError, without repeating it, where it is not the name of an environment variable."""
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", name):
        raise UsageError(f"{where} is the NAME of an environment variable", "for example OPENAI_API_KEY")
    return name


def read_key(name: str, urls: list[str]) -> str:
    """The key in the variable `name`; servers on loopback need none. Raises CredentialsError."""
    key = os.environ.get(check_variable(name), "").strip()
    if not key and all(is_loopback(url) for url in urls):
        return "none"
    if not key:
        raise CredentialsError(f"no key for {urls[0]}: ${name} is not set", f"export {name}=...")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise CredentialsError(f"the key in ${name} has characters that no key has", f"export {name} again")
    return key


def is_loopback(url: str) -> bool:
    """Is the server on this machine, so that it needs no key, and no proxy should be asked?"""
    return urlsplit(url).hostname in _LOOPBACK


def open_server(url: str, model: str, key: str, access: Access) -> Server:
    """A server and its connections."""
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient

    http = DefaultAioHttpClient(
        timeout=httpx2.Timeout(None, connect=access.connect_timeout_s),
        follow_redirects=False,
        trust_env=not is_loopback(url),
        verify=url.startswith("https:") or not is_loopback(url),  # to load certificates takes a while
        event_hooks={"response": [_bounded(access.max_answer_bytes)]},
    )
    client = AsyncOpenAI(
        api_key=key,
        base_url=url,
        organization=access.organization,
        project=access.project,
        max_retries=0,
        http_client=http,
        default_headers={"Accept-Encoding": "identity", **(access.headers or {})},
        default_query=dict(access.query or {}),
    )
    if urlsplit(url).hostname != OPENAI_HOST:  # the SDK takes these from the environment, for whatever host
        client.organization, client.project = access.organization, access.project
    secrets = [text for text in (key, *(access.headers or {}).values()) if len(text) >= 6]

    def hide(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "[key]")
        return text

    return Server(client, Asked(url, model, access.api_key_env, hide))


class BadBody(Exception):
    """A body that is not read to its end, and why."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def _bounded(limit: int) -> Any:
    """A response hook of the HTTP client that reads at most `limit` bytes, counted on every layer of packing.

    The HTTP client would unpack a whole body at once, each layer a thousand times bigger than the one below.
    """

    async def hook(response: Any) -> None:
        packings = response.headers.get("content-encoding", "").lower().replace(" ", "").split(",")
        response.stream = _layer(response.stream, limit, None)
        for packing in reversed([name for name in packings if name not in ("", "identity")]):
            if packing not in ("gzip", "x-gzip", "deflate"):
                raise BadBody(f"the body is packed in a way that was not asked for ({packing[:20]!r})", "bad_body")
            response.stream = _layer(response.stream, limit, zlib.decompressobj(47))
        response.headers.pop("content-encoding", None)

    return hook


def _layer(stream: Any, limit: int, unpacker: Any) -> Any:
    import httpx2

    class Layer(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = limit
            async for chunk in stream:
                try:
                    piece = unpacker.decompress(chunk, left + 1) if unpacker else chunk
                except zlib.error as error:
                    raise BadBody(f"the body cannot be unpacked ({error})", "bad_body") from None
                left -= len(piece)
                if left < 0:
                    raise BadBody(f"the body is bigger than max_answer_bytes ({limit})", "body_too_big")
                yield piece

        async def aclose(self) -> None:
            await stream.aclose()

    return Layer()


@cache
def connection_errors() -> tuple[type[Exception], ...]:
    """What the SDK and the libraries below it raise where there is no response."""
    import aiohttp
    import httpx2
    import openai

    return (openai.OpenAIError, httpx2.HTTPError, aiohttp.ClientError, OSError, httpx2.InvalidURL)


def _connection_failure(error: Exception, asked: Asked) -> RetryableError:
    """Timeout or broken connection? The SDK calls a reset a timeout, the cause at the end of the chain knows better.

    What never reached the server costs nothing, and says that the server is away.
    """
    import aiohttp

    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    away = any(isinstance(one, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) for one in chain)
    billed = None if away else UNKNOWN
    if isinstance(chain[-1], TimeoutError):
        return RetryableError(f"{asked.url} could not be reached in time", "timeout", billed=billed, is_outage=away)
    words = asked.quote(str(chain[-1])) or type(chain[-1]).__name__
    return RetryableError(f"{asked.url}: the connection failed ({words})", "connection", billed=billed, is_outage=away)
