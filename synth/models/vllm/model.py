"""A vLLM server as a ChatModel: has it started with the first request and asks it through the OpenAI client.

What it adds to that client: prompts are measured against the context length before they are sent, the server's load can
be read, and a server that dies (see `managed`) costs the answers in flight and a wait, not the run.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from synth.errors import CredentialsError, RequestRefused, RetryableError
from synth.models import openai
from synth.models.base import ChatRequest, Completion
from synth.models.vllm import metrics
from synth.models.vllm.managed import ManagedServer, share
from synth.models.vllm.server import Server
from synth.models.vllm.settings import Settings, old_names

SUSPICIOUS = ("connection", "server_error", "timeout", "bad_body", "broken_off")
"""Failures after which a look at the server's health is due."""
SMALLEST_ANSWER = 16
"""Tokens of answer that must fit behind the prompt (or `max_tokens`, where that is less)."""
TEMPLATE_TOKENS = 64
"""What a chat template may add to a message, at most; only an estimate that decides whether to count exactly."""


@dataclass(slots=True, eq=False)
class _Link:
    """An open way to the server: the client for answers, the address for all else."""

    client: openai.OpenAIModel
    root: str
    key: str
    max_model_len: int | None = None
    server: Server | None = None
    tells_load: bool = True


class VllmModel:
    """A ChatModel over one server, managed or running. `name` is the model's (or adapter's) name.

    Beyond the protocol: `structured_outputs`, `load()`, `facts()`, `check()`, `stop_starting()`.
    """

    structured_outputs = True

    def __init__(self, settings: Settings, number: int = 1) -> None:
        """`settings`: with one address at most. `number`: which of several managed servers this is."""
        self.name = settings.name
        self.endpoint = settings.endpoint
        self.address = next(iter(settings.urls), f"vllm server {number}")
        self._settings = settings
        self._managed: ManagedServer | None = None
        self._opening: tuple[Server | None, asyncio.Task[_Link]] | None = None
        self._held: _Link | None = None
        self._http: Any = None

    def __repr__(self) -> str:
        return f"VllmModel({self.name!r}, {self.endpoint!r})"

    @property
    def restarts(self) -> int:
        """How often the managed server had to be started anew."""
        return self._managed.restarts if self._managed else 0

    async def complete(self, request: ChatRequest) -> Completion:
        """Ask once. Raises RetryableError, RequestRefused, CredentialsError; SynthError when no server can be had."""
        complaints = old_names(request.extra_body)
        if complaints:
            raise RequestRefused("; ".join(complaints), "bad_request")
        link = await self._link()
        request = await self._fit(link, request)
        try:
            return await link.client.complete(request)
        except RetryableError as error:
            if error.reason in SUSPICIOUS:
                self._suspect(link.server)
            raise
        except RequestRefused as error:
            if re.search(r"chat.?template", error.message, re.I):
                raise CredentialsError(
                    f"{self.name} has no chat template", "set api: completion for a base model, or give chat_template"
                ) from None
            raise

    async def check(self) -> None:
        """Raises CredentialsError where a running server has not our model, or refuses the key."""
        if self._settings.urls:
            with suppress(RetryableError):  # one that is away is found out by asking
                await self._link()

    def stop_starting(self) -> None:
        """Call off a start of the server under way; who waits for it gets a RetryableError. Other requests go on."""
        if self._managed is not None:
            self._managed.stop_starting()

    async def close(self) -> None:
        """Close all connections, and end the server if it is ours and no other model uses it."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening[1].cancel()
            await asyncio.gather(opening[1], return_exceptions=True)
        await self._let_go()
        if self._http is not None:
            await self._http.close()
            self._http = None
        managed, self._managed = self._managed, None
        if managed is not None:
            await managed.release()

    # -- the way to the server -------------------------------------------------------------------------------------

    async def _link(self) -> _Link:
        """The open link to the server as it is now; the first caller opens it, everyone waits."""
        server = await self._server()
        if self._opening is None or self._opening[0] is not server:
            self._opening = server, asyncio.create_task(self._open(server))
        opening = self._opening
        try:
            return await asyncio.shield(opening[1])
        except RetryableError:
            if self._opening is opening:
                self._opening = None
            self._suspect(server)
            raise

    async def _server(self) -> Server | None:
        """The managed server, running; None where running servers were named."""
        if self._settings.urls:
            return None
        if self._managed is None:
            self._managed = share(self._settings)
        return await self._managed.server()

    def _suspect(self, server: Server | None) -> None:
        if self._managed is not None and server is not None:
            self._managed.suspect(server)

    async def _open(self, server: Server | None) -> _Link:
        await self._let_go()
        if server is not None:
            return await self._connect(server.url, server.key, server)
        key = os.environ.get(self._settings.api_key_env, "").strip() or "none"
        return await self._connect(self._settings.urls[0], key, None)

    async def _let_go(self) -> None:
        link, self._held = self._held, None
        if link is not None:
            await link.client.close()

    async def _connect(self, url: str, key: str, server: Server | None) -> _Link:
        settings = self._settings
        client_settings = openai.Settings(
            model=self.name,
            base_url=url,
            api_key_env=settings.api_key_env,
            timeout_s=settings.timeout_s,
            structured="json_schema",
            extra_body=settings.extra_body,
        )
        length = await self._context_length(url, key)
        client = openai.OpenAIModel(client_settings, key)
        self._held = _Link(client, url.removesuffix("/v1"), key, length, server)
        return self._held

    async def _context_length(self, url: str, key: str) -> int | None:
        """`max_model_len` of our model in `/v1/models`. Raises CredentialsError for a wrong model or key."""
        status, said = await self._get(f"{url}/models", key)
        if status in (401, 403):
            raise CredentialsError(f"{url} refuses the key", f"set ${self._settings.api_key_env} to the server's key")
        models = said.get("data") if isinstance(said, dict) else None
        if status != 200 or not isinstance(models, list):
            raise RetryableError(f"{url}/models answered {status}", "server_error")
        found = {str(model.get("id")): model for model in models if isinstance(model, dict)}
        if self.name not in found:
            raise openai.wrong_model(url, self.name, list(found))
        own = found[self.name]
        length = own.get("max_model_len") or found.get(str(own.get("parent")), {}).get("max_model_len")
        return length if isinstance(length, int) else None

    # -- context length --------------------------------------------------------------------------------------------

    async def _fit(self, link: _Link, request: ChatRequest) -> ChatRequest:
        """`request` with `max_tokens` cut to what is left behind its prompt; refused where that is next to nothing.

        Only a request that may be too long is counted: no tokenizer makes more tokens of a text than it has bytes.
        """
        limit, wanted = link.max_model_len, request.sampling.max_tokens
        size = sum(len(m["content"].encode("utf-8", "replace")) + TEMPLATE_TOKENS for m in request.messages)
        if limit is None or size + (wanted or SMALLEST_ANSWER) <= limit:
            return request
        count = await self._count(link, request)
        if count is None:
            return request
        room = limit - count
        if room < min(wanted or SMALLEST_ANSWER, SMALLEST_ANSWER):
            raise RequestRefused(
                f"the prompt has {count} tokens, the context of {self.name} {limit}: no room for an answer",
                "context_overflow",
                "show fewer examples or raise max_model_len",
            )
        if wanted is None or wanted <= room:
            return request
        return replace(request, sampling=replace(request.sampling, max_tokens=room))

    async def _count(self, link: _Link, request: ChatRequest) -> int | None:
        """Tokens of the prompt as the server counts them; None where it does not say."""
        body: dict[str, Any] = {"model": self.name}
        if request.kind == "chat":
            body |= {"messages": list(request.messages), "add_generation_prompt": True}
            extra = self._settings.extra_body | request.extra_body
            body |= {name: extra[name] for name in ("chat_template_kwargs",) if name in extra}
        else:
            body["prompt"] = request.text
        try:
            status, said = await self._get(f"{link.root}/tokenize", link.key, body)
        except RetryableError:
            return None
        count = said.get("count") if status == 200 and isinstance(said, dict) else None
        return count if isinstance(count, int) else None

    # -- load ------------------------------------------------------------------------------------------------------

    async def load(self) -> metrics.Load | None:
        """What the server is doing now; None while it does not run, and where it does not say."""
        link = self._held
        if link is None or not link.tells_load:
            return None
        try:
            status, text = await self._get(f"{link.root}/metrics", link.key)
        except RetryableError:
            return None
        found = metrics.read_load(text) if status == 200 and isinstance(text, str) else None
        link.tells_load = found is not None
        return found

    async def facts(self) -> dict[str, Any]:
        """What is known about the server once it runs (it is started for this): version, context length, restarts."""
        link = await self._link()
        _, version = await self._get(f"{link.root}/version", link.key)
        return {
            "server": "managed" if link.server else "running",
            "url": f"{link.root}/v1",
            "version": version.get("version") if isinstance(version, dict) else None,
            "max_model_len": link.max_model_len,
            "restarts": self.restarts,
        }

    async def _get(self, url: str, key: str, body: Any = None) -> tuple[int, Any]:
        """Status and body (JSON where it is) of a small request beside the answers. Raises RetryableError."""
        import aiohttp

        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        headers = {"Authorization": f"Bearer {key}"}
        try:
            async with self._http.request("GET" if body is None else "POST", url, headers=headers, json=body) as reply:
                is_json = "json" in reply.headers.get("content-type", "")
                return reply.status, await reply.json() if is_json else await reply.text()
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise RetryableError(f"{url} could not be read ({type(error).__name__})", "connection") from None
