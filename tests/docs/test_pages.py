"""Every code block of the documentation and of README is followed, page by page, in a folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from doc_blocks import Block, blocks, words
from served import ServedTeacher
from typer.testing import CliRunner

from synth.cli.app import app
from synth.given import parse_yaml
from synth.recipe import build_recipe, read_recipe

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
OTHERS = re.compile(r"^(make|export|python -m venv|pip install|\S+/pip install|git|cd|source|cat|ls|python) ?")
SERVERS = re.compile(r"^(vllm|ollama|llama-server|python -m sglang|OLLAMA_|\S+/vllm|docker) ?")


@pytest.fixture(scope="module")
def server() -> Iterator[ServedTeacher]:
    with ServedTeacher() as teacher:
        yield teacher


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples and benchmarks in it, as a checkout has them, and a key that no service takes."""
    for name in ("examples", "benchmarks"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_can_be_followed_from_top_to_bottom(page: Path, place: Path, server: ServedTeacher) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        where = f"{page.name}, line {block.line}"
        if block.is_file:
            (place / block.title).parent.mkdir(parents=True, exist_ok=True)
            (place / block.title).write_text(block.text, "utf-8")
        if block.language == "yaml":
            check_recipe(block, place, where)
        elif block.language == "console":
            for command in block.commands():
                follow(command, block.only_checked, server, where)
        elif block.language == "python" and not block.is_file and not block.only_checked:
            exec(compile(block.text, where, "exec"), names)


def check_recipe(block: Block, place: Path, where: str) -> None:
    path = place / (block.title if block.is_file else "block.yaml")
    path.write_text(block.text, "utf-8")
    try:
        if block.is_file:
            read_recipe(path)
        else:  # its files are the reader's
            build_recipe(parse_yaml(block.text, where)[0])
    except Exception as error:
        raise AssertionError(f"{where}: {error}") from error


def follow(command: str, only_checked: bool, server: ServedTeacher, where: str) -> None:
    """Run a `synth` command in this process, with a served teacher in place of services; check the others."""
    given = words(command)
    if given[0] != "synth":
        others(command, only_checked, where)
    elif only_checked:
        check_flags(given[1:], where)
    else:
        done = CliRunner().invoke(app, [*prepared(given[1:], server.url), *in_small(given[1:])])
        assert done.exit_code == 0, f"{where}: {command}\n{done.output[-3000:]}\n{done.exception!r}"


def prepared(given: list[str], url: str) -> list[str]:
    """The words of a command with a teacher on loopback in place of a service."""
    swapped = [re.sub(r"^(openai|vllm):.+", "openai:embedded", word) for word in given]
    swapped = [url if word.startswith("http") else word for word in swapped]
    has_service = swapped != given and "--base-url" not in swapped
    return [*swapped, "--base-url", url] if has_service else swapped


def in_small(given: list[str]) -> list[str]:
    """Flags that let a recipe train and examine its student in a few steps: a page shows that it works, not how well."""
    if given[0] != "run" or not Path(given[1]).is_file():
        return []
    recipe = read_recipe(Path(given[1]))
    small = {"train": "max_steps=4", "align": "max_steps=2", "evaluate": "max_tasks=6"}
    return [word for name, size in small.items() if getattr(recipe, name) for word in ("--set", f"{name}.{size}")]


def check_flags(given: list[str], where: str) -> None:
    """The command and all its flags exist, and the recipes it names are valid."""
    command: Any = typer.main.get_command(app)
    path = "synth"
    while given and given[0] in getattr(command, "commands", {}):
        command, path, given = command.commands[given[0]], f"{path} {given[0]}", given[1:]
    if path == "synth":
        assert given[0] in {option for one in command.params for option in one.opts}, f"{where}: {given[0]}"
        return
    try:
        command.make_context(path, list(given))
    except (Exception, SystemExit) as error:
        raise AssertionError(f"{where}: {path}: {error!r}") from error
    for word in given:
        if word.endswith(".yaml") and Path(word).is_file():
            read_recipe(Path(word))


def others(command: str, only_checked: bool, where: str) -> None:
    """What is not ours: make targets must exist, scripts are run, the rest is of a few known kinds."""
    first, *rest = words(command)
    if first == "make":
        assert rest and rest[0] in TARGETS, f"{where}: no make target in {command}"
    elif first == "python" and rest[0].endswith(".py") and not only_checked:
        done = subprocess.run([sys.executable, *rest], capture_output=True, text=True, env=os.environ, timeout=300)
        assert done.returncode == 0, f"{where}: {command}\n{done.stderr[-2000:]}"
    else:
        known = SERVERS if only_checked else OTHERS
        assert known.match(command) or OTHERS.match(command), f"{where}: {command}"
