"""The vLLM server that synth itself looks after: started when first needed, restarted when it dies, ended by its last
user. Models whose servers would be started alike (a teacher and a judge with equal settings) share one.
"""

from __future__ import annotations

import asyncio

from synth.errors import RetryableError
from synth.models.vllm.server import Server, ServerEnded, say_on_stderr, start
from synth.models.vllm.settings import Settings, check_machine, fingerprint

RECOVERY_S = 20.0
"""A server whose process runs but whose `/health` fails is given up after so long."""
BACKOFF_S, LONGEST_BACKOFF_S = 2.0, 60.0
_Key = tuple[asyncio.AbstractEventLoop, str]


class ManagedServer:
    """One server and the number of models that use it; see `share`. All of them live in one event loop."""

    def __init__(self, settings: Settings, key: _Key) -> None:
        self.restarts = 0
        self.users = 0
        self._settings, self._key = settings, key
        self._opening: asyncio.Task[Server] | None = None
        self._current: Server | None = None
        self._is_suspect = False

    async def server(self) -> Server:
        """The running server; the first caller starts it, everyone waits. One that died is started anew here.

        Raises UsageError, ServerEnded once it has died too often, RetryableError where the start was called off.
        """
        while True:
            if self._opening is None:
                self._opening = asyncio.create_task(self._open())
            opening = self._opening
            try:
                server = await asyncio.shield(opening)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if opening.cancelled() and not (task and task.cancelling()):
                    raise RetryableError("the start of the vLLM server was called off", "called_off") from None
                raise
            if server.is_alive and not self._is_suspect:
                return server
            if self._opening is opening:
                self._opening = asyncio.create_task(self._reopen(server))

    def suspect(self, server: Server) -> None:
        """A request failed in a way that may mean that `server` is dying: look at its health before the next."""
        self._is_suspect |= server is self._current

    def stop_starting(self) -> None:
        """Call off a start or restart under way."""
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()

    async def release(self) -> None:
        """One user less. The last one ends the server."""
        self.users -= 1
        if self.users:
            return
        _SHARED.pop(self._key, None)
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        await self._end()

    async def _end(self, keep_log: bool = False) -> None:
        server, self._current = self._current, None
        if server is not None:
            await server.end(keep_log or not server.is_alive)

    async def _open(self) -> Server:
        check_machine(self._settings)
        self._current = await start(self._settings)
        self._is_suspect = False
        return self._current

    async def _reopen(self, server: Server) -> Server:
        """The same server if it is well after all; else a new one, after a pause. Raises ServerEnded."""
        deadline = asyncio.get_running_loop().time() + RECOVERY_S
        while server.is_alive and asyncio.get_running_loop().time() < deadline:
            if await server.is_healthy():
                self._is_suspect = False
                return server
            await asyncio.sleep(0.5)
        error = server.ended("the vLLM server died" if not server.is_alive else "the vLLM server no longer answers")
        await self._end(keep_log=True)
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
            except ServerEnded as again:
                error = again


_SHARED: dict[_Key, ManagedServer] = {}


def share(settings: Settings) -> ManagedServer:
    """The server for `settings`, with one user more, who gives it back by `release`. Starts nothing yet."""
    key = asyncio.get_running_loop(), fingerprint(settings)
    found = _SHARED.setdefault(key, ManagedServer(settings, key))
    found.users += 1
    return found
