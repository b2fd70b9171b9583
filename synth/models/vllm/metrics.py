"""How full a vLLM server is, read from its `/metrics` (Prometheus text).

vLLM never answers 429: it queues. What follows from a load is settled by whoever sends. Pure functions; who asks the
server is `model`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_LINE = re.compile(r"^vllm:(\w+)(?:\{[^\n]*\})? ([-+.\deEinfaN]+)", re.M)
_KV = ("kv_cache_usage_perc", "gpu_cache_usage_perc")


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
