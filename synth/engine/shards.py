"""Shards: the ledgers of a run's workers, and how what is in them gets into the run's own ledger.

A worker (see `synth.engine.worker`) stores every answer in a shard of its own, `RUN/shards/SESSION-NUMBER/`, before
anyone sees it, and then tells the driver, which stores it in the run's ledger. A shard that nobody holds was left by a
process that was killed: whoever finds it reads it, so no answer in it is asked again.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from synth.engine.entries import SELECT_ENTRY, Entry, read_entry
from synth.engine.ledger import FILE_NAME, RUN_ID, Ledger
from synth.engine.lock import is_held, run_lock
from synth.errors import UsageError

FOLDER = "shards"
PAGE = 500
"""Rows merged at a time."""
HELD_S, LOOK_S = 120.0, 0.1
"""Seconds to wait for the workers of a killed process to be gone, and between two looks."""
_TOLD = f"{SELECT_ENTRY} WHERE state IN ('answered', 'failed') OR attempts > 0 OR resent > 0 ORDER BY rowid"


class Shard(Ledger):
    """A worker's ledger. It tells every request that it has stored, and every event."""

    def __init__(self, folder: Path, tell: Callable[..., None]) -> None:
        super().__init__(folder)
        self._tell = tell

    async def save(self, entry: Entry) -> None:
        """See `Ledger.save`."""
        await super().save(entry)
        self._tell("saved", entry)

    async def set_meta(self, key: str, value: str) -> None:
        """Named values are for the run's ledger, but the one that says which that is."""
        if key == RUN_ID:
            await super().set_meta(key, value)
        else:
            self._tell("meta", key, value)

    def save_event(self, kind: str, value: float, detail: str = "") -> None:
        """Events are for the run's ledger alone."""
        self._tell("event", kind, value, detail)


def merged(known: Entry | None, told: Entry) -> Entry | None:
    """The row to store where the ledger has `known` and a shard `told`; None where nothing is new.

    An answer is never replaced. A second one to the same request has been paid for as well, and is counted so.
    """
    if known is None:
        return told
    if known.state == "answered":
        is_other = told.state == "answered" and told.answered_at != known.answered_at
        return replace(known, resent=known.resent + 1) if is_other else None
    return told if told.attempts + told.resent >= known.attempts + known.resent and told != known else None


async def merge(ledger: Ledger, told: Iterable[Entry]) -> list[tuple[Entry | None, Entry]]:
    """Store what is new in these rows; (the row before, the row now) of each. On disk when this returns."""
    changed: list[tuple[Entry | None, Entry]] = []
    fresh: dict[str, Entry] = {}
    for entry in told:
        known = fresh.get(entry.key) or ledger.entry(entry.key)
        now = merged(known, entry)
        if now is not None:
            fresh[entry.key] = now
            changed.append((known, now))
    await ledger.save_all([now for _, now in changed])
    return changed


async def adopt(ledger: Ledger, run_dir: Path) -> None:
    """Take the rows of all shards in the run folder into its ledger, and remove the shards."""
    if not (run_dir / FOLDER).is_dir():
        return
    async for folder, rows in left_behind(run_dir, await ledger.run_id()):
        while page := list(islice(rows, PAGE)):
            await merge(ledger, page)
        await asyncio.to_thread(shutil.rmtree, folder)
    with suppress(OSError):
        (run_dir / FOLDER).rmdir()


async def left_behind(
    run_dir: Path, run: str, session: str = "", after: str = "", skip: Collection[str] = ()
) -> AsyncIterator[tuple[Path, Iterator[Entry]]]:
    """Each shard that earlier processes left here, with its rows; held until the next one is asked for.

    Those of this `session` are left to its workers, which may not have locked theirs yet, except that of the dead
    worker `after`; those in `skip` have been read. Raises UsageError for one that belongs to another run, or that
    another process does not release.
    """
    for folder in sorted(path for path in (run_dir / FOLDER).glob("*") if path.name not in skip):
        if session and folder.name.startswith(f"{session}-") and folder.name != after:
            continue
        await _released(folder)
        with run_lock(folder):
            if not (folder / FILE_NAME).is_file():  # killed before anything was stored
                shutil.rmtree(folder, ignore_errors=True)
                continue
            shard = Ledger(folder)
            try:
                if shard.get_meta(RUN_ID) not in (run, None):
                    raise UsageError(
                        f"{folder} is a shard of another run, not of {run_dir}",
                        "move it to the run folder it came from, or choose another --run; nothing in it was touched",
                    )
                yield folder, (entry for row in shard.rows(_TOLD) if (entry := read_entry(row)) is not None)
            finally:
                await shard.aclose()


async def _released(folder: Path) -> None:
    """Wait until no process holds the shard: the workers of a killed driver end some seconds after it."""
    until = time.monotonic() + HELD_S
    while is_held(folder):
        if time.monotonic() > until:
            raise UsageError(
                f"{folder} is still in use by a worker of an earlier process after {HELD_S:.0f} s",
                "end that worker, then type the same command again; all it stored is kept",
            )
        await asyncio.sleep(LOOK_S)
