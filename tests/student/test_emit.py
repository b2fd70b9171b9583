"""Configs for training elsewhere: the numbers of the preset, the data beside them, nothing left out."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from synth.errors import UsageError
from synth.records import Record
from synth.student.emit import EMITTERS, emit
from synth.student.presets import TrainSettings

RECORDS = [
    Record("Add the numbers.", "2 and 3", "5"),
    Record("And?", "", "More", history=(("Hi", "Hello\u2028"),)),
]


def emitted(kind: str, out_dir: Path, **changes: Any) -> dict[str, Any]:
    settings = TrainSettings(**({"preset": "lora", "model": "some/model"} | changes))
    if settings.template == "auto" and settings.model == "some/model":
        settings = settings.model_copy(update={"template": "alpaca"})
    paths = emit(kind, RECORDS, out_dir, settings)
    assert all(path.exists() for path in paths)
    return dict(yaml.safe_load((out_dir / f"{kind}.yaml").read_text("utf-8")))


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "train.jsonl").read_text("utf-8").split("\n") if line]


TOOLS = [kind for kind in EMITTERS if kind != "synth"]


@pytest.mark.parametrize("kind", TOOLS)
def test_every_config_has_the_model_the_rate_and_the_data(kind: str, tmp_path: Path) -> None:
    config = emitted(kind, tmp_path)
    assert "some/model" in config.values() and config["learning_rate"] == 2e-4
    assert config["gradient_accumulation_steps"] == 8 and config["lora_dropout"] == 0.05
    first, second = rows_of(tmp_path)
    if kind == "trl":
        assert first["prompt"].endswith("### Input:\n2 and 3\n\n### Response:") and first["completion"] == "5"
    else:
        assert first["messages"][0] == {"role": "user", "content": "Add the numbers.\n\n2 and 3"}
        assert second["messages"][1]["content"] == "Hello\u2028"


def test_each_tool_is_told_in_its_own_words(tmp_path: Path) -> None:
    axolotl = emitted("axolotl", tmp_path / "a", template="chatml")
    assert axolotl["adapter"] == "lora" and axolotl["chat_template"] == "chatml" and axolotl["sample_packing"]
    assert "### Response:" in emitted("axolotl", tmp_path / "b", template="alpaca")["chat_template_jinja"]
    assert emitted("llamafactory", tmp_path / "c", method="qlora")["quantization_bit"] == 4
    info = json.loads((tmp_path / "c/dataset_info.json").read_text())
    assert info["synth"]["file_name"] == "train.jsonl"
    assert emitted("trl", tmp_path / "d")["completion_only_loss"] is True
    assert emitted("trl", tmp_path / "e", template="chat")["assistant_only_loss"] is True
    assert rows_of(tmp_path / "e")[0]["messages"][1]["content"] == "5"


def test_the_big_sizes_come_with_their_sharding(tmp_path: Path) -> None:
    emitted("trl", tmp_path / "fsdp", preset="alpaca-7b", num_processes=4)
    fsdp = yaml.safe_load((tmp_path / "fsdp/accelerate_fsdp.yaml").read_text())
    assert fsdp["num_processes"] == 4 and fsdp["fsdp_config"]["fsdp_version"] == 2
    config = emitted("llamafactory", tmp_path / "zero", preset="wizardlm-7b", template="vicuna", num_processes=8)
    assert config["deepspeed"] == "deepspeed_zero3.json" and config["gradient_accumulation_steps"] == 1
    zero = json.loads((tmp_path / "zero/deepspeed_zero3.json").read_text())
    assert zero["zero_optimization"]["stage"] == 3


def test_a_models_own_template_is_used_where_it_has_one_and_a_model_out_of_reach_is_named(tmp_path: Path) -> None:
    from tokenizer_families import CHATS, tokenizer

    for name, template in (("chat", CHATS["chatml"]), ("alpaca", None)):
        tokenizer("gpt2", template).save_pretrained(tmp_path / name)
        config = emitted("axolotl", tmp_path / f"{name}-out", model=str(tmp_path / name))
        assert config["chat_template"] == ("tokenizer_default" if name == "chat" else "jinja")
        assert config["learning_rate"] == 2e-4 and config["adapter"] == "lora"
    with pytest.raises(UsageError, match=r"some/model") as caught:
        emit("trl", RECORDS, tmp_path, TrainSettings(model="some/model"))
    assert "--set template=" in caught.value.hint


def test_unknown_tools_and_students_from_scratch_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no config can be written"):
        emit("megatron", RECORDS, tmp_path, TrainSettings(preset="lora", model="some/model"))
    with pytest.raises(UsageError, match="made from scratch"):
        emit("trl", RECORDS, tmp_path, TrainSettings())


def test_a_template_that_llama_factory_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no template 'wizardlm'"):
        emit("llamafactory", RECORDS, tmp_path, TrainSettings(preset="wizardlm-7b", model="some/model"))


def test_the_data_are_those_that_would_be_trained_on_here(tmp_path: Path) -> None:
    emitted("trl", tmp_path / "few", max_records=1)
    assert len(rows_of(tmp_path / "few")) == 1 < len(RECORDS)


def test_steps_of_tokens_and_named_layers_are_passed_on(tmp_path: Path) -> None:
    named = {"batch_tokens": 4096, "max_length": 512, "micro_tokens": 1024, "lora_targets": ("q_proj", "v_proj")}
    axolotl = emitted("axolotl", tmp_path / "a", template="chatml", **named)
    assert axolotl["gradient_accumulation_steps"] * axolotl["micro_batch_size"] * 512 == 4096
    assert axolotl["lora_target_modules"] == ["q_proj", "v_proj"] and "lora_target_linear" not in axolotl
    assert emitted("llamafactory", tmp_path / "l", template="chatml", **named)["lora_target"] == "q_proj,v_proj"
    assert emitted("trl", tmp_path / "t", **named)["lora_target_modules"] == ["q_proj", "v_proj"]


# The keys that the tools know, read once from their own sources: axolotl 0.19.0 (utils/schemas) and LLaMA-Factory 0.9.5
# (hparams, and the TrainingArguments of the Transformers it allows).
AXOLOTL = """adapter attn_implementation base_model bf16 chat_template chat_template_jinja datasets deepspeed fsdp_config fsdp_version
gradient_accumulation_steps gradient_checkpointing learning_rate load_in_4bit lora_alpha lora_dropout lora_r
lora_target_linear lr_scheduler max_steps micro_batch_size num_epochs optimizer output_dir sample_packing seed
sequence_len val_set_size warmup_steps weight_decay"""
LLAMAFACTORY = """bf16 cutoff_len dataset dataset_dir deepspeed do_train finetuning_type gradient_accumulation_steps
learning_rate lora_alpha lora_dropout lora_rank lora_target lr_scheduler_type max_steps model_name_or_path neat_packing
num_train_epochs output_dir packing per_device_train_batch_size quantization_bit seed stage template val_size
warmup_steps"""


@pytest.mark.parametrize(("kind", "known"), [("axolotl", AXOLOTL), ("llamafactory", LLAMAFACTORY)])
@pytest.mark.parametrize("preset", ["alpaca-7b", "wizardlm-7b", "lora", "qlora"])
def test_every_key_is_one_that_the_tool_knows(kind: str, known: str, preset: str, tmp_path: Path) -> None:
    config = emitted(kind, tmp_path, preset=preset, template="chatml", packing=True, held_out=0.1, num_processes=4)
    assert set(config) <= set(known.split())
    assert isinstance(config["warmup_steps"], int)


@pytest.mark.parametrize("preset", ["alpaca-7b", "wizardlm-7b", "lora", "qlora"])
def test_axolotl_itself_reads_its_config(preset: str, tmp_path: Path) -> None:
    """It needs no more than `pip install --no-deps axolotl`."""
    schema = pytest.importorskip("axolotl.utils.schemas.config", reason="axolotl is not installed: not asked")
    config = emitted("axolotl", tmp_path, preset=preset, template="chatml", packing=True, held_out=0.1)
    read = schema.AxolotlInputConfig(**config)
    settings = TrainSettings(preset=preset, model="some/model")
    assert (read.learning_rate, read.sequence_len) == (settings.learning_rate, settings.max_length)
    assert read.adapter == (settings.method if settings.method != "full" else None)


@pytest.mark.parametrize("preset", ["alpaca-7b", "wizardlm-7b", "lora", "qlora"])
def test_llama_factory_itself_reads_its_config(preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no more than `pip install --no-deps llamafactory omegaconf antlr4-python3-runtime==4.9.3`."""
    monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")
    hparams = pytest.importorskip("llamafactory.hparams", reason="LLaMA-Factory is not installed: not asked")
    from transformers import HfArgumentParser, Seq2SeqTrainingArguments

    config = emitted("llamafactory", tmp_path, preset=preset, template="chatml", packing=True, held_out=0.1)
    own = (hparams.ModelArguments, hparams.DataArguments, Seq2SeqTrainingArguments, hparams.FinetuningArguments)
    config = {key: value for key, value in config.items() if key != "deepspeed"} | {"bf16": False}  # wants a GPU
    _, data, training, finetuning = HfArgumentParser(own).parse_dict(config)
    settings = TrainSettings(preset=preset, model="some/model")
    assert training.learning_rate == settings.learning_rate
    assert data.cutoff_len == settings.max_length - 1  # its packing keeps a token for itself
    assert finetuning.finetuning_type == ("full" if settings.method == "full" else "lora")


@pytest.mark.parametrize("preset", ["alpaca-7b", "wizardlm-7b", "lora", "qlora"])
def test_trl_itself_reads_its_config(preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trl = pytest.importorskip("trl", reason="TRL is not installed: its parser was not asked")
    from trl.scripts.utils import DatasetMixtureConfig

    emitted("trl", tmp_path, preset=preset)
    monkeypatch.chdir(tmp_path)
    parser = trl.TrlParser((trl.ScriptArguments, trl.SFTConfig, trl.ModelConfig, DatasetMixtureConfig))
    _, sft, model, data = parser.parse_args_and_config(["--config", "trl.yaml", "--bf16", "false"])
    settings = TrainSettings(preset=preset, model="some/model")
    assert (sft.max_length, sft.learning_rate) == (settings.max_length, settings.learning_rate)
    assert sft.completion_only_loss is True and sft.packing is True
    assert model.use_peft == (settings.method != "full") and data.datasets[0].data_files == "train.jsonl"


HOSTS: dict[str, Any] = {"num_hosts": 2, "num_processes": 4, "rendezvous": "node0:29500"}


def script(kind: str, folder: Path, **changes: Any) -> str:
    emit(
        kind,
        RECORDS,
        folder,
        TrainSettings(**({"preset": "lora", "model": "some/model", "template": "chatml"} | changes)),
    )
    subprocess.run(["bash", "-n", str(folder / "launch.sh")], check=True)
    return (folder / "launch.sh").read_text("utf-8")


@pytest.mark.parametrize("kind", ["axolotl", "trl"])
def test_over_hosts_torchrun_starts_the_tool_on_each(kind: str, tmp_path: Path) -> None:
    command = script(kind, tmp_path, **HOSTS).splitlines()[-1]
    assert command.startswith('torchrun --nnodes 2 --node_rank "$1" --nproc_per_node 4 --rdzv_backend static')
    assert "--rdzv_endpoint node0:29500" in command and command.endswith(f"{kind}.yaml")
    config = yaml.safe_load((tmp_path / f"{kind}.yaml").read_text())
    assert config["gradient_accumulation_steps"] == 1  # 8 rows a step, 8 processes


def test_llama_factory_and_accelerate_are_told_of_hosts_in_their_own_words(tmp_path: Path) -> None:
    text = script("llamafactory", tmp_path / "llama", **HOSTS)
    assert "NPROC_PER_NODE=4 NNODES=2" in text and 'NODE_RANK="$1" MASTER_ADDR=node0 MASTER_PORT=29500' in text
    text = script("trl", tmp_path / "trl", preset="alpaca-7b", **HOSTS)
    assert 'accelerate launch --config_file accelerate_fsdp.yaml --machine_rank "$1" -m trl.scripts.sft' in text
    fsdp = yaml.safe_load((tmp_path / "trl/accelerate_fsdp.yaml").read_text())
    assert (fsdp["num_processes"], fsdp["num_machines"], fsdp["main_process_ip"]) == (8, 2, "node0")


def test_the_command_of_synth_itself_gives_the_settings_it_was_made_from(tmp_path: Path) -> None:
    from synth.cli.app import app

    text = script("synth", tmp_path, learning_rate=1e-4, shares={"a b": 0.5}, **HOSTS)
    assert "# starts: torchrun --nnodes 2" in text
    words = shlex.split(text.splitlines()[-1].replace('"$1"', "1"))
    command = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
    given = command.make_context("train", words[2:]).params
    assert (given["host_rank"], str(given["data"])) == (1, "train.jsonl")
    made = {name: yaml.safe_load(value) for name, _, value in (one.partition("=") for one in given["set"])}
    settings = TrainSettings(preset=given["preset"], model=given["model"], host_rank=1, **made)
    wanted = {
        "preset": "lora",
        "model": "some/model",
        "template": "chatml",
        "learning_rate": 1e-4,
        "shares": {"a b": 0.5},
    }
    assert settings == TrainSettings(**wanted, host_rank=1, **HOSTS)
    assert [Record.from_dict(row) for row in rows_of(tmp_path)] == RECORDS


def test_one_process_needs_no_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one process needs no command"):
        emit("synth", RECORDS, tmp_path, TrainSettings(preset="lora", model="some/model"))


@pytest.mark.parametrize(
    "wrong", [{"num_hosts": 2, "model": "m"}, {"host_rank": 1}, {**HOSTS, "rendezvous": "node0"}, HOSTS]
)
def test_hosts_that_cannot_meet_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rendezvous|host_rank|existing model"):
        TrainSettings(**wrong)
