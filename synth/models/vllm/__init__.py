"""An open model on your own machine: `{backend: vllm, model: Qwen/Qwen3-8B}` starts a vLLM server and asks it.

vLLM runs as a process of its own (`vllm serve`), from another environment where `executable` says so; nothing of it is
imported here. With `base_url` or `base_urls` a running server is used as it is. `settings` says what can be set,
`server` starts and stops, `managed` restarts and shares, `traces` finds what a killed run left behind, `metrics` reads
how full the server is, `gpus` finds what there is to divide among several.
"""

from __future__ import annotations

from dataclasses import replace

from synth.models.replicas import Replicas, addresses_of
from synth.models.vllm.gpus import visible_gpus
from synth.models.vllm.model import VllmModel
from synth.models.vllm.settings import NOT_SHAPING, Settings, check_settings

__all__ = ["NOT_SHAPING", "Settings", "VllmModel", "connect"]


def connect(settings: Settings) -> VllmModel | Replicas:
    """A model that starts its server with the first request and ends it in `close`.

    Raises UsageError for settings that cannot go together. What depends on the machine (is vLLM installed, are there
    so many GPUs) is checked before the start, so that a finished run needs neither.
    """
    check_settings(settings)
    models = [VllmModel(one, number) for number, one in enumerate(one_each(settings), 1)]
    return Replicas(models, settings.endpoint) if len(models) > 1 else models[0]


def one_each(settings: Settings) -> list[Settings]:
    """The settings of each server alone: one address of those that run, or the next share of this machine's GPUs."""
    if settings.urls:
        urls = addresses_of(settings.urls) if settings.each_address else settings.urls
        return [replace(settings, base_url=url, base_urls=()) for url in urls]
    if settings.num_servers == 1:
        return [settings]
    gpus, share = visible_gpus(), settings.gpus_each
    found = []
    for number in range(settings.num_servers):
        own = gpus[number * share : (number + 1) * share]
        env = {"SYNTH_SERVER": str(number)} | ({"CUDA_VISIBLE_DEVICES": ",".join(own)} if own else {})
        found.append(replace(settings, env=settings.env | env))
    return found
