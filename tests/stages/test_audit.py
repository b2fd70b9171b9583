"""The audit's sheet: drawn evenly and always the same, safe to open, read back without guessing."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))
from made_run import make_run

from synth.errors import InputError, UsageError
from synth.records import Record
from synth.stages.audit import QUESTIONS, draw_sample, read_sheet, save_rates, sheet_text, write_sheet
from synth.stages.report import report


def fill(path: Path, answers: list[tuple[str, str, str]], delimiter: str = ",") -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, given in zip(rows, answers, strict=False):
        row.update(zip(QUESTIONS, given, strict=True))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def test_a_sheet_is_drawn_filled_in_and_read_into_the_report(tmp_path: Path) -> None:
    make_run(tmp_path, roots=30)
    sheet, page = write_sheet(tmp_path, 10)
    assert page.read_text().count("<section>") == 10
    fill(sheet, [("y", "Yes", "1"), ("y", "n", "0"), ("no", "y", ""), ("", "", "")])
    rates = read_sheet(sheet)
    assert [(rate.yes, rate.answered) for rate in rates] == [(2, 3), (2, 3), (1, 2), (1, 2)]
    save_rates(tmp_path, rates)
    assert [q["published"] for q in json.loads((tmp_path / "audit.json").read_text())["questions"]] == [
        0.92,
        0.79,
        0.58,
        0.54,
    ]
    shown = report(tmp_path).read_text()
    assert "Audit by a person" in shown and "66.7%" in shown


def test_a_spreadsheet_may_have_saved_it_with_semicolons(tmp_path: Path) -> None:
    make_run(tmp_path, roots=10)
    sheet, _ = write_sheet(tmp_path, 4)
    fill(sheet, [("y", "y", "n")] * 4, delimiter=";")
    assert [rate.yes for rate in read_sheet(sheet)] == [4, 4, 0, 0]


def test_answers_are_never_overwritten_unasked(tmp_path: Path) -> None:
    make_run(tmp_path, roots=10)
    sheet, _ = write_sheet(tmp_path, 4)
    write_sheet(tmp_path, 5)
    fill(sheet, [("y", "", "")])
    with pytest.raises(UsageError, match="holds answers already"):
        write_sheet(tmp_path, 4)
    write_sheet(tmp_path, 4, overwrite=True)


def test_answers_that_are_neither_yes_nor_no_are_listed(tmp_path: Path) -> None:
    make_run(tmp_path, roots=10)
    sheet, _ = write_sheet(tmp_path, 4)
    fill(sheet, [("maybe", "y", "y"), ("y", "y", "?")])
    with pytest.raises(InputError, match="record 1, valid_task: 'maybe'\n  record 2, output_right"):
        read_sheet(sheet)
    sheet.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="lacks the columns"):
        read_sheet(sheet)


def test_the_sample_is_even_and_always_the_same() -> None:
    records = [Record(f"Task {number}") for number in range(1000)]
    drawn = draw_sample(iter(records), 100, seed=3)
    assert drawn == draw_sample(iter(records), 100, seed=3) != draw_sample(iter(records), 100, seed=4)
    places = [records.index(record) for record in drawn]
    assert places == sorted(set(places)) and len(places) == 100
    assert 350 < sum(places) / 100 < 650
    assert draw_sample(iter(records[:5]), 100) == records[:5]


def test_no_cell_of_the_sheet_is_a_formula() -> None:
    text = sheet_text([Record("=1+1", "+2\ud800", "@x\x00")])
    row = next(csv.DictReader(text.removeprefix("\ufeff").splitlines()))
    assert [row[name][0] for name in ("instruction", "input", "output")] == ["'"] * 3
    text.encode("utf-8")
