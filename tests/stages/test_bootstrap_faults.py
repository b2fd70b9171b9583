"""Faults of form planted by a served teacher come out of the command line recovered, or refused for the right reason."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "bootstrap_faults.py"))


@pytest.mark.slow
def test_of_planted_faults_95_in_a_hundred_are_handled_rightly_and_clean_items_come_through() -> None:
    tally = BENCH["measure"]()
    formal = {name: one for name, one in tally.scores.items() if BENCH["FAULTS"][name].expect != "judged"}
    assert {name: one.planted for name, one in formal.items() if one.planted < 10} == {}
    assert {name for name in BENCH["FAULTS"] if BENCH["FAULTS"][name].stage == "list"} <= set(formal)
    for name, one in formal.items():
        assert one.good >= 0.95 * one.planted, (name, one.reasons, one.bad[:3])
    assert tally.clean > 300 and len(tally.lost) <= 0.01 * tally.clean, tally.lost[:3]
