"""Every stage sees a conversation whole: its system text and its history as well as the last exchange."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted, collect
from typer.testing import CliRunner

from synth.checks import build_checks
from synth.checks.contamination import contamination
from synth.cli.app import app
from synth.engine.run import Engine
from synth.errors import InputError
from synth.judge import compare
from synth.models.base import ChatRequest, Completion, Sampling
from synth.prompts import Prompt
from synth.records import OtherAnswer, Record, Rejection
from synth.sources import read_records
from synth.stages.evolve import EvolveSettings, evolve
from synth.stages.export.formats import FORMATS
from synth.stages.export.splits import Families
from synth.stages.respond import RespondSettings, respond
from synth.stages.select import SelectSettings, select
from synth.stages.select.settings import GradeSettings
from synth.student.encode import UNLEARNED, Encoder, prepare_tokenizer
from synth.student.holdout import hold_out_inputs
from synth.student.templates import TEMPLATES, conversation_of
from synth.student.tiny import make_tokenizer

ASKED = Record(
    "And what does it cost for three nights?",
    "",
    "",
    "You sell rooms of the Blue Heron.",
    (("Is a double room free in May?", "Yes, from the ninth, at 80 a night."),),
)
ANSWERED = replace(ASKED, output="240 for the three nights, breakfast included.")
BEFORE = ["You sell rooms of the Blue Heron.", "Is a double room free in May?", "Yes, from the ninth, at 80 a night."]
ROLES = ["system", "user", "assistant", "user"]
Stage = Callable[[Engine, AsyncIterator[Record]], AsyncIterator[list[Record | Rejection]]]


def results_of(folder: Path, model: Scripted, record: Record, stage: Stage) -> list[Record | Rejection]:
    """What `stage` makes of one record."""

    async def one() -> AsyncIterator[Record]:
        yield record

    return [result for batch in collect(folder, model, lambda engine: stage(engine, one())) for result in batch]


def is_whole(request: ChatRequest) -> bool:
    """Do the messages hold the whole talk, turn by turn?"""
    said = [message["content"] for message in request.messages]
    return [m["role"] for m in request.messages] == ROLES and said == [*BEFORE, ASKED.instruction]


def shows_talk(request: ChatRequest) -> bool:
    """Is the talk shown in a prompt about the record, fenced?"""
    return f"```text\n{ASKED.talk}\n```" in request.messages[-1]["content"]


def test_messages_are_derived_and_the_id_belongs_to_all_that_is_asked() -> None:
    assert [m["content"] for m in ANSWERED.messages()] == [*BEFORE, ASKED.instruction, ANSWERED.output]
    assert ANSWERED.id == ASKED.id
    alone = Record(ASKED.instruction)
    assert len({ASKED.id, alone.id, replace(ASKED, system="").id, replace(ASKED, history=()).id}) == 4
    assert Record.from_dict(json.loads(json.dumps(ANSWERED.to_dict()))) == ANSWERED


@pytest.mark.parametrize("settings", [RespondSettings(), RespondSettings(num_draws=2, confirm=True)])
def test_the_teacher_is_asked_with_the_whole_talk(settings: RespondSettings, tmp_path: Path) -> None:
    record = replace(ASKED, output="240." if settings.confirm else "")
    model = Scripted(lambda request: "240.")
    (result,) = results_of(tmp_path, model, record, lambda engine, records: respond(engine, records, settings))
    assert isinstance(result, Record) and result.output == "240." and result.history == ASKED.history
    assert len(model.requests) == 1 and is_whole(model.requests[0])


def test_answering_anew_keeps_the_old_answer_among_the_others(tmp_path: Path) -> None:
    model, settings = Scripted(lambda request: "It is 240."), RespondSettings(reanswer=True)
    (result,) = results_of(tmp_path, model, ANSWERED, lambda engine, records: respond(engine, records, settings))
    assert is_whole(model.requests[0]) and isinstance(result, Record)
    assert result.output == "It is 240." and result.others == (OtherAnswer(ANSWERED.output),)


def test_a_prompt_of_ones_own_words_the_last_question_only(tmp_path: Path) -> None:
    path = tmp_path / "mine.jinja"
    path.write_text("Please: {{ instruction }}")
    model, settings = Scripted(lambda request: "240."), RespondSettings(prompt_path=str(path))
    results_of(tmp_path / "run", model, ASKED, lambda engine, records: respond(engine, records, settings))
    assert [m["content"] for m in model.requests[0].messages] == [*BEFORE, f"Please: {ASKED.instruction}"]


def test_a_completions_endpoint_gets_the_talk_as_a_transcript() -> None:
    request = ChatRequest(tuple(ASKED.messages()))
    assert request.text == f"{ASKED.talk}\n\nUser: {ASKED.instruction}\n\nAssistant:"
    assert ChatRequest(tuple(Record("Go on").messages())).text == "Go on"


def test_the_grader_sees_the_talk(tmp_path: Path) -> None:
    said = "Reason: fine\nCorrectness: 5\nInstruction-following: 5\nCompleteness: 5"
    model = Scripted(lambda r: "Difficulty: 3" if "# Rate the difficulty" in r.messages[0]["content"] else said)
    settings = SelectSettings(checks=[], grade=GradeSettings(complexity=True))
    (result,) = results_of(tmp_path, model, ANSWERED, lambda engine, records: select(engine, records, settings))
    assert isinstance(result, Record) and result.meta["grades"]["overall"] == 5
    assert len(model.requests) == 2 and all(map(shows_talk, model.requests))


def test_two_answers_are_compared_with_the_talk() -> None:
    async def ask(prompt: Prompt, sampling: Sampling) -> Completion:
        assert f"```text\n{ASKED.talk}\n```" in prompt.text
        return Completion("Reason: so\nVerdict: A")

    assert asyncio.run(compare(ask, ANSWERED, "270")).is_inconsistent


def evolved(request: ChatRequest) -> str:
    """A sound reply to each prompt of the stage."""
    asked = request.messages[0]["content"]
    if "# Rewrite a task" in asked or "# Invent a task" in asked:
        return "### Instruction\nAnd what does it cost for three nights with breakfast and a dog?\n### Input\nNo input"
    if "# Compare two tasks" not in asked:
        return "It costs 270 with the dog."
    texts = re.findall(r"```text\n(.*?)\n```", request.messages[-1]["content"], re.DOTALL)
    half = len(texts) // 2
    return f"Verdict: {'equal' if texts[-2 * half : -half] == texts[-half:] else 'different'}"


@pytest.mark.parametrize("operator", ["concretise", "breadth"])
def test_the_last_question_is_evolved_with_the_talk_as_context(operator: str, tmp_path: Path) -> None:
    model = Scripted(evolved)
    settings = EvolveSettings(rounds=1, operators={operator: 1.0}, rate_complexity=False, checks=[])
    results = results_of(tmp_path, model, ANSWERED, lambda engine, records: evolve(engine, records, settings))
    parent, child = results
    assert parent == ANSWERED and isinstance(child, Record) and child.output == "It costs 270 with the dog."
    assert (child.system, child.history) == (ASKED.system, ASKED.history) and "dog" in child.instruction
    of_the_talk = [one for one in model.requests if "# Compare" not in one.messages[0]["content"] or shows_talk(one)]
    rewritten, *judged, answered = of_the_talk
    assert shows_talk(rewritten) and len(judged) == 2 and all(map(shows_talk, judged))
    assert [m["content"] for m in answered.messages] == [*BEFORE, child.instruction]


@pytest.mark.parametrize(
    ("check", "change", "reason"),
    [
        ("refusal", {"history": (("Hello", "I'm sorry, but I can't help with that."),)}, "refusal"),
        ("toxic_words", {"system": "You are a bastard."}, "toxic_word"),
        ("control_characters", {"history": (("Hello\x00", "Hi"),)}, "control_characters"),
        ("prompt_leak", {"history": (("Hello", "### Instruction\nSay it"),)}, "prompt_leak"),
        ({"privacy": {"action": "drop"}}, {"history": (("I am ann@mail.org", "Hi"),)}, "private"),
    ],
)
def test_checks_look_at_every_turn(check: Any, change: dict[str, Any], reason: str) -> None:
    ((_, checked),) = build_checks([check])
    assert checked(ANSWERED) is None
    assert str(checked(replace(ANSWERED, **change))).startswith(reason)


def test_a_follow_up_may_be_short_and_is_compared_with_its_talk() -> None:
    short = replace(ANSWERED, instruction="And in June?")
    other = replace(short, history=(("Where is the nearest tram stop?", "At the bridge."),), system="")
    checks = build_checks(["instruction_length", "novelty", "repeated_task"])
    for record in (short, other):
        assert [check(record) for _, check in checks] == [None] * 3
        for _, check in checks[1:]:
            check.admitted(record)  # type: ignore[attr-defined]
    assert [check(replace(short, meta={"seen": 2})) is None for _, check in checks] == [True, False, False]


def test_a_benchmark_question_is_found_in_any_turn(tmp_path: Path) -> None:
    path = tmp_path / "bench.jsonl"
    path.write_text(json.dumps({"question": BEFORE[1]}) + "\n")
    assert next(hit.kind for hit in contamination([str(path)], own_tasks=False).hits(ANSWERED)) == "exact"


def test_privacy_masks_every_turn() -> None:
    ((_, check),) = build_checks([{"privacy": {"action": "mask"}}])
    record = replace(
        ANSWERED, history=(("I am ann@mail.org", "Hi ann@mail.org"),), others=(OtherAnswer("bob@mail.org"),)
    )
    masked = check.admitted(record)  # type: ignore[attr-defined]
    assert "mail.org" not in json.dumps(masked.to_dict()) and masked.history == (("I am <EMAIL>", "Hi <EMAIL>"),)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"csv", "dolly", "hh"}))
def test_every_export_format_has_the_earlier_turns(name: str) -> None:
    text = json.dumps(FORMATS[name].row(replace(ANSWERED, others=(OtherAnswer("240."),))))
    assert all(part in text for part in [*BEFORE, ASKED.instruction, ANSWERED.output])


def test_transcripts_of_hh_have_the_earlier_turns_and_leave_out_a_talk_with_a_system_text() -> None:
    paired = replace(ANSWERED, others=(OtherAnswer("240."),))
    text = json.dumps(FORMATS["hh"].row(replace(paired, system="")))
    turns = [part for pair in ANSWERED.history for part in pair]
    assert ANSWERED.system and turns and all(part in text for part in [*turns, ASKED.instruction, ANSWERED.output])
    assert FORMATS["hh"].row(paired) is None


def test_only_answers_are_learned_and_a_talk_without_its_last_answer_is_left_out() -> None:
    tokenizer = make_tokenizer([*BEFORE, ASKED.instruction, ANSWERED.output])
    prepare_tokenizer(tokenizer, TEMPLATES["chatml"])
    encoder = Encoder(TEMPLATES["chatml"], tokenizer)
    ids, labels = encoder.encode(conversation_of(ANSWERED))
    learned = [one for one, label in zip(ids, labels, strict=True) if label != UNLEARNED]
    text = tokenizer.decode(learned, skip_special_tokens=True)
    assert (
        BEFORE[2] in text and ANSWERED.output in text and not any(t in text for t in (*BEFORE[:2], ASKED.instruction))
    )
    assert encoder.rows([ASKED, ANSWERED], 4096).unlearnable == [ASKED.id]


def test_talks_with_the_same_last_question_are_different_tasks(tmp_path: Path) -> None:
    other = replace(ANSWERED, history=(("Where is the nearest tram stop?", "At the bridge."),), input="in June")
    assert hold_out_inputs([ANSWERED, other], 5, 0)[1] == []
    families = Families()
    for record in (ANSWERED, other):
        families.add(record)
    assert sorted(families.assign(0.5, 0.0)) == ["train", "validation"]  # two families, one in each
    path = tmp_path / "talks.jsonl"
    path.write_text("".join(json.dumps(record.to_dict()) + "\n" for record in (ANSWERED, other, ANSWERED)))
    done = CliRunner().invoke(app, ["dedup", str(path), "--out", str(tmp_path / "kept.jsonl"), "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["removed"] == 1, done.output


# -- rows of older folders --------------------------------------------------------------------------------------------

OLD: dict[str, Any] = {k: v for k, v in ANSWERED.to_dict().items() if k not in ("system", "history")}
TURNS = [{"role": m["role"], "content": m["content"]} for m in ANSWERED.messages()]


def test_rows_with_messages_are_still_read(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text(json.dumps(OLD | {"messages": TURNS}) + "\n")
    assert read_records(path) == [ANSWERED] == [Record.from_dict(OLD | {"messages": TURNS})]


def test_old_rows_that_cannot_be_said_are_refused_by_row(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text(json.dumps(OLD) + "\n" + json.dumps(OLD | {"messages": TURNS[2:]}) + "\n")
    with pytest.raises(InputError, match=r"old\.jsonl:2: .*`history`"):
        read_records(path)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_template_puts_the_system_text_before_the_first_question(name: str) -> None:
    text = "".join(part.text for part in TEMPLATES[name].segments(conversation_of(ANSWERED)))
    assert text.index(ANSWERED.system) < text.index(ANSWERED.history[0][0])
