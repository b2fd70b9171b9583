"""`synth.run` and `synth.arun`: a recipe in any form, in and out of event loops, watched and stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import synth
from synth.api.watch import Watch
from synth.engine.ledger import LedgerReader
from synth.errors import UsageError
from synth.pipeline import Interrupted

DATA: dict[str, Any] = {
    "name": "small", "seed": 1, "teacher": {"backend": "embedded"}, "bootstrap": {"num_tasks": 6},
    "respond": {}, "select": {}, "export": {"formats": ["alpaca"]},
}  # fmt: skip
YAML = 'name: small\nseed: 1\nteacher: {backend: embedded}\nbootstrap: {num_tasks: 6}\nrespond: {}\nselect: {}\nexport: {formats: ["alpaca"]}\n'


def ids(result: synth.RunResult) -> list[str]:
    return [record.id for record in result.records()]


def test_a_recipe_as_file_name_path_data_and_object_gives_the_same_records(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(YAML)
    forms = [str(file), file, DATA, synth.read_recipe(file), synth.build_recipe(DATA)]
    runs = [synth.run(form, tmp_path / str(number)) for number, form in enumerate(forms)]
    assert len(ids(runs[0])) > 0
    assert [ids(run) for run in runs] == [ids(runs[0])] * len(forms)
    assert (tmp_path / "0" / "export" / "alpaca.json").is_file()


def test_the_run_folder_is_in_runs_when_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert synth.run(DATA, until="bootstrap").run_dir == Path("runs/small")


def test_files_named_in_data_are_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.jsonl").write_text('{"instruction": "Name a river.", "input": "", "output": ""}\n')
    synth.run(DATA | {"bootstrap": None, "input": "mine.jsonl", "respond": None}, "x")
    assert synth.read_recipe(tmp_path / "x" / "recipe.yaml").input == tmp_path / "mine.jsonl"


def test_a_recipe_without_teacher_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no teacher"):
        synth.run({"name": "x", "bootstrap": {"num_tasks": 5}}, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_run_and_arun_work_inside_a_running_loop_and_ask_nothing_twice(tmp_path: Path) -> None:
    async def cell() -> tuple[synth.RunResult, synth.RunResult, int]:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(others())
        first = await synth.arun(DATA, tmp_path / "x")
        beside.cancel()
        return first, synth.run(DATA, tmp_path / "x"), turns

    first, second, turns = asyncio.run(cell())
    assert first.progress.requests > 0 and second.progress.requests == 0
    assert ids(first) == ids(second) != []
    assert turns > 10


def test_progress_is_called_with_the_counters_and_once_more_at_the_end(tmp_path: Path) -> None:
    seen: list[int] = []
    result = synth.run(DATA, tmp_path, progress=lambda counters: seen.append(counters.requests))
    assert seen and seen[-1] == result.progress.requests > 0


def test_an_error_in_the_callback_is_raised_and_the_run_can_go_on(tmp_path: Path) -> None:
    def fail(_counters: synth.RunProgress) -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        synth.run(DATA, tmp_path, progress=fail)
    assert len(ids(synth.run(DATA, tmp_path))) > 0


def slow(num_tasks: int) -> dict[str, Any]:
    return DATA | {
        "teacher": {"backend": "embedded", "latency_ms": 200, "concurrency": 1},
        "bootstrap": {"num_tasks": num_tasks},
    }


def stored_answers(run_dir: Path) -> int:
    reader = LedgerReader(run_dir)
    try:
        return sum(row["requests"] for row in reader.request_totals() if row["state"] == "answered")
    finally:
        reader.close()


def test_stop_ends_a_run_as_ctrl_c_does_and_its_answers_are_kept(tmp_path: Path) -> None:
    def stop_soon(counters: synth.RunProgress) -> None:
        if counters.requests:
            counters.stop()

    with pytest.raises(Interrupted):
        synth.run(slow(200), tmp_path, progress=stop_soon)
    assert stored_answers(tmp_path) > 0 and not (tmp_path / "export").exists()


def test_cancelling_arun_stops_the_run(tmp_path: Path) -> None:
    async def cell() -> None:
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        watch = lambda counters: loop.call_soon_threadsafe(asked.set) if counters.requests else None  # noqa: E731
        task = asyncio.create_task(synth.arun(slow(200), tmp_path, progress=watch))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cell())
    assert stored_answers(tmp_path) > 0 and not (tmp_path / "export").exists()


def test_bars_are_drawn_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    synth.run(DATA, tmp_path / "a")
    assert capsys.readouterr() == ("", "")
    synth.run(DATA, tmp_path / "b", progress="bar")


def test_a_result_gives_rejections_tables_and_the_page(tmp_path: Path) -> None:
    result = synth.run(DATA | {"bootstrap": {"num_tasks": 30}}, tmp_path)
    records, rejected = result.records(), result.rejected()
    kept = sum(stage.kept for name, stage in result.progress.stages.items() if name == "select")
    lost = sum(stage.rejected.total() for stage in result.progress.stages.values())
    assert (len(records), len(rejected)) == (kept, lost)
    assert all(one.check and one.reason for one in rejected)
    frame = result.to_pandas()
    assert list(frame["id"]) == ids(result)
    assert list(frame["instruction"]) == [record.instruction for record in records]
    assert set(frame["teacher"]) == {"embedded"}
    page = result.report()
    assert page == tmp_path / "report.html" and "<html" in page.read_text("utf-8")


def test_a_result_becomes_a_dataset_of_hugging_face(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    result = synth.run(DATA, tmp_path)
    dataset = result.to_dataset()
    assert dataset["id"][:] == ids(result) and "output" in dataset.column_names


def test_how_far_training_is_is_told_where_bars_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    Watch("bar").work("training: step 3 of 9", True)
    Watch(None).work("training: unheard", True)
    told = capsys.readouterr().err
    assert "training: step 3 of 9" in told and "unheard" not in told
