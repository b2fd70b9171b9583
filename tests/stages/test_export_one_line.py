"""What is exported loads with pandas, polars, DuckDB and datasets in one line each, every text unchanged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth.records import Record
from synth.stages.export import ExportSettings, export

TEXTS = ["plain", 'a "quotation", with a comma', "two\nlines", "漢字 and ü", "=1+1", "2024-05-01", "007", "null"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export")
    records = [Record(f"Question {n}?", text, f"{text} answered") for n, text in enumerate(TEXTS)]
    export(records, out, ExportSettings(formats=["alpaca", "alpaca_jsonl", "messages", "parquet", "csv"]), {})
    return out


def package(name: str) -> Any:
    return pytest.importorskip(
        name, reason=f"#### {name} is not installed: reading exports with it was NOT tested ####"
    )


def by_datasets(kind: str, file: str, cache: Path) -> list[str]:
    datasets = package("datasets")
    return list(datasets.load_dataset(kind, data_files=file, split="train", cache_dir=str(cache))["output"])


READERS: dict[str, Callable[[Path], list[str]]] = {
    "pandas, alpaca.json": lambda f: package("pandas").read_json(f / "alpaca.json", dtype=False)["output"].tolist(),
    "pandas, alpaca.jsonl": lambda f: package("pandas").read_json(f / "alpaca.jsonl", lines=True, dtype=False)["output"].tolist(),
    "pandas, records.parquet": lambda f: package("pandas").read_parquet(f / "records.parquet")["output"].tolist(),
    "polars, alpaca.json": lambda f: package("polars").read_json(f / "alpaca.json")["output"].to_list(),
    "polars, alpaca.jsonl": lambda f: package("polars").read_ndjson(f / "alpaca.jsonl")["output"].to_list(),
    "polars, records.parquet": lambda f: package("polars").read_parquet(f / "records.parquet")["output"].to_list(),
    "duckdb, alpaca.json": lambda f: [row[0] for row in package("duckdb").sql(f"select output from '{f}/alpaca.json'").fetchall()],
    "duckdb, alpaca.jsonl": lambda f: [row[0] for row in package("duckdb").sql(f"select output from '{f}/alpaca.jsonl'").fetchall()],
    "duckdb, records.parquet": lambda f: [row[0] for row in package("duckdb").sql(f"select output from '{f}/records.parquet'").fetchall()],
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_one_line_reads_every_text_unchanged(reader: str, folder: Path) -> None:
    assert READERS[reader](folder) == [f"{text} answered" for text in TEXTS]


@pytest.mark.parametrize(
    ("kind", "file"), [("json", "alpaca.json"), ("json", "alpaca.jsonl"), ("parquet", "records.parquet")]
)
def test_datasets_reads_every_text_unchanged(
    kind: str, file: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert by_datasets(kind, str(folder / file), tmp_path) == [f"{text} answered" for text in TEXTS]


def test_messages_keep_their_turns(folder: Path) -> None:
    row = package("polars").read_ndjson(folder / "messages.jsonl")["messages"].to_list()[1]
    assert row == [
        {"role": "user", "content": f"Question 1?\n\n{TEXTS[1]}"}, {"role": "assistant", "content": f"{TEXTS[1]} answered"},
    ]  # fmt: skip
