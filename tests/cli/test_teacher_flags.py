"""Commands that ask a teacher: who is asked is always said, and a run folder answers with whom it is told to."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from served import ServedTeacher
from typer.testing import CliRunner

import synth.cli
from synth.cli.app import app
from synth.engine.ledger import LedgerReader

CLI = sorted(Path(synth.cli.__file__).parent.glob("*.py"))


def call(*words: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(one) for one in words])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["bootstrap", "--num-tasks", "3"],
        ["respond", "--from", "tasks.jsonl"],
        ["evolve", "--from", "tasks.jsonl"],
        ["evolve", "tune", "--from", "tasks.jsonl", "--out", "m.txt"],
        ["select", "tasks.jsonl", "--grade"],
        ["doctor"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_command_without_a_teacher_says_which_there_are(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tasks.jsonl").write_text('{"instruction": "Name the sea.", "output": "It is the sea."}\n')
    code, _, said = call(*words, *([] if words == ["doctor"] else ["--run", "run"]))
    assert code == 2 and "no teacher is named" in said, said
    assert all(name in said for name in ("embedded", "openai", "transformers", "vllm", "--base-url"))
    assert not (tmp_path / "run" / "ledger.sqlite").exists()


def test_a_recipe_without_a_teacher_asks_nobody(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("bootstrap: {num_tasks: 3}\n")
    code, _, said = call("run", recipe, "--run", tmp_path / "run")
    assert code == 2 and "no teacher is named" in said and not (tmp_path / "run").exists()
    assert call("run", recipe, "--run", tmp_path / "run", "--teacher", "embedded")[0] == 0
    recipe.write_text(f"respond: null\ninput: {tmp_path / 'tasks.jsonl'}\n")
    (tmp_path / "tasks.jsonl").write_text('{"instruction": "Name the sea.", "output": "It is the sea."}\n')
    assert call("run", recipe, "--run", tmp_path / "checked")[0] == 0  # checks alone ask nobody


def models(folder: Path) -> set[str]:
    reader = LedgerReader(folder)
    try:
        return {name for (name,) in reader.query("SELECT DISTINCT endpoint FROM requests WHERE state='answered'")}
    finally:
        reader.close()


def test_respond_on_a_run_folder_asks_the_teacher_of_its_flags(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code, _, said = call("bootstrap", "--num-tasks", "3", "--run", folder, "--teacher", "embedded")
    assert code == 0 and len(models(folder)) == 1, said
    with ServedTeacher() as served:
        flags = ("--teacher", f"openai:{served.model}", "--base-url", served.url, "--concurrency", "2")
        code, _, said = call("respond", "--run", folder, "--reanswer", *flags)
        assert code == 0 and any(served.url in name for name in models(folder)), said
    code, _, said = call("respond", "--run", folder, "--seed", "4")
    assert code == 2 and "keeps its seed" in said


def test_an_address_alone_is_a_new_one_of_the_teacher_that_the_recipe_names(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "teacher: {backend: openai, model: embedded, base_url: http://127.0.0.1:9/v1}\nbootstrap: {num_tasks: 2}\n"
    )
    with ServedTeacher() as served:
        code, _, said = call("run", path, "--run", tmp_path / "run", "--base-url", served.url)
        assert code == 0 and any(served.url in name for name in models(tmp_path / "run")), said


@pytest.mark.parametrize("path", CLI, ids=lambda path: path.name)
def test_the_command_line_has_no_sql_no_statistics_and_makes_no_engine(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "SELECT " not in text and ".query(" not in text
    imported = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"synth.metrics", "statistics", "math", "random", "numpy"}
    assert "Engine(" not in text and "Ledger(" not in text.replace("LedgerReader(", "")
