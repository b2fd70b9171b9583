"""The commands export, report and compare: what they print, where they write, how they fail."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

sys.path.append(str(Path(__file__).parents[1]))
from made_run import make_run

from synth.cli.export import export
from synth.cli.report import compare, report
from synth.stages.export import verify_manifest

app = typer.Typer()
for command in (export, report, compare):
    app.command()(command)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "made"
    make_run(folder, roots=30)
    (folder / "recipe.yaml").unlink()
    return folder


def call(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.stdout, result.stderr


def test_export_writes_what_was_asked_for(run: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "data")
    flags = [
        "--format",
        "messages",
        "--format",
        "parquet",
        "--test",
        "0.2",
        "--licence",
        "cc-by-4.0",
        "--out",
        out,
        "--json",
    ]
    code, said, _ = call("export", str(run), *flags)
    files = json.loads(said)["files"]
    assert code == 0
    assert {"messages_train.jsonl", "messages_test.jsonl", "records_train.parquet"} <= {file["path"] for file in files}
    assert verify_manifest(tmp_path / "data") == []


def test_export_without_flags_follows_the_defaults(run: Path) -> None:
    code, said, _ = call("export", str(run))
    assert code == 0 and "alpaca.json" in said
    assert (run / "export" / "alpaca.json").is_file()


def test_unknown_formats_and_shares_are_usage_errors(run: Path) -> None:
    assert call("export", str(run), "--format", "yaml")[0] == 2
    code, _, said = call("export", str(run), "--test", "1.5")
    assert code == 2 and "less than 1" in said


def test_a_push_is_only_shown_and_never_sent_without_a_token(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    words = ("export", str(run), "--out", str(tmp_path), "--push-to-hub", "someone/data", "--json")
    code, said, _ = call(*words)
    push = json.loads(said)["push"]
    assert code == 0 and push["uploaded"] is False
    assert set(push["files"]) == {"alpaca.json", "README.md", "croissant.json", "dataset_info.json", "manifest.json"}
    assert call(*words, "--yes")[0] == 6


def test_report_and_compare_say_where_the_page_is(run: Path, tmp_path: Path) -> None:
    code, said, _ = call("report", str(run), "--json")
    assert code == 0 and Path(json.loads(said)["report"]).is_file()
    page = tmp_path / "both.html"
    assert call("compare", str(run), str(run), "--out", str(page))[0] == 0 and page.is_file()
    assert call("report", str(tmp_path / "nothing"))[0] == 2
