"""`synth seeds` at the terminal: what it prints, what it returns, and what it never does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from synth.cli.common import safe
from synth.cli.seeds import app

TASK = {
    "id": "a",
    "name": "n",
    "instruction": "Name a [bold]river[/bold].",
    "instances": [{"input": "", "output": "Ebro"}],
    "is_classification": True,
    "category": "[red]qa",
    "check": {"kind": "exact", "answer": "Ebro"},
}


def seeds(path: Path, *rows: Any) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_a_good_file_is_counted(tmp_path: Path) -> None:
    path = seeds(tmp_path / "s.jsonl", TASK)
    code, out, err = run("check", path)
    assert (code, err) == (0, "") and "1 tasks, 1 of them classification" in out
    code, out, err = run("check", path, "--json")
    assert code == 0 and json.loads(out)["classification"] == 1


def test_a_bad_file_is_exit_code_2_with_every_mistake_and_no_traceback(tmp_path: Path) -> None:
    path = seeds(tmp_path / "s.jsonl", TASK, "{", TASK)
    code, out, err = run("check", path)
    assert code == 2 and out == "" and f"{path}:2:" in err and f"{path}:3:" in err
    assert "Traceback" not in err and "hint:" in err
    code, out, _ = run("check", path, "--json")
    assert code == 2 and json.loads(out)["exit_code"] == 2


def test_stats_print_cells_as_plain_text(tmp_path: Path) -> None:
    path = seeds(tmp_path / "s.jsonl", TASK)
    code, out, _ = run("stats", path)
    assert code == 0 and "[red]qa" in out
    code, out, _ = run("stats", path, "--json", "--against", path)
    assert code == 0 and json.loads(out)["rouge_l_against"]["highest"] == 1.0


def test_the_card_is_written_only_where_it_has_a_place(tmp_path: Path) -> None:
    path, card = seeds(tmp_path / "s.jsonl", TASK), tmp_path / "card.md"
    card.write_text("<!-- stats: s.jsonl -->\n<!-- end -->\n")
    assert run("stats", path, "--card", str(card))[0] == 0 and "| [red]qa | 1 |" in card.read_text()
    card.write_text("nothing")
    assert run("stats", path, "--card", str(card))[0] == 2 and card.read_text() == "nothing"
    assert run("stats", path, "--card", str(tmp_path / "none.md"))[0] == 2


def test_an_import_writes_a_file_that_checks_clean(tmp_path: Path) -> None:
    table, out = tmp_path / "t.csv", tmp_path / "out.jsonl"
    table.write_text("Q,A\nWhich river?,Ebro\nWhich lake?,Garda\n")
    code, text, _ = run("import", str(table), "--out", str(out), "--column", "instruction=Q", "--column", "output=A")
    assert code == 0 and "2 tasks" in text
    assert run("check", str(out))[0] == 0


@pytest.mark.parametrize(
    "arguments", [["--strict"], ["--format", "yaml"], ["--column", "instruction"], ["--column", "x=y"]]
)
def test_a_failed_import_leaves_the_old_file(arguments: list[str], tmp_path: Path) -> None:
    source, out = seeds(tmp_path / "s.jsonl", {"instruction": "a", "output": "b"}, "{"), tmp_path / "out.jsonl"
    out.write_text("old")
    assert run("import", source, "--out", str(out), *arguments)[0] == 2
    assert out.read_text() == "old" and sorted(os.listdir(tmp_path)) == ["out.jsonl", "s.jsonl"]


def test_a_disk_that_refuses_is_exit_code_5(tmp_path: Path) -> None:
    source = seeds(tmp_path / "s.jsonl", {"instruction": "a", "output": "b"})
    assert run("import", source, "--out", str(tmp_path / "none" / "out.jsonl"))[0] == 5


def test_control_characters_of_a_file_never_reach_the_terminal(tmp_path: Path) -> None:
    path = seeds(tmp_path / "s.jsonl", TASK | {"category": "\x1b]0;owned\x07\u202ex"}, {"\x1b[31mid": 1})
    for command in ("check", "stats"):
        _, out, err = run(command, path)
        assert not set("\x1b\x07\u202e") & set(out + err)
    assert safe("a\x1b[0m\tb\n\x9b\ud800") == "a\\x1b[0m\tb\n\\x9b\\ud800"


def test_it_runs_as_a_module_in_an_ascii_locale(tmp_path: Path) -> None:
    path = seeds(tmp_path / "ü.jsonl", TASK | {"category": "日本"})
    env = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", "from synth.cli.seeds import app; app()", "stats", path], capture_output=True, env=env
    )
    assert done.returncode == 0, done.stderr
