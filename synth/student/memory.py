"""How much memory a training run will need, told before it starts, with what would fit where it will not.

An estimate from the model's shape: right within about a third for plain decoders, enough to refuse what cannot work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import UsageError
from synth.student.presets import TrainSettings

GB = 1e9
_MARGIN = 1.05  # beyond the estimate, so that it is not used to the last byte


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model decides the memory. `num_lora_units`: sum of (inputs + outputs) over its linear layers."""

    num_parameters: int
    hidden_size: int
    num_layers: int
    num_lora_units: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes per process: weights with gradients and optimizer state, and what one micro batch keeps for backward."""

    states: float
    activations: float

    @property
    def total(self) -> float:
        """Bytes of one process."""
        return self.states + self.activations


def shape_of(model: str) -> Shape:
    """The shape of a model folder or hub name, without loading its weights. Raises UsageError where there is none."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(model)
        with torch.device("meta"):
            skeleton = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{model}: no causal language model is described there", "look for its config.json") from error
    text = config.get_text_config()
    units = sum(sum(m.weight.shape) for m in skeleton.modules() if isinstance(m, torch.nn.Linear))
    number = sum(parameter.numel() for parameter in skeleton.parameters())
    return Shape(number, text.hidden_size, text.num_hidden_layers, units)


def estimate(shape: Shape, settings: TrainSettings, is_half: bool) -> Estimate:
    """Bytes per process. `is_half`: computing in bf16.

    Full training keeps 16 bytes a parameter (weights, gradients and Adam's two moments in float32: the 112 GB for 7B of
    Stanford Alpaca's README), an adapter the same for itself and 2, 4 or about 0.6 (nf4) for the frozen model.
    Activations without attention scores: 34 bytes per token, layer and hidden unit in half precision (Korthikanti et
    al. 2022, section 4), or only the layers' inputs with activation checkpointing.
    """
    adapter = 16 * settings.lora_rank * shape.num_lora_units
    frozen = {"lora": 2 if is_half else 4, "qlora": 0.6, "full": 0}[settings.method]
    states = 16 * shape.num_parameters if settings.method == "full" else frozen * shape.num_parameters + adapter
    if settings.sharding != "ddp":
        states /= settings.num_processes
    layer = (34 if is_half else 68) * shape.hidden_size
    kept = layer + shape.num_layers * (layer / 17) if settings.activation_checkpointing else shape.num_layers * layer
    return Estimate(states, kept * settings.max_length * settings.micro_batch_size)


def available_bytes() -> float:
    """Free memory of the GPU this process would use, else of the machine; infinite where neither can be told."""
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.mem_get_info()[0])
    try:
        match = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text("ascii"))
    except OSError:
        match = None
    return float(match[1]) * 1024 if match else float("inf")


def refuse_if_too_big(model: str, settings: TrainSettings) -> None:
    """Raise UsageError where the run would not fit, naming every change that would make it fit."""
    import torch

    if settings.ignore_memory:
        return
    is_half = torch.cuda.is_available() and settings.precision != "float32"
    per_process_free = available_bytes() / (1 if torch.cuda.is_available() else settings.num_processes)
    shape = shape_of(model)
    needed = estimate(shape, settings, is_half)
    if needed.total * _MARGIN > per_process_free:
        raise UsageError(
            f"training {model} ({shape.num_parameters / GB:.2f} billion parameters, method {settings.method}) needs "
            f"about {needed.total / GB:.1f} GB for each process ({needed.states / GB:.1f} for weights and optimizer, "
            f"{needed.activations / GB:.1f} for activations) and {per_process_free / GB:.1f} GB are free",
            _what_fits(shape, settings, is_half, per_process_free),
        )


def _what_fits(shape: Shape, settings: TrainSettings, is_half: bool, free: float) -> str:
    lean: dict[str, Any] = {"micro_batch_size": 1, "activation_checkpointing": True}
    changes: list[dict[str, Any]] = [lean, lean | {"max_length": max(8, settings.max_length // 2)}]
    changes += [lean | {"method": method} for method in ("lora", "qlora") if settings.method == "full"]
    changes += [lean | {"method": "qlora"}] if settings.method == "lora" else []
    changes += [lean | {"sharding": "fsdp", "num_processes": number} for number in (2, 4, 8, 16)]
    fitting = []
    for change in changes:
        needed = estimate(shape, settings.model_copy(update=change), is_half).total
        if needed * _MARGIN <= free:
            fitting.append(f"{', '.join(f'{k}={v}' for k, v in change.items())} ({needed / GB:.1f} GB)")
    if fitting:
        return "this would fit: " + "; ".join(fitting)
    return f"nothing here fits; choose a model of at most {free / GB / 0.7:.1f} billion parameters with method qlora"
