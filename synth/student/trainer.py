"""Transformers' Trainer over a plan of steps: its optimizer, schedule and checkpoints; our batches and loss."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments

from synth.errors import TrainingError, UsageError
from synth.student.encode import UNLEARNED, Row
from synth.student.memory import release_freed
from synth.student.plan import Step
from synth.student.presets import TrainSettings

# What a model must be wrapped in, by `sharding`, when there are several processes.
WRAPPERS = {"ddp": "DistributedDataParallel", "fsdp": "FSDP", "zero3": "DeepSpeedEngine"}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is. `step` counts finished steps; `loss` is the last one's, None before the first.

    `tokens_per_second` and `seconds_left` are means over this process's work so far.
    """

    step: int
    steps: int
    loss: float | None
    tokens_per_second: float
    seconds_left: float

    @property
    def is_over(self) -> bool:
        """Is the last step done?"""
        return self.step == self.steps

    def __str__(self) -> str:
        loss = "" if self.loss is None else f", loss {self.loss:.3f}"
        left = "" if self.is_over else f", {self.seconds_left:.0f} s left"
        return f"step {self.step} of {self.steps}{loss}, {self.tokens_per_second:.0f} tokens/s{left}"


Told = Callable[[Progress], None]


class Steps(Dataset):  # type: ignore[misc]
    """The steps of a plan, one item each, in their order."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, number: int) -> Step:
        return self.steps[number]


class StepTrainer(Trainer):  # type: ignore[misc]
    """One item of the data set is one optimizer step: its micro batches are computed in turn, its gradients added up.

    The loss of a step is the mean over all its learned tokens, in whatever micro batches and processes they lie.
    """

    def __init__(
        self, *, steps: Sequence[Step], held_out: Sequence[Row], settings: TrainSettings, told: Told | None, **rest: Any
    ) -> None:
        self.settings = settings
        self.steps = steps
        self.held_out = held_out
        self.meter = Meter(steps, told)
        watch = Watch(self)
        stops = [EarlyStoppingCallback(settings.early_stop)] if settings.early_stop else []
        data = {"train_dataset": Steps(steps), "eval_dataset": list(held_out) or None}
        super().__init__(**data, callbacks=[watch, *stops], **rest)

    def get_train_dataloader(self) -> Any:
        """The steps in their order, whole, in every process; each takes its own micro batches."""
        return DataLoader(self.train_dataset, batch_size=1, collate_fn=lambda steps: {"step": steps[0]})

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """Forward and backward of one step; gradients are exchanged with the last micro batch."""
        model.train()
        step: Step = inputs["step"]
        micros = step.ranks[self.accelerator.process_index]
        self.before(model, micros)
        # Processes average their gradients, so each adds its part as often as there are processes.
        scale = self.accelerator.num_processes / self.size(step.rows)
        total = torch.zeros((), device=self.args.device)
        for number, micro in enumerate(micros, 1):
            is_last = number == len(micros)
            self.accelerator.gradient_state._set_sync_gradients(is_last)
            with contextlib.nullcontext() if is_last else self.accelerator.no_sync(model):
                loss = self._loss(model, micro or step.rows[:1], is_empty=not micro) * scale
                self.accelerator.backward(loss)
            total += loss.detach()
            if self.settings.activation_checkpointing:
                release_freed()
            self.meter.worked(self.state.global_step, sum(len(row.ids) for row in micro))
        return total

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The mean held-out loss, over all held-out rows in every process."""
        self.model_wrapped.eval()
        with torch.no_grad():
            self.before(self.model_wrapped, [[row] for row in self.held_out])
            total = sum(float(self._loss(self.model_wrapped, [row])) for row in self.held_out)
        metrics = {"eval_loss": total / self.size(self.held_out)}
        metrics |= {f"eval_{name}": value for name, value in self.curves().items()}
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted."""
        return 0

    def log(self, logs: dict[str, float], *rest: Any) -> None:
        """Note what is logged after a step, with the curves of the loss beside it."""
        super().log(logs | self.curves() if "loss" in logs else logs, *rest)

    def prepare(self) -> None:
        """Called once before training begins or is resumed, with the model as it was."""

    def curves(self) -> dict[str, float]:
        """Further figures of the step that has just ended."""
        return {}

    def size(self, rows: Sequence[Row]) -> int:
        """What the losses of `rows` are divided by: their learned tokens."""
        return sum(row.num_learned for row in rows)

    def before(self, model: Any, micros: Sequence[Sequence[Row]]) -> None:
        """Called before the losses of this process's `micros` are taken."""

    def _loss(self, model: Any, rows: Sequence[Row], *, is_empty: bool = False) -> Any:
        """The sum of the losses of `rows`; `is_empty`: computed for the others' sake, worth nothing."""
        return self.forward(model, rows, is_empty=is_empty)

    def forward(self, model: Any, rows: Sequence[Row], *, is_empty: bool = False) -> Any:
        """What the model returns for `rows`, one behind the other."""
        places = torch.cat([torch.arange(len(row.ids)) for row in rows])
        labels = torch.tensor([label for row in rows for label in (UNLEARNED, *row.labels[1:])])
        if is_empty:
            labels.fill_(UNLEARNED)
        ids = torch.tensor([token for row in rows for token in row.ids])
        tensors = {"input_ids": ids, "position_ids": places, "labels": labels}
        return model(**{name: tensor[None].to(self.args.device) for name, tensor in tensors.items()})


class Meter:
    """Measures the speed of this process and tells how far the training is."""

    def __init__(self, steps: Sequence[Step], told: Told | None) -> None:
        self._tokens = [step.num_tokens for step in steps]
        self._shares = len(steps[0].ranks)
        self._told = told
        self._started = 0.0
        self._done = self._first = 0
        self.loss: float | None = None

    def began(self, step: int) -> None:
        """Training begins, or goes on, after `step` steps."""
        self._started, self._first = time.monotonic(), step

    def worked(self, step: int, tokens: int) -> None:
        """A micro batch of the step after `step` finished ones is done."""
        self._done += tokens * self._shares
        self._tell(step)

    def finished(self, step: int, loss: float) -> None:
        """A step is done."""
        self.loss = loss
        self._tell(step)

    @property
    def tokens_per_second(self) -> float:
        """Tokens of examples, in all processes."""
        return self._done / max(time.monotonic() - self._started, 1e-9)

    def _tell(self, step: int) -> None:
        if self._told:
            left = sum(self._tokens[self._first :]) - self._done
            self._told(
                Progress(step, len(self._tokens), self.loss, self.tokens_per_second, left / self.tokens_per_second)
            )


class Watch(TrainerCallback):  # type: ignore[misc]
    """Stops a run that cannot succeed: a loss that is no number, a wrapper that is not the one asked for."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Starts the clock."""
        self.trainer.meter.began(state.global_step)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """At the first step: the model must be wrapped as asked. Some launchers fall back without a word."""
        settings = self.trainer.settings
        if settings.world_size == 1 or state.global_step > 0:
            return
        wrapped, wanted = type(self.trainer.model_wrapped).__name__, WRAPPERS[settings.sharding]
        if wanted not in wrapped:
            raise TrainingError(
                f"sharding {settings.sharding} was asked for, but the model is wrapped in {wrapped}",
                'set sharding to "ddp", or train on GPUs',
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """After every step, before a checkpoint is written: stop when the loss or the gradient is no number."""
        for name in ("loss", "grad_norm"):
            value = (logs or {}).get(name)
            if value is not None and not math.isfinite(float(value)):
                rate = self.trainer.settings.learning_rate
                raise TrainingError(
                    f"step {state.global_step}: the {name.replace('_', ' ')} is {value}; the last checkpoint is kept",
                    f"lower learning_rate (it is {rate:g}) or look at the data of this step",
                )
        if logs and "loss" in logs:
            self.trainer.meter.finished(state.global_step, float(logs["loss"]))


def arguments(num_steps: int, has_held_out: bool, out_dir: Path, settings: TrainSettings, **options: Any) -> Any:
    """The Trainer's arguments for a plan of `num_steps` steps. `options`: bf16, activation_checkpointing."""
    is_cpu = not torch.cuda.is_available()
    every = settings.evaluate_every or max(1, num_steps // 20)
    return TrainingArguments(
        output_dir=str(out_dir / "checkpoints"),
        per_device_train_batch_size=1,
        max_steps=num_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        use_cpu=is_cpu,
        ddp_backend="gloo" if settings.world_size > 1 and is_cpu else None,
        seed=settings.seed,
        data_seed=settings.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="steps" if has_held_out else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every if has_held_out else settings.save_every or max(1, num_steps // 4),
        save_total_limit=2,
        load_best_model_at_end=bool(settings.early_stop),
        metric_for_best_model="eval_loss" if has_held_out else None,
        report_to=list(settings.report_to) or "none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        **options,
        **sharding(settings),
    )


def sharding(settings: TrainSettings) -> dict[str, Any]:
    """FSDP2 or ZeRO-3 where several processes were asked for; on the CPU both would silently be plain DDP."""
    if settings.world_size == 1 or settings.sharding == "ddp":
        return {}
    if not torch.cuda.is_available():
        raise UsageError(f"sharding {settings.sharding} needs GPUs; none is here", 'set sharding to "ddp"')
    from synth.student.emit import fsdp_config, zero3_config

    if settings.sharding == "fsdp":
        return {"fsdp": True, "fsdp_config": fsdp_config()}
    return {"deepspeed": zero3_config()}
