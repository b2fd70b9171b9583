"""The plan of steps: every example once an epoch and whole, groups well filled, and steps of the size asked for."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.student.encode import Row
from synth.student.plan import fill, plan
from synth.student.presets import TrainSettings


def rows(lengths: list[int]) -> list[Row]:
    return [Row(str(i), [i] * length, [i] * length) for i, length in enumerate(lengths)]


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), max_size=200), st.integers(1, 8))
def test_groups_hold_every_row_once_and_only_too_long_rows_pass_the_limit(lengths: list[int], open_rows: int) -> None:
    groups = fill(rows(lengths), 50, open_rows)
    assert sorted(int(row.record_id) for group in groups for row in group) == list(range(len(lengths)))
    assert all(len(group) == 1 or sum(len(row.ids) for row in group) <= 50 for group in groups)


def test_groups_are_filled_to_95_per_cent_with_rows_of_mixed_length() -> None:
    draw = random.Random(0)
    lengths = [min(512, int(draw.lognormvariate(5.2, 0.6))) for _ in range(2000)]
    groups = fill(rows(lengths), 512)
    assert sum(lengths) / (512 * len(groups)) > 0.95
    assert max(len(group[0].ids) for group in groups[:50]) > 2 * min(len(group[-1].ids) for group in groups[:50])


def planned(lengths: list[int], micro_tokens: int = 64, **changes: Any) -> list[Any]:
    wanted = {"batch_tokens": None, "batch_size": 8, "max_length": 64, "max_steps": None, "epochs": 2.0} | changes
    return plan([rows(lengths)], TrainSettings(**wanted), micro_tokens)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(2, 60), min_size=1, max_size=60), st.integers(1, 4), st.integers(0, 128))
def test_an_epoch_has_every_example_once_whatever_fits_and_however_many_compute(
    lengths: list[int], processes: int, micro: int
) -> None:
    steps = planned(lengths, micro, num_processes=processes)
    assert Counter(int(row.record_id) for step in steps for row in step.rows) == dict.fromkeys(range(len(lengths)), 2)
    for step in steps:
        assert len({len(micros) for micros in step.ranks}) == 1 and len(step.ranks) == processes
        assert all(
            len(one) == 1 or sum(len(row.ids) for row in one) <= micro for micros in step.ranks for one in micros if one
        )


def test_what_a_step_learns_does_not_depend_on_memory_or_processes() -> None:
    lengths = [10 + i % 50 for i in range(40)]
    one, other = planned(lengths), planned(lengths, 512, num_processes=3)
    assert [{row.record_id for row in step.rows} for step in one] == [
        {row.record_id for row in step.rows} for step in other
    ]


def test_steps_have_the_examples_or_the_tokens_that_were_asked_for() -> None:
    assert [len(step.rows) for step in planned([20] * 20, epochs=1.0)] == [8, 8, 4]
    assert len(planned([20] * 20, max_steps=7)) == 7
    assert all(64 < step.num_tokens <= 100 for step in planned([20] * 20, batch_tokens=100))


def test_each_epoch_has_an_order_of_its_own_and_phases_stay_in_turn() -> None:
    steps = planned([20] * 64)
    assert [row.record_id for step in steps[:8] for row in step.rows] != [
        row.record_id for step in steps[8:] for row in step.rows
    ]
    easy, hard = rows([20] * 16), [Row(f"hard {i}", [1] * 20, [1] * 20) for i in range(16)]
    settings = TrainSettings(batch_tokens=None, batch_size=8, max_length=64, max_steps=None, epochs=1.0)
    assert [any("hard" in row.record_id for row in step.rows) for step in plan([easy, hard], settings, 64)] == [
        False,
        False,
        True,
        True,
    ]
