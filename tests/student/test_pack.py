"""Packing: every example once and whole, rows well filled, and steps of the size that was asked for."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.student.encode import Row
from synth.student.fit import rows_per_step
from synth.student.pack import pack
from synth.student.presets import TrainSettings


def rows(lengths: list[int]) -> list[Row]:
    return [Row(str(i), [i] * length, [i] * length) for i, length in enumerate(lengths)]


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), max_size=200), st.integers(1, 8))
def test_every_example_is_there_once_and_whole(lengths: list[int], open_rows: int) -> None:
    packed = pack(rows(lengths), 50, open_rows)
    found = []
    for row in packed:
        assert len(row.input_ids) == len(row.labels) == sum(row.seq_lengths) <= 50
        start = 0
        for length in row.seq_lengths:
            piece = row.input_ids[start : start + length]
            assert len(set(piece)) == 1
            found.append((piece[0], length))
            start += length
    assert sorted(found) == list(enumerate(lengths))


def test_rows_are_filled_to_95_per_cent_with_examples_of_mixed_length() -> None:
    draw = random.Random(0)
    lengths = [min(512, int(draw.lognormvariate(5.2, 0.6))) for _ in range(2000)]
    packed = pack(rows(lengths), 512)
    assert sum(lengths) / (512 * len(packed)) > 0.95
    assert max(row.seq_lengths[0] for row in packed[:50]) > 2 * min(min(row.seq_lengths) for row in packed[:50])


def test_a_step_has_the_examples_or_tokens_that_were_asked_for() -> None:
    def step(num_examples: int, num_rows: int, packing: bool = True, **changes: object) -> tuple[int, int]:
        wanted = {"batch_tokens": None, "batch_size": 128, "max_length": 512} | changes
        return rows_per_step(TrainSettings(**wanted), num_examples, num_rows, packing)

    assert step(1000, 500) == (1, 64)
    assert step(1000, 1000, packing=False, micro_batch_size=4) == (4, 32)
    assert step(1000, 500, micro_batch_size=4, num_processes=8) == (4, 2)
    assert step(1000, 500, batch_tokens=4096) == (1, 8)
    assert step(10, 1) == (1, 13)
