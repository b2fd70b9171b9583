"""A vLLM backend in the hands of a test. Not a test itself."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from synth.models import connect
from synth.models.base import ChatRequest, Sampling
from synth.models.vllm import VllmModel

GIVEN = {"model": "org/model", "device": "gpu"}


def ask(text: str = "hello", **sampling: Any) -> ChatRequest:
    return ChatRequest(({"role": "user", "content": text},), Sampling(**sampling))


def using(options: dict[str, Any], work: Callable[[VllmModel], Awaitable[Any]]) -> Any:
    """Run `work` on a connected model and close it."""

    async def run() -> Any:
        found = connect("vllm", GIVEN | options)
        assert isinstance(found, VllmModel)
        try:
            return await work(found)
        finally:
            await found.close()

    return asyncio.run(run())


async def pid_of(found: VllmModel) -> int:
    return int((await found.complete(ask())).text.split()[0])


def ask_and_be_killed() -> None:
    """The main function of a process that asks once, prints the server's pid and is killed; the options are its word."""

    async def asked() -> None:
        print(await pid_of(connect("vllm", json.loads(sys.argv[1]))), flush=True)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(asked())


def wait_for(is_true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_true()
