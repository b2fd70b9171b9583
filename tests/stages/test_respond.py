"""Answering: how often the teacher is asked, which answer is taken, and what is rejected when answers differ."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError
from scripted import Scripted, collect

from synth.models.base import ChatRequest
from synth.prompts.systems import SYSTEMS
from synth.records import Record, Rejection
from synth.stages.respond import RespondSettings, respond


def by_draw(*answers: str) -> Scripted:
    """A teacher that gives one answer for each draw."""

    def reply(request: ChatRequest) -> str:
        return answers[request.draw]

    return Scripted(reply)


def answered(place: Path, model: Scripted, records: Sequence[Record], **settings: object) -> list[Record | Rejection]:
    async def stream() -> AsyncIterator[Record]:
        for record in records:
            yield record

    chosen = RespondSettings.model_validate(settings)
    batches = collect(place, model, lambda engine: respond(engine, stream(), chosen))
    return [result for batch in batches for result in batch]


OPEN, GIVEN = Record("Name a colour."), Record("Name a colour.", output="Red")


def test_a_task_without_an_answer_is_answered_once_and_one_with_an_answer_is_left_alone(tmp_path: Path) -> None:
    model = by_draw("blue")
    one, other = answered(tmp_path, model, [OPEN, GIVEN])
    assert isinstance(one, Record) and one.output == "blue"
    assert other == GIVEN and len(model.requests) == 1


def test_with_several_draws_the_commonest_answer_is_taken_and_the_first_is_noted(tmp_path: Path) -> None:
    (found,) = answered(tmp_path, by_draw("blue", "Green", "green "), [OPEN], num_draws=3)
    assert isinstance(found, Record) and found.output == "Green"
    assert found.meta == {"agreement": 0.667, "first_answer": "blue"}


def test_an_answer_given_before_counts_as_the_first_draw_when_it_must_be_confirmed(tmp_path: Path) -> None:
    model = by_draw("never asked", " red")
    (found,) = answered(tmp_path, model, [GIVEN], num_draws=2, min_agreement=1, confirm=True)
    assert isinstance(found, Record) and found.output == "Red" and found.meta["agreement"] == 1
    assert [request.draw for request in model.requests] == [1]


def test_an_answer_that_is_not_confirmed_is_thrown_away_as_it_was(tmp_path: Path) -> None:
    (found,) = answered(tmp_path, by_draw("", "blue"), [GIVEN], num_draws=2, min_agreement=1, confirm=True)
    assert isinstance(found, Rejection) and (found.check, found.reason) == ("agreement", "draws_disagree")
    assert found.record.output == "Red"


def test_confirming_with_a_single_draw_is_refused() -> None:
    with pytest.raises(ValidationError, match="set num_draws to 2 or more"):
        RespondSettings(confirm=True)


def test_a_system_message_is_drawn_by_kind_stays_with_its_task_and_never_replaces_one(tmp_path: Path) -> None:
    tasks = [Record(f"Name colour {n}.") for n in range(200)]
    own = Record("Name a colour.", system="Be kind.")
    model = by_draw("blue")
    found = [one for one in answered(tmp_path, model, [*tasks, own], systems=[]) if isinstance(one, Record)]
    assert found[-1].system == "Be kind." and "system" not in found[-1].meta
    assert {one.meta["system"] for one in found[:-1]} == set(SYSTEMS) and len(SYSTEMS) == 16
    assert all(one.system == SYSTEMS[one.meta["system"]] for one in found[:-1])
    asked = {request.messages[-1]["content"]: request.messages[0] for request in model.requests}
    assert all(asked[one.instruction] == {"role": "system", "content": one.system} for one in found)


def test_a_system_message_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="no system message 'loud'"):
        RespondSettings(systems=["loud"])
