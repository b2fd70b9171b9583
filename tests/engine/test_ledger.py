"""The ledger: what is acknowledged is on disk, damage is found, versions are respected."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from workshop import Scripted, answer_all, engine_over, tasks

from synth.engine import writer
from synth.engine.audit import ledger_problems
from synth.engine.budget import NOTHING, Reservation
from synth.engine.ledger import FILE_NAME, Ledger, LedgerReader, Outcome, results_from_json, results_to_json
from synth.engine.lock import run_lock
from synth.engine.schema import MIGRATIONS
from synth.errors import StorageError
from synth.models.base import Completion, Usage
from synth.records import Lineage, Record, Rejection

HOSTILE = "a\x00b \ud800 \u2028 \x1b[2J ' \" ; DROP TABLE requests -- é 漢"
WHERE, WHO = ("respond", "item", "teacher"), ("m", "http://x/v1")


def filled(folder: Path, count: int = 12) -> None:
    """A finished run of one stage."""

    async def main() -> None:
        async with engine_over(folder, Scripted(lambda request: f"An answer to {request.messages[0]['content']}")) as e:
            await answer_all(e, tasks(count))

    asyncio.run(main())


def test_an_acknowledged_answer_is_on_disk_for_any_reader(tmp_path: Path) -> None:
    async def main() -> None:
        ledger = Ledger(tmp_path)
        await ledger.mark_sent("k", WHERE, WHO, "{}", Reservation(5, 6, 0.5))
        assert LedgerReader(tmp_path).maybe_paid_twice() == (1, 0.5)
        answer = Completion("text", "stop", Usage(3, 4), "m-1", "thought", ("text", "other"), "k")
        await ledger.save_answer(answer, Reservation(3, 4, 0.25), 2)
        reader = LedgerReader(tmp_path)
        assert reader.query("SELECT text, attempts, cost FROM requests") == [("text", 2, 0.25)]
        assert reader.maybe_paid_twice()[0] == 0 and reader.spent() == (0.25, 7)
        assert ledger.lookup("k") == answer
        await ledger.aclose()

    asyncio.run(main())


def test_a_request_sent_again_after_a_crash_counts_as_maybe_paid(tmp_path: Path) -> None:
    async def main() -> None:
        ledger = Ledger(tmp_path)
        for _ in range(2):
            await ledger.mark_sent("k", WHERE, WHO, "{}", Reservation(5, 5, 1.0))
        assert ledger.spent() == (2.0, 20)
        await ledger.save_answer(Completion("t", key="k"), Reservation(1, 1, 0.1), 1)
        assert ledger.maybe_paid_twice() == (1, 1.0) and ledger.spent() == (1.1, 12)
        await ledger.aclose()

    asyncio.run(main())


def test_a_request_taken_back_is_only_planned(tmp_path: Path) -> None:
    async def main() -> None:
        ledger = Ledger(tmp_path)
        await ledger.mark_sent("k", WHERE, WHO, "{}", Reservation(5, 5, 1.0))
        await asyncio.shield(ledger.save_failure("k", HOSTILE, NOTHING, 0))
        assert ledger.maybe_paid_twice()[0] == 0 and ledger.spent() == (0.0, 0)
        assert ledger.query("SELECT state FROM requests") == [("planned",)]
        await ledger.aclose()

    asyncio.run(main())


def test_hostile_text_comes_back_as_it_was(tmp_path: Path) -> None:
    record = Record(
        HOSTILE, HOSTILE, HOSTILE, Lineage("bootstrap", (HOSTILE,)), ({"role": "user", "content": HOSTILE},)
    )
    results = [record, Rejection(record, "select", "x", "y", HOSTILE)]
    assert results_from_json(results_to_json(results)) == results


@pytest.mark.slow
def test_five_hundred_answers_a_second_are_durable(tmp_path: Path) -> None:
    async def main() -> float:
        ledger = Ledger(tmp_path)
        started = time.monotonic()

        async def one(number: int) -> None:
            key = f"{number:064d}"
            await ledger.mark_sent(key, WHERE, WHO, "r" * 2000, NOTHING)
            await ledger.save_answer(Completion("t" * 1000, key=key), NOTHING, 1)

        async def lane(start: int) -> None:
            for number in range(start, 1500, 64):
                await one(number)

        await asyncio.gather(*(lane(start) for start in range(64)))
        seconds = time.monotonic() - started
        await ledger.aclose()
        return 1500 / seconds

    assert asyncio.run(main()) >= 500


def test_a_write_that_fails_is_reported_and_tried_again_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = writer._commit, True

    def commit(db: sqlite3.Connection, jobs: list[writer.Job]) -> None:
        if full:
            raise sqlite3.OperationalError("database or disk is full")
        real(db, jobs)

    async def main() -> None:
        nonlocal full
        ledger = Ledger(tmp_path)
        monkeypatch.setattr(writer, "_commit", commit)
        with pytest.raises(StorageError, match="disk is full"):
            await ledger.mark_sent("k", WHERE, WHO, "{}", NOTHING)
        with pytest.raises(StorageError):
            await ledger.save_answer(Completion("late", key="k"), NOTHING, 1)
        full = False
        await ledger.aclose()

    asyncio.run(main())
    assert LedgerReader(tmp_path).query("SELECT text FROM requests") == [("late",)]


def test_a_flipped_byte_is_found_or_changes_nothing(tmp_path: Path) -> None:
    filled(tmp_path / "whole")
    assert ledger_problems(tmp_path / "whole") == []
    good = (tmp_path / "whole" / FILE_NAME).read_bytes()
    before = contents(tmp_path / "whole")
    other = tmp_path / "flipped"
    other.mkdir()
    for at in range(0, len(good), 97):
        (other / FILE_NAME).write_bytes(good[:at] + bytes([good[at] ^ 0x15]) + good[at + 1 :])
        assert ledger_problems(other) or contents(other) == before, at
        for rest in other.glob(f"{FILE_NAME}-*"):
            rest.unlink()


def contents(folder: Path) -> list[object]:
    """What anyone would take from a ledger."""
    reader = LedgerReader(folder)
    try:
        answers = reader.query("SELECT key, text, finish_reason FROM requests WHERE state='answered' ORDER BY key")
        return [answers, [result.to_dict() for result in reader.results("respond")]]
    finally:
        reader.close()


def test_a_damaged_answer_is_asked_again_and_a_damaged_outcome_made_again(tmp_path: Path) -> None:
    filled(tmp_path)
    before = contents(tmp_path)
    db = sqlite3.connect(tmp_path / FILE_NAME)
    db.execute("UPDATE requests SET text='other' WHERE rowid=3")
    db.execute("UPDATE outcomes SET results='[]' WHERE ordinal IN (2, 5)")
    db.commit()
    db.close()
    assert len(ledger_problems(tmp_path)) == 3
    filled(tmp_path)
    assert contents(tmp_path) == before and ledger_problems(tmp_path) == []


def test_a_newer_ledger_is_refused_and_an_older_one_is_copied_and_raised(tmp_path: Path) -> None:
    filled(tmp_path)

    async def opened(migrations: tuple[str, ...]) -> None:
        await Ledger(tmp_path, migrations).aclose()

    newer = (*MIGRATIONS, "CREATE TABLE extra(x); INSERT INTO extra VALUES (7)")
    asyncio.run(opened(newer))
    assert sqlite3.connect(tmp_path / FILE_NAME).execute("SELECT x FROM extra").fetchall() == [(7,)]
    backup = tmp_path / "ledger.v1.backup"
    shutil.copy(backup, tmp_path / "old.sqlite")
    assert sqlite3.connect(tmp_path / "old.sqlite").execute("PRAGMA user_version").fetchone() == (1,)
    with pytest.raises(StorageError, match="schema 2, this synth knows up to 1"):
        LedgerReader(tmp_path)
    with pytest.raises(StorageError, match="schema 2"):
        asyncio.run(opened(MIGRATIONS))


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path)
    before = contents(tmp_path)

    async def opened() -> None:
        await Ledger(tmp_path, (*MIGRATIONS, "CREATE TABLE extra(x); INSERT INTO nowhere VALUES (1)")).aclose()

    with pytest.raises(StorageError, match="could not be brought to schema 2"):
        asyncio.run(opened())
    assert contents(tmp_path) == before


def test_an_outcome_whose_place_is_taken_makes_room(tmp_path: Path) -> None:
    async def main() -> list[str]:
        ledger = Ledger(tmp_path)
        await ledger.begin_stage("s", "f", "{}")
        for item, ordinal in (("a", 0), ("b", 1), ("b", 0)):
            ledger.save_outcome("s", item, Outcome(ordinal, "", "[]", True))
        await ledger.finish_stage("s", 1)
        items = [item for (item,) in ledger.query("SELECT item FROM outcomes")]
        await ledger.aclose()
        return items

    assert asyncio.run(main()) == ["b"]


def test_a_second_writer_is_refused_in_no_time(tmp_path: Path) -> None:
    with run_lock(tmp_path):
        started = time.monotonic()
        with pytest.raises(StorageError, match=r"in use by process \d+ on .+, started"), run_lock(tmp_path):
            pass
        assert time.monotonic() - started < 1.0
    with run_lock(tmp_path):
        pass
