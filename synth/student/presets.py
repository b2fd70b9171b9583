"""All that can be set about training, and the named presets with their published numbers.

A preset fills in what was not set by hand. No training happens here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.errors import UsageError
from synth.student.templates import find_template

Order = Literal["shuffled", "generation", "difficulty"]


class TrainSettings(BaseModel):
    """How a student is trained. Fields that are not given take the value of `preset` (see PRESETS), else the one here.

    What is trained
        `model`: a folder or hub name; None makes a student from scratch (only with the preset tiny; then `hidden_size`,
        `num_layers`, `num_heads` and `max_words` shape it). `template`: a name of `templates.TEMPLATES`, or "chat" for
        the model's own. `method`: "full", "lora" or "qlora"; `lora_rank`, `lora_alpha`, `lora_dropout`, `lora_targets`.
    On which data
        `shares`: parts per source ("seed", "bootstrap", "evolve", "import" or "generation_1", "generation_2", ...),
        None takes all there is. `order`: shuffled, or easy to hard by generation or by the graded difficulty.
        `max_records` caps the data; `held_out` (0 to 0.5) is kept back, whole families at a time, to watch the loss.
    How
        `batch_size`: examples an optimizer step sees, on average over packed rows; `batch_tokens` fixes its
        tokens instead (packed only). `micro_batch_size`: rows in memory at
        once per process. `packing`: None packs wherever the model keeps packed examples apart. `max_steps` beats
        `epochs`. `warmup`: steps, or a share of all steps when below 1. `early_stop`: evaluations without improvement
        before stopping. `precision`: "auto" is bf16 on GPUs that have it. `num_threads`: torch threads on the CPU
        (equal bytes need an equal number).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    preset: str = "tiny"
    model: str | None = None
    template: str = "alpaca"
    method: Literal["full", "lora", "qlora"] = "full"
    lora_rank: int = Field(default=16, ge=1)
    lora_alpha: int = Field(default=32, ge=1)
    lora_dropout: float = Field(default=0.05, ge=0, lt=1)
    lora_targets: str | tuple[str, ...] = "all-linear"
    hidden_size: int = Field(default=64, ge=8)
    num_layers: int = Field(default=2, ge=1)
    num_heads: int = Field(default=4, ge=1)
    max_words: int = Field(default=4096, ge=0)

    shares: dict[str, float] | None = None
    order: Order = "shuffled"
    max_records: int | None = Field(default=None, ge=1)
    held_out: float = Field(default=0.0, ge=0, le=0.5)

    max_length: int = Field(default=512, ge=8)
    packing: bool | None = None
    batch_size: int = Field(default=128, ge=1)
    batch_tokens: int | None = Field(default=None, ge=8)
    micro_batch_size: int = Field(default=1, ge=1)
    epochs: float = Field(default=3.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=2e-5, gt=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(default=0.03, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    early_stop: int | None = Field(default=None, ge=1)
    evaluate_every: int | None = Field(default=None, ge=1)
    save_every: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    activation_checkpointing: bool = False
    num_processes: int = Field(default=1, ge=1)
    num_threads: int | None = Field(default=None, ge=1)
    sharding: Literal["ddp", "fsdp", "zero3"] = "ddp"
    ignore_memory: bool = False
    report_to: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ("tensorboard",)

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        name = given.get("preset", "tiny")
        if name not in PRESETS:
            raise ValueError(f"there is no preset {name!r}; choose one of: {', '.join(PRESETS)}")
        return PRESETS[name] | given

    @field_validator("template")
    @classmethod
    def _known_template(cls, value: str) -> str:
        try:
            if value not in ("chat", "auto"):
                find_template(value)
        except UsageError as error:
            raise ValueError(f"{error.message}; {error.hint}") from error
        return value

    @field_validator("shares")
    @classmethod
    def _positive_shares(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        if value is not None and (not value or min(value.values()) < 0 or sum(value.values()) <= 0):
            raise ValueError("shares must be numbers of 0 or more, at least one of them above 0")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> TrainSettings:
        if self.early_stop and not self.held_out:
            raise ValueError("early_stop watches the held-out loss: set held_out, for example to 0.05")
        if self.model is None and self.preset != "tiny":
            raise ValueError(f"the preset {self.preset} trains an existing model: set `model` to a folder or hub name")
        if self.hidden_size % (2 * self.num_heads):
            raise ValueError("hidden_size must be a multiple of 2 * num_heads")
        if self.model is None and self.method != "full":
            raise ValueError("a student made from scratch is trained in full: leave out `method`")
        return self


# tiny: found by trial on the embedded teacher's tasks. A step is one packed row of 256 tokens: rows of 512 gave no
# more in the same time, since attention without special kernels costs the square of the row.
_TINY = {
    "template": "short",
    "batch_tokens": 256,
    "max_length": 256,
    "learning_rate": 6e-3,
    "warmup": 0.05,
    "max_steps": 2000,
    "num_threads": 1,
    "precision": "float32",
    "report_to": (),
}
# alpaca-7b, alpaca-13b: README and train.py of tatsu-lab/stanford_alpaca (4 x A100, FSDP).
_ALPACA_7B = {
    "template": "alpaca",
    "max_length": 512,
    "batch_size": 128,
    "micro_batch_size": 4,
    "epochs": 3.0,
    "learning_rate": 2e-5,
    "warmup": 0.03,
    "schedule": "cosine",
    "sharding": "fsdp",
    "activation_checkpointing": True,
}
_ALPACA_13B = _ALPACA_7B | {"epochs": 5.0, "learning_rate": 1e-5}
# wizardlm-7b: train script of nlpxucan/WizardLM (8 x 8 rows, DeepSpeed ZeRO-3, fp16 there and bf16 here).
_WIZARDLM_7B = {
    "template": "wizardlm",
    "max_length": 2048,
    "batch_size": 64,
    "micro_batch_size": 8,
    "epochs": 3.0,
    "learning_rate": 2e-5,
    "warmup": 2,
    "schedule": "cosine",
    "sharding": "zero3",
    "activation_checkpointing": True,
}
# lora: rank, alpha, dropout and learning rate of axolotl's lora-1b example, batch of alpaca-lora.
_LORA = {
    "method": "lora",
    "template": "alpaca",
    "max_length": 2048,
    "batch_size": 128,
    "epochs": 3.0,
    "learning_rate": 2e-4,
    "warmup": 0.1,
    "lora_rank": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.05,
    "activation_checkpointing": True,
}
# qlora: open-instruct's Tulu 2 QLoRA (rank 64, alpha 16, dropout 0.1, 1e-4, 5 epochs), after Dettmers et al. 2023.
_QLORA = _LORA | {
    "method": "qlora",
    "learning_rate": 1e-4,
    "epochs": 5.0,
    "lora_rank": 64,
    "lora_alpha": 16,
    "lora_dropout": 0.1,
    "warmup": 0.03,
}

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": _TINY,
    "alpaca-7b": _ALPACA_7B,
    "alpaca-13b": _ALPACA_13B,
    "wizardlm-7b": _WIZARDLM_7B,
    "lora": _LORA,
    "qlora": _QLORA,
}
