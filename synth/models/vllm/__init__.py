"""An open model on your own machine: `{backend: vllm, model: Qwen/Qwen3-8B}` starts a vLLM server and asks it.

vLLM runs as a process of its own (`vllm serve`), from another environment where `executable` says so; nothing of it is
imported here. With `base_url` or `base_urls` a running server is used as it is. `settings` says what can be set,
`server` starts and stops, `managed` restarts and shares, `traces` finds what a killed run left behind, `metrics` reads
how full the server is.
"""

from __future__ import annotations

from synth.models.vllm.model import VllmModel
from synth.models.vllm.settings import NOT_SHAPING, Settings, check_settings

__all__ = ["NOT_SHAPING", "Settings", "VllmModel", "connect"]


def connect(settings: Settings) -> VllmModel:
    """A model that starts its server with the first request and ends it in `close`.

    Raises UsageError for settings that cannot go together. What depends on the machine (is vLLM installed, are there
    so many GPUs) is checked before the start, so that a finished run needs neither.
    """
    check_settings(settings)
    return VllmModel(settings)
