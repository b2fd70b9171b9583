"""What can be set about a vLLM server, and the command line and environment that follow from it. Starts nothing.

Names and meanings are those of `vllm serve --help` (vLLM 0.11 and later). A setting left out stays with vLLM, except on
a machine without an accelerator: see `_cpu_values`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from synth.errors import UsageError
from synth.models.replicas import EachAddress, check_addresses
from synth.models.vllm.gpus import count_gpus
from synth.records import digest

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that `--max-lora-rank` takes."""
CPU_MAX_MODEL_LEN = 4096
CPU_HEAD_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
"""Widths of attention heads that vLLM 0.32 has CPU kernels for (`cpu_attn.py`); others kill it at the first answer."""
FEW_CORES = 2
"""On so few cores vLLM's worker computes on all of them."""
TINY_HIDDEN_SIZE = 512
"""Up to this width a model is computed in float32 on a CPU: vLLM 0.32 dies of an illegal instruction (SIGILL) at the
first request to a bfloat16 model of width 64, 128 or 256 on CPUs with AMX when it is not compiled."""
OURS = ("--host", "--port", "--api-key", "--served-model-name", "--model", "--uds", "--root-path", "--config")
"""Flags that the managed server needs for itself; not to be given in `extra_args`."""
_POSITIVE = (
    "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "max_model_len", "max_num_seqs",
    "max_num_batched_tokens", "max_lora_rank", "start_timeout_s", "timeout_s", "num_servers",
)  # fmt: skip
_SHAPING = (
    "model", "revision", "tokenizer", "dtype", "quantization", "kv_cache_dtype", "chat_template", "reasoning_parser",
    "generation_config", "seed", "lora_modules", "extra_args", "extra_body",
)  # fmt: skip
"""What can change an answer, and so enters the request key. How the work is spread over GPUs is not among them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`model`: a name on the Hugging Face Hub or a folder. The second block goes to `vllm serve` by the same names.

    `executable`: the `vllm` command or the environment it is in (`.venv-vllm`); found on PATH where not given.
    `base_url`, `base_urls`: running servers, used as they are, key in `$api_key_env`. `lora_modules`: adapters, name to
    folder; `adapter` is the one that answers (the only one by default). `extra_args`: further flags, word by word.
    `env`: variables for the server. `device`: "cpu" picks flags that work there; "auto" looks for an accelerator.
    `max_restarts`: how often a server that died is started anew. Times in seconds; `timeout_s` bounds one request.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    model: str
    executable: str = "vllm"
    base_url: str | None = None
    base_urls: Annotated[
        tuple[str, ...], Field(description="Running servers of the same model; requests are divided by their load.")
    ] = ()
    each_address: EachAddress = False
    api_key_env: str = "VLLM_API_KEY"
    adapter: str | None = None
    device: Literal["auto", "cpu", "gpu"] = "auto"
    env: dict[str, str] = field(default_factory=dict)
    start_timeout_s: float = 1800.0
    timeout_s: float = 900.0
    max_restarts: int = 3
    num_servers: Annotated[
        int, Field(description="Servers to start on this machine, each on GPUs of its own; requests are divided.")
    ] = 1
    extra_body: dict[str, Any] = field(default_factory=dict)

    revision: str | None = None
    tokenizer: str | None = None
    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] | None = None
    quantization: str | None = None
    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    data_parallel_size: Annotated[
        int | None, Field(description="Copies of the model in one server, each on GPUs of its own; vLLM divides.")
    ] = None
    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    kv_cache_dtype: str | None = None
    enable_prefix_caching: bool | None = None
    enable_chunked_prefill: bool | None = None
    enforce_eager: bool | None = None
    trust_remote_code: bool | None = None
    chat_template: str | None = None
    reasoning_parser: str | None = None
    generation_config: str | None = None
    seed: int | None = None
    lora_modules: dict[str, str] = field(default_factory=dict)
    max_lora_rank: int | None = None
    extra_args: tuple[str, ...] = ()

    @property
    def gpus_each(self) -> int:
        """GPUs of one server."""
        sizes = (self.tensor_parallel_size, self.pipeline_parallel_size, self.data_parallel_size)
        return math.prod(size or 1 for size in sizes)

    @property
    def urls(self) -> tuple[str, ...]:
        """Addresses of running servers; empty when the server is ours to start."""
        found = self.base_urls or ((self.base_url,) if self.base_url else ())
        return tuple(url.rstrip("/") for url in found)

    @property
    def name(self) -> str:
        """The name that requests are sent to: the adapter where there is one."""
        return self.adapter or (next(iter(self.lora_modules)) if len(self.lora_modules) == 1 else self.model)

    @property
    def endpoint(self) -> str:
        """Who answers, for the request key: the model, and a hash of all else that can change an answer.

        No address is in it, so that answers are found again after a restart on another port or host. A model folder
        counts by its weights too: a student trained anew is another one.
        """
        shaping = {name: getattr(self, name) for name in _SHAPING if getattr(self, name) and name != "model"}
        if not self.urls:
            weights = {path: weights_id(path) for path in (self.model, *self.lora_modules.values())}
            shaping |= {"weights": weights} if any(weights.values()) else {}
        return f"vllm:{self.model}" + (f"#{digest(shaping)[:8]}" if shaping else "")


_ALL = [one.name for one in fields(Settings)]
_FLAGS = _ALL[_ALL.index("revision") : _ALL.index("seed") + 1]
"""What goes to `vllm serve` as it is."""


# -- checks --------------------------------------------------------------------------------------------------------


def check_settings(settings: Settings) -> None:
    """Raise UsageError with every mistake that can be seen without looking at the machine."""
    wrong = list(_bad_values(settings))
    if settings.urls:
        wrong += _bad_urls(settings)
    flags = [arg.partition("=")[0].replace("_", "-") for arg in settings.extra_args]
    wrong += [f"extra_args: {flag} is set by synth itself" for flag in flags if flag in OURS]
    named = {"--" + name.replace("_", "-"): name for name in _FLAGS}
    wrong += [f"extra_args: {flag} has a setting of its own, {named[flag]}" for flag in flags if flag in named]
    wrong += [f"extra_body: {complaint}" for complaint in old_names(settings.extra_body)]
    if wrong:
        raise UsageError("backend vllm: " + "; ".join(wrong), "the settings are those of `vllm serve --help`")


def old_names(extra_body: Mapping[str, Any]) -> list[str]:
    """Complaints about fields of old vLLM versions, which newer ones ignore without a word."""
    return [
        f"{name} is ignored by vLLM since 0.12; write structured_outputs: {{{name.removeprefix('guided_')}: ...}}"
        for name in extra_body
        if name.startswith("guided_")
    ]


def _bad_values(settings: Settings) -> list[str]:
    wrong = [] if settings.model else ["a model is needed: vllm:MODEL"]
    for name in _POSITIVE:
        value = getattr(settings, name)
        if value is not None and value <= 0:
            wrong.append(f"{name} must be above 0, not {value}")
    share = settings.gpu_memory_utilization
    if share is not None and not 0 < share <= 1:
        wrong.append(f"gpu_memory_utilization is a share between 0 and 1, not {share}")
    if settings.num_servers > 1 and "CUDA_VISIBLE_DEVICES" in settings.env:
        wrong.append("num_servers divides the GPUs among servers: set CUDA_VISIBLE_DEVICES outside, not in env")
    if settings.max_restarts < 0:
        wrong.append("max_restarts must not be below 0")
    if settings.adapter and settings.lora_modules and settings.adapter not in settings.lora_modules:
        wrong.append(f"adapter {settings.adapter!r} is not in lora_modules ({', '.join(settings.lora_modules)})")
    if len(settings.lora_modules) > 1 and not settings.adapter:
        wrong.append(f"several lora_modules: say by adapter which one answers ({', '.join(settings.lora_modules)})")
    tokens, length = settings.max_num_batched_tokens, settings.max_model_len
    if settings.enable_chunked_prefill is False and tokens and length and tokens < length:
        wrong.append(f"without chunked prefill max_num_batched_tokens ({tokens}) must reach max_model_len ({length})")
    return wrong


def _bad_urls(settings: Settings) -> list[str]:
    wrong = ["give base_url or base_urls, not both"] if settings.base_url and settings.base_urls else []
    wrong += ["num_servers starts servers, but base_url names some that run already"] * (settings.num_servers > 1)
    check_addresses(settings.urls, settings.each_address)
    for url in settings.urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            wrong.append("base_url must look like http://host:8000/v1")
        elif not parts.path.endswith("/v1"):
            wrong.append(f"base_url of {parts.hostname} must end in /v1")
    for name in (*_FLAGS, "lora_modules", "max_lora_rank", "extra_args", "env"):
        if getattr(settings, name) not in (None, {}, ()):
            wrong.append(f"{name} belongs to the start of a server, but base_url names one that runs already")
    return wrong


def check_machine(settings: Settings) -> None:
    """Raise UsageError where this machine lacks what the settings need: vLLM, files, GPUs, a model that fits them."""
    find_executable(settings.executable)
    folder = Path(settings.model).expanduser()
    if _is_path(settings.model) and not (folder / "config.json").is_file():
        raise UsageError(f"model {settings.model}: there is no {folder / 'config.json'}", "name a model folder")
    template = settings.chat_template
    if template and "{" not in template and not Path(template).expanduser().is_file():
        raise UsageError(f"chat_template {template} does not exist", "give a file, or the template itself")
    for name, path in settings.lora_modules.items():
        if _is_path(path) and not (Path(path).expanduser() / "adapter_config.json").is_file():
            raise UsageError(f"lora_modules: {name}: {path} has no adapter_config.json", "name a PEFT adapter folder")
    _check_fit(settings, model_config(settings.model))
    _check_gpus(settings)


def _check_fit(settings: Settings, config: Mapping[str, Any]) -> None:
    heads, parts = config.get("num_attention_heads"), settings.tensor_parallel_size
    if heads and parts and heads % parts:
        raise UsageError(
            f"{settings.model} has {heads} attention heads, which tensor_parallel_size {parts} does not divide",
            "choose a divisor, or use data_parallel_size",
        )
    head = config.get("head_dim") or config.get("hidden_size", 0) // (heads or 1)
    if head and head not in CPU_HEAD_SIZES and is_cpu(settings):
        raise UsageError(
            f"vLLM has no CPU kernel for {settings.model}: its attention heads are {head} wide",
            f"it has them for {', '.join(map(str, CPU_HEAD_SIZES))}; the transformers backend takes any."
            " The width is hidden_size / num_heads, where a student is trained from scratch",
        )
    longest, wanted = config.get("max_position_embeddings"), settings.max_model_len
    if longest and wanted and wanted > longest and not config.get("rope_scaling"):
        raise UsageError(
            f"max_model_len {wanted} is more than the {longest} tokens of {settings.model}", f"{longest} or less"
        )


def _check_gpus(settings: Settings) -> None:
    """Count GPUs against the sizes asked for, unless the work may be spread over several machines."""
    needed = settings.gpus_each * settings.num_servers
    there = count_gpus()
    elsewhere = ("ray", "nnodes", "data-parallel-size-local")
    many_machines = any(word in arg for arg in settings.extra_args for word in elsewhere)
    if there and needed > there and settings.device != "cpu" and not many_machines:
        product = "tensor x pipeline x data parallel size" + " x num_servers" * (settings.num_servers > 1)
        raise UsageError(
            f"{product} asks for {needed} GPUs, this machine shows {there}",
            "make the product smaller, or unset CUDA_VISIBLE_DEVICES",
        )


def is_cpu(settings: Settings) -> bool:
    """Will vLLM compute on the CPU? With `device: auto` a machine without any accelerator device is taken for one."""
    if settings.device != "auto":
        return settings.device == "cpu"
    return count_gpus() == 0 and not any(Path("/dev", name).exists() for name in ("kfd", "accel0", "accel", "davinci0"))


def model_config(model: str) -> dict[str, Any]:
    """`config.json` of a model folder; empty for a model on the Hub."""
    try:
        config = json.loads((Path(model).expanduser() / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def weights_id(model: str) -> str:
    """A hash of a model folder's weights, by the sizes and both ends of its files; "" for a model on the Hub."""
    ends = []
    for path in sorted(Path(model).expanduser().glob("*.safetensors")):
        with path.open("rb") as file:
            head, size = file.read(65536), path.stat().st_size
            file.seek(max(0, size - 65536))
            ends.append([path.name, size, digest(head.hex(), file.read().hex())])
    return digest(ends)[:16] if ends else ""


def find_executable(executable: str) -> Path:
    """The `vllm` command. Raises UsageError where there is none."""
    given = Path(executable).expanduser()
    beside = Path(sys.executable).parent / "vllm"
    for path in (given / "bin" / "vllm", given):
        if path.is_file() and os.access(path, os.X_OK):
            return path.absolute()
    found = shutil.which(executable)
    if found is None and executable == "vllm" and beside.is_file():
        found = str(beside)
    if found is None:
        raise UsageError(
            f"vLLM was not found: there is no command {executable!r}",
            "install it into an environment of its own (python -m venv .venv-vllm; .venv-vllm/bin/pip install vllm)"
            " and give executable: .venv-vllm",
        )
    return Path(found).absolute()


def _is_path(name: str) -> bool:
    return name.startswith(("/", "./", "../", "~")) or Path(name).is_dir()


# -- command line --------------------------------------------------------------------------------------------------


def command_line(settings: Settings, port: int) -> list[str]:
    """The words of `vllm serve ...` for `settings`. The key is not among them: it goes by the environment."""
    model = str(Path(settings.model).expanduser()) if _is_path(settings.model) else settings.model
    words = [str(find_executable(settings.executable)), "serve", model]
    words += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", settings.model]
    values = {name: getattr(settings, name) for name in _FLAGS}
    extra: dict[str, Any] = _cpu_values(values, model_config(settings.model)) if is_cpu(settings) else {}
    for name, value in (values | extra).items():
        words += _flag(name, value)
    if settings.lora_modules:
        words += ["--enable-lora", "--max-lora-rank", str(_lora_rank(settings)), "--lora-modules"]
        words += [f"{name}={Path(path).expanduser()}" for name, path in settings.lora_modules.items()]
    return [*words, "--disable-uvicorn-access-log", *settings.extra_args]


def _flag(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", str(value)]


def _cpu_values(values: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """What a CPU needs where nothing else was asked for.

    vLLM 0.32 dies there when the prompt of a request with a seed is split over steps, so prompts are kept whole.
    Without compilation a start takes less than half the time. See TINY_HIDDEN_SIZE for `dtype`.
    """
    own = config.get("max_position_embeddings") or CPU_MAX_MODEL_LEN
    length = values["max_model_len"] or min(own, CPU_MAX_MODEL_LEN)
    chosen: dict[str, Any] = {"max_model_len": length, "enforce_eager": True}
    if not values["enable_chunked_prefill"]:
        chosen |= {"enable_chunked_prefill": False, "max_num_batched_tokens": max(length, CPU_MAX_MODEL_LEN)}
    if config.get("hidden_size", TINY_HIDDEN_SIZE + 1) <= TINY_HIDDEN_SIZE:
        chosen["dtype"] = "float32"
    return {name: value for name, value in chosen.items() if values[name] is None}


def _lora_rank(settings: Settings) -> int:
    """The smallest rank vLLM offers that holds all adapters, read from their `adapter_config.json`."""
    if settings.max_lora_rank:
        return settings.max_lora_rank
    ranks = [16]
    for path in settings.lora_modules.values():
        try:
            config = json.loads((Path(path).expanduser() / "adapter_config.json").read_text("utf-8"))
            ranks.append(int(config.get("r", 16)))
        except (OSError, ValueError, AttributeError, TypeError):
            continue
    return next((rank for rank in LORA_RANKS if rank >= max(ranks)), LORA_RANKS[-1])


def server_environment(settings: Settings, key: str) -> dict[str, str]:
    """The server's variables: ours without those that point Python elsewhere, its key, no usage statistics."""
    found = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    folder = str(find_executable(settings.executable).parent)
    found["PATH"] = os.pathsep.join([folder, found.get("PATH", os.defpath)])
    found |= {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1", "SPT_NOENV": "1"}
    if is_cpu(settings):
        found.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
        if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) <= FEW_CORES:
            found.setdefault("VLLM_CPU_NUM_OF_RESERVED_CPU", "0")  # it keeps one free of its worker otherwise
    return found | settings.env | {"VLLM_API_KEY": key}


def fingerprint(settings: Settings) -> str:
    """Equal for servers that can stand in for each other: same command line (but for the port) and variables."""
    return digest(command_line(settings, 0), settings.env)


assert {*_SHAPING} <= {*_ALL}
NOT_SHAPING = frozenset({*_ALL} - {*_SHAPING, "adapter"})
"""Settings that change where and how fast answers are made, never what they are: free to differ when a run goes on."""
