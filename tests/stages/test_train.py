"""Training: what is learned from, what is reported, what stops it. Real runs of a few steps on a very small model."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from tiny_students import WORDS, Killed, records, settings

from synth.errors import StorageError, TrainingError, UsageError
from synth.records import Record
from synth.stages.train import TrainResult, TrainSettings, read_result, train
from synth.student.trainer import Progress


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A student trained without a break, with checkpoints."""
    return train(records(), tmp_path_factory.mktemp("whole"), settings(save_every=2))


@pytest.fixture
def base(whole: TrainResult, tmp_path: Path) -> Path:
    """A copy of its folder, to go on from."""
    return Path(shutil.copytree(whole.path, tmp_path / "base"))


def test_a_student_is_a_folder_that_transformers_loads(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    result = train(records(), tmp_path, settings())
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert result.steps == 6 and result.loss_last < result.loss_first
    assert model.config.vocab_size % 64 == 0 and len(tokenizer) <= model.config.vocab_size
    assert tokenizer.pad_token_id != tokenizer.eos_token_id == model.generation_config.eos_token_id
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text == "Task: Hi\nAnswer:"
    assert not (tmp_path / "checkpoints").exists()


def test_training_twice_gives_the_same_bytes_in_any_order_of_records(tmp_path: Path) -> None:
    one = train(records(), tmp_path / "one", settings())
    other = train(records()[::-1], tmp_path / "other", settings())
    assert one.weights_sha256 == other.weights_sha256
    assert (tmp_path / "one/tokenizer.json").read_bytes() == (tmp_path / "other/tokenizer.json").read_bytes()
    assert train(records(), tmp_path / "third", settings(seed=1)).weights_sha256 != one.weights_sha256


def test_a_finished_student_is_not_trained_again_unless_something_changed(tmp_path: Path) -> None:
    first = train(records(), tmp_path, settings())
    shutil.rmtree(tmp_path / "base")
    assert train(records(), tmp_path, settings()) == first == read_result(tmp_path)
    assert not (tmp_path / "base").exists()
    assert train(records(30), tmp_path, settings()).weights_sha256 != first.weights_sha256


def interrupt(done: Progress) -> None:
    """A Ctrl-C in step 5."""
    if done.step == 5:
        raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_to_the_same_bytes(whole: TrainResult, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="interrupted") as stopped:
        train(records(), tmp_path / "cut", settings(save_every=2), interrupt)
    assert stopped.value.exit_code == 130 and "checkpoint-4" in stopped.value.hint
    assert read_result(tmp_path / "cut") is None
    (tmp_path / "cut/checkpoints/checkpoint-4/trainer_state.json").unlink()  # as if killed while writing it
    resumed = train(records(), tmp_path / "cut", settings(save_every=2))
    assert resumed.details["resumed_from"] == "checkpoint-2"
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.details["losses"] == whole.details["losses"]


def test_checkpoints_of_other_data_are_not_used(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="interrupted"):
        train(records(), tmp_path, settings(save_every=2), interrupt)
    assert train(records(30), tmp_path, settings()).details["resumed_from"] is None


def test_cut_and_unlearnable_rows_are_listed_and_none_is_lost(tmp_path: Path) -> None:
    long_answer = Record("Count.", output="one two three four five " * 30)
    long_task = Record("Read this. " + "so and so " * 60, output="done")
    unanswered = Record("Say nothing.")
    result = train([*records(), long_answer, long_task, unanswered], tmp_path, settings())
    assert result.truncated == (long_answer.id,)
    assert set(result.unlearnable) == {long_task.id, unanswered.id}
    assert result.details["num_records"] + len(result.unlearnable) == 43


def test_packed_examples_do_not_see_each_other() -> None:
    from synth.student.tiny import make_model
    from synth.student.weights import keeps_packed_apart

    model = make_model(64, seed=0, hidden=16, layers=2, heads=2)
    assert keeps_packed_apart(model)

    class Blind(type(model)):  # type: ignore[misc]
        def forward(self, *args: Any, position_ids: Any = None, **options: Any) -> Any:
            return super().forward(*args, **options)

    model.__class__ = Blind
    assert not keeps_packed_apart(model)


def test_unpacked_training_works_too(tmp_path: Path) -> None:
    result = train(records(), tmp_path, settings(packing=False, batch_size=8, batch_tokens=None))
    assert result.details["packing"] is False and result.details["num_records"] == 40


def test_a_held_out_part_is_watched_and_stops_training_early(tmp_path: Path) -> None:
    tasks = [Record(f"Repeat the word {word}.", output=word) for word in WORDS for _ in range(3)]
    changed = settings(held_out=0.25, early_stop=1, evaluate_every=2, max_steps=40, learning_rate=0.5)
    result = train(tasks, tmp_path, changed)
    assert result.steps < 40
    assert result.details["num_held_out"] == 6 and result.details["num_records"] == 18
    assert len(result.details["held_out_losses"]) == result.steps // 2


def test_reporters_write_beside_the_student_and_stay(tmp_path: Path) -> None:
    import os

    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    before = dict(os.environ)
    train(records(), tmp_path, settings(report_to=("tensorboard",)))
    assert list((tmp_path / "logs").rglob("events.out.*"))
    assert {k: v for k, v in os.environ.items() if k in before} == before and "TRACKIO_DIR" not in os.environ


def test_an_existing_model_gets_the_tokens_it_lacks(base: Path, tmp_path: Path) -> None:
    from synth.student.weights import load_model, load_tokenizer

    result = train(
        records(), tmp_path / "next", settings(preset="tiny", learning_rate=6e-3, model=str(base), template="chatml")
    )
    tokenizer, model = load_tokenizer(str(result.path)), load_model(str(result.path))
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.convert_tokens_to_ids("<|im_start|>") < model.config.vocab_size
    assert result.details["template"] == "chatml"


def test_new_tokens_start_as_the_mean_of_the_known_ones() -> None:
    from synth.student.tiny import make_model, make_tokenizer
    from synth.student.weights import fit_vocabulary

    tokenizer = make_tokenizer(["a"])
    model = make_model(len(tokenizer), seed=0, hidden=16, layers=1, heads=2)
    mean = model.get_input_embeddings().weight.mean(dim=0).clone()
    known = len(tokenizer)
    tokenizer.add_tokens(["<|new|>"])
    assert fit_vocabulary(model, tokenizer, known) == 1
    rows = model.get_input_embeddings().weight
    assert rows.shape[0] % 64 == 0
    assert (rows[len(tokenizer) - 1] - mean).abs().max() < 1e-6


# --- interruptions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["base", "the tokenizer of the base", "the first checkpoint", "the student", "the last rename"]
)
def test_a_kill_at_any_moment_leaves_a_folder_that_the_same_command_finishes(
    place: str, whole: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    folder = tmp_path / "killed"
    names = {"base": ".base.saving", "the first checkpoint": "checkpoint-2", "the student": ".student.saving"}
    save = PreTrainedModel.save_pretrained

    def killed_model(self: Any, where: Any, **options: Any) -> None:
        save(self, where, **options)
        if Path(where).name == names[place]:
            raise Killed

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if place in names:
            patch.setattr(PreTrainedModel, "save_pretrained", killed_model)
        elif place == "the last rename":
            patch.setattr("synth.student.weights.sync_folder", killed)
        else:
            patch.setattr(PreTrainedTokenizerBase, "save_pretrained", killed)
        with pytest.raises(Killed):
            train(records(), folder, settings(save_every=2))
    assert read_result(folder) is None
    assert train(records(), folder, settings(save_every=2)).weights_sha256 == whole.weights_sha256


def test_a_checkpoint_whose_last_file_is_half_written_is_not_used(tmp_path: Path) -> None:
    def stop(done: Progress) -> None:
        if done.step == 5:
            raise Killed

    with pytest.raises(Killed):
        train(records(), tmp_path, settings(save_every=2), stop)
    state = tmp_path / "checkpoints" / "checkpoint-4" / "trainer_state.json"
    state.write_text(state.read_text("utf-8")[:200], "utf-8")
    assert train(records(), tmp_path, settings(save_every=2)).details["resumed_from"] == "checkpoint-2"


def test_progress_tells_steps_loss_speed_and_time_left(tmp_path: Path) -> None:
    seen: list[Progress] = []
    train(records(), tmp_path, settings(), seen.append)
    assert seen[-1].is_over and seen[-1].step == seen[-1].steps == 6
    assert seen[-1].tokens_per_second > 0 and seen[0].seconds_left > 0
    assert "step 6 of 6, loss" in str(seen[-1]) and "tokens/s" in str(seen[-1])


# --- what cannot work ------------------------------------------------------------------------------------------------


def test_no_records_and_only_too_long_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no records"):
        train([], tmp_path, settings())
    with pytest.raises(UsageError, match="none of the 1 records has an answer that begins within 64 tokens"):
        train([Record("so and so " * 200, output="yes")], tmp_path, settings())


def test_a_model_folder_without_tokenizer_or_model_is_refused(base: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).unlink()
    with pytest.raises(UsageError, match="no tokenizer can be loaded"):
        train(records(), tmp_path / "next", settings(model=str(base)))
    with pytest.raises(UsageError, match="there is no folder"):
        train(records(), tmp_path / "next", settings(model=str(tmp_path / "nothing")))


def test_a_tokenizer_without_end_token_is_refused(base: Path, tmp_path: Path) -> None:
    config = json.loads((base / "tokenizer_config.json").read_text())
    (base / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "eos_token"}))
    with pytest.raises(UsageError, match="no end-of-sequence token"):
        train(records(), tmp_path / "next", settings(preset="tiny", learning_rate=6e-3, model=str(base)))


def test_a_finished_student_stays_one_where_another_base_is_refused(tmp_path: Path) -> None:
    first = train(records(), tmp_path / "student", settings())
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="is an empty folder"):
        train(records(), tmp_path / "student", settings(model=str(tmp_path / "empty")))
    assert read_result(tmp_path / "student") == first


def test_folders_that_hold_no_usable_model_are_refused_with_the_reason(tmp_path: Path) -> None:
    empty, adapter, pickled = (tmp_path / name for name in ("empty", "adapter", "pickled"))
    for folder in (empty, adapter, pickled):
        folder.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    for folder, reason in ((empty, "empty folder"), (adapter, "LoRA adapter"), (pickled, "pickled weights only")):
        with pytest.raises(UsageError, match=reason):
            train(records(), tmp_path / "out", TrainSettings(model=str(folder)))


def test_tokens_that_the_model_has_no_row_for_are_refused_only_where_the_data_have_them(
    base: Path, tmp_path: Path
) -> None:
    from synth.student.weights import load_tokenizer

    tokenizer = load_tokenizer(str(base))
    tokenizer.add_tokens([f"<extra{i}>" for i in range(64)])
    tokenizer.save_pretrained(base)
    changed = settings(preset="tiny", learning_rate=6e-3, model=str(base))
    assert train(records(), tmp_path / "next", changed).steps == 6
    odd = Record("Repeat <extra63> now.", output="Yes.")
    with pytest.raises(UsageError, match=f"record {odd.id} has the token '<extra63>'"):
        train([*records(), odd], tmp_path / "third", changed)


def test_a_loss_that_is_no_number_stops_training_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"step \d+: the (loss|grad norm) is (nan|inf)"):
        train(records(), tmp_path, settings(learning_rate=1e30, save_every=1, max_grad_norm=1e30))

    for checkpoint in (tmp_path / "checkpoints").glob("checkpoint-*"):
        assert all(math.isfinite(float(w.abs().max())) for w in load_file(checkpoint / "model.safetensors").values())
    assert read_result(tmp_path) is None


def test_a_full_disk_at_the_end_leaves_the_checkpoint_to_go_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import PreTrainedModel

    save = PreTrainedModel.save_pretrained

    def full(self: Any, folder: Any, **options: Any) -> None:
        if Path(folder).name == ".student.saving":
            raise OSError(28, "No space left on device")
        save(self, folder, **options)

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    monkeypatch.setattr("synth.student.fit.make_base", lambda *_: given)
    given = tmp_path / "given"
    from synth.student.tiny import make_model, make_tokenizer

    tokenizer = make_tokenizer(["Repeat the word."])
    save(make_model(320, seed=0, hidden=16, layers=1, heads=2), given)
    tokenizer.save_pretrained(given)
    with pytest.raises(StorageError, match="No space left"):
        train(records(), tmp_path / "out", settings())
    monkeypatch.setattr(PreTrainedModel, "save_pretrained", save)
    assert train(records(), tmp_path / "out", settings()).details["resumed_from"] == "checkpoint-6"


def test_weights_that_were_cut_are_named(base: Path, tmp_path: Path) -> None:
    (base / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UsageError, match=r"model\.safetensors: these weights cannot be read"):
        train(records(), tmp_path / "next", settings(model=str(base), learning_rate=1e-3))


def test_checkpoints_that_a_kill_left_beside_a_finished_student_are_taken_away(tmp_path: Path) -> None:
    train(records(), tmp_path, settings())
    (tmp_path / "checkpoints" / "checkpoint-3").mkdir(parents=True)
    train(records(), tmp_path, settings())
    assert not (tmp_path / "checkpoints").exists()
