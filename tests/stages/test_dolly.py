"""Dolly's eight categories from its file to the export, and as kinds that bootstrap draws from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted import Scripted, collect, inventive, prompt_of

from synth.records import Record
from synth.sources import read_source
from synth.sources.annotated import AnnotatedSource, annotated
from synth.stages.bootstrap import BootstrapSettings, bootstrap
from synth.stages.bootstrap.attributes import DOLLY_KINDS
from synth.stages.export import ExportSettings, export
from synth.stages.seeds import import_seed_tasks

WITH_PASSAGE = {"closed_qa", "information_extraction", "summarization"}


def written(folder: Path) -> Path:
    rows = [
        {
            "instruction": f"Task of the kind {name}",
            "context": "The bridge opened in 1931.[12]" if name in WITH_PASSAGE else "",
            "response": f"An answer to {name}",
            "category": name,
        }
        for name in DOLLY_KINDS
    ]
    (folder / "dolly.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder / "dolly.jsonl"


def test_the_categories_are_kept_from_the_file_to_the_export_and_footnotes_go(tmp_path: Path) -> None:
    source = read_source(written(tmp_path))
    assert [one.meta["category"] for one in source.records] == list(DOLLY_KINDS)
    assert {one.input for one in source.records} == {"", "The bridge opened in 1931."}
    assert any("footnotes" in note and "(rows: 3)" in note for note in source.notes)
    export(source.records, tmp_path, ExportSettings(formats=["dolly"]), {})
    again = read_source(tmp_path / "dolly.jsonl").records
    assert [(one.input, one.output, one.meta) for one in again] == [
        (one.input, one.output, one.meta) for one in source.records
    ]
    notes: list[str] = []
    source_of_stage = AnnotatedSource(path=written(tmp_path), meta={"language": "en"})
    told = [one for one in annotated("dolly", source_of_stage, 0, tell=notes.append) if isinstance(one, Record)]
    assert [one.meta["category"] for one in told] == list(DOLLY_KINDS)
    assert {(one.meta["source"], one.meta["language"]) for one in told} == {("dolly", "en")} and "footnotes" in notes[0]
    tasks = import_seed_tasks(written(tmp_path)).tasks
    assert [task.category for task in tasks] == list(DOLLY_KINDS)


def test_bootstrap_draws_each_category_alike_and_wants_a_passage_where_one_is_needed(tmp_path: Path) -> None:
    seeds = import_seed_tasks(written(tmp_path)).tasks
    model = Scripted(inventive)
    settings = BootstrapSettings(num_tasks=16, categories=list(DOLLY_KINDS), window=4)
    results = collect(tmp_path / "run", model, lambda engine: bootstrap(engine, seeds, settings))
    made = [one for batch in results for one in batch if isinstance(one, Record)]
    assert {one.meta["requested_category"] for one in made} <= set(DOLLY_KINDS)
    lasts = [prompt_of(request).rpartition("Write a new task")[2] for request in model.requests]
    for name in WITH_PASSAGE:
        asked = [text for text in lasts if DOLLY_KINDS[name].phrase in text]
        assert asked and all("The passage stands under Input." in text for text in asked)
    with pytest.raises(ValueError, match="diverse alone"):
        BootstrapSettings(method="alpaca", categories=["open_qa"])
