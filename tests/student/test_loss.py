"""The chunked loss: the value and the gradients of the plain one, for every kind of output layer; and TRL's losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from synth.records import Record
from synth.student import loss as chunked
from synth.student.encode import UNLEARNED
from synth.student.loss import has_known_head, returning_loss
from synth.student.tiny import make_model

WORDS = "red blue green black white brown grey pink".split()


def other_model(family: str) -> Any:
    """A small model whose logits are scaled or capped."""
    from transformers import (
        CohereConfig,
        CohereForCausalLM,
        Gemma2Config,
        Gemma2ForCausalLM,
        GraniteConfig,
        GraniteForCausalLM,
    )

    shape = {
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
    }
    torch.manual_seed(0)
    if family == "gemma2":
        return Gemma2ForCausalLM(Gemma2Config(**shape, head_dim=8, final_logit_softcapping=3.0))
    if family == "cohere":
        return CohereForCausalLM(CohereConfig(**shape, logit_scale=0.25))
    return GraniteForCausalLM(GraniteConfig(**shape, logits_scaling=4.0))


def gradients(model: Any, loss: Any) -> dict[str, Any]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("family", ["llama", "gemma2", "cohere", "granite"])
def test_value_and_gradients_are_those_of_the_plain_loss(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "CHUNK", 3)
    model = make_model(64, seed=0, hidden=16, layers=2, heads=2) if family == "llama" else other_model(family)
    model.train()
    ids = torch.arange(5, 25)[None]
    labels = torch.where(torch.arange(20)[None] % 3 == 0, UNLEARNED, ids)
    plain = torch.nn.functional.cross_entropy(
        model(input_ids=ids).logits[0, :-1], labels[0, 1:], ignore_index=UNLEARNED, reduction="sum"
    )
    wanted = gradients(model, plain)
    assert has_known_head(model)
    with returning_loss(model):
        ours = model(input_ids=ids, position_ids=torch.arange(20)[None], labels=labels)
        found = gradients(model, ours * 0.5)
    assert float(ours.detach()) == pytest.approx(float(plain.detach()), rel=1e-5)
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert torch.allclose(found[name], 0.5 * wanted[name], atol=1e-5), name
    assert model(input_ids=ids).logits.shape == (1, 20, 64)  # outside it is as it was


def test_a_target_that_is_all_but_impossible_has_a_finite_loss_and_the_whole_gradient() -> None:
    hidden = torch.tensor([[300.0, 0.0]], requires_grad=True)
    loss = chunked.ChunkedLoss.apply(hidden, torch.tensor([1]), lambda piece: piece)
    loss.backward()
    assert 87 < float(loss.detach()) < 88 and hidden.grad.tolist() == [[1.0, -1.0]]


def test_a_head_that_is_not_known_is_asked_for_all_its_logits() -> None:
    model = make_model(64, seed=0, hidden=16, layers=1, heads=2)
    own = type(model).forward

    class Louder(type(model)):  # type: ignore[misc]
        def forward(self, *args: Any, **options: Any) -> Any:
            found = own(self, *args, **options)
            found.logits = found.logits * 7
            return found

    model.__class__ = Louder
    assert not has_known_head(model)
    ids = torch.arange(5, 15)[None]
    with returning_loss(model):
        ours = model(input_ids=ids, position_ids=torch.arange(10)[None], labels=ids)
    plain = torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:], reduction="sum")
    assert float(ours.detach()) == pytest.approx(float(plain.detach()), rel=1e-5)


def test_losses_are_those_of_trl_over_50_steps(tmp_path: Path) -> None:
    trl = pytest.importorskip("trl", reason="TRL is not installed: its losses were not compared")
    from datasets import Dataset

    from synth.student.encode import Encoder
    from synth.student.fit import fit, prepare_data
    from synth.student.plan import plan
    from synth.student.presets import TrainSettings
    from synth.student.templates import TEMPLATES
    from synth.student.tiny import make_tiny
    from synth.student.weights import load_model, load_tokenizer, quiet

    records = [Record("Repeat.", f"{one} {two}", f"{one} {two}") for one in WORDS for two in WORDS]
    base = make_tiny([f" {r.input} Repeat." for r in records], tmp_path / "base", hidden=16, layers=1, heads=2)
    fixed: dict[str, Any] = {
        "batch_size": 4,
        "batch_tokens": None,
        "max_steps": 50,
        "learning_rate": 1e-3,
        "warmup": 0,
        "schedule": "cosine",
    }
    settings = TrainSettings(preset="tiny", model=str(base), **fixed)
    ours = fit(records, tmp_path / "ours", settings)["losses"]
    encoder = Encoder(TEMPLATES["short"], load_tokenizer(str(base)))
    steps = plan(prepare_data(records, encoder, settings).phases, settings, 0)
    config = trl.SFTConfig(
        output_dir=str(tmp_path / "trl"), per_device_train_batch_size=4, max_steps=50, learning_rate=1e-3, warmup_steps=0,
        lr_scheduler_type="cosine", train_sampling_strategy="sequential", bf16=False, use_cpu=True, logging_steps=1,
        save_strategy="no", report_to="none", disable_tqdm=True, activation_checkpointing=False,
    )  # fmt: skip
    rows = [{"input_ids": row.ids, "labels": row.labels} for step in steps for row in step.rows]
    with quiet():
        trainer = trl.SFTTrainer(
            model=load_model(str(base)),
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=encoder.tokenizer,
        )
        trainer.train()
    theirs = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(ours) == len(theirs) == 50 and ours[-1] < ours[0]
    assert max(abs(one - other) for one, other in zip(ours, theirs, strict=True)) < 1e-3
