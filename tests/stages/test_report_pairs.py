"""The report's part on pairs: how they came about, margins, the judge's agreement and its biases, pairs to read."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from synth.records import OtherAnswer, Record
from synth.stages.report.blocks import Block, Note, Rows, Table
from synth.stages.report.pairs import PairFacts, pair_blocks

PAIR = Record("Which?", "", "The long right one.", others=(OtherAnswer("Wrong.", "m", 0.0),))


def drawn(*notes: dict[str, Any], trial: str = "") -> dict[str, Block]:
    """The blocks of records with these notes, by caption."""
    facts, rng = PairFacts(trial=trial), random.Random(0)
    for note in notes:
        others = (OtherAnswer("As good.", None, 0.5),) if "none" in note else PAIR.others
        facts.add(replace(PAIR, others=others, meta={"prefer": note}), rng)
    return {getattr(block, "caption", block.kind): block for block in pair_blocks(facts)}


def rows_of(block: Block) -> list[Any]:
    assert isinstance(block, Table)
    return list(block.rows)


def test_ways_margins_and_reasons_are_counted() -> None:
    found = drawn(
        {"by": "verify", "margins": [1.0]}, {"by": "pairs", "margins": [0.1, 0.5]}, {"by": "pairs", "margins": [1.5]},
        {"by": "pairs", "none": "tied", "left_out": {"empty": 2}},
    )  # fmt: skip
    assert [count for _, count in rows_of(found["How pairs came about"])] == [1, 2]
    margins = {row[0]: row[2:] for row in rows_of(found["Margins between chosen and rejected"])}
    assert margins["pairs"][0] == 0.5 and margins["pairs"][-1] == 1.5 and margins["verify"][2] == 1.0
    assert rows_of(found["Left out of pairs: records"]) == [("tied", 1)]
    assert rows_of(found["Left out of pairs: answers"]) == [("empty", 2)]


def test_who_was_chosen_is_told_by_teacher_and_by_principle() -> None:
    ends = [["strong", 0.7, "helpful"], ["small", 1.0, "honest"]]
    found = drawn({"by": "pairs", "margins": [1], "drawn": ends}, {"by": "pairs", "margins": [1], "drawn": ends[::-1]})
    assert rows_of(found["Pairs by teacher"]) == [("small", 1, 1, "50%"), ("strong", 1, 1, "50%")]
    assert "Pairs by principle" in found


def test_agreement_and_a_bias_are_shown_and_an_honest_judge_has_no_warning() -> None:
    judged = {"pairs": 100, "unreadable": 10, "ties": 45, "flips": 45, "first": 40, "second": 5, "longer": 30, "shorter": 15,
              "agree": 9, "differ": 1}  # fmt: skip
    found = drawn({"by": "pairs", "margins": [1.0], "judged": judged}, trial="12 of 12 planted pairs right")
    told = dict(rows_of(found["How the judge judged"]))
    assert told["the same verdict in both orders"].startswith("50.0% of 90")
    assert told["two judges say the same"].startswith("90.0% of 10") and told["planted pairs, before"].startswith("12")
    place, _, truth = rows_of(found["Biases of the judge"])
    assert place[1:3] == (40, 5) and place[-1].startswith("a bias") and truth[1:4] == (0, 0, "none to count")
    assert isinstance(found["note"], Note) and found["note"].is_warning and "by place" in found["note"].text
    honest = drawn({"by": "pairs", "margins": [1.0], "judged": judged | {"first": 23, "second": 22}})
    assert not getattr(honest["note"], "is_warning", True)


def test_a_length_bias_is_told_from_pairs_with_a_known_truth() -> None:
    audit = {"long_wrong": 50, "long_errors": 45, "short_wrong": 50, "short_errors": 1}
    found = drawn({"by": "verify", "margins": [1.0], "judged": {"pairs": 100, "longer": 90}, "audit": audit})
    assert "by length" in getattr(found["note"], "text", "")
    assert dict(rows_of(found["How the judge judged"]))["the judge agrees with the task's check"].startswith(
        "54.0% of 100"
    )


def test_ten_pairs_are_shown_with_their_margin_and_hostile_notes_are_passed_over() -> None:
    found = drawn(*[{"by": "pairs", "margins": [0.5]}] * 30)
    assert isinstance(found["rows"], Rows) and len(found["rows"].rows) == 10
    where, texts = found["rows"].rows[0]
    assert where == "margin 0.5" and dict(texts)["rejected"] == "Wrong."
    strange: list[Any] = [
        [],
        {"by": 3, "margins": "x", "judged": [1], "drawn": 7},
        {"margins": [None], "left_out": {"a": "b"}},
    ]
    assert rows_of(drawn(*strange)["How pairs came about"]) == [("by people or ranks in the data, or not compared", 3)]
    assert pair_blocks(PairFacts()) == []
