"""What a training needs is told before it starts, and what would fit where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth.errors import UsageError
from synth.student.presets import TrainSettings


def test_merging_an_adapter_counts_as_memory() -> None:
    from synth.student.memory import Shape, estimate

    lora = TrainSettings(model="some/model", micro_tokens=8)
    needed = estimate(Shape(10**9, 64, 2, 10**5, 1000), lora, is_half=True)
    assert needed.total == needed.merging == 4e9 > needed.states + needed.activations


def test_a_containers_limit_is_the_memory_that_is_free(tmp_path: Path) -> None:
    from synth.student.memory import _free_of_container

    assert _free_of_container(tmp_path) == float("inf")
    for name, text in (("max", "1000\n"), ("current", "700\n"), ("stat", "anon 500\ninactive_file 150\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert _free_of_container(tmp_path) == 450
    (tmp_path / "memory.max").write_text("max\n")
    assert _free_of_container(tmp_path) == float("inf")


def test_a_model_that_does_not_fit_is_refused_with_what_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import LlamaConfig

    shape = {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32}
    LlamaConfig(vocab_size=32000, **shape).save_pretrained(tmp_path)
    monkeypatch.setattr("synth.student.memory.available_bytes", lambda: 24e9)
    from synth.student.memory import estimate, fitting, shape_of

    big = TrainSettings(preset="alpaca-7b", model=str(tmp_path), precision="float32")
    assert estimate(shape_of(str(tmp_path)), big, True).states == pytest.approx(108e9, rel=0.02)
    with pytest.raises(UsageError, match=r"6\.74 billion parameters.*24\.0 GB are free") as caught:
        fitting(str(tmp_path), big, 512)
    assert caught.value.hint.startswith("nothing here fits; choose a model of at most 5.7 billion")
    monkeypatch.setattr("synth.student.memory._has_gpu", lambda: True)
    with pytest.raises(UsageError) as caught:
        fitting(str(tmp_path), big, 512)
    assert "method=qlora" in caught.value.hint and "method=lora" not in caught.value.hint
    assert "sharding=fsdp, num_processes=8" in caught.value.hint
    assert fitting(str(tmp_path), big.model_copy(update={"ignore_memory": True}), 512).micro_tokens == 2048
