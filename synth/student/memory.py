"""How much memory a training run will need, told before it starts, with what would fit where it will not.

An estimate from the model's shape: right within about a third for plain decoders, enough to refuse what cannot work.
"""

from __future__ import annotations

import ctypes
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import UsageError
from synth.student.presets import TrainSettings

CHUNK = 32  # positions whose logits stand in memory at a time, see loss.py

GB = 1e9
_MARGIN = 1.05  # beyond the estimate, so that it is not used to the last byte


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model decides the memory. `num_lora_units`: sum of (inputs + outputs) over its linear layers."""

    num_parameters: int
    hidden_size: int
    num_layers: int
    num_lora_units: int
    num_words: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes per process: weights with gradients and optimizer state, and what one micro batch keeps for backward.

    `merging`: what an adapter's base needs while the adapter is merged into it, after the training.
    """

    states: float
    activations: float
    merging: float = 0.0

    @property
    def total(self) -> float:
        """Bytes of one process at most."""
        return max(self.states + self.activations, self.merging)


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
    return Shape(number, text.hidden_size, text.num_hidden_layers, units, text.vocab_size)


def uses_bfloat16(settings: TrainSettings) -> bool:
    """Is training computed in bfloat16? With precision auto: where this machine is fast at it."""
    return has_bfloat16() if settings.precision == "auto" else settings.precision == "bfloat16"


def has_bfloat16() -> bool:
    """Has the GPU, or else the CPU, instructions for bfloat16?"""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def estimate(shape: Shape, settings: TrainSettings, is_half: bool) -> Estimate:
    """Bytes per process. `is_half`: computing in bf16; `settings.micro_tokens` must be set.

    Full training keeps 16 bytes a parameter (weights, gradients and Adam's two moments in float32: the 112 GB for 7B of
    Stanford Alpaca's README), an adapter the same for itself and 2, 4 or about 0.6 (nf4) for the frozen model.
    It is merged in main memory, in float32. Activations without attention scores: 34 bytes per token, layer and hidden
    unit in half precision (Korthikanti et al. 2022, section 4), or only the layers' inputs with activation
    checkpointing.
    """
    adapter = 16 * settings.lora_rank * shape.num_lora_units
    frozen = {"lora": 2 if is_half else 4, "qlora": 0.6, "full": 0}[settings.method]
    states = 16 * shape.num_parameters if settings.method == "full" else frozen * shape.num_parameters + adapter
    if settings.sharding != "ddp":
        states /= settings.world_size
    layer = (34 if is_half else 68) * shape.hidden_size
    kept = layer + shape.num_layers * (layer / 17) if settings.activation_checkpointing else shape.num_layers * layer
    logits = 12 * CHUNK * shape.num_words
    merging = 4 * shape.num_parameters if settings.method != "full" and not _has_gpu() else 0
    return Estimate(states, kept * (settings.micro_tokens or settings.max_length) + logits, merging)


def available_bytes() -> float:
    """Free memory of the GPU this process would use, else of the machine or of the container, whichever is less.

    Infinite where none of them can be told.
    """
    import torch

    if _has_gpu():
        return float(torch.cuda.mem_get_info()[0])
    return min(_free_of_machine(Path("/proc/meminfo")), _free_of_container(Path("/sys/fs/cgroup")))


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _free_of_machine(meminfo: Path) -> float:
    try:
        match = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text("ascii"))
    except OSError:
        match = None
    return float(match[1]) * 1024 if match else float("inf")


def _free_of_container(group: Path) -> float:
    """What control groups (version 2) leave; files that are only cached count as free, as in MemAvailable."""
    try:
        limit, used = ((group / f"memory.{name}").read_text("ascii").strip() for name in ("max", "current"))
        cached = re.search(r"^inactive_file (\d+)", (group / "memory.stat").read_text("ascii"), re.M)
    except OSError:
        return float("inf")
    if limit == "max":
        return float("inf")
    return max(0.0, float(limit) - float(used) + (float(cached[1]) if cached else 0.0))


def release_freed() -> None:
    """Give memory that was freed back to the system, where the C library is glibc, which keeps it in the heap.

    Without it a training on the CPU had a peak 0.4 GB higher (gemma3-270m, LoRA).
    """
    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def fitting(model: str, settings: TrainSettings, longest: int) -> TrainSettings:
    """The settings with micro_tokens and activation_checkpointing filled in: the latter only where memory asks for it.

    `longest`: tokens of the longest example. Raises UsageError where the run would not fit, naming every change that
    would make it fit.
    """
    is_cuda = _has_gpu()
    micro = max(longest, min(settings.micro_tokens or (8192 if is_cuda else 512), settings.batch_tokens or 10**9))
    plain = {"micro_tokens": micro, "activation_checkpointing": settings.activation_checkpointing or False}
    chosen = settings.model_copy(update=plain)
    if settings.ignore_memory:
        return chosen
    is_half = uses_bfloat16(settings)
    free = available_bytes() / (1 if is_cuda else settings.num_processes)
    shape = shape_of(model)
    if settings.activation_checkpointing is None and not _fits(shape, chosen, is_half, free):
        chosen = chosen.model_copy(update={"activation_checkpointing": True})
    needed = estimate(shape, chosen, is_half)
    if not _fits(shape, chosen, is_half, free):
        merging = f"; merging the adapter {needed.merging / GB:.1f}" if needed.merging else ""
        raise UsageError(
            f"training {model} ({shape.num_parameters / GB:.2f} billion parameters, method {settings.method}) needs "
            f"about {needed.total / GB:.1f} GB for each process ({needed.states / GB:.1f} for weights and optimizer, "
            f"{needed.activations / GB:.1f} for activations{merging}) and {free / GB:.1f} GB are free",
            _what_fits(shape, chosen, is_half, free),
        )
    return chosen


def _fits(shape: Shape, settings: TrainSettings, is_half: bool, free: float) -> bool:
    return estimate(shape, settings, is_half).total * _MARGIN <= free


def _what_fits(shape: Shape, settings: TrainSettings, is_half: bool, free: float) -> str:
    half = max(8, settings.max_length // 2)
    lean: dict[str, Any] = {"micro_tokens": settings.max_length, "activation_checkpointing": True}
    changes: list[dict[str, Any]] = [lean, lean | {"max_length": half, "micro_tokens": half}]
    changes += [lean | {"method": method} for method in ("lora", "qlora") if settings.method == "full"]
    changes += [lean | {"method": "qlora"}] if settings.method == "lora" else []
    if _has_gpu():
        changes += [lean | {"sharding": "fsdp", "num_processes": number} for number in (2, 4, 8, 16)]
    fitting = []
    for change in changes:
        changed = settings.model_copy(update=change)
        if _fits(shape, changed, is_half, free):
            told = ", ".join(f"{key}={value}" for key, value in change.items())
            fitting.append(f"{told} ({estimate(shape, changed, is_half).total / GB:.1f} GB)")
    if fitting:
        return "this would fit: " + "; ".join(fitting)
    method, each = ("qlora", 0.7) if _has_gpu() else ("lora", 4 * _MARGIN)  # bytes a parameter; see `estimate`
    largest = free / GB / each
    return f"nothing here fits; choose a model of at most {largest:.1f} billion parameters with method {method}"
