"""Mistakes of a newcomer are refused before anything is paid for, in words of the recipe; commands say what is next."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from served import ServedTeacher
from typer.testing import CliRunner

from synth.cli.app import app
from synth.engine.ledger import LedgerReader
from synth.engine.lock import run_lock

EMBEDDED = ("--teacher", "embedded")


def synth(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with tasks and no answers."""
    run = tmp_path_factory.mktemp("tasks") / "run"
    done = synth("bootstrap", "--num-tasks", 4, *EMBEDDED, "--run", run)
    assert done.exit_code == 0 and f"next: synth respond --run {run}" in done.stderr
    return run


@pytest.fixture(scope="module")
def answered(tasks: Path) -> Path:
    run = Path(shutil.copytree(tasks, tasks.with_name("answered")))
    done = synth("respond", "--run", run)
    assert done.exit_code == 0 and f"next: synth select {run}" in done.stderr
    return run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--concurrency", 0), "'--concurrency': it must be at least 1"),
        (("--run", "evolved.jsonl"), "evolved.jsonl is a file; name a folder"),
        (("--run", ""), "it is empty"),
        (("--language", "klingon"), "'klingon' is no code of ISO 639-1"),
        (("--language", "german"), "it is de"),
        (("--method", "best"), "--method: it must be 'diverse'"),
        (("--max-cost", 0), "--max-cost: it must be more than 0"),
        (("--price", "cheap"), "--price cheap cannot be read"),
    ],
)
def test_a_wrong_flag_is_refused_before_anything_is_asked(words: tuple[object, ...], said: str, tmp_path: Path) -> None:
    done = synth("bootstrap", "--num-tasks", 2, *EMBEDDED, "--run", tmp_path / "run", *words)
    assert done.exit_code == 2 and said in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_makes_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("")
    assert synth("validate", path).exit_code == 2
    assert "makes or reads records" in synth("run", path, *EMBEDDED).stderr


def test_each_mistake_of_a_recipe_stands_alone_in_json_and_without_words_of_the_library(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("seed: -1\nteacher: {backend: embedded, concurrency: 0}\nbootstrap: {num_tasks: many}\nselect: 3\n")
    done = synth("validate", path, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["mistakes"] == [
        f"{path}, line 1: seed: it must be at least 0",
        f"{path}, line 2: teacher.concurrency: it must be 'auto' or at least 1",
        f"{path}, line 3: bootstrap.num_tasks: it must be a whole number",
        f"{path}, line 4: select: it must be a mapping",
    ]


@pytest.mark.parametrize("command", ["status", "verify", "export", "report", "lineage", "train", "chat", "evaluate"])
def test_a_folder_that_is_not_there_is_a_wrong_argument(command: str, tmp_path: Path) -> None:
    done = synth(command, tmp_path / "nowhere", *(("x",) if command in ("lineage", "chat") else ()))
    assert done.exit_code == 2 and "nowhere" in done.stderr
    assert "Repo id" not in done.stderr


def test_an_export_of_tasks_without_answers_names_respond(tasks: Path) -> None:
    done = synth("export", tasks)
    assert done.exit_code == 2 and "none of the 4 tasks has an answer" in done.stderr
    assert f"synth respond --run {tasks}" in done.stderr


def test_an_export_to_a_file_is_that_file(answered: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    done = synth("export", answered, "--format", "messages", "--out", out)
    assert done.exit_code == 0, done.stderr
    assert len(out.read_text("utf-8").splitlines()) == 4 and list(tmp_path.iterdir()) == [out]
    refused = synth("export", answered, "--format", "messages", "--format", "alpaca", "--out", out)
    assert refused.exit_code == 2 and "names one file" in refused.stderr and list(tmp_path.iterdir()) == [out]
    pushed = synth("export", answered, "--out", out, "--push-to-hub", "someone/rows")
    assert pushed.exit_code == 2 and "uploads a folder" in pushed.stderr


def test_an_export_to_a_file_that_has_nothing_leaves_nothing(tasks: Path, tmp_path: Path) -> None:
    assert synth("export", tasks, "--out", tmp_path / "rows.jsonl").exit_code == 2
    assert not list(tmp_path.iterdir())


def test_selected_rows_of_a_run_are_those_of_its_export(answered: Path, tmp_path: Path) -> None:
    out = tmp_path / "kept.jsonl"
    assert synth("select", answered, "--out", out).exit_code == 0
    exported = json.loads(synth("export", answered, "--out", tmp_path / "export", "--json").stdout)
    assert len(out.read_text("utf-8").splitlines()) == exported["records"]


def test_status_has_the_stages_in_their_order_and_tells_a_stopped_run_from_a_running_one(answered: Path) -> None:
    reader = LedgerReader(answered)
    names = list(json.loads(synth("status", answered, "--json").stdout)["stages"])
    reader.close()
    assert names == ["bootstrap", "respond"]
    copy = Path(shutil.copytree(answered, answered.with_name("stopped")))
    import sqlite3

    with sqlite3.connect(copy / "ledger.sqlite") as db:
        db.execute("UPDATE stages SET state='running' WHERE stage='respond'")
    db.close()
    said = synth("status", copy)
    assert "respond (stopped)" in said.stdout and f"next: synth run {copy / 'recipe.yaml'} --run {copy}" in said.stderr
    with run_lock(copy):
        assert "respond (running)" in synth("status", copy).stdout


def test_a_lineage_begins_with_the_text_of_the_seeds_shown(tmp_path: Path) -> None:
    run, path = tmp_path / "run", tmp_path / "recipe.yaml"
    path.write_text("bootstrap: {num_tasks: 2, examples_from: seeds}\nreport: null\nexport: null\n")
    assert synth("run", path, *EMBEDDED, "--run", run).exit_code == 0
    reader = LedgerReader(run)
    record = next(reader.records("bootstrap"))
    reader.close()
    steps = json.loads(synth("lineage", run, record.id, "--json").stdout)
    assert steps[-1]["id"] == record.id and len(steps) > 1
    assert all(step["instruction"] for step in steps)


def test_a_price_that_is_not_known_is_called_unknown_everywhere(tmp_path: Path) -> None:
    path, run = tmp_path / "recipe.yaml", tmp_path / "run"
    path.write_text("name: unpriced\nbootstrap: {num_tasks: 3, window: 2}\nrespond: null\nselect: null\n")
    with ServedTeacher() as served:
        server = ("--teacher", f"openai:{served.model}", "--base-url", served.url)
        told = synth("estimate", path, *server)
        done = synth("run", path, "--run", run, *server)
        again = synth("run", path, "--run", tmp_path / "priced", *server, "--price", f"{served.model}=0/0")
    assert "unknown" in told.stdout and f"next: synth run {path} {' '.join(server)}" in told.stderr
    assert done.exit_code == 0 and "unknown" in done.stdout and "unknown" not in again.stdout
    status = synth("status", run)
    assert "Cost in all: unknown" in status.stdout and "0.0000" in synth("status", tmp_path / "priced").stdout
    assert "at a price that is not known" in (run / "report.html").read_text("utf-8")
