"""One model behind several servers. The engine asks each of `servers` by itself, in slots of its own, and chooses among
them (see `synth.engine.throttle`); asked as a whole, the first that can be reached answers.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

from pydantic import Field

from synth.errors import RetryableError, UsageError
from synth.models.base import ChatModel, ChatRequest, Completion

EachAddress = Annotated[
    bool,
    Field(
        description="The host name of base_url stands for several servers, as that of a headless Kubernetes service "
        "does: each address that it resolves to as a run starts is asked by itself."
    ),
]


class Replicas:
    """A ChatModel over `servers`, ChatModels that give the same answers. Its endpoint is that of the settings."""

    def __init__(self, servers: Sequence[ChatModel], endpoint: str) -> None:
        self.servers = servers
        self.name, self.endpoint = servers[0].name, endpoint

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
        """The answer of the first server that can be reached. Raises as `ChatModel.complete`."""
        for server in self.servers[:-1]:
            try:
                return await server.complete(request)
            except RetryableError as error:
                if not error.is_outage:
                    raise
        return await self.servers[-1].complete(request)

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


def check_addresses(urls: Sequence[str], each_address: bool) -> None:
    """Raise UsageError where an address is there twice, however it is written, or cannot be asked by its numbers."""
    parts = [urlsplit(url.rstrip("/")) for url in urls]
    if each_address and any(part.scheme.lower() == "https" for part in parts):
        raise UsageError("each_address goes with http://", "certificates are of host names: list them as base_urls")
    same = Counter((part.scheme.lower(), part.netloc.lower(), part.path) for part in parts)
    twice = next((place for place, count in same.items() if count > 1), None)
    if twice is not None:
        raise UsageError(f"base_urls names {twice[0]}://{twice[1]}{twice[2]} twice", "give each server once")


def addresses_of(urls: Sequence[str]) -> list[str]:
    """Each URL once for every address that its host name resolves to now, of IPv4 if there are any.

    One whose name cannot be resolved, or stands for one address, stays as it is.
    """
    return list(chain(*map(_addresses, urls)))


def _addresses(url: str) -> list[str]:
    parts = urlsplit(url)
    try:
        found = {str(about[4][0]) for about in socket.getaddrinfo(parts.hostname, None, type=socket.SOCK_STREAM)}
    except OSError:  # whoever asks it will say so
        return [url]
    hosts = sorted(host for host in found if ":" not in host) or [f"[{host}]" for host in sorted(found)]
    port = "" if parts.port is None else f":{parts.port}"
    return [parts._replace(netloc=host + port).geturl() for host in hosts] if len(hosts) > 1 else [url]
