"""One stage from Python, texts without near duplicates, and a teacher that is asked one question."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from served import ServedTeacher

import synth
from synth.errors import InputError, UsageError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_chain_of_stages_keeps_what_the_one_before_made(place: Path) -> None:
    made = synth.bootstrap(teacher="embedded", num_tasks=8)
    evolved = synth.evolve(made, teacher="embedded", rounds=1)
    answered = synth.respond(evolved, teacher=synth.teacher("embedded"))
    checked = synth.select(answered)
    assert len(made.records()) == 8
    assert len(evolved.records()) > 8
    assert len(answered.records()) == len(evolved.records()) and all(record.output for record in answered.records())
    assert len(checked.records()) + len(checked.rejected()) == len(answered.records())
    assert checked.progress.requests == 0


def test_the_same_call_again_costs_nothing_and_another_call_has_its_own_folder(place: Path) -> None:
    first = synth.bootstrap(teacher="embedded", num_tasks=5)
    again = synth.bootstrap(teacher="embedded", num_tasks=5)
    other = synth.bootstrap(teacher="embedded", num_tasks=5, seed=1)
    assert (again.run_dir, again.progress.requests) == (first.run_dir, 0)
    assert other.run_dir != first.run_dir and other.run_dir.parent == Path("runs")


def test_seeds_of_ones_own_are_a_file_or_tasks(place: Path) -> None:
    tasks = synth.read_seed_tasks(Path(synth.read_recipe.__globals__["SEED_FILE"]))[:20]
    result = synth.bootstrap(tasks, teacher="embedded", num_tasks=4, run_dir="mine")
    assert len(result.records()) == 4
    assert synth.read_seed_tasks(place / "mine" / "given.jsonl") == tasks
    again = synth.bootstrap("mine/given.jsonl", teacher="embedded", num_tasks=4, run_dir="other")
    assert [r.id for r in again.records()] == [r.id for r in result.records()]


def test_records_are_given_as_texts_rows_objects_and_files(place: Path) -> None:
    long = "Write a short letter of thanks to a neighbour who watered the plants."
    (place / "file.jsonl").write_text(json.dumps({"instruction": long}) + "\n")
    given = [[long], [{"instruction": long}], [synth.Record(long)], "file.jsonl"]
    found = [synth.select(one, run_dir=f"run{number}") for number, one in enumerate(given)]
    assert [[r.id for r in result.records()] + [r.record.id for r in result.rejected()] for result in found] == [
        [synth.Record(long).id]
    ] * 4


def test_a_wrong_setting_is_refused_with_the_nearest_name(place: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'topic'"):
        synth.bootstrap(teacher="embedded", num_tasks=4, topicc="x")
    with pytest.raises(UsageError, match="backend"):
        synth.teacher("opnai:gpt")


def test_dedup_gives_the_indices_of_texts_that_stay() -> None:
    texts = ["Name three rivers of Europe.", "Name three rivers of Europe!", "Sort these words by length."]
    found = synth.dedup(texts)
    assert found.kept == [0, 2]
    assert [(one.index, one.nearest) for one in found.removed] == [(1, 0)]
    assert synth.dedup(texts, threshold=1.0).kept == [0, 1, 2]


def test_a_teacher_answers_one_question_in_and_out_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    question = (
        "Which of the flights has the greatest number of passengers? It will be used for the holiday schedule.\n\n"
        "flight,airline,gate,passengers,distance (km)\nNT 438,Skyline,3,128,2510\nLV 219,Skyline,2,188,2770"
    )
    with ServedTeacher() as server:
        teacher = synth.teacher("openai:embedded", base_url=server.url, max_tokens=64)
        answer = teacher.ask(question)

        async def cell() -> tuple[str, str]:
            return await teacher.aask(question, temperature=0.0), teacher.ask(question, system="Be brief.")

        both = asyncio.run(cell())
    assert "LV 219" in answer and answer == both[0] == both[1]
