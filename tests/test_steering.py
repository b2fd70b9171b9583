"""A run folder follows its recipe: what a change does not concern stays, what costs is told first."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from served import ServedTeacher
from typer.main import get_command
from typer.testing import CliRunner

from synth.cli.app import app
from synth.engine.ledger import LedgerReader

RECIPE = """name: steered
seed: {seed}
teacher: {{backend: embedded}}
bootstrap: {{num_tasks: {tasks}, window: 4}}
respond: {{sampling: {{temperature: {temperature}, max_tokens: 1024}}}}
select: {{checks: [{checks}]}}
export: {{formats: [{formats}]}}
report: null
engine: {{prices: {{embedded: {{prompt: 1, completion: 4}}}}}}
"""


def recipe(folder: Path, seed: int = 1, tasks: int = 6, temperature: float = 0.7, more: str = "", **rest: str) -> Path:
    path = folder / "recipe.yaml"
    values = {"checks": "refusal", "formats": "alpaca"} | rest
    path.write_text(RECIPE.format(seed=seed, tasks=tasks, temperature=temperature, **values) + more)
    return path


def synth(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def made(path: Path, run: Path, *flags: str) -> tuple[int, str]:
    """Run to the end; the requests that were made, and the words said."""
    result = synth("run", path, "--run", run, "--json", *flags)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["requests"], result.stderr


def requests_of(run: Path, stage: str) -> int:
    reader = LedgerReader(run)
    try:
        return int(reader.query("SELECT count(*) FROM requests WHERE stage=?", stage)[0][0])
    finally:
        reader.close()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    assert made(recipe(folder), folder / "run")[0] > 0
    return folder / "run"


@pytest.fixture
def run(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "run"))


def test_a_folder_in_which_nothing_was_made_takes_any_recipe(tmp_path: Path) -> None:
    run = tmp_path / "run"
    refused = synth(
        "run", recipe(tmp_path), "--run", run, "--price", "x=1", "--set", "engine.prices={}", "--max-cost", 1
    )
    assert refused.exit_code == 2 and "price" in refused.stderr and (run / "recipe.yaml").exists()
    assert made(recipe(tmp_path, seed=5), run)[0] > 0


def test_a_changed_export_or_check_makes_those_stages_again_and_asks_nothing(run: Path, tmp_path: Path) -> None:
    requests, words = made(recipe(tmp_path, checks="refusal, repetition", formats="alpaca, messages"), run)
    assert requests == 0 and (run / "export" / "messages.jsonl").exists()
    assert "export.formats" in words and "select.checks" in words


def test_more_tasks_go_on_with_those_there(run: Path, tmp_path: Path) -> None:
    before = json.loads((run / "export" / "alpaca.json").read_text())
    assert made(recipe(tmp_path, tasks=8), run)[0] > 0
    assert json.loads((run / "export" / "alpaca.json").read_text())[: len(before)] == before


def test_what_would_be_asked_anew_is_told_with_its_price_and_needs_a_yes(run: Path, tmp_path: Path) -> None:
    other = recipe(tmp_path, temperature=0.2)
    refused = synth("run", other, "--run", run)
    assert refused.exit_code == 2 and "respond.sampling.temperature: 0.7 there, 0.2 now" in refused.stderr
    assert re.search(r"bootstrap +stays\n +respond +asked anew +6 +[\d,]+ +0\.\d+\n", refused.stderr), refused.stderr
    assert made(recipe(tmp_path), run)[0] == 0  # nothing was touched
    bootstrapped = requests_of(run, "bootstrap")
    assert made(recipe(tmp_path, temperature=0.2), run, "--accept-changes")[0] == 6
    assert requests_of(run, "bootstrap") == bootstrapped
    third = synth("run", recipe(tmp_path, temperature=0.4), "--run", run)
    assert re.search(r"respond +asked anew +6 .*\n.*\n.*\n +sum +about +6 ", third.stderr), third.stderr
    assert made(recipe(tmp_path), run)[0] == 0  # back again: equal requests are answered already


def test_an_accepted_change_ends_with_the_bytes_of_a_new_folder(run: Path, tmp_path: Path) -> None:
    other = recipe(tmp_path, seed=9)
    made(other, run, "--accept-changes")
    made(other, tmp_path / "new")
    assert (run / "export" / "alpaca.json").read_bytes() == (tmp_path / "new" / "export" / "alpaca.json").read_bytes()
    assert synth("verify", run).exit_code == 0


def test_a_setting_that_the_version_of_the_folder_did_not_know_is_no_change(run: Path, tmp_path: Path) -> None:
    known = json.loads((run / "identity.json").read_text())
    del known["respond.num_draws"], known["export.title"]
    for formats, is_told in (("alpaca", False), ("alpaca, messages", True)):
        (run / "identity.json").write_text(json.dumps(known))
        requests, words = made(recipe(tmp_path, formats=formats), run)
        assert requests == 0 and ("its recipe changed" in words) == ("export.formats" in words) == is_told
        assert "num_draws" not in words and "title" not in words


def test_starting_over_uses_the_paid_answers_again_unless_they_are_to_be_forgotten(run: Path, tmp_path: Path) -> None:
    path, data = recipe(tmp_path), (run / "export" / "alpaca.json").read_bytes()
    assert made(path, run, "--fresh")[0] == 0
    assert (run / "export" / "alpaca.json").read_bytes() == data
    assert made(path, run, "--fresh", "--forget")[0] > 0
    assert synth("run", path, "--run", run, "--forget").exit_code == 2


def test_a_server_that_moved_is_the_same_teacher_if_the_user_says_so(tmp_path: Path) -> None:
    def at(url: str) -> list[str]:
        return ["--teacher", "openai:embedded", "--base-url", url, "--set", "engine.prices={}"]

    path, run = recipe(tmp_path, tasks=3), tmp_path / "run"
    with ServedTeacher() as one:
        made(path, run, *at(one.url))
        probes, _ = made(path, run, *at(one.url))  # this server never answers what tells whether it keeps to a schema
    with ServedTeacher() as other:
        refused = synth("run", path, "--run", run, *at(other.url))
        assert refused.exit_code == 2 and "--same-teacher" in refused.stderr
        assert made(path, run, *at(other.url), "--same-teacher")[0] == probes
        assert made(path, run, *at(other.url))[0] == probes
        assert made(path, run, *at(other.url), "--fresh")[0] == probes


def test_a_hint_about_a_changed_folder_names_only_flags_that_the_command_has(tmp_path: Path) -> None:
    def bootstrap(seed: int, *flags: str) -> Result:
        words = ["bootstrap", "--num-tasks", 3, "--teacher", "embedded", "--run", tmp_path / "run", "--seed", seed]
        return synth(*words, *flags)

    assert bootstrap(1).exit_code == 0
    refused = bootstrap(2)
    assert refused.exit_code == 2
    known = {flag for one in get_command(app).commands["bootstrap"].params for flag in one.opts}  # type: ignore[attr-defined]
    assert set(re.findall(r"--[a-z-]+", refused.stderr.partition("hint:")[2])) <= known
    assert bootstrap(2, "--accept-changes").exit_code == 0


OF_OTHERS = {"--head", "--config"}
"""Flags of programs that are not ours: `ray start`, `trl sft`."""


def test_flags_named_in_messages_exist() -> None:
    group = get_command(app)
    commands = [
        *group.commands.values(),
        *(c for g in group.commands.values() for c in getattr(g, "commands", {}).values()),
    ]  # type: ignore[attr-defined]
    known = {flag for command in commands for one in command.params for flag in (*one.opts, *one.secondary_opts)}
    root = Path(__file__).parent.parent / "synth"
    ours = [
        path for path in root.rglob("*.py") if path.parts[len(root.parts)] != "student" and "vllm" not in path.parts
    ]
    for path in ours:  # those two call other programs
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", path.read_text("utf-8")))
        assert named <= known | {"--help", "--version"} | OF_OTHERS, (path, named - known)
