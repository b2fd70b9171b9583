"""One model behind several servers. The engine asks each of `servers` by itself, in slots of its own; asked as a
whole, the server with the fewest requests in flight answers.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any, NoReturn
from urllib.parse import urlsplit

from synth.errors import RetryableError, UsageError
from synth.models.base import ChatModel, ChatRequest, Completion

REST_S = 5.0
"""Seconds for which a server that could not be reached is passed over while others answer."""


class Replicas:
    """A ChatModel over `servers`, ChatModels that give the same answers. `endpoint` is that of the first."""

    def __init__(self, servers: Sequence[ChatModel]) -> None:
        self.servers = servers
        self.name, self.endpoint = servers[0].name, servers[0].endpoint
        self._in_flight: Counter[ChatModel] = Counter()
        self._resting_until: dict[ChatModel, float] = {}

    def __repr__(self) -> str:
        return f"Replicas({self.name!r}, {len(self.servers)} servers, {self.endpoint!r})"

    @property
    def structured_outputs(self) -> bool | None:
        """Whether the servers keep to a JSON schema; None where only asking can tell."""
        known = {getattr(server, "structured_outputs", False) for server in self.servers}
        return known.pop() if len(known) == 1 else None

    @property
    def notes(self) -> list[str]:
        """What had to be done otherwise than asked, each sentence once."""
        return list(dict.fromkeys(chain(*(getattr(server, "notes", ()) for server in self.servers))))

    async def complete(self, request: ChatRequest) -> Completion:
        """Ask one of the servers once. Raises as `ChatModel.complete`."""
        now = time.monotonic()
        server = min(self.servers, key=lambda one: (self._resting_until.get(one, 0.0) > now, self._in_flight[one]))
        self._in_flight[server] += 1
        try:
            return await server.complete(request)
        except RetryableError as error:
            if error.reason in ("connection", "timeout"):
                self._resting_until[server] = time.monotonic() + REST_S
            raise
        finally:
            self._in_flight[server] -= 1

    async def is_there(self, timeout_s: float) -> bool:
        """Does one of the servers give any response to a small question in time?"""
        looks: Any = [look(timeout_s) for server in self.servers if (look := getattr(server, "is_there", None))]
        return any(await asyncio.gather(*looks)) if looks else True

    def batch_api(self) -> NoReturn:
        """There is none. Raises UsageError."""
        raise UsageError("api: batch goes with one base_url", "a batch lies at one server: name that one")

    def stop_starting(self) -> None:
        """Call off the starts of servers under way."""
        for server in self.servers:
            if (stop := getattr(server, "stop_starting", None)) is not None:
                stop()

    async def close(self) -> None:
        """Close all."""
        await asyncio.gather(*(server.close() for server in self.servers))


def servers_of(model: ChatModel) -> Sequence[Any]:
    """The servers that the engine asks by themselves: those of a Replicas, else the model alone."""
    return getattr(model, "servers", (model,))


def check_different(urls: Sequence[str]) -> None:
    """Raise UsageError where an address is there twice, however it is written."""
    parts = [urlsplit(url.rstrip("/")) for url in urls]
    same = Counter((part.scheme.lower(), part.netloc.lower(), part.path) for part in parts)
    twice = next((place for place, count in same.items() if count > 1), None)
    if twice is not None:
        raise UsageError(f"base_urls names {twice[0]}://{twice[1]}{twice[2]} twice", "give each server once")
