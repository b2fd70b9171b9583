"""The same training for those who do it elsewhere: a ready config for axolotl, LLaMA-Factory or TRL, with its data.

Also the sharding configs of the big sizes, and the command to type on each host where there are several processes.
Nothing is started here. The keys were checked against axolotl 0.19.0, LLaMA-Factory 0.9.5 and TRL 1.16; those tools'
own prompts may differ from ours in a line break (see `LLAMA_TEMPLATES`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from synth.errors import UsageError
from synth.fileio import atomic_write
from synth.records import Record
from synth.student.hosts import DATA, LAUNCH, launch_script
from synth.student.mix import selected
from synth.student.presets import TrainSettings
from synth.student.templates import conversation_of, find_template

# Ours -> LLaMA-Factory's; None: the one in the model's tokenizer. Its alpaca writes a line break after "### Response:"
# and the input below the instruction.
LLAMA_TEMPLATES = {"alpaca": "alpaca", "alpaca-newline": "alpaca", "vicuna": "vicuna", "chatml": "chatml", "chat": None}


def emit(kind: str, records: Sequence[Record], out_dir: Path, settings: TrainSettings) -> list[Path]:
    """Write the config, the data and the sharding files for `kind` of EMITTERS; returns the paths written.

    Raises UsageError for an unknown kind, a template that the tool does not have, or a student made from scratch.
    """
    if kind not in EMITTERS:
        raise UsageError(f"no config can be written for {kind!r}", f"choose one of: {', '.join(EMITTERS)}")
    if settings.loss != "sft":
        raise UsageError("configs are written for supervised training only", "leave out `loss`, or train here")
    if settings.model is None:
        raise UsageError(
            "a student made from scratch cannot be trained elsewhere", "set `model` to a folder or hub name"
        )
    settings = settings if kind == "synth" else _resolved(settings, settings.model)
    out_dir.mkdir(parents=True, exist_ok=True)
    records = selected(records, settings) if kind != "synth" else records
    files = EMITTERS[kind](settings, len(records)) | (_sharding(settings) if kind != "synth" else {})
    if settings.world_size > 1:
        files[LAUNCH] = launch_script(kind, settings)
    row: Callable[[Record, TrainSettings], dict[str, Any]] = _messages_row
    if kind == "synth":
        row = _own_row
    elif kind == "trl" and settings.template != "chat":
        row = _prompt_row
    files[DATA] = "".join(json.dumps(row(record, settings), ensure_ascii=False) + "\n" for record in records)
    for name, text in files.items():
        atomic_write(out_dir / name, text)
    return [out_dir / name for name in files]


def _resolved(settings: TrainSettings, model: str) -> TrainSettings:
    """The settings with the template that "auto" means for the model."""
    if settings.template != "auto":
        return settings
    from synth.student.templates import template_named
    from synth.student.weights import load_tokenizer

    try:
        name = template_named("auto", load_tokenizer(model)).name
    except UsageError as error:
        raise UsageError(error.message, "set the template yourself, for example --set template=chat") from error
    return settings.model_copy(update={"template": name})


def _own_row(record: Record, settings: TrainSettings) -> dict[str, Any]:
    return record.to_dict()


def _messages_row(record: Record, settings: TrainSettings) -> dict[str, Any]:
    conversation = conversation_of(record)
    messages = [{"role": "system", "content": conversation.system}] if conversation.system else []
    for turn in conversation.turns:
        messages += [{"role": "user", "content": turn.user_text}, {"role": "assistant", "content": turn.output}]
    return {"messages": messages}


def _prompt_row(record: Record, settings: TrainSettings) -> dict[str, Any]:
    """The template written out, since TRL knows none but chat templates; earlier answers are part of the prompt.

    They end with the template's end token. One that leaves it to the tokenizer has none to write there.
    """
    template, conversation = find_template(settings.template), conversation_of(record)
    ends = {"end": template.end_token}
    prompt = "".join(ends.get(part.kind, part.text) for part in template.prompt(conversation))
    return {"prompt": prompt, "completion": getattr(template, "answer_lead", "") + conversation.turns[-1].output}


def _yaml(values: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump({k: v for k, v in values.items() if v is not None}, sort_keys=False, allow_unicode=True)


def _rows(settings: TrainSettings) -> int:
    """Rows that a process takes at a time: as many of the longest as `micro_tokens` holds."""
    return max(1, (settings.micro_tokens or 0) // settings.max_length)


def _accumulation(settings: TrainSettings) -> int:
    """Micro batches of a step; tokens of a step count as so many of the longest rows."""
    rows = settings.batch_tokens / settings.max_length if settings.batch_tokens else settings.batch_size
    return max(1, round(rows / (_rows(settings) * settings.world_size)))


def _lora_layers(settings: TrainSettings) -> list[str]:
    """The layers named; empty for all linear ones."""
    named = settings.lora_targets
    return ([] if named == "all-linear" else [named]) if isinstance(named, str) else list(named)


def _warmup_steps(settings: TrainSettings, num_records: int) -> int:
    """In steps, for tools whose version decides whether a share is understood."""
    if settings.warmup >= 1:
        return round(settings.warmup)
    per_epoch = -(-num_records // (_rows(settings) * settings.world_size * _accumulation(settings)))
    return round(settings.warmup * (settings.max_steps or per_epoch * settings.epochs))


def _axolotl(settings: TrainSettings, num_records: int) -> dict[str, str]:
    """https://docs.axolotl.ai: chat_template data, answer-only loss, sample packing."""
    is_own = settings.template in ("chat", "chatml")
    values: dict[str, Any] = {
        "base_model": settings.model,
        "datasets": [
            {"path": DATA, "type": "chat_template", "field_messages": "messages", "roles_to_train": ["assistant"]}
        ],
        "chat_template": ("chatml" if settings.template == "chatml" else "tokenizer_default") if is_own else "jinja",
        "chat_template_jinja": None if is_own else find_template(settings.template).jinja(""),
        "output_dir": "out",
        "sequence_len": settings.max_length,
        "sample_packing": settings.packing is not False,
        "attn_implementation": "flash_attention_2" if settings.packing is not False else None,
        "micro_batch_size": _rows(settings),
        "gradient_accumulation_steps": _accumulation(settings),
        "num_epochs": settings.epochs,
        "max_steps": settings.max_steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler": settings.schedule,
        "optimizer": "adamw_torch",
        "weight_decay": settings.weight_decay,
        "val_set_size": settings.held_out or None,
        "gradient_checkpointing": settings.activation_checkpointing is not False,
        "bf16": "auto",
        "seed": settings.seed,
        "warmup_steps": _warmup_steps(settings, num_records),
    }
    if settings.sharding == "zero3":
        values["deepspeed"] = "deepspeed_zero3.json"
    elif settings.sharding == "fsdp":
        values |= {"fsdp_version": 2, "fsdp_config": {k: v for k, v in fsdp_config().items() if k != "version"}}
    if settings.method != "full":
        values |= {"adapter": settings.method, "load_in_4bit": settings.method == "qlora" or None}
        values |= {"lora_r": settings.lora_rank, "lora_alpha": settings.lora_alpha}
        values |= {"lora_dropout": settings.lora_dropout}
        named = _lora_layers(settings)
        values |= {"lora_target_modules": named} if named else {"lora_target_linear": True}
    return {"axolotl.yaml": _yaml(values)}


def _llamafactory(settings: TrainSettings, num_records: int) -> dict[str, str]:
    """https://llamafactory.readthedocs.io: a dataset_info.json entry beside the data, and an SFT config."""
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    tags |= {"system_tag": "system"}
    entry = {"file_name": DATA, "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
    if settings.template not in LLAMA_TEMPLATES:
        known = ", ".join(LLAMA_TEMPLATES)
        raise UsageError(f"LLaMA-Factory has no template {settings.template!r}", f"set template to one of: {known}")
    values: dict[str, Any] = {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": settings.model,
        "dataset_dir": ".",
        "dataset": "synth",
        "template": LLAMA_TEMPLATES[settings.template],
        "finetuning_type": "full" if settings.method == "full" else "lora",
        "output_dir": "out",
        "cutoff_len": settings.max_length,
        "packing": settings.packing,
        "neat_packing": settings.packing,
        "per_device_train_batch_size": _rows(settings),
        "gradient_accumulation_steps": _accumulation(settings),
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "val_size": settings.held_out or None,
        "bf16": True,
        "seed": settings.seed,
        "warmup_steps": _warmup_steps(settings, num_records),
    }
    if settings.method != "full":
        values |= {"lora_rank": settings.lora_rank, "lora_alpha": settings.lora_alpha}
        values |= {"lora_target": ",".join(_lora_layers(settings)) or "all"}
        values |= {"lora_dropout": settings.lora_dropout, "quantization_bit": 4 if settings.method == "qlora" else None}
    if settings.sharding == "zero3":
        values["deepspeed"] = "deepspeed_zero3.json"
    return {"llamafactory.yaml": _yaml(values), "dataset_info.json": json.dumps({"synth": entry}, indent=1) + "\n"}


def _trl(settings: TrainSettings, num_records: int) -> dict[str, str]:
    """https://huggingface.co/docs/trl: for `trl sft --config trl.yaml`."""
    values: dict[str, Any] = {
        "model_name_or_path": settings.model,
        "datasets": [{"path": "json", "data_files": DATA}],
        "output_dir": "out",
        "max_length": settings.max_length,
        "packing": settings.packing is not False,
        ("assistant_only_loss" if settings.template == "chat" else "completion_only_loss"): True,
        "per_device_train_batch_size": _rows(settings),
        "gradient_accumulation_steps": _accumulation(settings),
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup,
        "weight_decay": settings.weight_decay,
        "activation_checkpointing": settings.activation_checkpointing is not False,
        "seed": settings.seed,
    }
    if settings.method != "full":
        values |= {"use_peft": True, "lora_r": settings.lora_rank, "lora_alpha": settings.lora_alpha}
        values |= {"lora_dropout": settings.lora_dropout, "lora_target_modules": _lora_layers(settings) or "all-linear"}
        values |= {"load_in_4bit": settings.method == "qlora" or None}
    return {"trl.yaml": _yaml(values)}


def fsdp_config() -> dict[str, Any]:
    """FSDP2 through Transformers: every decoder layer a unit, parameters and optimizer state sharded."""
    return {"version": 2, "auto_wrap_policy": "TRANSFORMER_BASED_WRAP", "reshard_after_forward": True}


def zero3_config() -> dict[str, Any]:
    """DeepSpeed ZeRO-3 with what belongs to the trainer left to it ("auto")."""
    return {
        "bf16": {"enabled": "auto"},
        "zero_optimization": {
            "stage": 3,
            "overlap_comm": True,
            "contiguous_gradients": True,
            "stage3_gather_16bit_weights_on_model_save": True,
        },
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
    }


def _sharding(settings: TrainSettings) -> dict[str, str]:
    if settings.sharding == "zero3":
        return {"deepspeed_zero3.json": json.dumps(zero3_config(), indent=1) + "\n"}
    if settings.sharding == "fsdp":
        config = {"distributed_type": "FSDP", "mixed_precision": "bf16", "num_processes": settings.world_size}
        config |= _accelerate_hosts(settings)
        fsdp = {f"fsdp_{key}": value for key, value in fsdp_config().items()}
        return {"accelerate_fsdp.yaml": _yaml(config | {"fsdp_config": fsdp})}
    return {}


def _accelerate_hosts(settings: TrainSettings) -> dict[str, Any]:
    """What accelerate must know of several hosts; the number of each is given when it is started."""
    if settings.num_hosts == 1:
        return {}
    host, _, port = str(settings.rendezvous).partition(":")
    return {"num_machines": settings.num_hosts, "main_process_ip": host, "main_process_port": int(port)}


def _own(settings: TrainSettings, num_records: int) -> dict[str, str]:
    """`synth train` itself, over hosts."""
    if settings.world_size == 1:
        raise UsageError("one process needs no command of its own", "set num_processes, num_hosts and rendezvous")
    return {}


EMITTERS: dict[str, Callable[[TrainSettings, int], dict[str, str]]] = {  # settings, number of records -> file texts
    "axolotl": _axolotl,
    "llamafactory": _llamafactory,
    "trl": _trl,
    "synth": _own,
}
