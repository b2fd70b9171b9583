"""Grades: real ones tell right from wrong, unreadable ones never pass, none is paid for twice, and kept + refused = in."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

sys.path.append(str(Path(__file__).parents[1]))
from made_tasks import solved_tasks, with_wrong_answers
from scripted import Scripted, collect

from synth import embedded
from synth.checks.novelty import novel_subset
from synth.judge import flat_grades, parse_grades
from synth.models.base import ChatRequest, Completion
from synth.records import Lineage, Record, Rejection
from synth.stages.select import (
    GradeSettings,
    IfdSettings,
    KeepSettings,
    SelectSettings,
    explain,
    select,
    stored_grades,
    what_if_kept,
)
from synth.stages.select.keep import grade_of, keep

GRADED = SelectSettings(checks=["empty_output"], grade=GradeSettings())


def headed(correctness: int, following: int, completeness: int) -> str:
    return (
        f"Reason: so it is.\nCorrectness: {correctness}\n"
        f"Instruction-following: {following}\nCompleteness: {completeness}"
    )


def task(number: int, output: str = "It is so.", **meta: Any) -> Record:
    return Record(f"Explain thing number {number} in one line.", "", output, meta=meta)


def with_grade(number: int, grade: float, **meta: Any) -> Record:
    grades = {"overall": grade, "correctness": grade, "following": grade, "completeness": grade}
    return task(number, grades=grades, **meta)


def run(
    folder: Path, model: Any, records: Sequence[Record], wanted: SelectSettings = GRADED, concurrency: int = 8
) -> list[Record | Rejection]:
    async def stream() -> AsyncIterator[Record]:
        for record in records:
            yield record

    batches = collect(folder, model, lambda engine: select(engine, stream(), wanted), concurrency=concurrency)
    return [result for batch in batches for result in batch]


# -- the grader ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        headed(5, 4, 3),
        "**Reason:** so it is.\n**Correctness**: 5\n- Instruction-following: 4/5\nCompleteness: 3.",
        '{"reason": "so it is.", "correctness": 5, "instruction_following": 4, "completeness": 3}',
        'Here:\n```json\n{"correctness": 5, "instruction_following": 4, "completeness": 3}\n```',
    ],
)
def test_grades_are_read_from_headed_lines_and_from_json(text: str) -> None:
    found = parse_grades(text)
    assert found and (found.correctness, found.following, found.completeness, found.overall) == (5, 4, 3, 4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A fine answer, 5 of 5.",
        "Correctness: 5\nCompleteness: 5",
        headed(6, 4, 3),
        '{"correctness": true, "instruction_following": 4, "completeness": 3}',
        '{"correctness": 4.5, "instruction_following": 4, "completeness": 3}',
    ],
)
def test_what_holds_no_three_grades_is_no_grade(text: str) -> None:
    assert parse_grades(text) is None


def test_the_embedded_teachers_grades_tell_right_answers_from_planted_wrong_ones(tmp_path: Path) -> None:
    right = solved_tasks(150)
    wrong = [record for record in with_wrong_answers(right) if record]
    results = run(tmp_path, embedded.EmbeddedTeacher(embedded.Settings()), [*right, *wrong])
    graded = [r for r in results if isinstance(r, Record)]
    assert len(graded) == len(results) and len(wrong) >= 100
    for criterion in ("correctness", "overall"):
        values = [grade_of(record, criterion) or 0.0 for record in graded]
        good, bad = values[: len(right)], values[len(right) :]
        auc = sum((g > b) + 0.5 * (g == b) for g in good for b in bad) / (len(good) * len(bad))
        print(f"AUC of {criterion}, {len(good)} right and {len(bad)} wrong answers: {auc:.4f}")
        assert auc >= 0.95  # a few of the planted answers spoil a step of the working and leave the result right
    kept = keep(graded, KeepSettings(min_grade={"correctness": 4}))
    assert sum(isinstance(r, Rejection) for r in kept[len(right) :]) >= 0.9 * len(bad)
    assert not any(isinstance(r, Rejection) for r in kept[: len(right)])


# -- the stage -------------------------------------------------------------------------------------------------------


def test_records_carry_their_grades_and_only_what_passed_the_checks_is_graded(tmp_path: Path) -> None:
    model = Scripted(lambda _request: headed(5, 4, 3))
    good, empty, better = run(tmp_path, model, [task(1), task(2, output=""), task(3)])
    assert isinstance(good, Record) and isinstance(better, Record)
    assert good.meta["grades"] == {
        **{"overall": 4.0, "correctness": 5.0, "following": 4.0, "completeness": 3.0},
        **{"reason": "so it is.", "draws": 1},
    }
    assert isinstance(empty, Rejection) and empty.check == "empty_output"
    assert len(model.requests) == 2


def test_an_unreadable_grade_is_asked_for_once_more_and_then_counted_never_passed(tmp_path: Path) -> None:
    def reply(request: ChatRequest) -> str:
        if "number 1 " in request.messages[0]["content"]:
            return "It is quite good."
        return headed(4, 4, 4) if request.draw else "Let me think."

    model = Scripted(reply)
    first, second = run(tmp_path, model, [task(1), task(2)])
    assert isinstance(first, Rejection) and (first.stage, first.check, first.reason) == (
        "select",
        "grade",
        "unreadable",
    )
    assert isinstance(second, Record)
    assert len(model.requests) == 4


def test_a_declined_grading_is_a_rejection_of_that_record_alone(tmp_path: Path) -> None:
    def reply(request: ChatRequest) -> Completion:
        broken = "number 1 " in request.messages[0]["content"]
        return Completion("" if broken else headed(4, 4, 4), "unsupported" if broken else "stop")

    first, second = run(tmp_path, Scripted(reply), [task(1), task(2)])
    assert isinstance(first, Rejection) and (first.check, first.reason) == ("grade", "no_grade")
    assert isinstance(second, Record)


def test_a_second_run_asks_nothing_and_gives_the_same_at_any_concurrency(tmp_path: Path) -> None:
    def reply(request: ChatRequest) -> str:
        rng = random.Random(request.messages[0]["content"] + str(request.draw))
        if "Rate the difficulty" in request.messages[0]["content"]:
            return f"Difficulty: {rng.randint(1, 10)}"
        return headed(*(rng.randint(1, 5) for _ in range(3)))

    wanted = SelectSettings(grade=GradeSettings(num_draws=3), keep=KeepSettings(by="deita", top_k=12))
    records = [task(number) for number in range(40)]
    model, other = Scripted(reply, delay=lambda r: 0.001 * (len(r.messages[0]["content"]) % 3)), Scripted(reply)
    first = run(tmp_path / "a", model, records, wanted)
    assert len(model.requests) == 40 * 4
    assert run(tmp_path / "a", model, records, wanted) == first and len(model.requests) == 160
    assert run(tmp_path / "b", other, records, wanted, concurrency=1) == first
    assert len(first) == 40 and sum(isinstance(r, Record) for r in first) == 12
    changed = wanted.model_copy(update={"keep": KeepSettings(min_grade=3)})
    assert run(tmp_path / "a", model, records, changed) != first and len(model.requests) == 160


def test_json_is_asked_for_by_schema_where_the_model_wants_it(tmp_path: Path) -> None:
    said = json.dumps({"reason": "", "correctness": 2, "instruction_following": 3, "completeness": 4})
    model = Scripted(lambda _request: said, structured_outputs=True)
    (one,) = run(tmp_path, model, [task(1)])
    assert isinstance(one, Record) and one.meta["grades"]["overall"] == 3
    assert model.requests[0].schema and '"reason"' in model.requests[0].messages[0]["content"]


def test_seeds_are_not_graded_and_always_stay(tmp_path: Path) -> None:
    seed = replace(task(1), lineage=Lineage("seed"))
    model = Scripted(lambda _request: headed(1, 1, 1))
    wanted = GRADED.model_copy(update={"keep": KeepSettings(min_grade=5, top_k=1)})
    results = run(tmp_path, model, [seed, task(2)], wanted)
    assert results[0] == seed and isinstance(results[1], Rejection)
    assert len(model.requests) == 1


# -- who stays -------------------------------------------------------------------------------------------------------


def test_the_best_stay_and_every_other_has_its_reason() -> None:
    records = [with_grade(n, grade) for n, grade in enumerate([5, 2, 4, 3, 4.5])]
    results = keep(records, KeepSettings(min_grade=3, top_k=2))
    assert [r.reason if isinstance(r, Rejection) else "" for r in results] == [
        *("", "below_min_grade", "not_in_top_k", "not_in_top_k", ""),
    ]
    half = keep(records, KeepSettings(share=0.4))
    assert [isinstance(r, Record) for r in half] == [True, False, False, False, True]


def test_a_record_without_a_grade_is_not_taken_for_a_good_one() -> None:
    results = keep([task(1), with_grade(2, 4)], KeepSettings(top_k=5))
    assert [r.reason if isinstance(r, Rejection) else "" for r in results] == ["no_score", ""]


def test_deita_takes_complexity_times_quality_and_passes_over_what_is_near() -> None:
    hard = with_grade(1, 4, complexity=8)
    twin = replace(hard, instruction=hard.instruction.replace("one line", "one short line"))
    easy = replace(with_grade(2, 5, complexity=2), instruction="Say what a comet is.")
    close = keep([twin, easy, hard], KeepSettings(by="deita", top_k=2, min_distance=0.3))
    assert [isinstance(r, Record) for r in close].count(True) == 2 and isinstance(close[1], Record)
    (out,) = [r for r in close if isinstance(r, Rejection)]
    assert out.reason == "too_near" and "ROUGE-L 0.9" in out.detail


def test_ifd_ranks_the_hardest_first_and_drops_what_no_instruction_helps() -> None:
    records = [with_grade(n, 5, ifd=ifd) for n, ifd in enumerate([0.2, 0.9, 1.3])]
    results = keep(records, KeepSettings(by="ifd", top_k=1))
    assert [r.reason if isinstance(r, Rejection) else "" for r in results] == [
        "not_in_top_k",
        "",
        "instruction_no_help",
    ]


def test_a_share_by_ifd_is_one_of_the_valid_rows_and_exactly_1_is_valid() -> None:
    records = [with_grade(n, 5, ifd=ifd) for n, ifd in enumerate([0.2, 0.9, 1.0, 0.5, 1.01, 1.3, 2.0, 1.5])]
    results = keep(records, KeepSettings(by="ifd", share=0.5))
    assert [result.meta["ifd"] for result in results if isinstance(result, Record)] == [0.9, 1.0]


grades = st.lists(st.sampled_from([1, 2, 3.5, 4, 5]), max_size=30)
wishes = st.builds(
    KeepSettings,
    min_grade=st.none() | st.sampled_from([2.0, 4.0]),
    share=st.none() | st.floats(0.1, 1),
    top_k=st.none() | st.integers(1, 20),
    min_distance=st.none() | st.sampled_from([0.1, 0.5]),
)


@settings(max_examples=60, deadline=None)
@given(grades, wishes, st.randoms(use_true_random=False))
def test_kept_and_refused_are_what_came_in_and_the_choice_knows_no_order(
    values: list[float], wished: KeepSettings, rng: random.Random
) -> None:
    records = [with_grade(n, grade) for n, grade in enumerate(values)]
    results = keep(records, wished)
    assert [r.record if isinstance(r, Rejection) else r for r in results] == records
    shuffled = rng.sample(records, len(records))
    chosen = {r.id for r in results if isinstance(r, Record)}
    assert {r.id for r in keep(shuffled, wished) if isinstance(r, Record)} == chosen
    if wished.top_k is not None:
        assert len(chosen) <= wished.top_k


def test_diversity_by_words_is_that_of_the_novelty_index() -> None:
    records = [with_grade(n, 5) for n in range(12)]
    records += [
        replace(with_grade(n, 5), instruction=f"Name {n} birds of the sea and {n} of the woods") for n in (3, 4)
    ]
    results = keep(records, KeepSettings(min_distance=0.3))
    ranked = [r for r in results if isinstance(r, Record)]
    assert len(novel_subset([r.instruction for r in ranked]).kept) == len(ranked)


def test_a_grader_that_gives_one_grade_to_nearly_all_is_warned_of() -> None:
    assert "correctness 5 (90%)" in (flat_grades({"correctness": Counter({5.0: 90, 4.0: 10})}) or "")
    assert flat_grades({"correctness": Counter({5.0: 70, 4.0: 30}), "overall": Counter({5.0: 9})}) is None


def test_thresholds_are_tried_on_stored_grades_without_a_call() -> None:
    records = [task(n) for n in range(6)]
    graded = stored_grades(
        [*(with_grade(n, n) for n in range(1, 5)), Rejection(task(5), "grade", "grade", "unreadable")]
    )
    wished = SelectSettings(checks=["empty_output"], keep=KeepSettings(top_k=6))
    found = explain([task(9, output=""), *records], wished, grades=graded)
    assert {c.name: dict(c.reasons) for c in found.checks} == {
        "empty_output": {"empty_output": 1},
        "grade": {"unreadable": 1},
        "keep": {"no_score": 1},
    }
    assert what_if_kept(found.results, None, "min_grade", [2, 4]) == {2: 1, 4: 3}
    assert what_if_kept(found.results, None, "top_k", [1, 3]) == {1: 3, 3: 1}


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match="embeddings"):
        SelectSettings(semantic=0.9)
    with pytest.raises(ValidationError):
        KeepSettings(min_grade={"style": 3})  # type: ignore[dict-item]


# -- by a local model ------------------------------------------------------------------------------------------------


WORDS = "red blue green white black brown pink grey".split()
COLOURS = [Record(f"Say {one} and {two}.", "", f"{one} {two}") for one in WORDS for two in WORDS]


def student_of_colours(folder: Path, max_steps: int) -> IfdSettings:
    """Settings that measure by a small model trained on COLOURS for so many steps."""
    pytest.importorskip("torch")
    from synth.stages.train import train
    from synth.student.fit import make_base
    from synth.student.presets import TrainSettings

    make_base(COLOURS, folder / "base", TrainSettings())
    settings = TrainSettings(model=str(folder / "base"), max_steps=max_steps, num_threads=1)
    return IfdSettings(model=str(train(COLOURS, folder / "student", settings).path), num_threads=1)


def by_hand(settings: IfdSettings, record: Record) -> float:
    """The two losses over the answer's tokens, without its end token, from the model's logits."""
    import torch

    from synth.student.generate import Student
    from synth.student.templates import conversation_of

    student = Student.load(str(settings.model), settings.template, settings.num_threads)
    encoder = student.encoder
    answer = encoder.encode(conversation_of(record))[0][len(encoder.prompt(conversation_of(record))) : -1]

    def loss(before: list[int]) -> float:
        logits = student.model(input_ids=torch.tensor([before + answer])).logits[0].log_softmax(-1)
        chances = [logits[len(before) + n - 1, token].item() for n, token in enumerate(answer)]
        return -sum(chances) / len(chances)

    return loss(encoder.prompt(conversation_of(record))) / loss(encoder.start or [encoder.eos])


def test_ifd_is_the_ratio_of_the_two_losses(tmp_path: Path) -> None:
    settings = student_of_colours(tmp_path, max_steps=2)
    from synth.stages.select.ifd import Ifd

    measure = Ifd(settings)
    assert measure.now(COLOURS[3]) == pytest.approx(by_hand(settings, COLOURS[3]), abs=1e-3)
    assert asyncio.run(measure.measure(Record("Say red.", "", " "))) is None


@pytest.mark.slow
def test_ifd_of_a_trained_student_is_higher_for_shuffled_answers(tmp_path: Path) -> None:
    settings = student_of_colours(tmp_path, max_steps=120)
    from synth.stages.select.ifd import Ifd

    measure, some = Ifd(settings), COLOURS[3::7]
    own = [measure.now(record) or 9.0 for record in some]
    others = [measure.now(replace(r, output=s.output)) or 0.0 for r, s in zip(some, some[1:] + some[:1], strict=True)]
    print(f"IFD of own answers {sum(own) / len(own):.3f}, of answers to other tasks {sum(others) / len(others):.3f}")
    assert sum(own) < sum(others) and sum(one < 1 for one in own) >= 0.9 * len(own)
