"""The ledger: what is acknowledged is on disk, damage is found, versions are respected."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from workshop import Scripted, answer_all, engine_over, tasks

from synth.engine import writer
from synth.engine.audit import ledger_problems
from synth.engine.budget import NOTHING, Reservation
from synth.engine.entries import SELECT_ENTRY, Entry, checksum, read_entry
from synth.engine.ledger import FILE_NAME, Ledger, LedgerReader, Outcome, results_from_json, results_to_json
from synth.engine.lock import run_lock
from synth.engine.schema import MIGRATIONS, migrate, open_database
from synth.errors import StorageError
from synth.models.base import Completion, Usage
from synth.records import Lineage, Record, Rejection

HOSTILE = "a\x00b \ud800 \u2028 \x1b[2J ' \" ; DROP TABLE requests -- é 漢"
ENTRY = Entry("k", "respond", "item", "teacher", "m", "http://x/v1", '{"sampling":{}}', 0)


def filled(folder: Path, count: int = 12) -> None:
    """A finished run of one stage."""

    async def main() -> None:
        async with engine_over(folder, Scripted(lambda request: f"An answer to {request.messages[0]['content']}")) as e:
            await answer_all(e, tasks(count))

    asyncio.run(main())


def test_an_acknowledged_answer_is_on_disk_for_any_reader(tmp_path: Path) -> None:
    async def main() -> None:
        ledger = Ledger(tmp_path)
        entry = ENTRY.planned(Reservation(5, 6, 0.5))
        await ledger.plan(entry)
        assert LedgerReader(tmp_path).maybe_paid_twice() == (0, 0.0)
        ledger.out.left("k")
        assert LedgerReader(tmp_path).maybe_paid_twice() == (1, 0.5)
        answer = Completion("text", "stop", Usage(3, 4), "m-1", "thought", ("text", "other"), "k", -1.25)
        await ledger.save(entry.answered(answer, Reservation(3, 4, 0.25), 2, 1.0, 2.0))
        ledger.out.back("k")
        reader = LedgerReader(tmp_path)
        assert reader.query("SELECT text, attempts, cost FROM requests") == [("text", 2, 0.25)]
        assert reader.maybe_paid_twice()[0] == 0 and reader.spent() == (0.25, 7)
        assert ledger.lookup("k") == answer
        await ledger.aclose()

    asyncio.run(main())


def test_what_was_out_at_a_kill_is_charged_at_the_mean_of_its_kind_and_counted_once(tmp_path: Path) -> None:
    worst = Reservation(5, 500, 1.0)

    async def killed() -> None:
        ledger = Ledger(tmp_path)
        for number, price in enumerate((0.1, 0.3)):
            entry = replace(ENTRY, key=f"answered-{number}").planned(worst)
            await ledger.plan(entry)
            await ledger.save(entry.answered(Completion("t"), Reservation(1, 9, price), 1, 1.0, 2.0))
        for key in ("planned", "out", "back"):
            await ledger.plan(replace(ENTRY, key=key).planned(worst))
        ledger.out.left("out")
        ledger.out.left("back")
        ledger.out.back("back")
        with ledger.out.path.open("ab") as out:
            out.write(b"+answ")  # the kill comes in the middle of a line

    async def again() -> None:
        ledger = Ledger(tmp_path)
        assert ledger.maybe_paid_twice() == (1, pytest.approx(0.2))
        await ledger.aclose()

    asyncio.run(killed())
    reader = LedgerReader(tmp_path)
    assert reader.maybe_paid_twice() == (1, pytest.approx(0.2)) and reader.spent() == (pytest.approx(0.6), 30)
    reader.close()
    for _ in range(3):
        asyncio.run(again())
    assert not [line for line in ledger_problems(tmp_path) if "damaged" in line]


def test_a_kill_between_the_count_and_the_new_file_counts_nothing_twice(tmp_path: Path) -> None:
    async def killed() -> bytes:
        ledger = Ledger(tmp_path)
        await ledger.plan(ENTRY)
        ledger.out.left("k")
        await ledger.aclose()
        return ledger.out.path.read_bytes()

    async def opened(old_file: bytes) -> int:
        ledger = Ledger(tmp_path)
        await ledger.aclose()
        ledger.out.path.write_bytes(old_file)
        return LedgerReader(tmp_path).maybe_paid_twice()[0]

    old_file = asyncio.run(killed())
    assert [asyncio.run(opened(old_file)) for _ in range(3)] == [1, 1, 1]


def test_hostile_words_of_a_failure_are_stored(tmp_path: Path) -> None:
    async def main() -> None:
        ledger = Ledger(tmp_path)
        await ledger.save(ENTRY.failed(HOSTILE, NOTHING, 0, None, 1.0))
        assert ledger.maybe_paid_twice()[0] == 0 and ledger.spent() == (0.0, 0)
        assert ledger.query("SELECT state FROM requests") == [("planned",)]
        await ledger.aclose()

    asyncio.run(main())


def test_a_row_that_cannot_be_stored_fails_alone(tmp_path: Path) -> None:
    async def main() -> list[Any]:
        ledger = Ledger(tmp_path)
        rows = [replace(ENTRY, key=f"{n}", tokens=10**30 if n == 3 else 1) for n in range(8)]
        rows[5] = replace(rows[5], text="half \ud800")
        found = await asyncio.gather(*map(ledger.save, rows), return_exceptions=True)
        await ledger.aclose()
        return [type(one).__name__ for one in found if one is not None]

    assert asyncio.run(main()) == ["ValueError", "UnicodeEncodeError"]
    assert LedgerReader(tmp_path).query("SELECT count(*) FROM requests") == [(6,)]


def test_hostile_text_comes_back_as_it_was(tmp_path: Path) -> None:
    record = Record(HOSTILE, HOSTILE, HOSTILE, HOSTILE, ((HOSTILE, HOSTILE),), lineage=Lineage("bootstrap", (HOSTILE,)))
    results = [record, Rejection(record, "select", "x", "y", HOSTILE)]
    assert results_from_json(results_to_json(results)) == results


@pytest.mark.slow
def test_five_hundred_answers_a_second_are_durable(tmp_path: Path) -> None:
    async def main() -> float:
        ledger = Ledger(tmp_path)
        started = time.monotonic()

        async def one(number: int) -> None:
            key = f"{number:064d}"
            entry = replace(ENTRY, key=key, request="r" * 2000)
            await ledger.plan(entry)
            ledger.out.left(key)
            await ledger.save(entry.answered(Completion("t" * 1000), NOTHING, 1, 1.0, 2.0))
            ledger.out.back(key)

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
            await ledger.plan(ENTRY)
        with pytest.raises(StorageError):
            await ledger.save(ENTRY.answered(Completion("late"), NOTHING, 1, 1.0, 2.0))
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
    version = len(MIGRATIONS)
    backup = tmp_path / f"ledger.v{version}.backup"
    shutil.copy(backup, tmp_path / "old.sqlite")
    assert sqlite3.connect(tmp_path / "old.sqlite").execute("PRAGMA user_version").fetchone() == (version,)
    with pytest.raises(StorageError, match=f"schema {version + 1}, this synth knows up to {version}"):
        LedgerReader(tmp_path)
    with pytest.raises(StorageError, match=f"schema {version + 1}"):
        asyncio.run(opened(MIGRATIONS))


def test_an_answer_of_a_ledger_without_logprobs_is_read_and_kept(tmp_path: Path) -> None:
    old = open_database(tmp_path / FILE_NAME)
    migrate(old, tmp_path / FILE_NAME, MIGRATIONS[:2])
    answer = Completion("text", "stop", Usage(3, 4), "m-1", key="k")
    *values, _none = ENTRY.answered(answer, NOTHING, 1, 1.0, 2.0).values
    old.execute(f"INSERT INTO requests VALUES({', '.join('?' * 26)})", (*values[:7], *values[8:], checksum(*values), 0))
    old.close()
    with LedgerReader(tmp_path) as reader:
        entry = read_entry(reader.query(SELECT_ENTRY)[0])
        assert entry is not None and entry.answer() == answer
    assert [line for line in ledger_problems(tmp_path) if "its key names" not in line] == []

    async def raised() -> Completion | None:
        ledger = Ledger(tmp_path)
        found = ledger.lookup("k")
        await ledger.aclose()
        return found

    assert asyncio.run(raised()) == answer
    assert (tmp_path / "ledger.v2.backup").is_file()
    assert not [line for line in ledger_problems(tmp_path) if "damaged" in line]


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path)
    before = contents(tmp_path)

    async def opened() -> None:
        await Ledger(tmp_path, (*MIGRATIONS, "CREATE TABLE extra(x); INSERT INTO nowhere VALUES (1)")).aclose()

    with pytest.raises(StorageError, match="could not be brought to schema"):
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
