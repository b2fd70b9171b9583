"""Tasks with demands on the form of their answers: drawn for prose alone, and kept only where a program finds them met."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import Scripted, collect, prompt_of

from synth.engine.forecast import Flow
from synth.errors import RequestRefused
from synth.models.base import ChatRequest
from synth.records import Lineage, Record, Rejection
from synth.stages.constrain import (
    DEMANDS,
    ENDINGS,
    ConstrainSettings,
    Maker,
    beside_form,
    constrain,
    demanding,
    fault,
    forecast,
    repeated,
    takes_demands,
)
from synth.student.exam import exam
from synth.verify import check_mistakes, verify

PROSE = (
    "Bread goes stale because the starch in the crumb slowly gives its moisture to the crust. A tight box delays this, "
    "and warming the slices brings some of the softness back."
)
TASK = Record("Why does bread go stale?", "", PROSE, lineage=Lineage("bootstrap", (), "diverse"))


async def given_(*records: Record):  # type: ignore[no-untyped-def]
    for record in records:
        yield record


@given(st.integers(0, 10_000), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_every_drawn_task_can_be_checked_and_says_what_is_checked(seed: int, most: int) -> None:
    child = demanding(TASK, random.Random(seed), most)
    constraints = child.meta["check"]["constraints"]
    assert 1 <= len(constraints) <= most and check_mistakes(child.meta["check"]) == []
    assert child.instruction.startswith(TASK.instruction + " ") and child.output == ""
    assert child.lineage.parents == (TASK.id,) and child.lineage.generation == 1
    for value in (value for one in constraints for key, value in one.items() if key.startswith("num_")):
        assert str(value) in child.instruction or value == 1


WRITTEN = (
    PROSE + PROSE,
    "no commas at all",
    "One. Two. Three. Four. Five. Six. Starch, starch, starch; crust, crust, crust.",
    "IT IS THE STARCH AND THE CRUST OF THE BREAD",
    *("\n".join(["* a"] * number) for number in range(2, 6)),
    "<<Bread>>\nIt is so.",
    '"It is so."',
    "*a* and *b* and *c*",
    *(f"It is so. {phrase}" for phrase in ENDINGS),
    "It is so.\nP.S. There is more.",
)


@pytest.mark.parametrize("maker", [maker for group in DEMANDS for maker in group])
def test_every_demand_can_be_met_and_can_be_missed(maker: Maker) -> None:
    for seed in range(20):
        _, constraint = maker(random.Random(seed), PROSE, ["starch", "crust"])
        check = {"kind": "constraints", "constraints": [constraint]}
        assert {verify(text, check).passed for text in WRITTEN} == {True, False}, constraint


def test_only_free_prose_in_english_takes_demands() -> None:
    assert takes_demands(TASK)
    others = {
        "short": Record("Why does bread go stale?", "", "It dries out."),
        "code": Record("Explain this.", "", f"```\nx = 1\n```\n{PROSE}"),
        "list": Record("Explain this.", "", f"- {PROSE}\n- {PROSE}"),
        "shaped": Record("Explain in two sentences why bread goes stale.", "", PROSE),
        "checked": Record(TASK.instruction, "", PROSE, meta={"check": {"kind": "exact", "answer": "x"}}),
        "german": Record(
            "Warum wird Brot alt?", "", "Die Stärke gibt ihr Wasser an die Kruste ab, und das geht schnell."
        ),
    }
    assert [name for name, record in others.items() if takes_demands(record)] == []


def test_the_first_answer_without_a_fault_is_kept_and_nothing_is_drawn_after_it(tmp_path: Path) -> None:
    answers = ["x", PROSE.lower().replace(",", ""), PROSE.upper(), f"<<Bread>>\n{PROSE} P.S. That covers it."]
    drawn: Counter[str] = Counter()

    def reply(request: ChatRequest) -> str:
        drawn[prompt_of(request)] += 1
        return answers[drawn[prompt_of(request)] - 1]

    tasks = [replace(TASK, input=f"Loaf {number}.") for number in range(30)]
    wanted = ConstrainSettings(share=1.0, max_demands=1, num_draws=len(answers))
    results = collect(tmp_path, Scripted(reply), lambda engine: constrain(engine, given_(*tasks), wanted))
    kept = Counter[int | None]()
    for task, (before, result) in zip(tasks, results, strict=True):
        child = result.record if isinstance(result, Rejection) else result
        tried = [fault(replace(child, output=answer), task) for answer in answers]
        first = tried.index(None) if None in tried else None
        assert before == task and isinstance(result, Record) == (first is not None)
        assert child.output == answers[-1 if first is None else first]
        assert drawn[child.question] == (len(answers) if first is None else first + 1)
        kept[first] += 1
    assert kept[0] == 0 and kept[1] and kept[2] + kept[3] and kept[None]


def test_each_variant_has_demands_of_its_own_and_a_failed_request_costs_one(tmp_path: Path) -> None:
    def refuses(_request: ChatRequest) -> str:
        raise RequestRefused("no", "unsupported")

    wanted = ConstrainSettings(share=1.0, num_variants=4)
    (batch,) = collect(tmp_path, Scripted(refuses), lambda engine: constrain(engine, given_(TASK), wanted))
    assert batch[0] == TASK and len(batch) == 5
    assert {(one.check, one.reason) for one in batch[1:] if isinstance(one, Rejection)} == {("request", "unsupported")}
    assert len({one.record.instruction for one in batch[1:] if isinstance(one, Rejection)}) > 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("<<Why bread goes stale>>", "too_little"),
        ("<<Bread>>\nIts starch slowly gives the moisture in the crumb to the crust.", None),
        ("Its starch slowly gives the moisture in the crumb to the crust.", "not_followed"),
        ("<<Bread>>\nThe title stands above an answer that goes on and on and on.", "repeats_demand"),
    ],
)
def test_a_title_alone_is_no_answer(answer: str, reason: str | None) -> None:
    check = {"kind": "constraints", "constraints": [{"type": "detectable_format:title"}]}
    child = Record(f"{TASK.instruction} The title stands above an answer.", "", answer, meta={"check": check})
    found = fault(child, TASK)
    assert (found[0] if found else None) == reason


def test_an_answer_that_repeats_its_demands_is_told_and_words_it_was_to_contain_are_not() -> None:
    demands = ' "design" must occur 3 times or more. Close with the words "That covers it."'
    assert repeated("Design must occur 3 times or more, and so it does.", demands) == "must occur 3 times"
    assert repeated("A design of a design by design. That covers it.", demands) is None


def test_no_demand_is_worded_as_in_the_examination() -> None:
    examined = " ".join(item.question for item in exam() if item.group.startswith("constraints"))
    for group in DEMANDS:
        for maker in group:
            for seed in range(12):
                said, _ = maker(random.Random(seed), PROSE, ["starch", "crust"])
                assert said not in examined


@given(st.integers(0, 10_000))
@settings(max_examples=300, deadline=None)
def test_demands_drawn_together_do_not_contradict_each_other(seed: int) -> None:
    task = Record("Why?", "", "This covers reading, and it helps people who thank others for reading out loud.")
    child = demanding(task, random.Random(seed), 4)
    found = {one["type"]: one for one in child.meta["check"]["constraints"]}
    ending = found.get("startend:end_checker", {}).get("end_phrase", "")
    words = found.get("keywords:forbidden_words", {}).get("forbidden_words", [])
    assert not set(words) & set(ending.lower().strip(".").split())
    assert repeated(f"It is so. {ending}", child.instruction.removeprefix(task.instruction)) is None


def test_notes_on_the_answer_before_are_not_said_of_the_new_one() -> None:
    notes = {"agreement": 1.0, "grades": {"overall": 5}, "rationale": "so", "first_answer": "no"}
    task = Record(TASK.instruction, "", PROSE, meta={"language": "en", "category": "facts"} | notes)
    child = demanding(task, random.Random(1), 2)
    assert set(child.meta) == {"language", "category", "check"}


@given(st.text("<>a \n", max_size=12))
@settings(deadline=None)
def test_what_stands_beside_titles_is_all_but_them(text: str) -> None:
    assert beside_form(text) == re.sub(r"<<[^\n]*>>", "", text)


def test_an_answer_of_a_megabyte_is_read_in_one_pass() -> None:
    many = 1_000_000
    assert not takes_demands(Record("Why?", "", f"{PROSE}{chr(10) * many}- a"))
    assert beside_form("<" * many) == "<" * many


def test_the_forecast_counts_every_variant() -> None:
    one, three = (Flow(records=100, tasks=100) for _ in range(2))
    forecast(ConstrainSettings(), one)
    forecast(ConstrainSettings(num_variants=3), three)
    assert three.records - 100 == pytest.approx(3 * (one.records - 100))


def test_no_task_is_asked_twice_with_the_same_demands(tmp_path: Path) -> None:
    wanted = ConstrainSettings(share=1.0, num_variants=16, max_demands=1, num_draws=1)
    (batch,) = collect(tmp_path, Scripted(lambda _: "x"), lambda engine: constrain(engine, given_(TASK), wanted))
    asked = [one.record.instruction if isinstance(one, Rejection) else one.instruction for one in batch]
    assert 2 < len(asked) == len(set(asked))
