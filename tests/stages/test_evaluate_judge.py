"""A judge compares students' answers after it passed a trial; its win rates stand beside the share of right answers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from scripted import Scripted, prompt_of

from synth.engine.budget import Budget
from synth.engine.ledger import Ledger
from synth.engine.progress import RunProgress
from synth.engine.run import Engine, EngineOptions, RoleModel
from synth.engine.throttle import Throttle
from synth.errors import RequestRefused
from synth.models.base import ChatRequest
from synth.stages.evaluate.examine import EvalResult, ItemAnswer
from synth.stages.evaluate.judging import judged
from synth.student.items import EvalItem
from synth.student.templates import Conversation, Turn

ITEMS = [EvalItem(f"i{n}", Conversation((Turn(f"Double {n}.", ""),)), str(2 * n)) for n in range(20)]


def open_engine(folder: Path, model: Scripted) -> AbstractAsyncContextManager[Engine]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Engine]:
        ledger = Ledger(folder)
        roles = {role: RoleModel(model, Throttle(8)) for role in ("teacher", "judge")}
        try:
            yield Engine(ledger, roles, Budget({}, (), None, None), RunProgress(), EngineOptions(0))
        finally:
            await ledger.aclose()

    return opened()


def knowing(request: ChatRequest) -> str:
    """Takes the right answer for the better one; where both are right or both wrong it is a tie."""
    text = prompt_of(request)
    right = str(2 * int(re.findall(r"Double (\d+)", text)[0]))
    first, second = (found == right for found in re.findall(r"## Answer [AB]\n\n```text\n(.*?)\n```", text, re.DOTALL))
    return f"Reason: sums\nVerdict: {'tie' if first is second else 'A' if first else 'B'}"


def examined(**right: int) -> EvalResult:
    """Students that got so many of the first items right, in their own words where they are wrong."""
    answers = {
        name: [
            ItemAnswer(item.id, item.reference if n < count else f"no idea, says {name}", False, {"correct": 1.0})
            for n, item in enumerate(ITEMS)
        ]
        for name, count in right.items()
    }
    return EvalResult([], [], answers, items=list(ITEMS))


def test_a_judge_that_passes_compares_the_last_student_with_each_other(tmp_path: Path) -> None:
    model = Scripted(knowing)
    found = judged(examined(untrained=0, student=10, aligned=15), lambda: open_engine(tmp_path, model))
    rates = {one.metric: one for one in found.scores}
    over = rates["win rate over student"]
    assert over.student == "aligned" and over.value == pytest.approx((5 + 0.5 * 15) / 20) and over.low > 0.5
    assert rates["win rate over untrained"].value == pytest.approx((15 + 0.5 * 5) / 20)
    assert "win rate over student at equal length" in rates
    told = (
        "5 wins, 0 losses and 15 ties, 0 of them since the verdict changed with the order; 10 of 20 needed to be asked"
    )
    assert any(told in note for note in found.notes)
    number = len(model.requests)
    again = judged(examined(untrained=0, student=10, aligned=15), lambda: open_engine(tmp_path, model))
    assert again == found and len(model.requests) == number  # all answers are in the ledger


def refusing(request: ChatRequest) -> str:
    raise RequestRefused("not today", "content_filter")


@pytest.mark.parametrize("reply", [lambda _request: "Verdict: A", lambda _request: "Both are nice.", refusing])
def test_a_judge_that_fails_the_trial_is_not_asked_further(reply: object, tmp_path: Path) -> None:
    model = Scripted(reply)  # type: ignore[arg-type]
    found = judged(examined(student=10, aligned=15), lambda: open_engine(tmp_path, model))
    assert found.scores == [] and "got 0 of 20 planted pairs right (17 are needed)" in found.notes[0]
    assert not any("says" in prompt_of(request) for request in model.requests)


def test_without_right_answers_to_try_it_on_the_judge_is_not_asked(tmp_path: Path) -> None:
    model, result = Scripted(knowing), examined(student=10, aligned=15)
    result.items[:] = [EvalItem(item.id, item.conversation) for item in ITEMS]
    found = judged(result, lambda: open_engine(tmp_path, model))
    assert found.scores == [] == model.requests and "too few" in found.notes[0]
