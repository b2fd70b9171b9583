"""What the README and the examples show is run: every shell block, every recipe, both scripts."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import ServedTeacher

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line[2:].partition("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.startswith("$ ")
]
NEEDS_A_GPU = "examples/vllm.yaml"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples in it, as a user's checkout has them."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[ServedTeacher]:
    with ServedTeacher() as teacher:
        yield teacher


def run(command: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    paths = {"PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "not-a-key", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=place, env=os.environ | paths, capture_output=True, text=True, timeout=300)


def prepared(command: str, url: str) -> list[str]:
    """The command with the served teacher in place of services, and a check in place of what needs a GPU."""
    words = shlex.split(re.sub(r"openai:\S+", "openai:embedded", command.replace("http://localhost:8000/v1", url)))
    if NEEDS_A_GPU in words:
        words = ["synth", "validate", NEEDS_A_GPU]
    elif "--teacher" in words and "embedded" not in words and "--base-url" not in words:
        words += ["--base-url", url]
    return [sys.executable, "-m", *words]


def test_the_readme_has_shell_blocks() -> None:
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("synth")])
def test_shell_line_of_the_readme_runs(command: str, place: Path, server: ServedTeacher) -> None:
    done = run(prepared(command, server.url), place)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_other_shell_lines_are_make_targets_and_variables() -> None:
    others = {c.split("=")[0] for c in COMMANDS if not c.startswith("synth")}
    assert others == {"make demo", "make test", "export OPENAI_API_KEY"}


def test_yaml_blocks_of_the_readme_are_recipes(tmp_path: Path) -> None:
    from synth.recipe import read_recipe

    blocks = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        path = tmp_path / "recipe.yaml"
        path.write_text(block, "utf-8")
        assert read_recipe(path).name


@pytest.mark.parametrize("name", ["bootstrap", "self_instruct", "evolve", "grade"])
def test_example_recipe_runs_as_it_stands(name: str, place: Path, tmp_path: Path) -> None:
    done = run([sys.executable, "-m", "synth", "run", f"examples/{name}.yaml", "--run", str(tmp_path / "run")], place)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "export" / "manifest.json").is_file()
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(("script", "word"), [("filter_duplicates.py", "novel"), ("run_a_recipe.py", "- ")])
def test_example_script_runs(script: str, word: str, place: Path) -> None:
    done = run([sys.executable, f"examples/{script}"], place)
    assert done.returncode == 0, done.stderr[-2000:]
    assert word in done.stdout


def test_every_command_named_in_the_readme_exists() -> None:
    from synth.cli.app import COMMANDS as FUNCTIONS

    known = {function.__name__.replace("_", "-") for function in FUNCTIONS} | {"seeds"}
    table = README[README.index("| command |") : README.index("Every command takes")]
    named = {
        word for cell in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for word in re.findall(r"[a-z][a-z-]+", cell)
    }
    assert named - {"synth", "command", "check", "stats", "import", "from-run"} <= known
