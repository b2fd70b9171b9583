"""A model on this machine through Transformers: a student's folder, or any causal language model with a chat template.

One request at a time, for trying out and for tests; vLLM serves the same folder for real work. JSON schemas are
refused.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.errors import RequestRefused, UsageError
from synth.models.base import ChatRequest, Completion, FinishReason, Usage
from synth.parsing.thoughts import split_thoughts
from synth.records import digest

if TYPE_CHECKING:
    import torch

DEFAULT_MAX_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Settings:
    """`model`: a folder or hub name. `num_threads`: torch threads on the CPU (None: as torch chooses)."""

    model: str = ""
    num_threads: int | None = None


def connect(settings: Settings) -> TransformersModel:
    """The model of `settings`, not loaded yet. Raises UsageError where none is named."""
    if not settings.model:
        raise UsageError("the transformers backend needs a model", "write it as transformers:FOLDER")
    return TransformersModel(settings)


@dataclass(eq=False)
class TransformersModel:
    """A ChatModel. Weights are loaded at the first request. Its answers are a function of the request alone."""

    settings: Settings
    _parts: tuple[Any, Any] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def name(self) -> str:
        """The folder's or the hub's name."""
        return Path(self.settings.model).name or self.settings.model

    @property
    def endpoint(self) -> str:
        """Who answers: the path with the weights' hash, so that a student trained anew is another one."""
        return f"transformers:{self.settings.model}:{_identity(self.settings.model)}"

    async def complete(self, request: ChatRequest) -> Completion:
        """Answer once. Raises RequestRefused for what this backend cannot do."""
        if request.schema is not None:
            raise RequestRefused("the transformers backend has no JSON schemas", "unsupported", "leave the schema out")
        async with self._lock:
            return await asyncio.to_thread(self._complete, request)

    async def close(self) -> None:
        """Release the weights."""
        self._parts = None

    def _complete(self, request: ChatRequest) -> Completion:
        import torch

        model, tokenizer = self._loaded()
        ids = self._prompt(tokenizer, request)
        limit = request.sampling.max_tokens or DEFAULT_MAX_TOKENS
        room = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 30
        if len(ids) + limit > room:
            raise RequestRefused(
                f"the prompt has {len(ids)} tokens and the answer may have {limit}, but the model holds {room}",
                "too_long",
                "lower max_tokens",
            )
        before = torch.get_num_threads()
        torch.set_num_threads(self.settings.num_threads or before)
        try:
            written = self._generate(model, tokenizer, torch.tensor([ids], device=model.device), request, limit)
        finally:
            torch.set_num_threads(before)
        answers = [_read(tokenizer, row[len(ids) :], request.sampling.stop) for row in written.tolist()]
        (text, *others), (reasoning, *_) = zip(*(split_thoughts(answer[0]) for answer in answers), strict=True)
        usage = Usage(len(ids), sum(number for _, _, number in answers))
        return Completion(text, answers[0][1], usage, self.name, reasoning, choices=(text, *others))

    def _loaded(self) -> tuple[Any, Any]:
        if self._parts is None:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
            from transformers.utils.logging import disable_progress_bar

            disable_progress_bar()
            try:
                tokenizer = AutoTokenizer.from_pretrained(self.settings.model)
                dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
                model = AutoModelForCausalLM.from_pretrained(self.settings.model, dtype=dtype).eval()
            except (OSError, ValueError, KeyError) as error:
                message = f"{self.settings.model}: no model can be loaded ({str(error).splitlines()[0][:200]})"
                raise UsageError(message, "name a folder with config.json and model.safetensors") from error
            self._parts = (model.to("cuda") if torch.cuda.is_available() else model, tokenizer)
        return self._parts

    @staticmethod
    def _prompt(tokenizer: Any, request: ChatRequest) -> list[int]:
        messages = list(request.messages)
        if request.kind == "completion":
            return list(tokenizer(request.text)["input_ids"])
        if not tokenizer.chat_template:
            raise RequestRefused("the model has no chat template", "unsupported", 'set api to "completion"')
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    @staticmethod
    def _generate(model: Any, tokenizer: Any, ids: torch.Tensor, request: ChatRequest, limit: int) -> Any:
        import torch

        sampling = request.sampling
        is_drawn = bool(sampling.temperature) and (sampling.temperature or 0) > 0
        options: dict[str, Any] = {
            "do_sample": is_drawn,
            "num_return_sequences": request.num_choices if is_drawn else 1,
        }
        if is_drawn:
            options |= {"temperature": sampling.temperature, "top_p": sampling.top_p or 1.0, "top_k": 0}
        seed = int(digest("draw", sampling.seed or 0, request.draw, ids[0].tolist())[:15], 16)
        with torch.no_grad(), torch.random.fork_rng(devices=[ids.device] if ids.is_cuda else []):
            torch.manual_seed(seed)
            written = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=limit,
                pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
                **options,
            )
        return written if is_drawn else written.repeat(request.num_choices, 1)


def _read(tokenizer: Any, ids: list[int], stop: tuple[str, ...]) -> tuple[str, FinishReason, int]:
    """(text, why it ended, number of tokens) of one answer."""
    is_ended = tokenizer.eos_token_id in ids
    kept = ids[: ids.index(tokenizer.eos_token_id)] if is_ended else ids
    text = tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    cuts = [text.index(mark) for mark in stop if mark in text]
    finish: FinishReason = "stop" if is_ended or cuts else "length"
    return text[: min(cuts, default=len(text))].strip(), finish, len(kept)


def _identity(model: str) -> str:
    """16 hex digits for a local folder: the hash its manifest gives, else names, sizes and times of its weights."""
    import json

    folder = Path(model)
    try:
        return str(json.loads((folder / "train.json").read_text("utf-8"))["weights_sha256"])[:16]
    except (OSError, ValueError, KeyError, TypeError):
        files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in folder.glob("*.safetensors")]
        return digest(sorted(files))[:16] if files else "hub"
