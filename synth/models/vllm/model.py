"""A vLLM server as a ChatModel: starts it with the first request, asks it through the OpenAI client, restarts it.

What it adds to that client: prompts are measured against the context length before they are sent, the server's load can
be read, and a server that dies costs the answers in flight and a wait, not the run.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from synth.errors import CredentialsError, RequestRefused, RetryableError
from synth.models import openai
from synth.models.base import ChatRequest, Completion
from synth.models.vllm import metrics
from synth.models.vllm.server import Server, ServerEnded, say_on_stderr, start
from synth.models.vllm.settings import Settings, old_names

SUSPICIOUS = ("connection", "server_error", "timeout", "bad_body", "broken_off")
"""Failures after which a look at the server's health is due."""
RECOVERY_S = 20.0
"""A server whose process runs but whose `/health` fails is given up after so long."""
BACKOFF_S, LONGEST_BACKOFF_S = 2.0, 60.0
SMALLEST_ANSWER = 16
"""Tokens of answer that must fit behind the prompt (or `max_tokens`, where that is less)."""
TEMPLATE_TOKENS = 64
"""What a chat template may add to a message, at most; only an estimate that decides whether to count exactly."""


@dataclass(slots=True, eq=False)
class _Link:
    """An open way to the server or servers: the client for answers, addresses for all else."""

    client: openai.OpenAIModel
    roots: Sequence[str]
    key: str
    max_model_len: int | None = None
    server: Server | None = None
    is_suspect: bool = False


class VllmModel:
    """A ChatModel over one managed server, or over running ones. `name` is the model's (or adapter's) name.

    Beyond the protocol: `structured_outputs`, `suggested_concurrency()`, `load()`, `facts()`.
    """

    structured_outputs = True

    def __init__(self, settings: Settings) -> None:
        self.name = settings.name
        self.endpoint = settings.endpoint
        self.restarts = 0
        self._settings = settings
        self._opening: asyncio.Task[_Link] | None = None
        self._held: _Link | None = None
        self._preemptions = 0
        self._http: Any = None

    def __repr__(self) -> str:
        return f"VllmModel({self.name!r}, {self.endpoint!r})"

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
            link.is_suspect |= link.server is not None and error.reason in SUSPICIOUS
            raise
        except RequestRefused as error:
            if re.search(r"chat.?template", error.message, re.I):
                raise CredentialsError(
                    f"{self.name} has no chat template", "set api: completion for a base model, or give chat_template"
                ) from None
            raise

    async def close(self) -> None:
        """End the server, if it is ours, and close all connections."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        await self._let_go()
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def _let_go(self, keep_log: bool = False) -> None:
        link, self._held = self._held, None
        if link is not None:
            await link.client.close()
            if link.server is not None:
                await link.server.end(keep_log or not link.server.is_alive)

    # -- the server ------------------------------------------------------------------------------------------------

    async def _link(self) -> _Link:
        """The open link; the first caller opens it, everyone waits. A server that died is started anew here."""
        while True:
            if self._opening is None:
                self._opening = asyncio.create_task(self._open())
            opening = self._opening
            try:
                link = await asyncio.shield(opening)
            except RetryableError:
                if self._opening is opening:
                    self._opening = None
                raise
            if link.server is None or (link.server.is_alive and not link.is_suspect):
                return link
            if self._opening is opening:
                self._opening = asyncio.create_task(self._reopen(link, link.server))

    async def _open(self) -> _Link:
        if self._settings.urls:
            key = os.environ.get(self._settings.api_key_env, "").strip() or "none"
            return await self._connect(self._settings.urls, key, None)
        from synth.models.vllm.settings import check_machine

        check_machine(self._settings)
        server = await start(self._settings)
        try:
            return await self._connect((server.url,), server.key, server)
        except BaseException:
            await server.end()
            raise

    async def _reopen(self, link: _Link, server: Server) -> _Link:
        """The same link if the server is well after all; else a new server, after a pause. Raises ServerEnded."""
        deadline = asyncio.get_running_loop().time() + RECOVERY_S
        while server.is_alive and asyncio.get_running_loop().time() < deadline:
            if await server.is_healthy():
                link.is_suspect = False
                return link
            await asyncio.sleep(0.5)
        error = server.ended("the vLLM server died" if not server.is_alive else "the vLLM server no longer answers")
        await self._let_go(keep_log=True)
        while True:
            self.restarts += 1
            if self.restarts > self._settings.max_restarts:
                raise ServerEnded(f"{error.message}\n  restarted {self.restarts - 1} time(s) before", error.hint)
            pause = min(LONGEST_BACKOFF_S, BACKOFF_S * 2 ** (self.restarts - 1))
            say_on_stderr(error.message)
            say_on_stderr(f"restart {self.restarts} of {self._settings.max_restarts} in {pause:g} s")
            await asyncio.sleep(pause)
            try:
                return await self._open()
            except (ServerEnded, RetryableError) as again:
                error = again if isinstance(again, ServerEnded) else error

    async def _connect(self, urls: Sequence[str], key: str, server: Server | None) -> _Link:
        settings = self._settings
        client_settings = openai.Settings(
            model=self.name,
            base_urls=tuple(urls),
            api_key_env=settings.api_key_env,
            timeout_s=settings.timeout_s,
            structured="json_schema",
            extra_body=settings.extra_body,
        )
        lengths = [await self._context_length(url, key) for url in urls]
        client = openai.OpenAIModel(client_settings, list(urls), key)
        known = [length for length in lengths if length]
        self._held = _Link(client, [url.removesuffix("/v1") for url in urls], key, min(known, default=None), server)
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
            raise CredentialsError(f"{url} has no model {self.name!r}", f"it has: {', '.join(list(found)[:10])}")
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
            body["prompt"] = request.messages[0]["content"]
        try:
            status, said = await self._get(f"{link.roots[0]}/tokenize", link.key, body)
        except RetryableError:
            return None
        count = said.get("count") if status == 200 and isinstance(said, dict) else None
        return count if isinstance(count, int) else None

    # -- load ------------------------------------------------------------------------------------------------------

    async def load(self) -> metrics.Load | None:
        """What the servers are doing now, together; None while none runs or where they do not say."""
        link = self._opened()
        if link is None:
            return None
        loads = []
        for root in link.roots:
            try:
                status, text = await self._get(f"{root}/metrics", link.key)
            except RetryableError:
                return None
            found = metrics.read_load(text) if status == 200 and isinstance(text, str) else None
            if found is None:
                return None
            loads.append(found)
        return metrics.add_loads(loads)

    async def suggested_concurrency(self) -> int | None:
        """How many requests to have in flight now, from the servers' load; None where that cannot be known.

        Optional part of the protocol: ask about once a second, at most.
        """
        load = await self.load()
        if load is None:
            return None
        preempted, self._preemptions = load.preemptions > self._preemptions, load.preemptions
        return metrics.suggest(load, preempted)

    async def facts(self) -> dict[str, Any]:
        """What is known about the server once it runs (it is started for this): version, context length, restarts."""
        link = await self._link()
        _, version = await self._get(f"{link.roots[0]}/version", link.key)
        return {
            "server": "managed" if link.server else "running",
            "urls": [f"{root}/v1" for root in link.roots],
            "version": version.get("version") if isinstance(version, dict) else None,
            "max_model_len": link.max_model_len,
            "restarts": self.restarts,
        }

    def _opened(self) -> _Link | None:
        task = self._opening
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

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
