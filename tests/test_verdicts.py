"""Verdicts: what is appended is read back, nothing is lost to a torn line, and one rule says which verdict stands."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synth.errors import InputError, StorageError
from synth.records import Record
from synth.verdicts import Verdict, add_verdicts, alpha, current, decided, decisions, edited, read_verdicts, row_key

TEXTS = {"instruction": "Say it", "input": "", "output": "new \u2028 \U0001f600"}


def verdict(row: str, by: str, kind: str) -> Verdict:
    return Verdict(row, by, kind, edited=TEXTS if kind == "edit" else None)  # type: ignore[arg-type]


@st.composite
def histories(draw: st.DrawFn) -> list[Verdict]:
    kinds = st.sampled_from(["accept", "reject", "edit", "skip", "undo"])
    rows, names = st.sampled_from(["a", "b"]), st.sampled_from(["anna", "ben", "c\n\u2028"])
    return draw(st.lists(st.builds(verdict, rows, names, kinds), max_size=20))


@given(histories())
def test_what_is_written_is_read_back(said: list[Verdict]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "verdicts.jsonl"
        for one in said:
            add_verdicts(path, [one])
        assert read_verdicts(path, strict=True) == said


@given(histories())
def test_an_undo_takes_the_latest_verdict_back(said: list[Verdict]) -> None:
    assert current([*said, verdict("a", "anna", "accept"), verdict("a", "anna", "undo")]) == current(said)


@given(histories())
@example([verdict("a", "anna", "accept"), verdict("a", "ben", "accept"), verdict("a", "carl", "reject")])
def test_a_row_is_rejected_where_at_least_half_of_those_who_judged_it_do(said: list[Verdict]) -> None:
    for row, votes in current(said).items():
        judged = [one.kind for one in votes.values() if one.kind != "skip"]
        stands = decisions(said).get(row)
        assert (stands is None) == (not judged)
        if stands:
            assert (stands.kind == "reject") == (2 * judged.count("reject") >= len(judged))
            assert stands.kind == "edit" or stands.kind == "reject" or "edit" not in judged


def test_a_line_torn_by_a_power_cut_costs_no_other_verdict(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    add_verdicts(path, [verdict("a", "anna", "accept")])
    path.write_bytes(path.read_bytes() + b'{"row": "b", "by"')
    add_verdicts(path, [verdict("c", "anna", "reject")])
    assert [one.row for one in read_verdicts(path)] == ["a", "c"]
    with pytest.raises(InputError, match=r"verdicts\.jsonl:2"):
        read_verdicts(path, strict=True)


def test_many_processes_append_to_one_file_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    code = (
        "import sys; from pathlib import Path; from synth.verdicts import *\n"
        "for n in range(40): add_verdicts(Path(sys.argv[1]), [Verdict(f'{n}', sys.argv[2], 'reject', 'x' * 3000)])"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(path), f"reviewer {n}"]) for n in range(3)]
    assert [one.wait(120) for one in running] == [0, 0, 0]
    assert len({(one.row, one.by) for one in read_verdicts(path, strict=True)}) == 120


def test_a_disk_that_refuses_is_told_and_nothing_counts_as_saved(tmp_path: Path) -> None:
    (tmp_path / "verdicts.jsonl").mkdir()
    with pytest.raises(StorageError, match="not saved"):
        add_verdicts(tmp_path / "verdicts.jsonl", [verdict("a", "anna", "accept")])


@pytest.mark.parametrize(
    "row",
    [[], {}, {"row": "a", "by": "b", "kind": "like"}, {"row": "a", "by": "b", "kind": "edit"},
     {"row": "a", "by": "b", "kind": "accept", "edited": TEXTS}, {"row": 1, "by": "b", "kind": "accept"}],
)  # fmt: skip
def test_a_line_that_is_no_verdict_is_told_with_its_number(row: object, tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(InputError, match=":1:"):
        read_verdicts(path, strict=True)


def test_an_edited_answer_is_the_better_one_of_a_pair_and_an_edited_task_makes_none() -> None:
    record = Record("Say it", "", "old")
    new = edited(record, verdict(row_key(record), "anna", "edit"))
    assert (new.output, [(one.output, one.grade) for one in new.others]) == (TEXTS["output"], [("old", 0.0)])
    other = edited(Record("Tell it", "", "old"), verdict("x", "anna", "edit"))
    assert (other.instruction, other.others) == ("Say it", ())


def test_alpha_is_krippendorffs() -> None:
    """Against the definition, worked out pair by pair."""
    said = [("1", "a", "accept"), ("1", "b", "accept"), ("2", "a", "reject"), ("2", "b", "accept"), ("2", "c", "reject"),
            ("3", "a", "reject"), ("3", "b", "reject"), ("4", "a", "accept")]  # fmt: skip
    values: dict[str, list[str]] = {}
    for row, _, kind in said:
        values.setdefault(row, []).append(kind)
    units = [unit for unit in values.values() if len(unit) > 1]
    flat = [one for unit in units for one in unit]
    observed = sum(2 * sum(x != y for x, y in combinations(unit, 2)) / (len(unit) - 1) for unit in units) / len(flat)
    expected = 2 * sum(x != y for x, y in combinations(flat, 2)) / (len(flat) * (len(flat) - 1))
    assert alpha([verdict(*one) for one in said]) == pytest.approx(1 - observed / expected)
    assert alpha([verdict("1", "a", "accept")]) is None
    assert decided({}) is None
