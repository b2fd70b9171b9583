"""One task under many wordings: judged equal in both orders, with the same input, answer and family."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from scripted import Scripted, collect, kind_of, whole

from synth.errors import RequestRefused
from synth.models import connect
from synth.models.base import ChatRequest
from synth.records import Lineage, Record, Rejection
from synth.stages.rephrase import RephraseSettings, rephrase
from synth.student.mix import families

SAID = (
    "1. Give three rivers in France.\n2. Name three rivers of France.\n3. Name three rivers and their lengths.\n4. x\n"
)


def reply(request: ChatRequest) -> str:
    if kind_of(request) == "equal":
        return "different" if "lengths" in request.messages[-1]["content"] else "equal"
    return SAID


async def given(*records: Record):  # type: ignore[no-untyped-def]
    for record in records:
        yield record


def test_wordings_equal_in_meaning_are_kept_with_input_answer_and_family(tmp_path: Path) -> None:
    tasks = [Record("Name three rivers of France.", f"note {n}", "Loire", lineage=Lineage("seed")) for n in range(3)]
    model = Scripted(reply)
    wanted = RephraseSettings(num_wordings=3)
    results = collect(tmp_path, model, lambda engine: rephrase(engine, given(*tasks), wanted))
    first = results[0]
    assert first[0] == tasks[0] and isinstance(first[1], Record)
    assert (first[1].instruction, first[1].input, first[1].output) == (
        "Give three rivers in France.",
        "note 0",
        "Loire",
    )
    assert [(one.check, one.reason) for one in first if isinstance(one, Rejection)] == [
        ("parsing", "repeated"),
        ("judge", "other_meaning"),
    ]
    kept = [one for batch in results for one in batch if isinstance(one, Record)]
    assert len(kept) == 6 and len(set(families(kept).values())) == 1
    asked = Counter(whole(request) for request in model.requests)
    assert set(asked.values()) == {1}, "instances of one task share their requests"


def test_without_a_judge_nobody_is_asked_for_a_verdict(tmp_path: Path) -> None:
    model = Scripted(reply)
    wanted = RephraseSettings(num_wordings=4, judge=False)
    ((*_, last),) = collect(tmp_path, model, lambda engine: rephrase(engine, given(Record("Name a river.")), wanted))
    assert isinstance(last, Record) and last.instruction == "x" and len(model.requests) == 1


def test_the_reference_teacher_rewords_what_it_understands(tmp_path: Path) -> None:
    table = "loaf,price (euros),pieces\nrye loaf,2.50,4\nbrioche,1.20,7\nbaguette,3.10,2"
    task = Record("What is the total price of the loaves?", table, "6.80 euros")
    teacher = connect("embedded", {})
    (batch,) = collect(tmp_path, teacher, lambda engine: rephrase(engine, given(task), RephraseSettings()))  # type: ignore[arg-type]
    kept = {one.instruction for one in batch if isinstance(one, Record)}
    assert len(kept) >= 2 and task.instruction in kept


def test_a_record_that_cannot_be_worded_anew_stays(tmp_path: Path) -> None:
    def refuses(_request: ChatRequest) -> str:
        raise RequestRefused("no", "unsupported")

    task = Record("Name a river.", "", "Loire")
    (batch,) = collect(tmp_path, Scripted(refuses), lambda engine: rephrase(engine, given(task), RephraseSettings()))
    assert batch[0] == task
    assert [(one.check, one.reason) for one in batch[1:] if isinstance(one, Rejection)] == [("request", "unsupported")]
