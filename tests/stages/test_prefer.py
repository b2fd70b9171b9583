"""Prefer: which answer becomes the record's own, what the others keep, and which pairs are exported."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from scripted import Scripted, collect

from synth.models.base import ChatRequest
from synth.records import OtherAnswer, Record, Rejection
from synth.stages.export import ExportSettings, export
from synth.stages.export.formats import FORMATS
from synth.stages.prefer import PreferSettings, prefer


def longest(request: ChatRequest) -> str:
    """A judge that takes the longer answer, and calls it a tie where both are as long."""
    first, second = re.findall(r"## Answer [AB]\n\n```text\n(.*?)\n```", request.messages[-1]["content"], re.DOTALL)
    better = "tie" if len(first) == len(second) else "A" if len(first) > len(second) else "B"
    return f"Reason: length\nVerdict: {better}"


def preferred(folder: Path, record: Record, **settings: bool) -> tuple[Record | Rejection, Scripted]:
    async def one() -> AsyncIterator[Record]:
        yield record

    judge = Scripted(longest)
    ((result,),) = collect(folder, judge, lambda engine: prefer(engine, one(), PreferSettings(**settings)))
    return result, judge


def others(*texts: str) -> tuple[OtherAnswer, ...]:
    return tuple(OtherAnswer(text) for text in texts)


def test_the_best_answer_becomes_the_records_own_and_the_others_keep_their_grades(tmp_path: Path) -> None:
    result, judge = preferred(
        tmp_path, Record("Say it.", "", "some", others=others("best answer", "so", "best ANSWER"))
    )
    assert isinstance(result, Record) and result.output == "best answer"
    assert {one.output: one.grade for one in result.others} == {"some": 0.0, "so": 0.0, "best ANSWER": 0.5}
    assert len(judge.requests) == 6  # three comparisons, each in both orders


def test_a_record_without_another_answer_asks_nobody(tmp_path: Path) -> None:
    result, judge = preferred(tmp_path / "a", Record("Say it.", "", "some"))
    assert result == Record("Say it.", "", "some") and not judge.requests
    result, _ = preferred(tmp_path / "b", Record("Say it.", "", "some", others=others("same")), only_pairs=True)
    assert isinstance(result, Rejection) and result.reason == "no_pair"


@pytest.mark.parametrize(("grade", "rejected"), [(0.0, "worse"), (None, "worse"), (0.5, None)])
def test_an_answer_as_good_makes_no_pair(grade: float | None, rejected: str | None, tmp_path: Path) -> None:
    record = Record("Say it.", "", "better", others=(OtherAnswer("worse", grade=grade),))
    row = FORMATS["preference"].row(record)
    assert (row or {}).get("rejected") == rejected
    export([record], tmp_path, ExportSettings(formats=["preference"]), {})
    card = (tmp_path / "README.md").read_text()
    assert ("a judge, asked in both orders" in card) is (grade == 0.0) or rejected is None


def compared(folder: Path, reply: Callable[[ChatRequest], str]) -> tuple[list[Record], Scripted]:
    """Eight re-answered records, compared by a judge."""

    async def some() -> AsyncIterator[Record]:
        for n in range(8):
            yield Record(f"What is {n} and {n}?", "", f"It is {2 * n}.", others=others("No idea at all."))

    judge = Scripted(reply)
    batches = collect(folder, judge, lambda engine: prefer(engine, some(), PreferSettings()))
    return [one for batch in batches for one in batch if isinstance(one, Record)], judge


def knowing(request: ChatRequest) -> str:
    text = request.messages[-1]["content"]
    asked = int(re.findall(r"What is (\d+)", text)[0])
    first = re.findall(r"## Answer A\n\n```text\n(.*?)\n```", text, re.DOTALL)[0]
    return f"Reason: sums\nVerdict: {'A' if first == f'It is {2 * asked}.' else 'B'}"


def test_a_judge_that_tells_planted_answers_apart_compares_and_the_counts_are_noted(tmp_path: Path) -> None:
    results, judge = compared(tmp_path, knowing)
    assert [one.meta for one in results] == [{"compared": {"won": 1}}] * 8
    assert all(other.grade == 0.0 for one in results for other in one.others)
    assert len(judge.requests) == 2 * (6 + 8)  # six planted pairs, each question in both orders


def test_a_judge_that_cannot_tell_is_not_asked_further_and_nothing_is_compared(tmp_path: Path) -> None:
    results, judge = compared(tmp_path, lambda request: "Reason: first\nVerdict: A")
    assert all(one.others[0].grade is None and not one.meta for one in results)
    assert len(judge.requests) == 2 * 6
