"""Which records are trained on: shares, splits by family, easy before hard, all independent of the records' order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import UsageError
from synth.records import Lineage, Record
from synth.student.mix import mixed, phases, sample, split_off

SEEDS = [Record(f"seed task {i}", output="yes", lineage=Lineage("seed")) for i in range(20)]
MADE = [Record(f"made task {i}", output="yes", lineage=Lineage("bootstrap")) for i in range(100)]
EVOLVED = [
    Record(f"evolved task {i}", output="yes", lineage=Lineage("evolve", (MADE[i].id,), "deepen", 1)) for i in range(60)
]
ALL = [*SEEDS, *MADE, *EVOLVED]


def test_shares_take_the_most_that_keeps_them_and_no_record_twice() -> None:
    chosen = mixed(ALL, {"seed": 0.1, "bootstrap": 0.4, "generation_1": 0.5}, 0)
    counts = [sum(r.lineage.origin == origin for r in chosen) for origin in ("seed", "bootstrap", "evolve")]
    assert counts == [12, 48, 60]
    assert len({record.id for record in chosen}) == len(chosen)
    assert {r.lineage.origin for r in mixed(ALL, {"seed": 1.0}, 0)} == {"seed"}
    with pytest.raises(UsageError, match="no records of import"):
        mixed(ALL, {"seed": 0.5, "import": 0.5}, 0)


def test_choices_do_not_depend_on_the_order_of_the_records() -> None:
    turned = random.Random(0).sample(ALL, len(ALL))
    assert mixed(ALL, {"seed": 0.2, "bootstrap": 0.8}, 3) == mixed(turned, {"seed": 0.2, "bootstrap": 0.8}, 3)
    assert sample(ALL, 30, 3) == sample(turned, 30, 3) != sample(ALL, 30, 4)
    assert phases(ALL, "generation", 3) == phases(turned, "generation", 3)
    assert {r.id for r in split_off(ALL, 0.2, 3)[1]} == {r.id for r in split_off(turned, 0.2, 3)[1]}


@settings(deadline=None, max_examples=40)
@given(share=st.floats(0, 0.5), seed=st.integers(0, 50))
def test_a_split_keeps_families_whole_and_loses_nothing(share: float, seed: int) -> None:
    kept, held = split_off(ALL, share, seed)
    assert sorted(record.id for record in [*kept, *held]) == sorted(record.id for record in ALL)
    assert len(held) <= share * len(ALL)
    held_ids = {record.id for record in held}
    for child in EVOLVED:
        assert (child.id in held_ids) == (child.lineage.parents[0] in held_ids)


def test_instances_of_one_task_are_one_family() -> None:
    tasks = [Record(f"task {i}", f"input {j}", "yes") for i in range(10) for j in range(4)]
    kept, held = split_off(tasks, 0.25, 0)
    assert len(held) == 8
    assert not {record.instruction for record in kept} & {record.instruction for record in held}


def test_phases_go_from_easy_to_hard() -> None:
    graded = [Record(f"task {i}", output="yes", meta={"complexity": i % 3} if i % 4 else {}) for i in range(24)]
    grades = [{record.meta.get("complexity") for record in part} for part in phases(graded, "difficulty", 0)]
    assert grades == [{None}, {0}, {1}, {2}]
    assert [part[0].lineage.generation for part in phases(ALL, "generation", 0)] == [0, 1]
    assert len(phases(ALL, "shuffled", 0)) == 1
