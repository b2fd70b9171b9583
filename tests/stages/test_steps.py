"""Answers with worked steps: a final answer that can be read, self-consistency by it, wrong ones refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import Scripted, collect

from synth.models import connect
from synth.parsing.finals import split_final, with_final
from synth.records import Record, Rejection
from synth.stages.respond import RespondSettings, respond
from synth.student.items import items_from
from synth.student.scores import mark

TASK = Record("3 boxes hold 4 pens each. How many pens?", meta={"check": {"kind": "numeric", "answer": 12}})
RIGHT, WRONG, NONE = "3 times 4 is 12.\nThe answer is 12.", "3 plus 4 is 7. So the answer is 7.", "It is twelve."


def answered(folder: Path, replies: list[str], record: Record = TASK, **options: object) -> Record | Rejection:
    left = iter(replies)

    async def given_records():  # type: ignore[no-untyped-def]
        yield record

    model = Scripted(lambda _: next(left))
    wanted = RespondSettings(steps=True, num_draws=len(replies), **options)  # type: ignore[arg-type]
    ((result,),) = collect(folder, model, lambda engine: respond(engine, given_records(), wanted), concurrency=1)
    assert all("step by step" in request.messages[-1]["content"] for request in model.requests)
    return result


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (RIGHT, ("3 times 4 is 12.", "12")),
        (WRONG, ("3 plus 4 is 7.", "7")),
        ("The answer is 5? No. The final answer is: **42**.", ("The answer is 5? No.", "42")),
        ("x\nThe answer is\nLima.", ("x", "Lima")),
        (NONE, None),
        ("The answer is", None),
        ("The answer is " + "long " * 200, None),
    ],
)
def test_the_last_final_answer_is_read(text: str, wanted: tuple[str, str] | None) -> None:
    assert split_final(text) == wanted


@given(st.text(st.characters(codec="utf-8", categories=("L", "Nd")), min_size=1, max_size=30))
def test_a_final_that_was_written_is_read_again(final: str) -> None:
    assert split_final(with_final("Some steps", final)) == ("Some steps", final)


def test_draws_agree_by_their_final_answer_and_the_share_is_noted(tmp_path: Path) -> None:
    other = "4 and 4 and 4 make 12.\nThe answer is 12."
    found = answered(tmp_path, [WRONG, RIGHT, other, NONE])
    assert isinstance(found, Record) and found.output == RIGHT
    assert (found.meta["final"], found.meta["rationale"], found.meta["agreement"]) == ("12", "3 times 4 is 12.", 0.5)
    refused = answered(tmp_path / "strict", [WRONG, RIGHT, other, NONE], min_agreement=0.6)
    assert isinstance(refused, Rejection) and refused.reason == "draws_disagree"


def test_a_wrong_or_missing_final_answer_is_refused(tmp_path: Path) -> None:
    known = replace(TASK, meta={}, output="12")
    cases = [
        (WRONG, TASK, {}, "wrong_final"),
        (NONE, TASK, {}, "no_final"),
        (WRONG, known, {"reanswer": True}, "wrong_final"),
        (RIGHT, known, {"reanswer": True}, None),
        (WRONG, replace(TASK, meta={}), {}, None),
    ]
    for number, (reply, record, options, reason) in enumerate(cases):
        found = answered(tmp_path / str(number), [reply], record, **options)
        assert (found.reason if isinstance(found, Rejection) else None) == reason, number


def test_the_examination_marks_the_final_answer_of_worked_steps() -> None:
    label = {"kind": "label", "answer": "yes", "labels": ["yes", "no"]}
    checked, plain = items_from([Record("Is it?", meta={"check": label}, output="yes"), Record("Who?", output="Ann")])
    assert mark(checked, "One could say no, but it is.\nThe answer is yes.")["correct"] == 1
    assert mark(checked, "yes and no")["correct"] == 0
    assert mark(plain, "Tom slept.\nThe answer is Ann.")["correct"] == 1
    assert mark(plain, "Ann slept.\nThe answer is Tom.")["correct"] == 0


def test_the_reference_teacher_shows_its_steps_and_ends_with_its_answer(tmp_path: Path) -> None:
    table = "loaf,price (euros),pieces\nrye loaf,2.50,4\nbrioche,1.20,7\nbaguette,3.10,2"
    record = Record("What is the total price of the loaves?", table)

    async def given_records():  # type: ignore[no-untyped-def]
        yield record

    settings = RespondSettings(steps=True)
    ((found,),) = collect(tmp_path, connect("embedded", {}), lambda engine: respond(engine, given_records(), settings))  # type: ignore[arg-type]
    assert isinstance(found, Record) and found.meta["final"] == "6.80 euros" and found.meta["rationale"]
    assert found.output.endswith("\nThe answer is 6.80 euros.")
