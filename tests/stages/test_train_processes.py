"""Training in two processes on the CPU: the same student as in one, and refusals where the launch is not what was asked."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from commands import Command

from synth.errors import TrainingError, UsageError
from synth.records import Record
from synth.stages.train import TrainSettings, read_result, train
from synth.student.fit import make_base

pytest.importorskip("peft", reason="the extra [train] is not installed")

WORDS = "red blue green black white brown grey pink".split()
RECORDS = [Record("Repeat the words.", f"{one} {two}", f"{one} {two}") for one in WORDS for two in WORDS]


def settings(**changes: Any) -> TrainSettings:
    small = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "max_length": 64, "batch_tokens": 256, "max_steps": 6}
    return TrainSettings(**(small | changes))


@pytest.mark.slow
def test_two_processes_train_the_student_that_one_trains(tmp_path: Path) -> None:
    alone = train(RECORDS, tmp_path / "one", settings())
    seen: list[str] = []
    both = train(RECORDS, tmp_path / "two", settings(num_processes=2), lambda now: seen.append(str(now)))
    assert seen and seen[-1].startswith("step 6 of 6, loss ") and "tokens/s" in seen[-1]
    assert both.details["num_processes"] == 2 and "DistributedDataParallel" in both.details["wrapper"]
    assert both.details["losses"] == pytest.approx(alone.details["losses"], abs=1e-6)
    assert both.tokens == alone.tokens
    assert not (tmp_path / "two/.job").exists()


@pytest.mark.slow
def test_two_hosts_train_the_student_that_one_process_trains(tmp_path: Path) -> None:
    """Both are here, each with a `synth train` of its own, and meet on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data, out = tmp_path / "train.jsonl", tmp_path / "two"
    data.write_text("".join(json.dumps(record.to_dict()) + "\n" for record in RECORDS), "utf-8")
    base = str(make_base(RECORDS, tmp_path / "base", settings()))
    small = settings(model=base, preset="tiny", learning_rate=6e-3).model_dump(
        mode="json", exclude_none=True, exclude={"num_hosts", "host_rank"}
    )
    flags = [part for name, value in small.items() for part in ("--set", f"{name}={json.dumps(value)}")]
    flags += ["--data", str(data), "--out", str(out), "--num-hosts", "2", "--rendezvous", f"127.0.0.1:{port}", "--json"]
    hosts = [Command("train", *flags, "--host-rank", str(rank)) for rank in (0, 1)]
    assert [host.wait() for host in hosts] == [0, 0], [host.stderr[-2000:] for host in hosts]
    alone = train(RECORDS, tmp_path / "one", settings(model=base, preset="tiny", learning_rate=6e-3))
    both = read_result(out)
    assert both is not None and both.details["num_processes"] == 2
    assert both.details["losses"] == pytest.approx(alone.details["losses"], abs=1e-6)
    assert not list(out.glob(".job*"))


@pytest.mark.slow
def test_an_error_in_a_process_is_told_as_if_it_were_here(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no records"):
        train([], tmp_path, settings(num_processes=2))


def test_fewer_processes_than_asked_for_are_refused(tmp_path: Path) -> None:
    from synth.student.fit import fit

    with pytest.raises(TrainingError, match="2 processes were asked for and 1 are running"):
        fit(RECORDS, tmp_path, settings(num_processes=2))


def test_sharding_without_gpus_is_refused_and_not_silently_left_out() -> None:
    import torch

    from synth.student.trainer import sharding

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(UsageError, match="sharding fsdp needs GPUs"):
        sharding(settings(num_processes=2, sharding="fsdp"))


def test_the_wrapper_that_was_not_got_stops_the_run() -> None:
    from types import SimpleNamespace

    from synth.student.trainer import Watch

    watch = Watch(SimpleNamespace(model_wrapped=object(), settings=settings(num_processes=2, sharding="fsdp")))
    with pytest.raises(TrainingError, match="wrapped in object"):
        watch.on_step_begin(None, SimpleNamespace(global_step=0), None)


def test_a_gpu_out_of_memory_says_what_to_change_in_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from transformers import Trainer

    def fails(*_: Any, **__: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Trainer, "train", fails)
    with pytest.raises(TrainingError, match="out of memory") as caught:
        train(RECORDS, tmp_path, settings(max_length=512, micro_tokens=2048, batch_tokens=4096))
    assert "micro_tokens from 2048 to 1024" in caught.value.hint and "max_length from 512 to 256" in caught.value.hint
