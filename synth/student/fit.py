"""One training run in this process (or this rank): records in, a student folder out. TRL trains, this prepares.

It does not start other processes (`launch.py`), decide what is already done (`synth.stages.train`) or judge the
student.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synth.errors import StorageError, TrainingError, UsageError
from synth.records import Record
from synth.student.encode import Encoded, Encoder, Row, prepare_tokenizer
from synth.student.memory import refuse_if_too_big
from synth.student.mix import mixed, phases, sample, split_off
from synth.student.pack import pack
from synth.student.presets import TrainSettings
from synth.student.templates import conversation_of, template_named
from synth.student.tiny import make_tiny
from synth.student.weights import (
    fit_vocabulary,
    keeps_packed_apart,
    load_model,
    load_tokenizer,
    merge_adapter,
    quiet,
    save_student,
    threads,
)

Progress = Callable[[int, int, float], None]  # (step, of how many, loss of this step)


@dataclass(frozen=True, slots=True)
class Data:
    """What will be trained on: the encoded phases in their order, and the part kept back."""

    phases: list[list[Row]]
    held_out: list[Row]
    truncated: list[str]
    unlearnable: list[str]

    @property
    def num_rows(self) -> int:
        """Examples trained on."""
        return sum(map(len, self.phases))


def fit(
    records: Sequence[Record], out_dir: Path, settings: TrainSettings, progress: Progress | None = None
) -> dict[str, Any]:
    """Train a student on `records` into `out_dir`, going on from the last whole checkpoint there.

    Returns what is to be told about the run, as JSON values.
    """
    with threads(settings.num_threads), quiet(), _logs_in(out_dir / "logs"):
        return _fit(records, out_dir, settings, progress)


@contextlib.contextmanager
def _logs_in(folder: Path) -> Iterator[None]:
    """The reporters take their folder from the environment only; it is as before afterwards."""
    names = ("TENSORBOARD_LOGGING_DIR", "TRACKIO_DIR", "WANDB_DIR")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: value or str(folder) for name, value in before.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]


def _fit(
    records: Sequence[Record], out_dir: Path, settings: TrainSettings, progress: Progress | None
) -> dict[str, Any]:
    started = time.monotonic()
    _check_processes(int(os.environ.get("WORLD_SIZE", "1")), settings)
    out_dir.mkdir(parents=True, exist_ok=True)
    base = settings.model or str(make_base(records, out_dir / "base", settings))
    tokenizer = load_tokenizer(base)
    template = template_named(settings.template, tokenizer)
    known = len(tokenizer)
    prepare_tokenizer(tokenizer, template)
    encoder = Encoder(template, tokenizer)
    tokenizer.chat_template = encoder.chat_template()
    data = prepare_data(records, encoder, settings)
    refuse_if_too_big(base, settings)
    model = _model(base, settings)
    new_tokens = [tokenizer.convert_ids_to_tokens(i) for i in range(known, len(tokenizer))]
    _refuse_untrainable([token for token in new_tokens if token != tokenizer.pad_token], settings)
    num_new = fit_vocabulary(model, tokenizer)
    packing = keeps_packed_apart(model) if settings.packing is None else settings.packing
    trainer = _trainer(model, tokenizer, data, packing, out_dir, settings, progress)
    checkpoint = _last_checkpoint(out_dir / "checkpoints")
    _train(trainer, checkpoint, settings)
    _save(trainer, base, tokenizer, out_dir, settings)
    return {
        **_losses(trainer),
        "base": base,
        "template": template.name,
        "num_records": data.num_rows,
        "num_held_out": len(data.held_out),
        "truncated": data.truncated,
        "unlearnable": data.unlearnable,
        "num_rows": len(trainer.train_dataset),
        "packing": packing,
        "new_tokens": num_new,
        "tokens": int(trainer._total_train_tokens),
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "num_processes": trainer.accelerator.num_processes,
        "wrapper": type(trainer.model_wrapped).__name__,
        "resumed_from": checkpoint.name if checkpoint else None,
        "seconds": round(time.monotonic() - started, 2),
    }


def make_base(records: Sequence[Record], out_dir: Path, settings: TrainSettings) -> Path:
    """An untrained student whose words come from `records`; arms of one comparison should share one."""
    texts = [
        f" {text}"
        for record in records
        for turn in conversation_of(record).turns
        for text in (turn.instruction, turn.input, turn.output)
    ]
    shape = {"hidden": settings.hidden_size, "layers": settings.num_layers, "heads": settings.num_heads}
    return make_tiny(texts, out_dir, seed=settings.seed, max_words=settings.max_words, **shape)


def prepare_data(records: Sequence[Record], encoder: Encoder, settings: TrainSettings) -> Data:
    """Mix, cap, split and encode. Raises UsageError where nothing is left to learn from."""
    if not records:
        raise UsageError("there are no records to train on", "run the stages before, or name a file with --data")
    chosen = mixed(records, settings.shares, settings.seed) if settings.shares else list(records)
    chosen = sample(chosen, settings.max_records, settings.seed) if settings.max_records else chosen
    training, held_out = split_off(chosen, settings.held_out, settings.seed) if settings.held_out else (chosen, [])
    parts = [encoder.rows(part, settings.max_length) for part in phases(training, settings.order, settings.seed)]
    if not any(part.rows for part in parts):
        raise UsageError(
            f"none of the {len(chosen)} records has an answer that begins within {settings.max_length} tokens",
            "raise max_length, or look at the longest records",
        )
    kept_back = encoder.rows(held_out, settings.max_length)
    whole: list[Encoded] = [*parts, kept_back]
    return Data(
        [part.rows for part in parts if part.rows],
        kept_back.rows,
        [name for part in whole for name in part.truncated],
        [name for part in whole for name in part.unlearnable],
    )


def _model(base: str, settings: TrainSettings) -> Any:
    import torch

    options: dict[str, Any] = {"dtype": torch.float32}
    if torch.cuda.is_available():
        options["attn_implementation"] = _attention()
        if settings.method != "full" and _uses_bfloat16(settings):
            options["dtype"] = torch.bfloat16
    if settings.method == "qlora":
        from transformers import BitsAndBytesConfig

        if importlib.util.find_spec("bitsandbytes") is None:
            raise UsageError("the method qlora needs bitsandbytes", "pip install bitsandbytes")
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=options["dtype"],
        )
    return load_model(base, **options)


def _attention() -> str:
    from transformers.utils import is_flash_attn_2_available

    return "flash_attention_2" if is_flash_attn_2_available() else "sdpa"


def _uses_bfloat16(settings: TrainSettings) -> bool:
    import torch

    if settings.precision != "auto":
        return settings.precision == "bfloat16"
    return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported())


def _refuse_untrainable(new_tokens: list[str], settings: TrainSettings) -> None:
    if new_tokens and settings.method != "full":
        raise UsageError(
            f"the template {settings.template} needs tokens that the model does not know ({', '.join(new_tokens)}), "
            "and an adapter cannot learn them",
            'choose another template, for example "alpaca" or the model\'s own ("chat"), or method full',
        )


def _dataset(rows: Sequence[Row], packing: bool, max_length: int) -> Any:
    from datasets import Dataset

    if packing:
        return Dataset.from_list([asdict(row) for row in pack(rows, max_length)])
    return Dataset.from_list([{"input_ids": row.ids, "labels": row.labels} for row in rows])


def _trainer(
    model: Any,
    tokenizer: Any,
    data: Data,
    packing: bool,
    out_dir: Path,
    settings: TrainSettings,
    progress: Progress | None,
) -> Any:
    from datasets import concatenate_datasets
    from transformers import PrinterCallback
    from trl import SFTTrainer

    from synth.student.callbacks import Watch

    train_set = concatenate_datasets([_dataset(part, packing, settings.max_length) for part in data.phases])
    eval_set = _dataset(data.held_out, packing, settings.max_length) if data.held_out else None
    arguments = _arguments(data, len(train_set), packing, out_dir, settings)
    watch = Watch(settings, progress)
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=train_set,
        eval_dataset=eval_set,
        processing_class=tokenizer,
        peft_config=_lora(settings) if settings.method != "full" else None,
        callbacks=[watch, *watch.early_stop()],
    )
    trainer.remove_callback(PrinterCallback)  # it prints to stdout
    watch.trainer = trainer
    _check_processes(trainer.accelerator.num_processes, settings)
    return trainer


def _check_processes(running: int, settings: TrainSettings) -> None:
    if running != settings.num_processes:
        raise TrainingError(
            f"{settings.num_processes} processes were asked for and {running} are running",
            "start with torchrun --nproc_per_node, or leave it to num_processes",
        )


def _lora(settings: TrainSettings) -> Any:
    from peft import LoraConfig

    targets = settings.lora_targets
    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )


def rows_per_step(settings: TrainSettings, num_examples: int, num_rows: int, packing: bool) -> tuple[int, int]:
    """(micro batch, gradient accumulation) of each process, for the batch that the settings ask for.

    `num_rows` rows hold `num_examples` examples (fewer rows than examples when packed).
    """
    if packing and settings.batch_tokens:
        wanted = max(1, round(settings.batch_tokens / settings.max_length))
    else:
        wanted = max(1, round(settings.batch_size * num_rows / num_examples))
    micro = max(1, min(settings.micro_batch_size, wanted // settings.num_processes))
    return micro, max(1, round(wanted / (micro * settings.num_processes)))


def _arguments(data: Data, num_rows: int, packing: bool, out_dir: Path, settings: TrainSettings) -> Any:
    import torch
    from trl import SFTConfig

    micro, accumulation = rows_per_step(settings, data.num_rows, num_rows, packing)
    per_epoch = math.ceil(num_rows / (micro * accumulation * settings.num_processes))
    total = settings.max_steps or math.ceil(per_epoch * settings.epochs)
    every = settings.evaluate_every or max(1, total // 20)
    strategy = "random" if packing else "group_by_length"
    return SFTConfig(
        output_dir=str(out_dir / "checkpoints"),
        max_length=settings.max_length,
        packing=packing,
        dataset_kwargs={"skip_prepare_dataset": True},
        train_sampling_strategy="sequential" if len(data.phases) > 1 else strategy,
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=1 if packing else 8,
        gradient_accumulation_steps=accumulation,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=_uses_bfloat16(settings),
        activation_checkpointing=settings.activation_checkpointing,
        use_cpu=not torch.cuda.is_available(),
        ddp_backend="gloo" if settings.num_processes > 1 and not torch.cuda.is_available() else None,
        seed=settings.seed,
        data_seed=settings.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="steps" if data.held_out else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every if data.held_out else settings.save_every or max(1, total // 4),
        save_total_limit=2,
        load_best_model_at_end=bool(settings.early_stop),
        metric_for_best_model="eval_loss" if data.held_out else None,
        report_to=list(settings.report_to) or "none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        **_sharding(settings),
    )


def _sharding(settings: TrainSettings) -> dict[str, Any]:
    """FSDP2 or ZeRO-3 where several processes were asked for; on the CPU both would silently be plain DDP."""
    import torch

    if settings.num_processes == 1 or settings.sharding == "ddp":
        return {}
    if not torch.cuda.is_available():
        raise UsageError(f"sharding {settings.sharding} needs GPUs; none is here", 'set sharding to "ddp"')
    from synth.student.emit import fsdp_config, zero3_config

    return (
        {"fsdp": True, "fsdp_config": fsdp_config()} if settings.sharding == "fsdp" else {"deepspeed": zero3_config()}
    )


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint: the one whose last-written file is there. Broken ones are removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in reversed(found):
        if (path / "trainer_state.json").exists():
            return path
        shutil.rmtree(path)
    return None


def _train(trainer: Any, checkpoint: Path | None, settings: TrainSettings) -> None:
    import torch

    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except torch.cuda.OutOfMemoryError as error:
        micro = trainer.args.per_device_train_batch_size
        ways = [f"micro_batch_size from {micro} to {max(1, micro // 2)}"] if micro > 1 else []
        ways += [] if settings.activation_checkpointing else ["activation_checkpointing to true"]
        ways += [f"max_length from {settings.max_length} to {settings.max_length // 2}"]
        ways += [] if settings.method == "qlora" else ['method to "lora" or "qlora"']
        raise TrainingError("the GPU ran out of memory", f"change {', or '.join(ways)}") from error
    except Exception as error:  # safetensors has an error class of its own for a full disk
        if isinstance(error, OSError) or type(error).__name__ == "SafetensorError":
            raise StorageError(
                f"a checkpoint could not be written: {error}",
                "make room and give the same command again: training goes on from the last whole checkpoint",
            ) from error
        raise


def _losses(trainer: Any) -> dict[str, Any]:
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    held_out = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    tail = losses[-max(1, len(losses) // 50) :]
    return {
        "steps": int(trainer.state.global_step),
        "loss_first": losses[0],
        "loss_last": math.fsum(tail) / len(tail),
        "losses": losses,
        "held_out_losses": held_out,
    }


def _save(trainer: Any, base: str, tokenizer: Any, out_dir: Path, settings: TrainSettings) -> None:
    """Called by every process, since sharded weights are gathered from all; the first one writes."""
    is_sharded = settings.num_processes > 1 and settings.sharding != "ddp"
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped) if is_sharded else None
    if not trainer.accelerator.is_main_process:
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    tokenizer.padding_side = "right"
    if settings.method == "full":
        model.config.use_cache = True
        save_student(model, tokenizer, out_dir, state)
        return
    adapter = out_dir / "adapter"
    model.save_pretrained(adapter, state_dict=state)
    del model, state
    save_student(merge_adapter(base, adapter, tokenizer), tokenizer, out_dir)
