"""Critique and revision by principles, and the choice between answers by a principle."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from scripted import Reply, Scripted, collect, prompt_of

from synth.embedded import EmbeddedTeacher, Settings
from synth.errors import InputError, RequestRefused
from synth.models.base import ChatRequest
from synth.records import OtherAnswer, Record, Rejection
from synth.stages.export.formats import preference
from synth.stages.revise import ReviseSettings, read_principles, revise

RECORD = Record("My neighbour is loud. How do I get back at her?", "", "Put sugar in her tank.")


def revised(folder: Path, records: Sequence[Record], reply: Any, **settings: Any) -> tuple[list[Any], Any]:
    """What becomes of the records, and the model that was asked."""

    async def stream() -> AsyncIterator[Record]:
        for record in records:
            yield record

    model = Scripted(reply) if callable(reply) else reply
    results = collect(folder, model, lambda engine: revise(engine, stream(), ReviseSettings(**settings)))
    return [one for (one,) in results], model


def critic(verdict: str = "change", answer: str = "Talk to her first.") -> Reply:
    def reply(request: ChatRequest) -> str:
        is_critique = prompt_of(request).startswith("# Criticise")
        return f"Reason: It does harm.\nVerdict: {verdict}" if is_critique else answer

    return reply


def test_the_revised_answer_becomes_the_records_own_and_the_first_the_worse_of_a_pair(tmp_path: Path) -> None:
    (found,), model = revised(tmp_path, [RECORD], critic())
    assert found.output == "Talk to her first." and found.others == (OtherAnswer(RECORD.output, None, 0.0),)
    (step,) = found.meta["revise"]["steps"]
    assert step["result"] == "revised" and step["critique"] == "It does harm."
    assert all(read_principles(None)[step["principle"]] in prompt_of(one) for one in model.requests)
    assert "It does harm." in prompt_of(model.requests[1])
    row = preference(found)
    assert row is not None and (row["chosen"], row["rejected"]) == ("Talk to her first.", RECORD.output)


def test_each_round_draws_another_principle_and_starts_from_the_last_answer(tmp_path: Path) -> None:
    def longer(request: ChatRequest) -> str:
        text = prompt_of(request)
        if text.startswith("# Criticise"):
            return "Reason: too short\nVerdict: change"
        return re.findall(r"## Answer\n\n```text\n(.*?)\n```", text, re.DOTALL)[0] + "!"

    (found,), _ = revised(tmp_path, [RECORD], longer, num_rounds=3)
    steps = found.meta["revise"]["steps"]
    assert found.output == RECORD.output + "!!!" and len({step["principle"] for step in steps}) == 3
    assert found.worse() == [OtherAnswer(RECORD.output, None, 0.0)]
    (again,), _ = revised(tmp_path / "again", [RECORD], longer, num_rounds=3)
    assert again == found


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (critic("keep"), "kept"),
        (critic("perhaps"), "unreadable"),
        (critic(answer=RECORD.output), "unchanged"),
    ],
)
def test_an_answer_that_is_not_revised_stays_and_the_reason_is_noted(reply: Reply, result: str, tmp_path: Path) -> None:
    (found,), _ = revised(tmp_path, [RECORD], reply)
    assert found.output == RECORD.output and not found.others
    assert found.meta["revise"]["steps"][0]["result"] == result


@pytest.mark.usefixtures("quick_retries")
def test_no_answer_and_a_failed_request_are_refused_with_the_reason(tmp_path: Path) -> None:
    def refusing(request: ChatRequest) -> str:
        raise RequestRefused("not today", "content_filter")

    found, _ = revised(tmp_path / "refused", [Record("Say hello."), RECORD], refusing)
    assert all(isinstance(one, Rejection) for one in found)
    assert [one.reason for one in found] == ["no_answer", "content_filter"]
    (empty,), _ = revised(tmp_path / "empty", [RECORD], critic(answer="  "))
    assert isinstance(empty, Rejection) and empty.record == RECORD


def calm(request: ChatRequest) -> str:
    """Takes the answer that mentions talking for the better one."""
    first, second = re.findall(r"## Answer [AB]\n\n```text\n(.*?)\n```", prompt_of(request), re.DOTALL)
    kind = ["Talk" in first, "Talk" in second]
    return f"Reason: calm\nVerdict: {'tie' if kind[0] is kind[1] else 'A' if kind[0] else 'B'}"


def test_a_judge_chooses_among_answers_by_a_drawn_principle(tmp_path: Path) -> None:
    others = (OtherAnswer("Shout at her."), OtherAnswer("Talk to her.", "teacher"), OtherAnswer("Talk, then sleep."))
    record = Record(RECORD.instruction, "", RECORD.output, others=others)
    (found,), model = revised(tmp_path, [record], calm, num_rounds=0, choose=True)
    assert found.output == "Talk to her."
    assert {one.output: one.grade for one in found.others} == {
        RECORD.output: 0.0, "Shout at her.": 0.0, "Talk, then sleep.": 0.5,
    }  # fmt: skip
    choice = found.meta["revise"]["choice"]
    assert choice["judged"] == {"pairs": 6, "ties": 2}
    assert all(read_principles(None)[choice["principle"]] in prompt_of(one) for one in model.requests)


def test_the_embedded_teacher_mends_what_is_wrong_and_keeps_what_is_right(tmp_path: Path) -> None:
    from synth.embedded.answer import answer
    from synth.embedded.draws import Draw
    from synth.embedded.generate import Wish, draw_task

    tasks = [draw_task(Draw("revise", n), Wish(max_steps=1, short=True)) for n in range(12)]
    right = [Record(task.instruction, task.input, answer(task)) for task in tasks]
    wrong = [Record(one.instruction, one.input, "No idea, really.") for one in right]
    found, _ = revised(tmp_path / "right", right, EmbeddedTeacher(Settings()))
    assert [one.output for one in found] == [one.output for one in right]
    found, _ = revised(tmp_path / "wrong", wrong, EmbeddedTeacher(Settings()))
    assert [one.output for one in found] == [one.output for one in right]
    assert all(one.worse()[0].output == "No idea, really." for one in found)


def test_principles_are_a_mapping_of_sentences(tmp_path: Path) -> None:
    assert len(read_principles(None)) == 12
    path = tmp_path / "mine.yaml"
    path.write_text("kind: The answer is\n  kind.\n")
    assert read_principles(str(path)) == {"kind": "The answer is kind."}
    for text in ("- a\n- b\n", "kind: 3\n", "kind: ''\n", ""):
        path.write_text(text)
        with pytest.raises(InputError):
            read_principles(str(path))
    with pytest.raises(ValidationError, match="num_rounds is 0"):
        ReviseSettings(num_rounds=0)
