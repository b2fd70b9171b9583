"""What is exported and imported again is equal, in every format that can hold the record."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.parsing import clean_input
from synth.records import Record
from synth.sources import read_source
from synth.stages.export import ExportSettings, export
from synth.stages.export.formats import FORMATS

CODE = 'def f(x):\n\treturn {"a": [1, 2]}[x]  # User: x\n\n```py\nprint("</p>")\n```'
LETTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\x00")
SPOKEN = "\n\nUser: hello\n\nAssistant:"
TEXT = st.text(LETTERS, min_size=1, max_size=40).filter(str.strip) | st.sampled_from(
    [CODE, "=1+1", "'-2", "漢字 عربي é\u2028", 'a,b;c\t"d"', "line\r\nline", "<|im_end|>", SPOKEN, " space "]
)
RECORDS = st.lists(
    st.builds(
        Record,
        instruction=TEXT,
        input=st.just("") | TEXT,
        output=TEXT,
        system=st.just("") | TEXT,
        history=st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=5,
)
HOLDS_INPUT = {"alpaca", "alpaca_jsonl", "parquet", "datasets", "csv", "dolly"}


def can_hold(name: str, record: Record) -> bool:
    """CSV has no place for a conversation, the chat forms none for an input apart from its instruction.

    An input that says that there is none ("NULL") is read as none.
    """
    if record.input and not clean_input(record.input):
        return False
    if name in ("csv", "dolly"):  # what Dolly's reader takes for a footnote is not read back
        return not record.system and not record.history and not re.search(r"\[\d", record.input)
    if name in ("prompt_completion", "orca", "chatml") and FORMATS[name].row(record) is None:
        return False
    return name in HOLDS_INPUT or not record.input


def content(record: Record) -> tuple[object, ...]:
    return record.instruction, record.input, record.output, record.system, record.history


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.row(Record("a", "", "b"))])
@settings(deadline=None, max_examples=60)
@given(records=RECORDS)
def test_what_is_exported_is_imported_equal(name: str, records: list[Record]) -> None:
    kept = [record for record in records if can_hold(name, record)]
    with tempfile.TemporaryDirectory() as folder:
        export(kept, Path(folder), ExportSettings(formats=[name], provenance=False), {})
        path = Path(folder) / FORMATS[name].file
        if not kept:
            return
        back = read_source(path, strict=True)
    assert sorted(map(content, back.records)) == sorted(map(content, kept))


def test_every_row_of_a_file_has_the_same_keys(tmp_path: Path) -> None:
    records = [Record("a", "", "b"), Record("c", "d", "e", "Be brief.", (("Hi?", "Yes."),)), Record("f", "", "g")]
    export(records, tmp_path, ExportSettings(formats=["alpaca_jsonl", "alpaca"]), {})
    rows = [json.loads(line) for line in (tmp_path / "alpaca.jsonl").read_text().splitlines()]
    assert len({tuple(row) for row in rows}) == 1 and rows[0]["history"] == [["Hi?", "Yes."]]
    export(records[:1], tmp_path, ExportSettings(formats=["alpaca_jsonl"], provenance=False), {})
    assert set(json.loads((tmp_path / "alpaca.jsonl").read_text())) == {"instruction", "input", "output"}


def test_a_conversation_that_comes_after_ten_megabytes_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    records = [Record(f"Question {n}", "", "x" * 10_000) for n in range(1_300)]
    records += [Record("Late question", "", "y", "Be brief.", (("Hi?", "Yes."),))]
    export(records, tmp_path, ExportSettings(formats=["alpaca_jsonl"]), {})
    loaded = datasets.load_dataset(
        "json", data_files=str(tmp_path / "alpaca.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(loaded) == 1_301 and loaded[0]["history"] == [["Hi?", "Yes."]]
