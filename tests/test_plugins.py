"""Each example in examples/plugins works: named as module:name, in a recipe and on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import ROOT, synth

from synth.engine.ledger import LedgerReader
from synth.errors import UsageError
from synth.plugins import find
from synth.records import Record


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugins") / "mine"
    shutil.copytree(ROOT / "examples" / "plugins", folder)
    code, _, words = synth("run", "plugins.yaml", "--run", "run", cwd=folder)
    assert code == 0, words
    return folder


def records(place: Path, stage: str) -> list[Record]:
    reader = LedgerReader(place / "run")
    try:
        return list(reader.records(stage))
    finally:
        reader.close()


def test_the_recipe_runs_with_stage_operator_format_and_template_from_outside(place: Path) -> None:
    answers = {record.id: record.output for record in records(place, "respond")}
    shortest = records(place, "shortest")
    assert shortest and all(len(record.output) <= len(answers[record.id]) for record in shortest)
    reader = LedgerReader(place / "run")
    tried = {(r.record if hasattr(r, "record") else r).lineage.operator for r in reader.results("evolve")}
    reader.close()
    assert "evolution:WITH_DEADLINE" in tried
    final = records(place, "select")
    assert (place / "run/export/cards.csv").read_text().count('"\n') == len(final) + 1
    assert json.loads((place / "run/student/train.json").read_text())["settings"]["template"] == "template:PLAIN"
    code, _, words = synth("verify", "run", cwd=place)
    assert code == 0, words


def test_a_check_is_named_on_the_command_line_with_its_options(place: Path) -> None:
    rows = [{"instruction": f"Say {text}", "output": text} for text in ("quiet words", "LOUD WORDS", "Half LOUD")]
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    kept = {}
    for share in ("0.5", "0.9"):
        check = f"'check:no_shouting': {{share: {share}}}"
        code, _, words = synth("select", "rows.jsonl", "--check", check, "--out", "kept.jsonl", cwd=place)
        assert code == 0, words
        kept[share] = [json.loads(line)["output"] for line in (place / "kept.jsonl").read_text().splitlines()]
    assert kept == {"0.5": ["quiet words"], "0.9": ["quiet words", "Half LOUD"]}


def test_a_backend_is_named_on_the_command_line_with_its_model(place: Path) -> None:
    (place / "asked.jsonl").write_text('{"instruction": "name the sea"}\n')
    words = ("respond", "--from", "asked.jsonl", "--run", "echoed", "--teacher", "backend:ECHO:loud")
    code, _, said = synth(*words, cwd=place)
    assert code == 0, said
    reader = LedgerReader(place / "echoed")
    (record,) = reader.records("respond")
    reader.close()
    assert record.output == "NAME THE SEA"


def test_an_export_format_is_named_on_the_command_line(place: Path) -> None:
    words = ("export", "run", "--format", "export_format:CARDS", "--out", "cards", "--validation", "0.3")
    code, _, said = synth(*words, cwd=place)
    assert code == 0, said
    assert {path.name for path in (place / "cards").glob("*.csv")} == {"cards_train.csv", "cards_validation.csv"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refusl", "did you mean 'refusal'"),
        ("nowhere:check", "cannot be imported (ModuleNotFoundError"),
        ("json:nothing", "json has no 'nothing'"),
        ("os.path:joint", "did you mean 'join'"),
        ("a b:c", "no check 'a b:c'"),
    ],
)
def test_what_cannot_be_found_is_said_with_what_to_do(name: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        find({"refusal": 1}, name, "check")
    assert words in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("select.checks=['json:loads']", "the options of"),
        ("export.formats=['json:loads']", "no synth.ExportFormat"),
        ("evolve.operators={'json:loads': 1}", "no synth.Operator"),
        ("teacher.backend=json:loads", "no backend"),
        ("train.template=json:loads", "no synth.Template"),
    ],
)
def test_an_object_of_another_kind_is_refused_before_anything_runs(key: str, words: str, place: Path) -> None:
    code, _, said = synth("validate", "plugins.yaml", "--set", key, cwd=place)
    assert code == 2 and words in said and "Traceback" not in said, said
