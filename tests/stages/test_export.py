"""What an export promises: true rows, whole files, splits by family, and a manifest that finds every change."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth.errors import StorageError
from synth.models import connect
from synth.models.base import ChatRequest, Sampling
from synth.pipeline import final_records
from synth.pipeline import run as run_recipe
from synth.prompts.answering import answering
from synth.recipe import read_recipe
from synth.records import Lineage, OtherAnswer, Record
from synth.sources import read_records
from synth.sources.tables import escape_cell, unescape_cell
from synth.stages.export import FORMATS, ExportSettings, Splits, export, verify_manifest

HOSTILE = "=cmd|'/c calc'!A0\u2028\x00\x85 \"quoted\" ’ 漢字 \r\n,;\t<b>"
TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
ANSWER = TEXT.filter(lambda text: text.strip() != "")


def record(number: int, **changes: Any) -> Record:
    meta = {"category": "writing", "language": "en", "nearest_score": 0.25}
    made = Record(
        f"Write line {number}.", "some input" if number % 3 else "", f"line {number}",
        lineage=Lineage("bootstrap", ("seed-1",), "diverse", 0, "some-model", "diverse@12345678"), meta=meta,
    )  # fmt: skip
    return replace(made, **changes)


def child_of(parent: Record, number: int) -> Record:
    line = Lineage("evolve", (parent.id,), "deepen", parent.lineage.generation + 1, "some-model")
    return record(number, instruction=f"{parent.instruction} And {number} more.", lineage=line)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, read by other people's readers."""
    if path.suffix == ".json":
        return list(json.loads(path.read_text("utf-8")))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [{key: unescape_cell(cell) for key, cell in row.items()} for row in csv.DictReader(file)]
    import pyarrow.parquet as pq

    return list(pq.read_table(path).to_pylist())


def test_every_format_has_its_rows_a_manifest_and_a_card(tmp_path: Path) -> None:
    records = [record(n, others=(OtherAnswer("an older line"),)) for n in range(7)]
    manifest = export(records, tmp_path, ExportSettings(formats=list(FORMATS)), {"name": "demo"})
    assert manifest.records == 7
    for name in FORMATS:
        assert len(rows_of(tmp_path / FORMATS[name].file)) == 7, name
    assert {entry.rows for entry in manifest.files if entry.format} == {7}
    assert verify_manifest(tmp_path) == []
    assert "# demo" in (tmp_path / "README.md").read_text()


def test_alpaca_json_reads_as_alpaca_does(tmp_path: Path) -> None:
    export([record(1)], tmp_path, ExportSettings(), {})
    assert json.loads((tmp_path / "alpaca.json").read_text()) == [
        {"instruction": "Write line 1.", "input": "some input", "output": "line 1"}
    ]


def test_no_records_make_whole_empty_files(tmp_path: Path) -> None:
    export([], tmp_path, ExportSettings(formats=list(FORMATS)), {})
    assert json.loads((tmp_path / "alpaca.json").read_text()) == []
    assert rows_of(tmp_path / "records.parquet") == []
    assert verify_manifest(tmp_path) == []


def test_records_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    manifest = export([record(1), record(2, output=" ")], tmp_path, ExportSettings(), {})
    assert (manifest.records, manifest.left_out) == (1, {"no_answer": 1})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.tuples(ANSWER, TEXT, ANSWER, ANSWER), min_size=1, max_size=4))
def test_round_trips_are_equal_in_every_format(tmp_path: Path, texts: list[tuple[str, str, str, str]]) -> None:
    records = [Record(one, two, three, others=(OtherAnswer(four),)) for one, two, three, four in texts]
    export(records, tmp_path, ExportSettings(formats=list(FORMATS)), {})
    clean = [tuple("".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in t) for t in row) for row in texts]
    for name in ("alpaca", "alpaca_jsonl", "parquet", "datasets", "csv"):
        rows = rows_of(tmp_path / FORMATS[name].file)
        nul = "\ufffd" if name == "csv" else "\x00"
        expected = [tuple(t.replace("\x00", nul) for t in row[:3]) for row in clean]
        assert [(r["instruction"], r["input"], r["output"]) for r in rows] == expected, name
    asked = [f"{one}\n\n{two}" if two else one for one, two, _, _ in clean]
    answers = [three for _, _, three, _ in clean]
    chat = [[turn["content"] for turn in row["messages"]] for row in rows_of(tmp_path / "messages.jsonl")]
    shared = [[turn["value"] for turn in row["conversations"]] for row in rows_of(tmp_path / "sharegpt.json")]
    assert chat == shared == [list(pair) for pair in zip(asked, answers, strict=True)]
    pairs = [(row["prompt"], row["completion"]) for row in rows_of(tmp_path / "prompt_completion.jsonl")]
    assert pairs == [(f"{question}\n\n", answer) for question, answer in zip(asked, answers, strict=True)]
    for row in rows_of(tmp_path / "preference.jsonl"):
        assert (row["prompt"], row["chosen"], row["rejected"]) in list(
            zip(asked, answers, [four for *_, four in clean], strict=True)
        )


@given(st.text())
def test_no_csv_cell_is_a_formula_and_the_escape_can_be_undone(text: str) -> None:
    cell = escape_cell(text)
    assert cell[:1] not in set("=+-@\t\r\n＝＋－＠")
    assert unescape_cell(cell) == text.replace("\x00", "\ufffd")


def test_hostile_text_breaks_no_line_of_any_file(tmp_path: Path) -> None:
    records = [record(n, output=HOSTILE + "\ud800", meta={"x": float("nan")}) for n in range(3)]
    manifest = export(records, tmp_path, ExportSettings(formats=list(FORMATS), provenance=True), {})
    for name in ("alpaca_jsonl", "messages", "prompt_completion"):
        assert len((tmp_path / FORMATS[name].file).read_text("utf-8").splitlines()) == 3
    assert json.loads(rows_of(tmp_path / "records.parquet")[0]["scores"]) == {"x": None}
    assert any("U+FFFD" in note for note in manifest.notes)


def test_conversations_keep_their_turns(tmp_path: Path) -> None:
    turns = [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Hi"),
        ("user", "How old?"),
        ("assistant", "Nine"),
    ]
    talk = Record("How old?", "", "Nine", "Be brief.", (("Hello", "Hi"),))
    export([talk], tmp_path, ExportSettings(formats=list(FORMATS)), {})
    (row,) = rows_of(tmp_path / "messages.jsonl")
    assert [(turn["role"], turn["content"]) for turn in row["messages"]] == turns
    (row,) = rows_of(tmp_path / "alpaca.json")
    assert (row["history"], row["system"]) == ([["Hello", "Hi"]], "Be brief.")
    assert rows_of(tmp_path / "prompt_completion.jsonl")[0]["prompt"].startswith("System: Be brief.\n\nUser: Hello\n\n")
    for name in ("messages.jsonl", "sharegpt.json", "alpaca.json", "alpaca.jsonl", "records.parquet"):
        assert read_records(tmp_path / name) == [talk], name


def test_the_same_records_make_the_same_bytes(tmp_path: Path) -> None:
    chosen = ExportSettings(formats=list(FORMATS), provenance=True, splits=Splits(validation=0.2, test=0.2))
    folders = (tmp_path / "one", tmp_path / "two")
    for folder in folders:
        export((record(n) for n in range(50)), folder, chosen, {"date": "2026-01-02"})
    assert digests(folders[0]) == digests(folders[1])


def test_provenance_says_where_a_row_comes_from(tmp_path: Path) -> None:
    export([record(1)], tmp_path, ExportSettings(provenance=True, licence="cc-by-4.0"), {"date": "2026-01-02"})
    (row,) = rows_of(tmp_path / "alpaca.json")
    assert row | {} == row
    wanted = {"id": record(1).id, "origin": "bootstrap", "parents": ["seed-1"], "teacher": "some-model"}
    wanted |= {"date": "2026-01-02", "licence": "cc-by-4.0", "scores": '{"nearest_score": 0.25}', "generation": 0}
    assert wanted.items() <= row.items()


def families(num: int) -> Iterator[Record]:
    for number in range(num):
        parent = record(number)
        yield parent
        child = child_of(parent, number)
        yield child
        yield child_of(child, number)
        yield replace(parent, input=f"another input {number}")


def split_rows(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {name: rows_of(folder / f"alpaca_{name}.json") for name in ("train", "validation", "test")}


def test_families_stay_together_and_shares_are_met(tmp_path: Path) -> None:
    chosen = ExportSettings(provenance=True, splits=Splits(validation=0.1, test=0.2))
    export(families(100), tmp_path, chosen, {})
    rows = split_rows(tmp_path)
    assert {name: len(found) for name, found in rows.items()} == {"train": 280, "validation": 40, "test": 80}
    where = {row["id"]: name for name, found in rows.items() for row in found}
    assert all(
        where.get(parent, name) == name for name, found in rows.items() for r in found for parent in r["parents"]
    )
    spoken: dict[str, set[str]] = {}
    for name, found in rows.items():
        for row in found:
            spoken.setdefault(row["instruction"], set()).add(name)
    assert all(len(names) == 1 for names in spoken.values())


def test_links_hold_a_family_together_when_its_middle_was_thrown_away(tmp_path: Path) -> None:
    chosen = ExportSettings(provenance=True, splits=Splits(test=0.5))
    kept = [r for r in families(40) if r.lineage.generation != 1 and r.input in ("", "some input")]
    links = [(r.id, child_of(child_of(r, n), n).id) for n, r in enumerate(record(n) for n in range(40))]
    export(kept, tmp_path, chosen, {}, links)
    test_ids = {row["id"] for row in rows_of(tmp_path / "alpaca_test.json")}
    assert test_ids
    assert all((one in test_ids) == (other in test_ids) for one, other in links)


def test_machine_made_examples_of_a_prompt_make_no_family(tmp_path: Path) -> None:
    first = record(0)
    others = [record(n, lineage=Lineage("bootstrap", (first.id,), "self_instruct")) for n in range(1, 20)]
    export([first, *others], tmp_path, ExportSettings(splits=Splits(test=0.5)), {})
    assert len(rows_of(tmp_path / "alpaca_test.json")) == 10


def test_the_manifest_finds_any_changed_byte(tmp_path: Path) -> None:
    export([record(n) for n in range(3)], tmp_path, ExportSettings(formats=["alpaca", "parquet", "csv"]), {})
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        whole = path.read_bytes()
        for at in range(0, len(whole), max(1, len(whole) // 50)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert verify_manifest(tmp_path), (path, at)
        path.write_bytes(whole)
    assert verify_manifest(tmp_path) == []


def test_missing_files_and_unfinished_exports_are_named(tmp_path: Path) -> None:
    export([record(1)], tmp_path, ExportSettings(), {})
    (tmp_path / "alpaca.json").unlink()
    assert verify_manifest(tmp_path) == ["export: alpaca.json is missing"]
    (tmp_path / "manifest.json").unlink()
    assert "never finished" in verify_manifest(tmp_path)[0]


def test_an_export_that_fails_leaves_the_old_files_and_no_manifest(tmp_path: Path) -> None:
    export([record(1)], tmp_path, ExportSettings(), {})
    before = (tmp_path / "alpaca.json").read_bytes()

    def broken() -> Iterator[Record]:
        yield record(2)
        raise StorageError("the source went away")

    with pytest.raises(StorageError):
        export(broken(), tmp_path, ExportSettings(), {})
    assert (tmp_path / "alpaca.json").read_bytes() == before
    assert not (tmp_path / "manifest.json").exists()
    assert not list(tmp_path.glob("*.tmp"))


def test_files_of_an_earlier_export_go_unless_someone_changed_them(tmp_path: Path) -> None:
    export([record(1)], tmp_path, ExportSettings(formats=["alpaca", "csv", "messages"]), {})
    (tmp_path / "messages.jsonl").write_text("mine now\n")
    (tmp_path / "own.txt").write_text("mine\n")
    export([record(1)], tmp_path, ExportSettings(), {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md", "alpaca.json", "croissant.json", "dataset_info.json", "manifest.json", "messages.jsonl", "own.txt",
    ]  # fmt: skip


def test_settings_refuse_unknown_formats_and_splits_of_everything() -> None:
    with pytest.raises(ValueError, match="no export format 'yaml'"):
        ExportSettings(formats=["yaml"])
    with pytest.raises(ValueError, match="nothing to train on"):
        Splits(validation=0.5, test=0.5)


def test_the_card_shows_foreign_text_and_obeys_none(tmp_path: Path) -> None:
    nasty = "x|y\n# Heading <script>alert(1)</script> [a](javascript:1)"
    records = [record(1, meta={"category": nasty, "language": "en\n---"})]
    export(records, tmp_path, ExportSettings(title="--- a: 'b'\n{{ 7*7 }}", licence="My Own"), {"name": nasty})
    text = (tmp_path / "README.md").read_text()
    _, header, body = text.split("---\n", 2)
    front = yaml.safe_load(header)
    assert (front["license"], front["license_name"]) == ("other", "My Own")
    assert "language" not in front
    assert "<script>" not in body and "\n# Heading" not in body and "7\\*7" in body


def test_records_of_the_embedded_teacher_are_called_a_reference_bench(tmp_path: Path) -> None:
    export([record(1, lineage=Lineage("bootstrap", model="embedded"))], tmp_path / "a", ExportSettings(), {})
    assert "not instruction data" in (tmp_path / "a" / "README.md").read_text()
    export([record(1)], tmp_path / "b", ExportSettings(), {})
    assert "not instruction data" not in (tmp_path / "b" / "README.md").read_text()


def test_the_card_of_a_spoiled_teacher_says_so_and_counts_what_is_left(tmp_path: Path) -> None:
    text = (
        "teacher: {backend: embedded, faults: wrong_output=0.5, operations: [sentiment], max_steps: 1, short: true}\n"
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(text + "bootstrap: {num_tasks: 12, window: 4}\nselect: null\nreport: null\n")
    recipe = read_recipe(path)
    run_recipe(recipe, tmp_path / "run")
    clean = connect("embedded", {"operations": ("sentiment",), "max_steps": 1, "short": True})
    records = final_records(tmp_path / "run")

    async def right(record: Record) -> str:
        return (await clean.complete(ChatRequest(answering(record).messages, Sampling()))).text.strip()

    differ = sum(asyncio.run(right(record)) != record.output.strip() for record in records)
    card = (tmp_path / "run" / "export" / "README.md").read_text("utf-8")
    assert 0 < differ < 12 and f"Of 12 records that it can answer {differ} (" in card and "spoiled on purpose" in card
