"""One training run in this process (or this rank): records in, a student folder out.

It does not start other processes (`launch.py`), decide what is already done (`synth.stages.train`) or judge the
student.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.errors import StorageError, TrainingError, UsageError
from synth.records import Record
from synth.student.encode import Encoded, Encoder, Row, prepare_tokenizer
from synth.student.memory import fitting, uses_bfloat16
from synth.student.mix import phases, selected, split_off
from synth.student.plan import Step, plan
from synth.student.preference import judged_rows
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
    refuse_unknown_id,
    save_staged,
    save_student,
    seeded,
    threads,
)

if TYPE_CHECKING:
    from synth.student.trainer import Told


CURVES = ("reward_margin", "reward_accuracy", "eval_reward_margin", "eval_reward_accuracy")
"""What a preference loss logs beside itself."""


@dataclass(frozen=True, slots=True)
class Data:
    """What will be trained on: the encoded phases in their order, and the part kept back."""

    phases: list[list[Row]]
    held_out: list[Row]
    truncated: list[str]
    unlearnable: list[str]
    folded: list[str]

    @property
    def num_rows(self) -> int:
        """Examples trained on."""
        return sum(map(len, self.phases))


def fit(records: Sequence[Record], out_dir: Path, settings: TrainSettings, told: Told | None = None) -> dict[str, Any]:
    """Train a student on `records` into `out_dir`, going on from the last whole checkpoint there.

    Returns what is to be told about the run, as JSON values.
    """
    with threads(settings.num_threads), quiet(), _logs_in(out_dir / "logs"):
        return _fit(records, out_dir, settings, told)


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


def _fit(records: Sequence[Record], out_dir: Path, settings: TrainSettings, told: Told | None) -> dict[str, Any]:
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
    settings = fitting(base, settings, max(len(row.ids) for phase in data.phases for row in phase))
    model = _model(base, settings)
    new_tokens = [tokenizer.convert_ids_to_tokens(i) for i in range(known, len(tokenizer))]
    _refuse_untrainable([token for token in new_tokens if token != tokenizer.pad_token], settings)
    num_new = fit_vocabulary(model, tokenizer, known)
    _refuse_unknown_ids(model, tokenizer, data)
    packing = keeps_packed_apart(model) if settings.packing is None else settings.packing
    steps = plan(data.phases, settings, settings.micro_tokens or 0 if packing else 0)
    trainer, checkpoint = _trained(model, tokenizer, steps, data, out_dir, settings, told)
    _save(trainer, base, tokenizer, out_dir, settings)
    return {
        **_losses(trainer),
        "base": base,
        "template": template.name,
        "num_records": data.num_rows,
        "num_held_out": len(data.held_out),
        "truncated": data.truncated,
        "unlearnable": data.unlearnable,
        "notes": _notes(data, records, settings),
        "packing": packing,
        "precision": "bfloat16" if uses_bfloat16(settings) else "float32",
        "activation_checkpointing": settings.activation_checkpointing,
        "new_tokens": num_new,
        "tokens": sum(step.num_tokens for step in steps[: trainer.state.global_step]),
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "num_processes": trainer.accelerator.num_processes,
        "wrapper": type(trainer.model_wrapped).__name__,
        "resumed_from": checkpoint.name if checkpoint else None,
        "tokens_per_second": round(trainer.meter.tokens_per_second, 1),
        "seconds": round(time.monotonic() - started, 2),
    }


def _notes(data: Data, records: Sequence[Record], settings: TrainSettings) -> list[str]:
    """What a reader of the result should know about the data."""
    notes = []
    if data.folded:
        notes.append(
            f"The template has no place for a system text: that of {len(set(data.folded))} records stands in front of "
            "the first user's."
        )
    if settings.loss == "kto":
        signs = [row.sign for phase in data.phases for row in phase]  # type: ignore[attr-defined]
        notes.append(
            f"Learned from {signs.count(1)} good and {signs.count(-1)} bad answers, which count alike together."
        )
    elif settings.loss != "sft":
        paired = sum(bool(record.worse()) for record in records)
        notes.append(
            f"Learned from {data.num_rows} pairs of {paired} records; {len(records) - paired} records have no answer "
            "that is worse than their own."
        )
    return notes


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
    chosen = selected(records, settings)
    training, held_out = split_off(chosen, settings.held_out, settings.seed) if settings.held_out else (chosen, [])
    parts = [_encoded(part, encoder, settings) for part in phases(training, settings.order, settings.seed)]
    if not any(part.rows for part in parts):
        raise _nothing_to_learn(len(chosen), settings)
    kept_back = _encoded(held_out, encoder, settings)
    whole: list[Encoded] = [*parts, kept_back]
    return Data(
        [part.rows for part in parts if part.rows],
        kept_back.rows,
        [name for part in whole for name in part.truncated],
        [name for part in whole for name in part.unlearnable],
        [name for part in whole for name in part.folded],
    )


def _nothing_to_learn(number: int, settings: TrainSettings) -> UsageError:
    if settings.loss == "sft":
        return UsageError(
            f"none of the {number} records has an answer that begins within {settings.max_length} tokens",
            "raise max_length, or look at the longest records",
        )
    return UsageError(
        f"none of the {number} records has an answer and a worse one beside it that begin within {settings.max_length} "
        "tokens",
        "make pairs with the stage prefer, or read rows that have them; else raise max_length",
    )


def _encoded(records: Sequence[Record], encoder: Encoder, settings: TrainSettings) -> Encoded:
    if settings.loss == "sft":
        return encoder.rows(records, settings.max_length)
    return judged_rows(records, encoder, settings)


def _model(base: str, settings: TrainSettings) -> Any:
    import torch

    # What is trained is kept in float32; a frozen model under an adapter need not be.
    is_half = settings.method != "full" and uses_bfloat16(settings)
    options: dict[str, Any] = {"dtype": torch.bfloat16 if is_half else torch.float32}
    if torch.cuda.is_available():
        options["attn_implementation"] = _attention()
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


def _refuse_untrainable(new_tokens: list[str], settings: TrainSettings) -> None:
    if new_tokens and settings.method != "full":
        raise UsageError(
            f"the template {settings.template} needs tokens that the model does not know ({', '.join(new_tokens)}), "
            "and an adapter cannot learn them",
            'choose another template, for example "alpaca" or the model\'s own ("chat"), or method full',
        )


def _refuse_unknown_ids(model: Any, tokenizer: Any, data: Data) -> None:
    """Raises UsageError where the data have tokens that the model has no row for."""
    for row in (*(row for phase in data.phases for row in phase), *data.held_out):
        refuse_unknown_id(model, tokenizer, max(row.ids), f"record {row.record_id}")


def _trained(
    model: Any,
    tokenizer: Any,
    steps: Sequence[Step],
    data: Data,
    out_dir: Path,
    settings: TrainSettings,
    told: Told | None,
) -> tuple[Any, Path | None]:
    """(the trainer after its last step, the checkpoint that it went on from)."""
    from peft import get_peft_model
    from transformers import PrinterCallback

    from synth.student.loss import returning_loss
    from synth.student.preference_trainer import PreferenceTrainer
    from synth.student.trainer import StepTrainer, arguments

    checkpoint = _last_checkpoint(out_dir / "checkpoints")
    options = {"bf16": uses_bfloat16(settings), "activation_checkpointing": settings.activation_checkpointing}
    with seeded(settings.seed):
        trained = get_peft_model(model, _lora(settings)) if settings.method != "full" else model
    kind = StepTrainer if settings.loss == "sft" else PreferenceTrainer
    with returning_loss(model, by_row=kind is PreferenceTrainer):
        trainer = kind(
            model=trained,
            args=arguments(len(steps), bool(data.held_out), out_dir, settings, **options),
            steps=steps,
            held_out=data.held_out,
            processing_class=tokenizer,
            settings=settings,
            told=told,
        )
        trainer.remove_callback(PrinterCallback)  # it prints to stdout
        _check_processes(trainer.accelerator.num_processes, settings)
        trainer.prepare()
        _train(trainer, checkpoint, settings)
    return trainer, checkpoint


def _check_processes(running: int, settings: TrainSettings) -> None:
    if running != settings.world_size:
        raise TrainingError(
            f"{settings.world_size} processes were asked for and {running} are running",
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


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint: the one whose last-written file is there. Broken ones are removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in reversed(found):
        with contextlib.suppress(OSError, ValueError):
            json.loads((path / "trainer_state.json").read_text("utf-8"))
            return path
        shutil.rmtree(path)
    return None


def _train(trainer: Any, checkpoint: Path | None, settings: TrainSettings) -> None:
    import torch

    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except KeyboardInterrupt:
        last = _last_checkpoint(Path(trainer.args.output_dir))
        since = f"the last checkpoint, {last.name}" if last else "the beginning: there is no checkpoint yet"
        stopped = TrainingError(
            "interrupted", f"the same command goes on from {since} (train.save_every: steps between)"
        )
        stopped.exit_code = 130
        raise stopped from None
    except torch.cuda.OutOfMemoryError as error:
        micro = settings.micro_tokens or settings.max_length
        ways = [f"micro_tokens from {micro} to {micro // 2}"]
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
        **{name: curve for name in CURVES if (curve := [e[name] for e in trainer.state.log_history if name in e])},
    }


def _save(trainer: Any, base: str, tokenizer: Any, out_dir: Path, settings: TrainSettings) -> None:
    """Called by every process, since sharded weights are gathered from all; the first one writes."""
    is_sharded = settings.world_size > 1 and settings.sharding != "ddp"
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
    save_staged(adapter, lambda folder: model.save_pretrained(folder, state_dict=state))
    if model.device.type == "cpu":
        model.to("meta")  # its memory is needed for merging
    save_student(merge_adapter(base, adapter, tokenizer), tokenizer, out_dir)
