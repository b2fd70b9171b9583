"""The judge of validity: measured on labelled rows first, heard only where it can tell, never paid twice."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1]))
from scripted import Scripted, collect

from synth.metrics import roc_auc
from synth.models.base import ChatRequest
from synth.records import Record, Rejection
from synth.stages.select import SelectSettings, select
from synth.stages.select.validity import labelled_rows

WANTED = SelectSettings(checks=[], validity={})  # type: ignore[arg-type]
GOOD = Record("Name a river in France.", "", "The Loire.")
BAD = Record("Name the river from the map.", "", "It is a river.")


def run(folder: Path, model: Scripted) -> list[Record | Rejection]:
    async def stream() -> AsyncIterator[Record]:
        for record in (GOOD, BAD):
            yield record

    batches = collect(folder, model, lambda engine: select(engine, stream(), WANTED))
    return [result for batch in batches for result in batch]


def knows(request: ChatRequest) -> str:
    """What a perfect judge says, as lines."""
    asked = request.messages[-1]["content"]
    bad = [row.instruction for row in labelled_rows() if not row.usable] + [BAD.instruction]
    return "1. yes\n2. no\n3. no" if any(text in asked for text in bad) else "1. yes\n2. yes\n3. yes"


def test_a_judge_that_can_tell_rejects_a_row_and_says_how_it_answered(tmp_path: Path) -> None:
    good, bad = run(tmp_path, Scripted(knows))
    assert isinstance(good, Record)
    assert isinstance(bad, Rejection) and (bad.check, bad.reason) == ("validity", "not_usable")
    assert bad.detail == "33% of the questions answered by yes"


@pytest.mark.parametrize(
    "said",
    [
        *("1. yes\n2. yes\n3. yes", "1. no\n2. no\n3. no", "I cannot say."),
        pytest.param("", marks=pytest.mark.slow),  # a hundred rows, each asked five times with pauses: a minute
    ],
)
def test_a_judge_that_says_one_thing_of_everything_rejects_nothing(tmp_path: Path, said: str) -> None:
    assert all(isinstance(one, Record) for one in run(tmp_path, Scripted(lambda request: said)))


def test_a_run_that_is_typed_again_asks_nothing(tmp_path: Path) -> None:
    first, again = Scripted(knows), Scripted(knows)
    assert [type(one) for one in run(tmp_path, first)] == [type(one) for one in run(tmp_path, again)]
    assert len(first.requests) == len(labelled_rows()) + 2 and not again.requests


def test_a_hundred_rows_are_labelled_with_enough_of_both_kinds() -> None:
    usable = [row.usable for row in labelled_rows()]
    assert len(usable) == len(set(labelled_rows())) == 100 and 30 <= sum(usable) <= 70


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_turning_all_scores_round_turns_the_area_round(rows: list[tuple[float, bool]]) -> None:
    scores, labels = [score for score, _ in rows], [label for _, label in rows]
    assert roc_auc(scores, labels) == pytest.approx(1 - roc_auc([-score for score in scores], labels))


def test_an_order_without_fault_has_area_one_and_a_constant_a_half() -> None:
    assert roc_auc([0.9, 0.8, 0.1], [True, True, False]) == 1.0
    assert roc_auc([0.5, 0.5, 0.5], [True, True, False]) == 0.5
