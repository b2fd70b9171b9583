"""Blocking calls that start an event loop, also where one runs already, as in a notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def blocking(work: Callable[[], T], stop: Callable[[], None] = lambda: None) -> T:
    """`work()`, here or, where a loop runs in this thread, in a thread of its own.

    `stop` is called when waiting for that thread is interrupted; it should make `work` end soon.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(work).result()
        except BaseException:
            stop()
            raise
