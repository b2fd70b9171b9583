"""All that can be set about training, and the named presets with their published numbers.

A preset fills in what was not set by hand. No training happens here.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.given import as_mistake
from synth.mistakes import HOST
from synth.student.templates import find_template

Order = Literal["shuffled", "generation", "difficulty", "length", "loss"]


class TrainSettings(BaseModel):
    """How a student is trained. What is not given takes the value of `preset` (see PRESETS), else the one here."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    has_student: ClassVar[bool] = False  # is there a trained student where no model is named?

    preset: str = Field("tiny", description="A name of PRESETS. Where a model is named, lora.")
    model: str | None = Field(None, description="A folder or hub name; none makes a tiny student from scratch.")
    template: str = Field(
        "auto", description="alpaca, alpaca-newline, wizardlm, vicuna, chatml, short, chat (the model's own), or auto: "
        "chat where the model has one, else alpaca.",
    )  # fmt: skip
    loss: Literal["sft", "dpo", "dpo_norm", "kto"] = Field(
        "sft", description="sft learns each answer; dpo, dpo_norm (by token) and kto learn which answers are better.",
    )  # fmt: skip
    beta: float = Field(0.1, gt=0, description="How strongly dpo and kto hold the student to what it was before.")
    sft_weight: float = Field(
        0.0, ge=0, description="Weight of the better answers' own loss by token beside dpo or kto (RPO, arXiv "
        "2404.19733, takes 1, Llama 3 0.2): without it both answers may become less likely.",
    )  # fmt: skip
    method: Literal["full", "lora", "qlora"] = Field("full", description="All weights, or an adapter that is merged.")
    lora_rank: int = Field(16, ge=1, description="Rank of the adapter.")
    lora_alpha: int = Field(32, ge=1, description="The adapter counts alpha / rank times.")
    lora_dropout: float = Field(0.05, ge=0, lt=1, description="Dropout before the adapter.")
    lora_targets: str | tuple[str, ...] = Field("all-linear", description="Names of the layers that get an adapter.")
    hidden_size: int = Field(64, ge=8, description="Width of a student made from scratch.")
    num_layers: int = Field(2, ge=1, description="Layers of a student made from scratch.")
    num_heads: int = Field(4, ge=1, description="Attention heads of a student made from scratch.")
    max_words: int = Field(4096, ge=0, description="Words that are one token to a student made from scratch.")

    shares: dict[str, float] | None = Field(
        None, description="Parts per source: seed, bootstrap, evolve, import, or generation_1 ... None takes all.",
    )  # fmt: skip
    order: Order = Field(
        "shuffled", description="Or easy to hard, by generation, graded difficulty, length "
        "or a student's loss (as `mix` noted it).",
    )  # fmt: skip
    max_records: int | None = Field(None, ge=1, description="At most so many records, drawn by the seed.")
    held_out: float = Field(0.0, ge=0, le=0.5, description="Share kept back, whole families, to watch the loss.")

    max_length: int = Field(
        512,
        ge=8,
        description="Tokens of one example; longer ones end after their last whole answer, or within the first.",
    )
    packing: bool | None = Field(
        None, description="Several examples in one row of memory; None: where the model keeps them apart.",
    )  # fmt: skip
    batch_size: int = Field(128, ge=1, description="Examples of an optimizer step.")
    batch_tokens: int | None = Field(None, ge=8, description="Tokens of an optimizer step, in place of batch_size.")
    micro_tokens: int | None = Field(
        None, ge=8, description="Tokens in memory at a time, per process. None: 512 on the CPU, 8192 on a GPU.",
    )  # fmt: skip
    epochs: float = Field(3.0, gt=0, description="Passes over the data.")
    max_steps: int | None = Field(None, ge=1, description="Optimizer steps, in place of epochs.")
    learning_rate: float = Field(2e-5, gt=0, description="Highest learning rate.")
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="Course of the learning rate.")
    warmup: float = Field(0.03, ge=0, description="Steps, or a share of all steps when below 1.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of AdamW.")
    max_grad_norm: float = Field(1.0, gt=0, description="Longer gradients are shortened to this.")
    early_stop: int | None = Field(None, ge=1, description="Evaluations without improvement before stopping.")
    evaluate_every: int | None = Field(None, ge=1, description="Steps between held-out losses; None: 20 times in all.")
    save_every: int | None = Field(None, ge=1, description="Steps between checkpoints; None: 4 times in all.")
    seed: int = Field(0, ge=0, description="Every draw of the training comes from it.")

    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the GPU or CPU computes in it.",
    )  # fmt: skip
    activation_checkpointing: bool | None = Field(
        None, description="Compute activations twice to save memory. None: where it would not fit otherwise.",
    )  # fmt: skip
    num_processes: int = Field(1, ge=1, description="Processes on this machine, and on each other host.")
    num_hosts: int = Field(1, ge=1, description="Hosts that train together; each starts `synth train` by itself.")
    host_rank: int = Field(0, ge=0, description="The number of this host, from 0; the student is written by host 0.")
    rendezvous: str | None = Field(
        None, pattern=HOST, description="Where several hosts meet: HOST:PORT, free on host 0.",
    )  # fmt: skip
    num_threads: int | None = Field(
        None, ge=1, description="CPU threads of each process; equal bytes need an equal number.",
    )  # fmt: skip
    sharding: Literal["ddp", "fsdp", "zero3"] = Field("ddp", description="How several processes share the weights.")
    ignore_memory: bool = Field(False, description="Start although the estimate says that memory will not do.")
    report_to: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = Field(
        ("tensorboard",), description="Where curves are written, beside the manifest.",
    )  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        name = given.get("preset") or cls._usual_preset(given)
        if name not in PRESETS:
            raise ValueError(f"there is no preset {name!r}; choose one of: {', '.join(PRESETS)}")
        if name == "tiny" and given.get("model") and "learning_rate" not in given:
            raise ValueError(
                f"the preset tiny is for a student from scratch; its rate, {_TINY['learning_rate']}, would ruin "
                "a trained model: leave the preset out (lora), or set learning_rate, too"
            )
        return PRESETS[name] | given | {"preset": name}

    @classmethod
    def _usual_preset(cls, given: dict[str, Any]) -> str:
        return "lora" if given.get("model") else "tiny"

    @field_validator("template")
    @classmethod
    def _known_template(cls, value: str) -> str:
        with as_mistake():
            if value not in ("chat", "auto"):
                find_template(value)
        return value

    @field_validator("shares")
    @classmethod
    def _positive_shares(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        if value is not None and (not value or min(value.values()) < 0 or sum(value.values()) <= 0):
            raise ValueError("shares must be numbers of 0 or more, at least one of them above 0")
        return value

    @property
    def world_size(self) -> int:
        """Processes on all hosts together."""
        return self.num_hosts * self.num_processes

    @model_validator(mode="after")
    def _fits_together(self) -> TrainSettings:
        if self.num_hosts > 1 and self.rendezvous is None:
            raise ValueError("several hosts need a place to meet: set rendezvous to HOST:PORT of host 0")
        if self.num_hosts > 1 and self.model is None and not self.has_student:
            raise ValueError("several hosts train an existing model: name its folder, or its hub name, in `model`")
        if self.host_rank >= self.num_hosts:
            raise ValueError(f"host_rank {self.host_rank} is too high: hosts count from 0 to {self.num_hosts - 1}")
        if self.early_stop and not self.held_out:
            raise ValueError("early_stop watches the held-out loss: set held_out, for example to 0.05")
        if self.has_student:
            return self
        if self.model is None and self.loss != "sft":
            raise ValueError(f"the loss {self.loss} needs a trained `model`; a section `align` takes the run's student")
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
    "micro_tokens": 2048,
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
    "micro_tokens": 16_384,
    "epochs": 3.0,
    "learning_rate": 2e-5,
    "warmup": 2,
    "schedule": "cosine",
    "sharding": "zero3",
    "activation_checkpointing": True,
}
# lora: rank, alpha, dropout and learning rate of axolotl's lora-1b example, batch of LLaMA-Factory's.
_LORA = {
    "method": "lora",
    "template": "auto",
    "max_length": 2048,
    "batch_size": 8,
    "epochs": 3.0,
    "learning_rate": 2e-4,
    "warmup": 0.1,
    "lora_rank": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.05,
}
# qlora: open-instruct's Tulu 2 QLoRA (rank 64, alpha 16, dropout 0.1, 1e-4, 5 epochs), after Dettmers et al. 2023.
_QLORA = _LORA | {
    "method": "qlora",
    "batch_size": 128,
    "learning_rate": 1e-4,
    "epochs": 5.0,
    "lora_rank": 64,
    "lora_alpha": 16,
    "lora_dropout": 0.1,
    "warmup": 0.03,
}

# dpo-tiny: by trial on the embedded teacher's pairs. It costs no right answers (0.815 before and after); a rate of 5e-4
# with beta 0.1 cost 14 in 100.
_DPO_TINY = _TINY | {
    "template": "auto",
    "loss": "dpo",
    "beta": 0.5,
    "batch_tokens": 512,
    "learning_rate": 3e-5,
    "warmup": 0.1,
    "max_steps": 200,
}
# zephyr-7b: recipes/zephyr-7b-beta/dpo/config_full.yaml of huggingface/alignment-handbook (8 GPUs x 8 pairs x 2); the
# paper (arXiv 2310.16944) says batch 32 and a linear schedule.
_ZEPHYR_7B = {
    "loss": "dpo",
    "beta": 0.01,
    "max_length": 1024,
    "batch_size": 128,
    "epochs": 1.0,
    "learning_rate": 5e-7,
    "warmup": 0.1,
    "schedule": "cosine",
    "sharding": "zero3",
    "activation_checkpointing": True,
}
# zephyr-7b-qlora: config_qlora.yaml beside it (4 pairs on each of 8 GPUs).
_ZEPHYR_7B_QLORA = _ZEPHYR_7B | {
    "method": "qlora",
    "batch_size": 32,
    "learning_rate": 5e-6,
    "sharding": "ddp",
    "lora_rank": 16,
    "lora_alpha": 16,
    "lora_dropout": 0.05,
}
# tulu3-8b: scripts/train/tulu3/dpo_8b.sh of allenai/open-instruct (8 x 1 x 16 pairs; arXiv 2411.15124).
_TULU3_8B = _ZEPHYR_7B | {
    "loss": "dpo_norm",
    "beta": 5.0,
    "max_length": 2048,
    "schedule": "linear",
}

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": _TINY,
    "alpaca-7b": _ALPACA_7B,
    "alpaca-13b": _ALPACA_13B,
    "wizardlm-7b": _WIZARDLM_7B,
    "lora": _LORA,
    "qlora": _QLORA,
    "dpo-tiny": _DPO_TINY,
    "zephyr-7b": _ZEPHYR_7B,
    "zephyr-7b-qlora": _ZEPHYR_7B_QLORA,
    "tulu3-8b": _TULU3_8B,
}
