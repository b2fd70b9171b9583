"""Checks over records: nothing is lost, the recipe's order names, good rows stay, and known faults are found."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from pydantic import ValidationError

from synth.checks import build_checks
from synth.embedded import defects
from synth.embedded import faults as planted
from synth.records import Record, Rejection
from synth.stages.select import SelectSettings, apply_checks, explain, what_if

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT.parent / "shared" / "data" / "alpaca_en_demo.json"

GOOD = Record("Name three birds that sing at night.", "", "Nightingale, robin and corncrake.")
BAD = Record("Tell me about your house, please.", "", "Sorry, as an AI language model, I have no house.")
EMPTY = Record("Name three birds that sing by day.")


def seeds() -> list[Record]:
    rows = [json.loads(line) for line in (ROOT / "seed_tasks" / "seed_tasks.jsonl").read_text("utf-8").splitlines()]
    return [Record(r["instruction"], i["input"], i["output"]) for r in rows for i in r["instances"]]


def demo() -> list[Record]:
    if not DEMO.exists():
        pytest.skip(f"{DEMO} is not there")
    return [Record(r["instruction"], r["input"], r["output"]) for r in json.loads(DEMO.read_text("utf-8"))]


def test_each_record_comes_back_once_and_in_order() -> None:
    records = [GOOD, BAD, EMPTY, GOOD]
    results = list(apply_checks(records, build_checks(SelectSettings().checks)))
    assert [r.record if isinstance(r, Rejection) else r for r in results] == records
    assert [isinstance(r, Rejection) for r in results] == [False, True, True, True]


def test_the_first_check_of_the_recipe_names_the_rejection_and_the_others_are_noted() -> None:
    (one,) = apply_checks([BAD], build_checks(["as_an_ai", "short_apology"]))
    (other,) = apply_checks([BAD], build_checks(["short_apology", "as_an_ai"]), stage="bootstrap")
    assert isinstance(one, Rejection) and isinstance(other, Rejection)
    assert (one.stage, one.check, one.reason) == ("select", "as_an_ai", "as_an_ai")
    assert one.detail.endswith("(also: short_apology)")
    assert (other.stage, other.check) == ("bootstrap", "short_apology")


def test_a_record_refused_by_one_check_does_not_enter_the_pool_of_another() -> None:
    unanswered = Record(GOOD.instruction)
    results = list(apply_checks([unanswered, GOOD], build_checks(["novelty", "empty_output"])))
    assert [isinstance(r, Rejection) for r in results] == [True, False]


def test_explaining_counts_first_alone_and_overlapping() -> None:
    settings = SelectSettings(checks=["empty_output", "as_an_ai", "short_apology"])
    found = explain([GOOD, BAD, EMPTY], settings)
    assert (found.total, found.kept) == (3, 1)
    assert [(c.name, c.refuses, c.first, c.alone) for c in found.checks] == [
        ("empty_output", 1, 1, 1),
        ("as_an_ai", 1, 1, 0),
        ("short_apology", 1, 0, 0),
    ]
    assert found.overlaps == {("as_an_ai", "short_apology"): 1}
    assert found.to_dict()["checks"][0]["samples"][0]["id"] == EMPTY.id


def test_what_if_answers_for_each_value() -> None:
    near = Record("Name four birds that sing at night.")
    assert what_if([GOOD, near], "novelty", "threshold", [0.5, 0.9]) == {0.5: 1, 0.9: 0}


def test_wrong_checks_are_refused_by_the_settings() -> None:
    with pytest.raises(ValidationError, match="did you mean 'refusal'"):
        SelectSettings(checks=["refusals"])


def test_default_checks_keep_every_seed() -> None:
    refused = [r for r in apply_checks(seeds(), build_checks(SelectSettings().checks)) if isinstance(r, Rejection)]
    assert [(r.check, r.detail, r.record.instruction[:60]) for r in refused] == []


def test_default_checks_refuse_known_dirt_of_999_rows_and_little_else() -> None:
    results = list(apply_checks(demo(), build_checks(SelectSettings().checks)))
    refused = [r for r in results if isinstance(r, Rejection)]
    assert len(results) == 999
    assert len(refused) <= 75  # judged by hand: all but 3 of them are dirt, most of it duplicates and model talk


FAULTS = {
    "output": (
        *("as_an_ai", "short_sorry", "only_punctuation", "only_stop_words", "invented_url", "leaks_stop", "loops"),
        *("mojibake", "echoes_input", "empty_output", "no_input_spelling", "placeholder_input"),
    ),
    "instruction": (
        *("too_short", "too_long", "starts_with_mark", "starts_non_ascii", "write_program", "asks_image", "asks_link"),
        "other_language",
    ),
}
PROPOSAL_CHECKS = [
    *("instruction_length", "write_a_program", "starts_with_punctuation", "non_ascii_start"),
    *("needs_media", "needs_web", "language"),
]


@pytest.mark.parametrize("fault", [*FAULTS["output"], *FAULTS["instruction"]])
def test_at_least_95_of_100_faults_of_a_kind_are_found(fault: str) -> None:
    specs = list(SelectSettings().checks) if fault in FAULTS["output"] else PROPOSAL_CHECKS
    checks = [(name, check) for name, check in build_checks(specs) if name not in ("repeated_task", "contamination")]
    spoiled = [record for number, good in enumerate(seeds()) if (record := spoil(good, fault, number))]
    found = [record for record in spoiled if any(check(record) for _, check in checks)]
    assert len(spoiled) >= 50
    assert len(found) >= 0.95 * len(spoiled), [r for r in spoiled if r not in found][:3]


def spoil(good: Record, fault: str, number: int) -> Record | None:
    """The seed with the fault, or None where the fault has nothing to take hold of."""
    item = {"instruction": good.instruction, "input": good.input, "output": good.output}
    spoils = planted.FAULTS[fault].item
    assert spoils is not None
    made = spoils(item, defects.Context(random.Random(number), items=(item,)))
    return None if made in (None, item) else Record(made["instruction"], made["input"], made["output"])
