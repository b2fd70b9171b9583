"""`synth bootstrap` at the terminal: a topic, few seeds of one's own, prompts of one's own, and their mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synth.cli.app import app
from synth.engine.ledger import LedgerReader
from synth.shipped import SEED_FILE

PROMPTS = SEED_FILE.parents[1] / "synth" / "prompts"


def synth(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--teacher", "embedded"])
    return result.exit_code, result.stdout, result.stderr


def prompts_of(folder: Path) -> list[str]:
    reader = LedgerReader(folder)
    try:
        return [json.loads(row)["messages"][0]["content"] for (row,) in reader.query("SELECT request FROM requests")]
    finally:
        reader.close()


@pytest.mark.parametrize("method", ["diverse", "alpaca", "self_instruct"])
def test_a_topic_and_five_seeds_are_enough_for_every_method(method: str, tmp_path: Path) -> None:
    seeds, run = tmp_path / "five.jsonl", tmp_path / "run"
    seeds.write_text("\n".join(SEED_FILE.read_text("utf-8").splitlines()[:5]) + "\n")
    flags = ("--num-tasks", "15", "--method", method, "--seeds", seeds, "--topic", "the bread of a small bakery")
    code, printed, words = synth("bootstrap", *flags, "--run", run, "--json")
    assert code == 0, words
    reader = LedgerReader(run)
    assert len({record.instruction for record in reader.records("bootstrap")}) == 15
    reader.close()
    asked = [text for text in prompts_of(run) if text.startswith(("# New tasks", "# More tasks"))]
    assert asked and all("the bread of a small bakery" in text for text in asked)
    assert json.loads(printed)["stages"]["bootstrap"]["kept"] >= 15


def test_a_prompt_of_ones_own_is_used_and_a_missing_one_is_named(tmp_path: Path) -> None:
    own = tmp_path / "mine.jinja"
    own.write_text((PROMPTS / "diverse.jinja").read_text().replace("# New tasks\n", "# New tasks\n\nAhoy!\n"))
    code, _, words = synth("bootstrap", "--num-tasks", "10", "--prompt", f"diverse={own}", "--run", tmp_path / "run")
    assert code == 0 and all("Ahoy!" in text for text in prompts_of(tmp_path / "run")), words
    for flag in ("diverse=nowhere.jinja", "divers=mine.jinja", "mine.jinja"):
        code, _, words = synth("bootstrap", "--prompt", flag, "--run", tmp_path / "other")
        assert code == 2 and "diverse" in words + flag, words
