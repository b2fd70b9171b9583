"""Prefer: which answer becomes the record's own, what the others keep, who is asked, and which pairs are exported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from scripted import Reply, Results, Scripted, collect, kind_of, prompt_of

from synth.errors import StageStopped
from synth.judge import planted
from synth.models.base import ChatRequest
from synth.records import OtherAnswer, Record, Rejection
from synth.sources import read_source
from synth.stages.export import ExportSettings, export
from synth.stages.export.formats import FORMATS
from synth.stages.prefer import PreferSettings, prefer
from synth.stages.prefer.settings import pool_roles


def shown(request: ChatRequest) -> tuple[str, str]:
    """The two answers that a judge is shown."""
    first, second = re.findall(r"## Answer [AB]\n\n```text\n(.*?)\n```", prompt_of(request), re.DOTALL)
    return first, second


def longest(request: ChatRequest) -> str:
    """A judge that takes the longer answer, and calls it a tie where both are as long."""
    first, second = shown(request)
    better = "tie" if len(first) == len(second) else "A" if len(first) > len(second) else "B"
    return f"Reason: length\nVerdict: {better}"


def ranked(folder: Path, records: Sequence[Record], model: Reply, **settings: Any) -> tuple[Results, Scripted]:
    """What becomes of the records, and the model that was asked."""

    async def stream() -> AsyncIterator[Record]:
        for record in records:
            yield record

    scripted = Scripted(model)
    return collect(folder, scripted, lambda engine: prefer(engine, stream(), PreferSettings(**settings))), scripted


def preferred(folder: Path, record: Record, model: Reply = longest, **settings: Any) -> Record | Rejection:
    ((result,),), _ = ranked(folder, [record], model, **settings)
    return result


def others(*texts: str) -> tuple[OtherAnswer, ...]:
    return tuple(OtherAnswer(text) for text in texts)


FOUR = Record("Say it.", "", "some", others=others("best answer", "so", "best ANSWER"))
TWO = Record("Say it.", "", "some", others=others("something"))


# --- ranking ---------------------------------------------------------------------------------------------------------


def test_the_best_answer_becomes_the_records_own_and_the_others_follow_by_rank(tmp_path: Path) -> None:
    ((result,),), judge = ranked(tmp_path, [FOUR], longest)
    assert isinstance(result, Record) and result.output == "best answer"
    assert [(one.output, one.grade) for one in result.others] == [("best ANSWER", 0.5), ("some", 0.0), ("so", 0.0)]
    tied, *margins = result.meta["prefer"]["margins"]
    assert tied == 0 and 0 < margins[0] < margins[1]
    assert len(judge.requests) == 12  # six pairs, each in both orders
    assert result.meta["prefer"]["judged"] == {"pairs": 6, "ties": 1, "longer": 5}


def test_the_worst_answer_is_the_rejected_one_and_the_margin_goes_with_the_pair(tmp_path: Path) -> None:
    result = preferred(tmp_path, FOUR)
    assert isinstance(result, Record)
    row = FORMATS["preference"].row(result) or {}
    assert (row["chosen"], row["rejected"]) == ("best answer", "so")
    assert row["margin"] == result.meta["prefer"]["margins"][-1]
    export([result], tmp_path / "out", ExportSettings(formats=["preference"]), {})
    (back,) = read_source(tmp_path / "out" / "preference.jsonl").records
    assert back.meta["prefer"]["margins"] == [row["margin"]]


def test_grades_rank_too_and_answers_that_cannot_be_graded_are_left_out(tmp_path: Path) -> None:
    def grader(request: ChatRequest) -> str:
        answer = re.findall(r"```text\n(.*?)\n```", prompt_of(request), re.DOTALL)[-1]
        grade = {"best answer": 5, "some": 3, "so": 1}.get(answer)
        headed = ("Correctness", "Instruction-following", "Completeness")
        return "\n".join(f"{name}: {grade}" for name in headed) if grade else "I like it."

    result = preferred(tmp_path, FOUR, grader, judge_by="grades")
    assert isinstance(result, Record) and result.output == "best answer"
    assert [(one.output, one.grade) for one in result.others] == [("some", 0.0), ("so", 0.0)]
    note = result.meta["prefer"]
    assert note["margins"] == [2.0, 4.0] and note["left_out"] == {"unreadable": 1} and note["by"] == "grades"
    near = preferred(tmp_path / "near", FOUR, grader, judge_by="grades", min_margin=2)
    assert isinstance(near, Record) and [one.grade for one in near.others] == [0.5, 0.0]


def test_a_circle_of_verdicts_is_a_tie(tmp_path: Path) -> None:
    def circle(request: ChatRequest) -> str:
        return f"Verdict: {'A' if shown(request) in (('a1', 'b2'), ('b2', 'c3'), ('c3', 'a1')) else 'B'}"

    result = preferred(tmp_path, Record("Say it.", "", "a1", others=others("b2", "c3")), circle)
    assert isinstance(result, Record) and result.meta["prefer"]["none"] == "tied" and result.output == "a1"
    assert FORMATS["preference"].row(result) is None


def test_several_judges_are_all_asked_and_their_agreement_is_counted(tmp_path: Path) -> None:
    pool: dict[str, Any] = {"one": {}, "two": {}}
    result = preferred(tmp_path, TWO, judges=pool)
    assert isinstance(result, Record) and result.meta["prefer"]["judged"] == {"pairs": 2, "longer": 2, "agree": 1}


# --- answers that a program can check --------------------------------------------------------------------------------

CHECK = {"kind": "numeric", "answer": 4}


def test_right_comes_before_wrong_at_no_calls(tmp_path: Path) -> None:
    record = Record("2 + 2?", "", "It is five, 5.", others=others("4", "It is 4.", "22"), meta={"check": CHECK})
    ((result,),), model = ranked(tmp_path, [record], longest)
    assert isinstance(result, Record) and not model.requests
    assert result.output == "4" and result.meta["prefer"] == {"by": "verify", "margins": [0, 1, 1]}
    assert [(one.output, one.grade) for one in result.others] == [
        ("It is 4.", 0.5), ("It is five, 5.", 0.0), ("22", 0.0)
    ]  # fmt: skip


def test_where_all_are_right_or_all_are_wrong_there_is_no_pair_and_no_call(tmp_path: Path) -> None:
    for name, texts in (("right", ("4", "It is 4.")), ("wrong", ("5", "6"))):
        record = Record("2 + 2?", "", texts[0], others=others(texts[1]), meta={"check": CHECK})
        ((result,),), model = ranked(tmp_path / name, [record], longest, only_pairs=True)
        assert isinstance(result, Rejection) and result.reason == "tied" and not model.requests


def test_an_audited_record_is_ranked_by_its_check_and_the_judge_is_measured(tmp_path: Path) -> None:
    record = Record("2 + 2?", "", "4", others=others("It is five, 5."), meta={"check": CHECK})
    result = preferred(tmp_path, record, audit=1.0)
    assert isinstance(result, Record) and result.output == "4" and result.meta["prefer"]["by"] == "verify"
    assert result.meta["prefer"]["audit"] == {"long_wrong": 1, "long_errors": 1}


def test_a_check_that_cannot_be_used_is_left_to_the_judge(tmp_path: Path) -> None:
    record = Record("2 + 2?", "", "4", others=others("four"), meta={"check": {"kind": "regex", "pattern": "("}})
    result = preferred(tmp_path, record)
    assert isinstance(result, Record) and result.meta["prefer"]["by"] == "pairs"


# --- rows that make no pair ------------------------------------------------------------------------------------------


def test_a_record_without_another_answer_asks_nobody(tmp_path: Path) -> None:
    ((result,),), judge = ranked(tmp_path, [Record("Say it.", "", "some")], longest)
    assert result == Record("Say it.", "", "some") and not judge.requests


@pytest.mark.parametrize(
    ("own", "other", "reply", "reason"),
    [
        ("some", (), "Verdict: A", "one_answer"),
        ("some", ("some ", "some"), "Verdict: A", "identical"),
        ("some", (" \n",), "Verdict: A", "empty"),
        ("some", ("more",), "Verdict: tie", "tied"),
        ("some", ("more",), "Verdict: A", "tied"),  # whichever comes first
        ("some", ("more",), "Both have their charm.", "unreadable"),
    ],
)
def test_rows_that_make_no_pair_are_refused_with_the_reason(
    own: str, other: tuple[str, ...], reply: str, reason: str, tmp_path: Path
) -> None:
    record = Record("Say it.", "", own, others=others(*other))
    refused = preferred(tmp_path / "only", record, lambda _request: reply, only_pairs=True)
    assert isinstance(refused, Rejection) and (refused.check, refused.reason) == ("pairs", reason)
    kept = preferred(tmp_path / "all", record, lambda _request: reply)
    assert isinstance(kept, Record) and FORMATS["preference"].row(kept) is None
    assert kept.output == own and kept.meta.get("prefer", {}).get("none", "one_answer") == reason


@pytest.mark.parametrize(("grade", "rejected"), [(0.0, "worse"), (None, "worse"), (0.5, None)])
def test_an_answer_as_good_makes_no_pair(grade: float | None, rejected: str | None, tmp_path: Path) -> None:
    record = Record("Say it.", "", "better", others=(OtherAnswer("worse", grade=grade),))
    row = FORMATS["preference"].row(record)
    assert (row or {}).get("rejected") == rejected
    export([record], tmp_path, ExportSettings(formats=["preference"]), {})
    card = (tmp_path / "README.md").read_text()
    assert ("a judge, asked in both orders" in card) is (grade == 0.0) or rejected is None


# --- the trial of the judge ------------------------------------------------------------------------------------------

SUMS = [Record(f"What is {n} and {n}?", "", f"It is {2 * n}.", others=others("No idea at all.")) for n in range(14)]


def knowing(request: ChatRequest) -> str:
    asked = int(re.findall(r"What is (\d+)", prompt_of(request))[0])
    return f"Reason: sums\nVerdict: {'A' if shown(request)[0] == f'It is {2 * asked}.' else 'B'}"


def test_a_judge_that_tells_planted_answers_apart_goes_on(tmp_path: Path) -> None:
    results, judge = ranked(tmp_path, SUMS, knowing)
    kept = [one for (one,) in results if isinstance(one, Record)]
    assert [one.meta["compared"] for one in kept] == [{"won": 1}] * 14
    assert all(other.grade == 0.0 for one in kept for other in one.others)
    assert len(judge.requests) == 2 * (12 + 14)  # twelve planted pairs, each question in both orders


@pytest.mark.parametrize(
    "reply",
    [longest, lambda _request: "Verdict: A", lambda _request: "Verdict: tie", lambda _request: "Both are fine."],
)
def test_a_judge_that_cannot_tell_stops_the_stage_before_anything_is_ranked(reply: Reply, tmp_path: Path) -> None:
    with pytest.raises(StageStopped, match=r"\d+ of \d+ planted pairs right \(\d+ are needed"):
        ranked(tmp_path / "tried", SUMS, reply)
    results, _ = ranked(tmp_path / "untried", SUMS, reply, calibrate=False)
    assert len(results) == 14


def test_planted_wrong_answers_are_longer_and_shorter_by_turns() -> None:
    found = planted([(Record(f"Q{n}"), "x" * (n + 3)) for n in range(6)])
    assert [len(wrong) > len(own) for _, own, wrong in found[1:]] == [True, False, True, False, True]
    assert all(own != wrong for _, own, wrong in found)
    assert planted([(Record("a"), "same"), (Record("b"), "same")]) == []


# --- answers of a pool -----------------------------------------------------------------------------------------------


def answers_then_longest(request: ChatRequest) -> str:
    if kind_of(request) != "answer":
        return longest(request)
    said = request.messages[0]["content"] if request.messages[0]["role"] == "system" else "no system"
    return f"{said} {request.sampling.temperature} {'.' * (5 * request.draw)}"


def test_lacking_answers_are_drawn_from_the_pool_with_their_principles(tmp_path: Path) -> None:
    pool: dict[str, Any] = {"cold": {"temperatures": [0.1]}, "hot": {"temperatures": [1.2], "weight": 3}}
    asked = [Record(f"Question {n}?") for n in range(30)]
    settings: dict[str, Any] = {"num_answers": 3, "teachers": pool, "principles": [], "calibrate": False}
    results, model = ranked(tmp_path / "a", asked, answers_then_longest, **settings)
    kept = [one for (one,) in results if isinstance(one, Record)]
    drawn = Counter(name for one in kept for name, _, _ in one.meta["prefer"]["drawn"])
    assert drawn.total() == 90 and 0 < drawn["cold"] < drawn["hot"]
    assert len({principle for one in kept for *_, principle in one.meta["prefer"]["drawn"]}) == 5
    assert all(one.system == "" and one.output and len(one.others) == 2 for one in kept)
    again, _ = ranked(tmp_path / "b", asked, answers_then_longest, **settings)
    assert again == results
    assert all(len(one.lineage.completion_keys) == 3 for one in kept)
    assert sum(kind_of(request) == "answer" for request in model.requests) == 90


def test_a_teacher_that_answers_alike_each_time_makes_no_pair(tmp_path: Path) -> None:
    def same(request: ChatRequest) -> str:
        return "Always this." if kind_of(request) == "answer" else longest(request)

    refused = preferred(tmp_path, Record("Q?"), same, num_answers=4, only_pairs=True)
    assert isinstance(refused, Rejection) and refused.reason == "identical" and "3 identical" in refused.detail


def test_models_of_their_own_get_roles_and_mistakes_are_told_at_once() -> None:
    settings = PreferSettings.model_validate(
        {"num_answers": 2, "teachers": {"mine": {}, "bench": {"backend": "embedded"}}, "judges": {"bench": {"backend": "embedded", "model": "embedded:x"}}}
    )  # fmt: skip
    roles = pool_roles(settings)
    assert len(roles) == 2 and all(name.startswith("bench@") for name in roles)
    for wrong in (
        {"teachers": {"a": {}}},
        {"num_answers": 2, "teachers": {"a": {"backend": "nowhere"}}},
        {"num_answers": 2, "teachers": {"a": {"modle": "x"}}},
        {"num_answers": 2, "principles": ["kind"]},
    ):
        with pytest.raises(ValidationError):
            PreferSettings.model_validate(wrong)
