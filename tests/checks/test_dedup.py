"""`synth dedup`: the filter on a file, with the pairs it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from synth.cli.dedup import dedup
from synth.records import Record

APP = typer.Typer()
APP.command()(dedup)

ROWS = [
    {"instruction": "Name three birds that sing at night.", "input": "", "output": "Nightingale."},
    {"instruction": "Name four birds that sing at night.", "input": "", "output": "Robin."},
    {"instruction": "Why is the sea salt?", "input": "", "output": "Rivers bring it."},
]


def run(tmp_path: Path, *options: str, rows: list[dict[str, str]] = ROWS) -> tuple[int, str, Path]:
    source, out = tmp_path / "rows.json", tmp_path / "novel.jsonl"
    source.write_text(json.dumps(rows), "utf-8")
    result = CliRunner().invoke(APP, [str(source), "--out", str(out), *options])
    return result.exit_code, result.stdout, out


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_what_stays_and_what_was_close_are_written(tmp_path: Path) -> None:
    code, shown, out = run(tmp_path)
    kept = [Record.from_dict(row) for row in lines(out)]  # type: ignore[arg-type]
    assert code == 0 and "3 rows, 2 kept" in shown
    assert [record.instruction for record in kept] == [ROWS[0]["instruction"], ROWS[2]["instruction"]]
    (pair,) = lines(Path(f"{out}.pairs.jsonl"))
    assert (pair["row"], pair["nearest_row"]) == (2, 1) and round(float(str(pair["score"])), 3) == 0.857


def test_json_holds_the_counts_and_the_threshold_decides(tmp_path: Path) -> None:
    _, shown, _ = run(tmp_path, "--json", "--threshold", "0.9")
    assert {key: json.loads(shown)[key] for key in ("rows", "kept", "removed")} == {"rows": 3, "kept": 3, "removed": 0}


def test_rows_without_tokens_are_reported_and_not_kept(tmp_path: Path) -> None:
    rows = [{"instruction": "给出三个保持健康的提示。", "input": "", "output": "多喝水。"}]
    _, _, out = run(tmp_path, "--tokenizer", "rouge", rows=rows)
    assert lines(out) == []
    assert lines(Path(f"{out}.pairs.jsonl"))[0]["reason"] == "no_tokens"


def test_a_wrong_threshold_is_a_usage_error(tmp_path: Path) -> None:
    code, _, out = run(tmp_path, "--threshold", "3")
    assert code == 2 and not out.exists()


def test_through_files_the_rows_and_the_pairs_are_those_found_in_memory(tmp_path: Path) -> None:
    rows = [*ROWS, *({**row, "instruction": row["instruction"] + " Say why."} for row in ROWS), {"output": "no task"}]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    ways = {"memory": [], "files": ["--work-folder", str(tmp_path / "work")]}
    counts = {}
    for way, flags in ways.items():
        done = CliRunner().invoke(APP, [str(source), "--out", str(tmp_path / way), "--json", *flags])
        counts[way] = {key: json.loads(done.stdout)[key] for key in ("rows", "kept", "removed", "skipped")}
    assert counts["files"] == counts["memory"] == {"rows": 6, "kept": 2, "removed": 4, "skipped": 1}
    assert (tmp_path / "files").read_bytes() == (tmp_path / "memory").read_bytes()
    pairs = [
        {key: value for key, value in pair.items() if key != "nearest"}
        for pair in lines(tmp_path / "memory.pairs.jsonl")
    ]
    assert lines(tmp_path / "files.pairs.jsonl") == pairs and pairs


@pytest.mark.slow
def test_on_ray_the_rows_are_those_found_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: synth dedup --on ray is not tested")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    for name, flags in {"here": [], "ray": ["--work-folder", str(tmp_path), "--on", "ray"]}.items():
        done = CliRunner().invoke(APP, [str(source), "--out", str(tmp_path / name), *flags])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "ray").read_bytes() == (tmp_path / "here").read_bytes() != b""


@pytest.mark.parametrize("flags", [["--processes", "2"], ["--on", "ray"], ["--work-folder", ".", "--on", "spark"]])
def test_a_place_to_compare_needs_files_and_a_name(tmp_path: Path, flags: list[str]) -> None:
    code, _, out = run(tmp_path, *flags)
    assert code == 2 and not out.exists()


def test_meanings_are_not_compared_through_files(tmp_path: Path) -> None:
    code, _, out = run(tmp_path, "--work-folder", str(tmp_path), "--semantic", "model")
    assert code == 2 and not out.exists()
