"""DPO and KTO: the loss, its gradients and curves are TRL's; an interrupted run ends with the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from synth.errors import UsageError
from synth.records import OtherAnswer, Record
from synth.stages.train import TrainSettings, train
from synth.student.encode import UNLEARNED, Encoder, prepare_tokenizer
from synth.student.mix import drawn_order
from synth.student.preference import Judged, judged_rows
from synth.student.templates import TEMPLATES
from synth.student.tiny import make_tiny
from synth.student.trainer import Progress
from synth.student.weights import load_model, load_tokenizer, quiet

WORDS = "red blue green black white brown".split()
RECORDS = [
    Record(f"Repeat {one}.", f"{one} {two}", f"{one} {two}", others=(OtherAnswer(f"{two} {three} {one}", None, 0.0),))
    for one, two, three in zip(WORDS, WORDS[1:] + WORDS[:1], WORDS[2:] + WORDS[:2], strict=True)
]
FIXED: dict[str, Any] = {
    "batch_tokens": None, "batch_size": 6, "max_steps": 4, "learning_rate": 1e-2, "warmup": 0, "schedule": "constant",
    "max_length": 64,
}  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [f" {record.input} {record.instruction}" for record in RECORDS] * 2
    return make_tiny(texts, tmp_path_factory.mktemp("base"), hidden=16, layers=1, heads=2)


def settings(base: Path, loss: str, **changes: Any) -> TrainSettings:
    return TrainSettings(preset="tiny", model=str(base), loss=loss, **(FIXED | {"beta": 0.3} | changes))


def encoder(base: Path) -> Encoder:
    tokenizer = load_tokenizer(str(base))
    prepare_tokenizer(tokenizer, TEMPLATES["short"])
    return Encoder(TEMPLATES["short"], tokenizer)


def trl_rows(base: Path, loss: str) -> list[dict[str, Any]]:
    """The same rows as texts, in the order of our plan."""
    form = encoder(base)
    found = []
    for row in judged_rows(drawn_order(RECORDS, 0), form, settings(base, loss)).rows:
        texts = []
        for part in row.parts:
            start = next(place for place, label in enumerate(part.labels) if label != UNLEARNED)
            texts.append([form.tokenizer.decode(ids) for ids in (part.ids[:start], part.ids[start:-1])])
        (prompt, first), (_, second) = texts
        judged = (
            {"completion": first, "label": row.sign == 1} if loss == "kto" else {"chosen": first, "rejected": second}
        )
        found.append({"prompt": prompt} | judged)
    return found


@pytest.mark.parametrize(("loss", "name"), [("dpo", "sigmoid"), ("dpo_norm", "sigmoid_norm"), ("kto", "kto")])
def test_losses_and_weights_are_those_of_trl(loss: str, name: str, base: Path, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl", reason="TRL is not installed: its losses were not compared")
    from datasets import Dataset

    number = 12 if loss == "kto" else 6
    ours = train(RECORDS, tmp_path / "ours", settings(base, loss, batch_size=number, order="generation"))
    rows = trl_rows(base, loss)
    assert len(rows) == number
    kinds = {"kto": (trl.KTOConfig, trl.KTOTrainer)}.get(loss, (trl.DPOConfig, trl.DPOTrainer))
    config = kinds[0](
        output_dir=str(tmp_path / "trl"), per_device_train_batch_size=number, max_steps=4, learning_rate=1e-2,
        warmup_steps=0, lr_scheduler_type="constant", beta=0.3, bf16=False, use_cpu=True, logging_steps=1, max_length=64,
        save_strategy="no", report_to="none", disable_tqdm=True, activation_checkpointing=False, weight_decay=0.0,
        loss_type=name,
    )  # fmt: skip
    with quiet():
        trainer = kinds[1](
            model=load_model(str(base)), ref_model=load_model(str(base)), args=config,
            train_dataset=Dataset.from_list(rows), processing_class=encoder(base).tokenizer,
        )  # fmt: skip
        trainer.train()
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert ours.details["losses"] == pytest.approx([entry["loss"] for entry in logged], abs=2e-5)
    if loss == "dpo":
        assert ours.details["reward_margin"] == pytest.approx([e["rewards/margins"] for e in logged], abs=1e-4)
        # At the first step all gains are 0 but for rounding.
        assert ours.details["reward_accuracy"][1:] == pytest.approx(
            [e["rewards/accuracies"] for e in logged][1:], abs=1e-6
        )
    after = load_model(str(tmp_path / "ours"))
    for (key, weight), other in zip(after.named_parameters(), trainer.model.parameters(), strict=True):
        assert torch.allclose(weight, other.cpu(), atol=1e-4), key


@pytest.mark.parametrize("loss", ["dpo", "kto"])
def test_an_interrupted_run_ends_with_the_same_bytes_and_curves(loss: str, base: Path, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(done: Progress) -> None:
        if done.step == 5:
            raise Stopped

    wanted = settings(base, loss, max_steps=6, batch_size=4, save_every=2, held_out=0.2)
    whole = train(RECORDS, tmp_path / "whole", wanted)
    with pytest.raises(Stopped):
        train(RECORDS, tmp_path / "cut", wanted, stop)
    resumed = train(RECORDS, tmp_path / "cut", wanted)
    assert resumed.details["resumed_from"] == "checkpoint-4"
    assert resumed.weights_sha256 == whole.weights_sha256
    for curve in ("losses", "reward_margin", "reward_accuracy", "held_out_losses", "eval_reward_margin"):
        assert resumed.details[curve] == whole.details[curve] != []


@pytest.mark.parametrize("loss", ["dpo", pytest.param("dpo_norm", marks=pytest.mark.slow), "kto"])
def test_what_fits_into_memory_changes_nothing_that_is_learned(loss: str, base: Path, tmp_path: Path) -> None:
    one, other = (
        train(RECORDS, tmp_path / name, settings(base, loss, **changes))
        for name, changes in {"packed": {"micro_tokens": 2000}, "alone": {"packing": False}}.items()
    )
    assert one.details["losses"] == pytest.approx(other.details["losses"], abs=1e-5)
    assert one.details["losses"][0] == pytest.approx(0.5 if loss == "kto" else 0.6931, abs=0.05)


def test_an_adapter_starts_at_the_student_and_is_merged(base: Path, tmp_path: Path) -> None:
    made = train(RECORDS, tmp_path, settings(base, "dpo", method="lora", learning_rate=5e-2, lora_dropout=0.0))
    assert made.details["losses"][0] == pytest.approx(0.6931, abs=1e-3)
    assert made.details["reward_margin"][-1] > made.details["reward_margin"][0] == pytest.approx(0, abs=1e-3)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    load_model(str(tmp_path))


def test_only_the_last_answer_counts_and_cut_pairs_are_listed(base: Path) -> None:
    form = encoder(base)
    talk = replace(RECORDS[0], history=(("Repeat. white", "white"),))
    long = replace(RECORDS[1], others=(OtherAnswer("red " * 60),))
    far = Record("Repeat. " * 70, output="red", others=(OtherAnswer("blue"),))
    found = judged_rows([talk, long, far], form, settings(base, "dpo"))
    assert found.truncated == [long.id] and found.unlearnable == [far.id]
    better, worse = found.rows[0].parts
    answers = [form.tokenizer.decode([one for one in part.labels if one != UNLEARNED][:-1]) for part in (better, worse)]
    assert answers == [f" {talk.output}", f" {talk.others[0].output}"]


def test_equal_empty_and_tied_answers_make_no_pair_and_none_at_all_is_refused(base: Path, tmp_path: Path) -> None:
    others = (OtherAnswer(" one "), OtherAnswer(""), OtherAnswer("two", None, 0.5), OtherAnswer("three", None, 1.0))
    record = Record("Say one.", output="one", others=others)
    assert record.worse() == []
    with pytest.raises(UsageError, match="a worse one beside it"):
        train([record], tmp_path, settings(base, "dpo"))
    done = train([*RECORDS, record], tmp_path, settings(base, "dpo"))
    assert "6 pairs of 6 records; 1 records have no answer that is worse" in done.details["notes"][0]


def test_kto_learns_from_answers_that_are_only_good_or_only_bad(base: Path, tmp_path: Path) -> None:
    good = [replace(record, others=()) for record in RECORDS[:4]]
    bad = [replace(record, output="") for record in RECORDS[4:]]
    equal = replace(RECORDS[3], others=(OtherAnswer("as good", None, 0.5),))
    done = train([*good[:3], equal, *bad], tmp_path, settings(base, "kto"))
    assert done.details["notes"] == ["Learned from 5 good and 2 bad answers, which count alike together."]
    rows = judged_rows([*good, *bad], encoder(base), settings(base, "kto")).rows
    assert [(row.sign, row.weight) for row in rows if isinstance(row, Judged)] == [(1, 0.5)] * 4 + [(-1, 1.0)] * 2


@pytest.mark.parametrize("loss", ["dpo", pytest.param("dpo_norm", marks=pytest.mark.slow), "kto"])
def test_the_better_answers_own_loss_by_token_may_stand_beside(loss: str, base: Path, tmp_path: Path) -> None:
    from synth.student.generate import Student

    sizes = {"batch_size": 12, "max_steps": 2}
    plain = train(RECORDS, tmp_path / "plain", settings(base, loss, **sizes))
    beside = train(RECORDS, tmp_path / "beside", settings(base, loss, sft_weight=0.5, **sizes))
    each = Student.load(str(base), "short").losses(RECORDS).values()
    mean = sum(one.total / one.num_tokens for one in each) / (12 if loss == "kto" else 6)
    assert beside.details["losses"][0] - plain.details["losses"][0] == pytest.approx(0.5 * mean, abs=1e-4)
    assert beside.details["losses"][1] < beside.details["losses"][0]
