"""Examining students: marks, intervals, what training gives away, ablations. The students are very small but real."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synth.errors import UsageError
from synth.records import Instance, Record, SeedTask
from synth.stages.evaluate import EvaluateSettings, ablation, evaluate, save_result
from synth.stages.train import TrainSettings, train
from synth.student.items import EvalItem, given_away, items_from
from synth.student.scores import Difference, difference, difference_of_tables, mark, score, two_level_interval
from synth.student.templates import Conversation, Turn

EVAL_TASKS = Path(__file__).parents[2] / "seed_tasks" / "eval_tasks.jsonl"
COLOURS = "red blue green black white brown grey pink".split()


def item(name: str = "one", question: str = "Say yes.", **known: Any) -> EvalItem:
    return EvalItem(name, Conversation((Turn(question),)), **known)


def test_a_task_gives_one_item_for_each_instance_and_its_check_to_the_first() -> None:
    check = {"kind": "exact", "answer": "4"}
    task = SeedTask("t", "n", "Double it.", (Instance("2", "4"), Instance("3", "6")), False, "arithmetic", "en", check)
    first, second = items_from([task])
    assert (first.id, first.check, first.reference, first.group) == ("t", check, "4", "arithmetic")
    assert (second.id, second.check, second.question) == ("t#1", None, "Double it.\n\n3")


def test_marks_follow_the_check_and_without_one_the_reference() -> None:
    numeric = item(reference="It is 4.", check={"kind": "numeric", "answer": 4})
    assert mark(numeric, "I think 4")["correct"] == 1.0
    assert mark(item(reference="The Elbe."), "the elbe")["correct"] == 1.0
    assert mark(item(reference="The Elbe."), "the Rhine") == {"correct": 0.0, "rouge_l": 0.5}
    assert mark(item(), "anything") == {}


def test_constraints_give_ifevals_four_figures() -> None:
    constraints = [
        {"type": "punctuation:no_comma"},
        {"type": "keywords:existence", "keywords": ["tea"]},
    ]
    marks = mark(item(check={"kind": "constraints", "constraints": constraints}), "tea, and milk")
    assert marks["followed_strict"] == 0.0 and marks["followed_strict_each"] == 0.5
    assert set(marks) == {
        "correct", "followed_strict", "followed_strict_each", "followed_loose", "followed_loose_each",
    }  # fmt: skip


def test_better_is_said_only_where_the_interval_allows_it() -> None:
    def verdict(low: float, high: float, metric: str = "correct") -> str:
        return Difference("s", "b", metric, (low + high) / 2, low, high, 100).verdict

    assert verdict(0.01, 0.2) == "better" and verdict(-0.2, -0.01) == "worse"
    assert verdict(-0.01, 0.2) == "no difference is visible" == verdict(0.0, 0.2)
    assert verdict(-0.3, -0.1, "held_out_loss") == "better"


def test_differences_are_taken_item_by_item() -> None:
    one = {str(i): float(i % 2) for i in range(200)}
    ahead = difference("correct", ("s", dict.fromkeys(one, 1.0)), ("b", one))
    assert ahead.value == pytest.approx(0.5) and ahead.verdict == "better"
    assert difference("correct", ("s", one), ("b", one)).verdict == "no difference is visible"


def test_shares_have_wilsons_interval_and_empty_lists_no_number() -> None:
    one = score("s", "correct", [1.0] * 8 + [0.0] * 2)
    assert (round(one.low, 4), round(one.high, 4)) == (0.4902, 0.9433)
    assert score("s", "correct", []).value != score("s", "correct", []).value  # nan


def test_the_two_level_interval_is_wider_when_trainings_differ() -> None:
    steady = [[1.0, 0.0] * 50] * 3
    lucky = [[1.0] * 100, [0.0] * 100, [1.0, 0.0] * 50]
    low, high = two_level_interval(steady, 0, 2000)
    wide_low, wide_high = two_level_interval(lucky, 0, 2000)
    assert low < 0.5 < high
    assert wide_high - wide_low > 2 * (high - low)


def test_the_two_level_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    import numpy as np

    hits = 0
    for number in range(100):
        generator = np.random.default_rng(number)
        chance = generator.beta(2, 2, size=150)  # items of different difficulty
        table = (generator.random((3, 150)) < chance).astype(float).tolist()
        low, high = two_level_interval(table, number, 300)
        hits += low <= 0.5 <= high
    assert 90 <= hits <= 100


# --- what training gives away ------------------------------------------------------------------------------------------


def test_the_same_task_with_the_same_input_is_given_away_whatever_its_case() -> None:
    items = items_from(
        [Record("Name the colour.", "A red hat", "red"), Record("Name the colour.", "A blue hat", "blue")]
    )
    training = [Record("name the  colour.", "a RED hat", "wrong")]
    assert list(given_away(items, training)) == [items[0].id]


def test_a_long_run_of_words_in_the_input_is_given_away_and_in_the_instruction_beside_an_input_is_not() -> None:
    wording = "Read the notice below with care and then say in a single word what it is about"
    passage = "The hall opens at seven and the choir begins at eight sharp so please be seated by then"
    same_wording = Record(wording, "Bread is sold out.", "bread")
    same_input = Record("What time?", passage, "eight")
    items = items_from([Record(wording, passage, "choir")])
    assert given_away(items, [same_wording]) == {}
    assert given_away(items, [same_input]) == {items[0].id: same_input.id}


@pytest.mark.parametrize("answer", ["", "yes", "I am not sure.", "1", "A", "[]"])
def test_an_empty_or_constant_answer_scores_next_to_nothing_on_the_held_out_tasks(answer: str) -> None:
    if not EVAL_TASKS.exists():
        pytest.skip("seed_tasks/eval_tasks.jsonl is not there")
    lines = EVAL_TASKS.read_text("utf-8").splitlines()
    items = items_from([SeedTask.from_dict(json.loads(line)) for line in lines])
    marks = [mark(one, answer).get("correct", 0.0) for one in items]
    assert sum(marks) / len(marks) < 0.05


# --- real students -----------------------------------------------------------------------------------------------------

TINY: dict[str, Any] = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_length": 64, "batch_tokens": 128}
SHORT = EvaluateSettings(max_tokens=8, num_threads=1)


def colours(start: int, stop: int) -> list[Record]:
    """Name the colour: eight answers, many hats."""
    return [Record("Name the colour.", f"{COLOURS[i % 8]} hat {i}", COLOURS[i % 8]) for i in range(start, stop)]


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(**(TINY | {"max_steps": 80, "learning_rate": 0.01} | changes))


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("peft", reason="the extra [train] is not installed")
    return train(colours(0, 80), tmp_path_factory.mktemp("student") / "s", settings()).path


def test_a_trained_student_beats_its_base_and_the_table_says_so(student: Path, tmp_path: Path) -> None:
    held_out = colours(80, 120)
    shown: list[tuple[str, int, int]] = []
    result = evaluate(
        {"base": student / "base", "student": student},
        held_out,
        SHORT.model_copy(update={"template": "short"}),
        held_out=held_out,
        training=colours(0, 81),
        progress=lambda *told: shown.append(told),
    )
    assert list(result.given_away) == [held_out[0].id]
    assert result.score("base").value == 0.0 and result.score("student").value > 0.8
    assert result.score("student").num_items == 39
    verdicts = {gap.metric: gap.verdict for gap in result.differences}
    assert verdicts["correct"] == verdicts["held_out_loss"] == "better"
    assert shown[-1] == ("student", 39, 39)
    assert result.rows()[0][:2] == ["base", "correct"]
    same, unfinished = result.notes
    assert same == "One and the same answer to every item would be correct on 0.128 of them at best ('blue')."
    assert unfinished.startswith("Answers without an end after") and ", student 0.0%;" in unfinished
    save_result(result, tmp_path / "evaluation.json")
    assert json.loads((tmp_path / "evaluation.json").read_text())["scores"][0]["student"] == "base"


def test_answers_do_not_depend_on_the_batch_they_were_made_in(student: Path) -> None:
    from synth.student.generate import Student

    one = Student.load(str(student), num_threads=1)
    asked = [found.conversation for found in items_from(colours(80, 100))]
    together = one.answers(asked, max_tokens=8)
    alone = [one.answers([conversation], max_tokens=8)[0] for conversation in asked]
    assert together == alone
    assert all(not answer.is_cut for answer in together)
    assert one.answers(asked[:1], max_tokens=1)[0].num_tokens == 1


@pytest.mark.parametrize("portion", [1, 3, 8])
def test_answers_written_in_portions_are_those_written_at_once(
    student: Path, portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synth.student import generate

    asked = [found.conversation for found in items_from(colours(80, 100))]
    trained, untrained = (generate.Student.load(str(path), "short", 1) for path in (student, student / "base"))
    whole = [one.answers(asked, max_tokens=8) for one in (trained, untrained)]
    assert all(answer.is_cut and answer.num_tokens == 8 for answer in whole[1])
    monkeypatch.setattr(generate, "PORTION", portion)
    assert [one.answers(asked, max_tokens=8) for one in (trained, untrained)] == whole


@pytest.mark.parametrize("is_fast", [True, False])
def test_a_model_saved_in_half_precision_answers_in_it_where_that_is_fast_and_keeps_its_positions_exact(
    student: Path, tmp_path: Path, is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from synth.student import generate

    half = tmp_path / "half"
    AutoModelForCausalLM.from_pretrained(student, dtype=torch.bfloat16).save_pretrained(half)
    AutoTokenizer.from_pretrained(student).save_pretrained(half)
    monkeypatch.setattr(generate, "has_bfloat16", lambda: is_fast)
    model = generate.Student.load(str(half), "short").model
    assert model.dtype == (torch.bfloat16 if is_fast else torch.float32)
    assert {table.dtype for name, table in model.named_buffers() if "inv_freq" in name} == {torch.float32}
    if not torch.cuda.is_available():
        assert generate.Student.load(str(student)).model.dtype == torch.float32  # it was saved so


def test_the_loss_is_taken_on_the_answer_and_its_end_only(student: Path) -> None:
    from synth.student.generate import Student

    one = Student.load(str(student), num_threads=1)
    record = colours(80, 81)[0]
    losses = one.losses([record, Record("Name the colour.", "no answer")])
    assert losses[record.id].num_tokens == 2 and losses[record.id].total > 0
    assert len(losses) == 1


def test_of_labels_the_likeliest_is_taken_where_answers_are_ranked(student: Path) -> None:
    from synth.student.generate import Student

    labels = COLOURS[:4]
    records = colours(80, 84)
    asked = [
        replace(one, check={"kind": "label", "answer": one.reference, "labels": labels}) for one in items_from(records)
    ]
    free = replace(asked[0], id="free", check=None)
    found = evaluate({"s": student}, [*asked, free], SHORT.model_copy(update={"rank": True}))
    one = Student.load(str(student), num_threads=1)
    for record, answer in zip(records, found.answers["s"], strict=False):
        losses = {text: one.losses([replace(record, output=text)])[record.id].total for text in labels}
        assert answer.text == min(losses, key=lambda text: losses[text])
    assert found.answers["s"][-1].text == one.answers([free.conversation], max_tokens=8)[0].text


def test_tokens_that_a_model_has_no_row_for_are_named(student: Path, tmp_path: Path) -> None:
    folder = tmp_path / "student"
    from synth.student.weights import load_tokenizer

    shutil.copytree(student, folder)
    tokenizer = load_tokenizer(str(folder))
    tokenizer.add_tokens([f"<extra{i}>" for i in range(64)])
    tokenizer.save_pretrained(folder)
    asked = replace(item(), conversation=Conversation((Turn("Repeat <extra63>.", ""),)))
    with pytest.raises(UsageError, match="a text has the token '<extra63>' with the id"):
        evaluate({"s": folder}, [asked], SHORT)


def test_tasks_without_anything_that_is_right_are_told(student: Path) -> None:
    free = [replace(one, reference="", references=(), check=None) for one in items_from(colours(0, 2))]
    assert evaluate({"s": student}, free, SHORT).notes[0].startswith("2 of 2 tasks have neither a check nor a right")


def test_no_task_left_is_refused(student: Path) -> None:
    with pytest.raises(UsageError, match="no tasks"):
        evaluate({"s": student}, [])
    with pytest.raises(UsageError, match="1 were in the training data"):
        evaluate({"s": student}, colours(0, 1), training=colours(0, 1))
    with pytest.raises(UsageError, match="there is no folder"):
        evaluate({"s": student / "nothing"}, colours(0, 1))


def test_an_ablation_trains_all_arms_from_one_base_for_equal_steps_and_tokens(tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="the extra [train] is not installed")
    arms = {"base": [], "few": colours(0, 8), "many": colours(0, 80)}
    result = ablation(
        arms, colours(79, 111), tmp_path, train, settings(max_steps=40), SHORT.model_copy(update={"seeds": (0, 1)})
    )
    assert [arm.name for arm in result.arms] == list(arms)
    base, few, many = result.arms
    assert base.value == 0.0 and base.steps == 0 and base.against_last is None
    assert few.steps == many.steps == 40 and result.token_ratio < 1.15
    assert len(many.values) == 2 and many.against_first is not None and many.against_first.verdict == "better"
    assert result.num_items == 31 and len(result.given_away) == 1
    assert [row[0] for row in result.rows()] == list(arms)
    assert [gap.against for gap in result.whole["correct"]] == ["base"]
    assert len(result.verdict()) == 3 and " against base, better." in result.verdict()[0]
    save_result(result, tmp_path / "ablation.json")


def test_an_ablation_tells_kinds_of_tasks_apart_and_asks_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft", reason="the extra [train] is not installed")
    from synth.student.generate import Student

    tasks = [
        replace(one, check={"kind": "label", "answer": one.reference, "labels": COLOURS})
        for one in items_from(colours(80, 90))
    ]
    short = [
        replace(
            one, id=f"short {one.id}", check={"kind": "constraints", "constraints": [{"type": "punctuation:no_comma"}]}
        )
        for one in tasks
    ]
    arms = {"base": [], "many": colours(0, 80)}
    fitting = settings(max_steps=40), SHORT.model_copy(update={"seeds": (0,)})
    seen: list[str] = []
    found = ablation(arms, [*tasks, *short], tmp_path, train, *fitting, lambda text, _: seen.append(text))
    assert any(text.startswith("training 1 of 1, many, seed 0: step 1 of 40, loss ") for text in seen)
    assert "examining base, base: 20 of 20 answers" in seen
    assert {metric: each[1].num_items for metric, each in found.parts.items()} == {
        "right_answer": 10,
        "followed_strict": 10,
    }
    right = found.parts["right_answer"][1].against_last
    assert right is not None and right.metric == "right_answer" and right.verdict == "better"
    assert found.verdict()[0].startswith("Of 10 tasks with one right answer, many gets ")
    assert len(found.verdict()) == 2 and found.rows("followed_strict")[1][0] == "many"
    monkeypatch.setattr(Student, "load", None)
    assert ablation(arms, [*tasks, *short], tmp_path, train, *fitting).to_dict() == found.to_dict()


def test_an_ablation_with_nothing_left_to_be_right_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 were in the training data"):
        ablation({"a": colours(0, 8)}, colours(0, 1), tmp_path, train, settings(max_steps=4))
    with pytest.raises(UsageError, match="no task that can be right or wrong"):
        ablation({"a": colours(0, 8)}, [item()], tmp_path, train, settings(max_steps=4))
    assert not list(tmp_path.iterdir())


def test_an_ablation_without_fixed_steps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="equal steps and tokens"):
        ablation({"a": colours(0, 8)}, colours(8, 9), tmp_path, train, settings(max_steps=None))


def test_where_no_item_is_right_the_intervals_still_have_a_width() -> None:
    nothing = dict.fromkeys(map(str, range(100)), 0.0)
    low, high = two_level_interval([list(nothing.values())] * 3, 0)
    assert (low, round(high, 3)) == (0.0, 0.037)
    assert two_level_interval([[1.0] * 100], 0)[0] == pytest.approx(1 - high)
    gap = difference("correct", ("s", nothing), ("b", nothing))
    assert (gap.low, gap.high) == (-high, high) and gap.verdict == "no difference is visible"
    arms = difference_of_tables(("s", [nothing] * 3), ("b", [nothing]), 0)
    assert (arms.low, arms.high) == (-high, high)


def test_arms_are_compared_training_by_training() -> None:
    before = [{str(i): float(i % 2) for i in range(100)}]
    after = [dict.fromkeys(before[0], 1.0)] * 3
    gap = difference_of_tables(("s", after), ("b", before), 0)
    assert gap.value == pytest.approx(0.5) and gap.verdict == "better" and gap.num_items == 100
