"""Other people's readers load an export offline: datasets, TRL, LLaMA-Factory's way of reading, mlcroissant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synth.records import Lineage, OtherAnswer, Record
from synth.stages.export import ExportSettings, Splits, export

TEXTS = ["a plain answer", "", "2024-05-01", '"quoted"\u2028and, more', "漢字", "=1+1"]


def records() -> list[Record]:
    return [
        Record(f"Question {n}?", text, f"{text} answer {n}", lineage=Lineage("bootstrap", ("seed-1",), model="m"),
               others=(OtherAnswer(f"older answer {n}"),), meta={"language": "en"})
        for n, text in enumerate(TEXTS * 3)
    ]  # fmt: skip


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of its own, and no network for the Hugging Face libraries."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    return tmp_path / "cache"


PAIR_FORMATS = ["preference_messages", "preference_implicit", "hh", "openai_preference", "kto", "ultrafeedback"]
JSON_FORMATS = ["alpaca", "alpaca_jsonl", "messages", "prompt_completion", "sharegpt", "preference"]


@pytest.mark.parametrize("formats", [["datasets", "parquet"], JSON_FORMATS])
def test_datasets_loads_the_folder(formats: list[str], offline: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    out = tmp_path / "out"
    chosen = ExportSettings(formats=formats, provenance=True, splits=Splits(validation=0.1, test=0.2))
    manifest = export(records(), out, chosen, {"date": "2026-01-02"})
    for name in formats:
        loaded = datasets.load_dataset(str(out), name, cache_dir=str(offline))
        rows = {entry.split: entry.rows for entry in manifest.files if entry.format == name}
        assert {split: len(part) for split, part in loaded.items()} == rows
    default = datasets.load_dataset(str(out), cache_dir=str(offline))["train"]
    assert set(default["input"]) <= set(TEXTS)


def test_the_parquet_file_loads_by_itself(offline: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    export(records(), tmp_path, ExportSettings(formats=["parquet"]), {})
    path = str(tmp_path / "records.parquet")
    loaded = datasets.load_dataset("parquet", data_files=path, cache_dir=str(offline))["train"]
    assert [row["output"] for row in loaded] == [record.output for record in records()]


def llama_factory_pairs(folder: Path, name: str) -> list[tuple[list[dict[str, str]], list[dict[str, str]]]]:
    """(prompt turns, response turns) as LLaMA-Factory's converters make them of dataset_info.json and its file."""
    info = json.loads((folder / "dataset_info.json").read_text())[name]
    path = folder / info["file_name"]
    text = path.read_text("utf-8")
    rows: list[dict[str, Any]]
    rows = json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.split("\n") if line]
    columns = info["columns"]
    if info.get("formatting") == "sharegpt":
        tags = {"human": "user", "gpt": "assistant"}
        talks = [[{"role": tags[t["from"]], "content": t["value"]} for t in row[columns["messages"]]] for row in rows]
        assert all(len(talk) % 2 == 0 for talk in talks)
        return [(talk[:-1], talk[-1:]) for talk in talks]
    pairs = []
    for row in rows:
        query = [row[columns[key]] for key in ("prompt", "query") if key in columns and row[columns[key]]]
        names = ("chosen", "rejected") if info.get("ranking") else ("response",)
        answers = [{"role": "assistant", "content": row[columns[name]]} for name in names]
        pairs.append(([{"role": "user", "content": "\n".join(query)}], answers))
    return pairs


def test_llama_factory_finds_its_files_and_columns(tmp_path: Path) -> None:
    export(records(), tmp_path, ExportSettings(formats=["alpaca", "sharegpt", "preference"]), {"name": "my run"})
    for name in ("my_run_alpaca", "my_run_sharegpt"):
        pairs = llama_factory_pairs(tmp_path, name)
        assert [answer[0]["content"] for _, answer in pairs] == [record.output for record in records()]
    chosen = llama_factory_pairs(tmp_path, "my_run_preference")
    assert all(len(answers) == 2 for _, answers in chosen)


@pytest.mark.slow
def test_trl_takes_the_chat_the_prompt_and_the_preference_form(offline: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    utils = pytest.importorskip("trl.data_utils")
    formats = ["messages", "prompt_completion", "preference"]
    export(records(), tmp_path, ExportSettings(formats=formats), {})
    loaded = {n: datasets.load_dataset(str(tmp_path), n, cache_dir=str(offline))["train"] for n in formats}
    assert [utils.is_conversational(loaded[name][0]) for name in formats] == [True, False, False]
    assert set(loaded["prompt_completion"].column_names) == {"prompt", "completion"}
    pairs = utils.maybe_unpair_preference_dataset(loaded["preference"])
    assert len(pairs) == 2 * len(loaded["preference"])


def pairs() -> list[Record]:
    others = OtherAnswer("as good", "m", 0.5), OtherAnswer("worse", None, 0.0)
    return [replace(record, output="the best", others=others) for record in records()]


@pytest.mark.slow
def test_datasets_and_trl_load_every_form_of_pairs(offline: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    utils = pytest.importorskip("trl.data_utils")
    export(pairs(), tmp_path, ExportSettings(formats=PAIR_FORMATS), {})
    loaded = {n: datasets.load_dataset(str(tmp_path), n, cache_dir=str(offline))["train"] for n in PAIR_FORMATS}
    explicit = [utils.maybe_extract_prompt(row) for row in loaded["preference_implicit"]]
    assert explicit == list(loaded["preference_messages"])
    assert {row["label"] for row in loaded["kto"]} == {True, False} and utils.is_conversational(loaded["kto"][0])
    assert [one["overall_score"] for one in loaded["ultrafeedback"][0]["completions"]] == [10, 10, 1]


def test_mlcroissant_validates_the_description_and_reads_the_rows(tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    formats = ["alpaca", "alpaca_jsonl", "parquet", "csv", "messages"]
    chosen = ExportSettings(formats=formats, provenance=True, licence="cc-by-4.0", authors=["A. Person"],
                            url="https://example.org/data")  # fmt: skip
    export(records(), tmp_path, chosen, {"name": "demo", "date": "2026-01-02"})
    dataset = mlcroissant.Dataset(str(tmp_path / "croissant.json"))
    assert dataset.metadata.issues.errors == set() and dataset.metadata.issues.warnings == set()
    for name in ("alpaca", "alpaca_jsonl", "parquet"):
        rows = list(dataset.records(name))
        assert [row[f"{name}/output"].decode() for row in rows] == [record.output for record in records()]
