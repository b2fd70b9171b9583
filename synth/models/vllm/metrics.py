"""How full a vLLM server is, read from its `/metrics` (Prometheus text), and how many requests it should be given.

vLLM never answers 429: it queues. A client that sends everything at once only moves the queue to where it can no longer
order or withdraw it. Pure functions; who asks the server is `model`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

_LINE = re.compile(r"^vllm:(\w+)(?:\{[^\n]*\})? ([-+.\deEinfaN]+)", re.M)
_KV = ("kv_cache_usage_perc", "gpu_cache_usage_perc")
FULL = 0.95
"""KV-cache use up to which more requests are useful; past it vLLM starts to preempt and recompute."""
QUEUE_SHARE, SHORTEST_QUEUE = 0.25, 4
"""How long a queue to keep, as a share of what runs: a freed place is then filled at the next step."""
FIRST = 16


@dataclass(frozen=True, slots=True)
class Load:
    """Requests running and waiting, the share of the KV cache in use (0 to 1), counters since the start."""

    running: int = 0
    waiting: int = 0
    kv_use: float = 0.0
    preemptions: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    prefix_queries: int = 0
    prefix_hits: int = 0


def read_load(text: str) -> Load | None:
    """The load in a reply of `/metrics`, summed over engines (KV use: the fullest); None where it is not of a vLLM."""
    found: dict[str, list[float]] = {}
    for name, value in _LINE.findall(text):
        try:
            number = float(value)
        except ValueError:
            continue
        if math.isfinite(number):
            found.setdefault(name, []).append(number)
    if "num_requests_running" not in found:
        return None

    def total(name: str) -> int:
        return int(sum(found.get(name, ())))

    return Load(
        running=total("num_requests_running"),
        waiting=total("num_requests_waiting"),
        kv_use=max((use for name in _KV for use in found.get(name, ())), default=0.0),
        preemptions=total("num_preemptions_total"),
        prompt_tokens=total("prompt_tokens_total"),
        generated_tokens=total("generation_tokens_total"),
        prefix_queries=total("prefix_cache_queries_total"),
        prefix_hits=total("prefix_cache_hits_total"),
    )


def add_loads(loads: Iterable[Load]) -> Load:
    """Several servers as one; the KV use is that of the fullest."""
    together = Load()
    for one in loads:
        pairs = {name: getattr(together, name) + getattr(one, name) for name in Load.__slots__}
        together = Load(**(pairs | {"kv_use": max(together.kv_use, one.kv_use)}))
    return together


def suggest(load: Load, preempted: bool = False) -> int:
    """How many requests to have in flight, given the load at the present number. Always at least 1.

    With a queue: what runs, and a quarter of it waiting. Without one: up to twice as many, as far as the KV cache will
    hold them. `preempted`: requests were thrown out of the cache since the last look, so fewer than what runs now.
    """
    if preempted:
        return max(1, load.running - max(1, load.running // 10))
    if load.waiting:
        return load.running + max(SHORTEST_QUEUE, int(load.running * QUEUE_SHARE))
    room = FULL / load.kv_use if load.kv_use > 0 else 2.0
    return max(FIRST if load.kv_use < FULL / 2 else 1, int(load.running * min(2.0, room)))
