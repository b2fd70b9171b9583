"""A vLLM backend in the hands of a test. Not a test itself."""

import asyncio
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


def wait_for(is_true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_true()
