"""The examples are run as they stand: every recipe that needs no model and is on no page, both scripts. Pages are in tests/docs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from commands import ROOT, synth

from synth.cli.app import app


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples in it, as a user's checkout has them."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


@pytest.mark.parametrize("name", ["bootstrap", "self_instruct", "grade"])
def test_example_recipe_runs_as_it_stands(name: str, place: Path, tmp_path: Path) -> None:
    done = synth("run", f"examples/{name}.yaml", "--run", tmp_path / "run", cwd=place)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "export" / "manifest.json").is_file()
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(("script", "word"), [("filter_duplicates.py", "novel"), ("run_a_recipe.py", "- ")])
def test_example_script_runs(script: str, word: str, place: Path) -> None:
    command, paths = [sys.executable, f"examples/{script}"], {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=place, env=os.environ | paths, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert word in done.stdout


def test_the_slurm_script_is_sound_and_each_of_its_commands_is_one_of_synth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    script = ROOT / "examples" / "slurm.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = re.sub(r"\\\n|^#.*$|'", " ", script.read_text("utf-8"), flags=re.MULTILINE)
    text = re.sub(
        r'"?\$\{?(\w+)[^\s"]*"?',
        lambda found: {"SLURM_NNODES": "2", "SLURM_NODEID": "1", "HOST": "node0:29500"}.get(found[1], "runs/slurm"),
        text,
    )
    commands = re.findall(r"\bsynth .*", text)
    assert [command.split()[1] for command in commands] == ["run", "train", "evaluate"]
    for command in commands:
        name, *words = shlex.split(command)[1:]
        typer.main.get_command(app).commands[name].make_context(name, words)  # type: ignore[attr-defined]
