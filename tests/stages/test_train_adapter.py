"""Training adapters: what is learned, merged and saved, in how much memory, and what a kill leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from tiny_students import TINY, Killed, records, settings

from synth.errors import UsageError
from synth.stages.train import TrainSettings, read_result, train


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained student to go on from."""
    return train(records(), tmp_path_factory.mktemp("base"), settings()).path


def test_lora_is_merged_and_the_merged_student_is_what_is_saved(base: Path, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    changed = {"preset": "lora", "model": str(base), "template": "short", "lora_rank": 2, "learning_rate": 0.01}
    result = train(records(), tmp_path / "lora", TrainSettings(**(TINY | changed)))
    assert (tmp_path / "lora/adapter/adapter_model.safetensors").exists()
    before, after = load_file(base / "model.safetensors"), load_file(result.path / "model.safetensors")
    changed_weights = [name for name in before if (before[name] - after[name]).abs().max() > 0]
    assert changed_weights and all("proj" in name for name in changed_weights)
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(result.path / "adapter")).eval()
    merged = AutoModelForCausalLM.from_pretrained(result.path).eval()
    probe = torch.arange(2, 34).reshape(2, 16)
    with torch.no_grad():
        assert (adapted(input_ids=probe).logits - merged(input_ids=probe).logits).abs().max() <= 1e-5


@pytest.mark.slow
def test_qlora_learns_over_a_4_bit_model_and_is_merged_into_the_whole_one(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed: QLoRA was not tried")
    base = train(records(), tmp_path / "base", settings(hidden_size=64)).path
    changed = {"preset": "qlora", "model": str(base), "template": "short", "lora_rank": 4, "learning_rate": 0.005}
    changed |= {"hidden_size": 64, "max_steps": 12, "precision": "float32", "activation_checkpointing": False}
    result = train(records(), tmp_path / "qlora", TrainSettings(**(TINY | changed)))
    assert result.loss_last < result.loss_first
    before, after = load_file(base / "model.safetensors"), load_file(result.path / "model.safetensors")
    assert before.keys() == after.keys()  # no 4-bit layer is left
    assert any((before[name] - after[name]).abs().max() > 0 for name in before if "proj" in name)


def test_an_adapter_cannot_learn_new_end_tokens(base: Path, tmp_path: Path) -> None:
    changed = {"preset": "lora", "model": str(base), "template": "chatml"}
    with pytest.raises(UsageError, match="an adapter cannot learn"):
        train(records(), tmp_path / "lora", TrainSettings(**(TINY | changed)))


def test_lora_training_twice_gives_the_same_bytes(base: Path, tmp_path: Path) -> None:
    changed = TrainSettings(**(TINY | {"preset": "lora", "model": str(base), "template": "short", "lora_rank": 2}))
    one, other = (train(records(), tmp_path / name, changed) for name in ("one", "other"))
    assert one.weights_sha256 == other.weights_sha256
    assert one.details["precision"] in ("bfloat16", "float32") and one.details["tokens_per_second"] > 0


def test_the_trained_weights_are_let_go_before_an_adapter_is_merged(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import synth.student.fit

    load, merge = synth.student.fit.load_model, synth.student.fit.merge_adapter
    trained: list[Any] = []
    held: list[bool] = []

    def loaded(*given: Any, **options: Any) -> Any:
        trained.append(load(*given, **options))
        return trained[-1]

    def merged(*given: Any) -> Any:
        held.extend(not weight.is_meta for model in trained for weight in model.parameters())
        return merge(*given)

    monkeypatch.setattr(synth.student.fit, "load_model", loaded)
    monkeypatch.setattr(synth.student.fit, "merge_adapter", merged)
    train(records(), tmp_path / "next", settings(model=str(base), method="lora"))
    assert held and not any(held)


@pytest.mark.parametrize("place", ["the adapter", "merging", "the merged student"])
def test_a_kill_while_an_adapter_is_merged_leaves_a_folder_that_the_same_command_finishes(
    place: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import synth.student.fit

    lora = settings(model=str(base), method="lora", save_every=2)
    whole = train(records(), tmp_path / "whole", lora)
    names = {"the adapter": "save_staged", "merging": "merge_adapter", "the merged student": "save_student"}
    working = getattr(synth.student.fit, names[place])

    def killed(*given: Any) -> None:
        working(*given)
        raise Killed

    monkeypatch.setattr(synth.student.fit, names[place], killed)
    with pytest.raises(Killed):
        train(records(), tmp_path / "killed", lora)
    assert read_result(tmp_path / "killed") is None
    monkeypatch.setattr(synth.student.fit, names[place], working)
    finished = train(records(), tmp_path / "killed", lora)
    assert finished.details["resumed_from"] and finished.weights_sha256 == whole.weights_sha256
