"""What watches a training run from inside: bad losses, the wrapper it really got, progress, early stop."""

from __future__ import annotations

import math
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback

from synth.errors import TrainingError
from synth.student.presets import TrainSettings

# What a model must be wrapped in, by `sharding`, when there are several processes.
WRAPPERS = {"ddp": "DistributedDataParallel", "fsdp": "FSDP", "zero3": "DeepSpeedEngine"}


class Watch(TrainerCallback):  # type: ignore[misc]
    """Stops a run that cannot succeed. `trainer` is set once the trainer exists."""

    def __init__(self, settings: TrainSettings, progress: Any = None) -> None:
        self.settings = settings
        self.progress = progress
        self.trainer: Any = None

    def early_stop(self) -> list[TrainerCallback]:
        """The early stop that the settings ask for."""
        return [EarlyStoppingCallback(self.settings.early_stop)] if self.settings.early_stop else []

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """At the first step: the model must be wrapped as asked. Some launchers fall back without a word."""
        if self.settings.num_processes == 1 or state.global_step > 0:
            return
        wrapped, wanted = type(self.trainer.model_wrapped).__name__, WRAPPERS[self.settings.sharding]
        if wanted not in wrapped:
            raise TrainingError(
                f"sharding {self.settings.sharding} was asked for, but the model is wrapped in {wrapped}",
                'set sharding to "ddp", or train on GPUs',
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """After every step, before a checkpoint is written: stop when the loss or the gradient is no number."""
        for name in ("loss", "grad_norm"):
            value = (logs or {}).get(name)
            if value is not None and not math.isfinite(float(value)):
                raise TrainingError(
                    f"step {state.global_step}: the {name.replace('_', ' ')} is {value}; the last checkpoint is kept",
                    f"lower learning_rate (it is {self.settings.learning_rate:g}) or look at the data of this step",
                )
        if self.progress and logs and "loss" in logs:
            self.progress(state.global_step, state.max_steps, float(logs["loss"]))
