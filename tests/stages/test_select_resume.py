"""What a selection found before stands when it goes on: the same results, without looking twice at what came before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from synth.engine.budget import Budget
from synth.engine.ledger import Ledger, Result
from synth.engine.progress import RunProgress
from synth.engine.run import Engine
from synth.records import Record
from synth.stages.select import SelectSettings, select
from synth.stages.select import stage as stage_module

SETTINGS = SelectSettings(checks=["empty_output", {"privacy": {"action": "mask"}}, "repeated_task", "novelty"])
RECORDS = [
    Record("Name three rivers that flow through Vienna.", output="The Danube, the Wien and the Liesing."),
    Record("Name three rivers that flow through Vienna today.", output="The Danube."),
    Record("Write to anna.meyer@mail-office.net about the lease.", output="Dear Anna, the lease ends in May."),
    Record("Say nothing.", output=""),
    Record("Explain how a heat pump moves warmth into a house.", output="It gathers it from the air outside."),
    Record("Write to anna.meyer@mail-office.net about a lease.", output="Dear Anna, about the lease."),
]


def selected(folder: Path, records: Sequence[Record]) -> list[Result]:
    async def stream() -> AsyncIterator[Record]:
        for record in records:
            yield record

    async def main() -> list[Result]:
        ledger = Ledger(folder)
        engine = Engine(ledger, {}, Budget({}, (), None, None), RunProgress())
        try:
            return [one async for results in select(engine, stream(), SETTINGS) for one in results]
        finally:
            await ledger.aclose()

    return asyncio.run(main())


@pytest.mark.parametrize("before", range(len(RECORDS) + 1))
def test_a_selection_that_goes_on_ends_as_if_it_had_never_stopped(before: int, tmp_path: Path) -> None:
    whole = selected(tmp_path / "whole", RECORDS)
    selected(tmp_path / "part", RECORDS[:before])
    assert selected(tmp_path / "part", RECORDS) == whole
    assert [isinstance(one, Record) for one in whole] == [True, False, True, False, True, True]


def test_a_record_that_changed_is_looked_at_again_and_so_are_those_after_it(tmp_path: Path) -> None:
    selected(tmp_path / "run", RECORDS)
    changed = [Record(RECORDS[0].instruction, output=""), *RECORDS[1:]]
    assert selected(tmp_path / "run", changed) == selected(tmp_path / "new", changed)


def test_what_was_checked_is_not_checked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = selected(tmp_path, RECORDS)
    monkeypatch.setattr(stage_module, "apply_checks", lambda *_: pytest.fail("a record was checked again"))
    assert selected(tmp_path, RECORDS) == first
