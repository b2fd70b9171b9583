"""Which requests are in which batch, kept in the ledger so that no later process sends one of them again.

One row of the table `meta` for each batch: written before the batch is made, with the provider's id once there is one,
and with the answered requests alone when it is over. It goes when all their answers are in the ledger.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field

from synth.engine.ledger import Ledger
from synth.records import digest

PREFIX = "batch/"


@dataclass(slots=True)
class Noted:
    """A batch as it is noted. `run`: the run's id, "" until it is saved; `id`: the provider's, "" until it is known.
    `is_over`: `keys` are the answered ones.
    """

    number: int
    run: str
    path: str
    nonce: str
    keys: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    id: str = ""
    is_over: bool = False

    def add(self, key: str, stage: str) -> None:
        """One more request."""
        self.keys.append(key)
        if stage not in self.stages:
            self.stages.append(stage)

    @property
    def metadata(self) -> dict[str, str]:
        """By which the batch is found at the provider: the run, the stages, and a digest of the set of requests.

        The nonce tells apart a set that is sent again, because nothing of it was answered.
        """
        of_set = digest(self.run, self.nonce, self.keys)[:32]
        return {"synth_run": self.run, "synth_stage": ", ".join(self.stages)[:500], "synth_set": of_set}


class BatchJournal:
    """The batches of the model `who`. Coroutines return when what they note is on disk."""

    def __init__(self, ledger: Ledger, who: str) -> None:
        self._ledger, self._place = ledger, f"{PREFIX}{digest(who)[:16]}/"
        self._over: list[Noted] = []
        self._number = 0

    def read(self) -> list[Noted]:
        """The batches that earlier processes left, in their order; of those that are over what is not answered yet."""
        sql = "SELECT key, value FROM meta WHERE key > ? AND key < ? ORDER BY key"
        rows = self._ledger.query(sql, self._place, f"{self._place}:")
        found = [Noted(int(key.removeprefix(self._place)), **json.loads(value)) for key, value in rows]
        self._number = max((noted.number for noted in found), default=0)
        self._over = [noted for noted in found if noted.is_over]
        for noted in self._over:
            noted.keys = self._unanswered(noted)
        return found

    def new(self, path: str) -> Noted:
        """A batch for requests to `path`; it is not noted yet."""
        self._number += 1
        return Noted(self._number, "", path, uuid.uuid4().hex)

    async def save(self, noted: Noted) -> None:
        """Note a batch as it is now."""
        noted.run = noted.run or await self._ledger.run_id()
        names = ("run", "path", "nonce", "keys", "stages", "id", "is_over")
        await self._ledger.set_meta(self._key(noted), json.dumps({name: getattr(noted, name) for name in names}))

    async def done(self, noted: Noted, answered: list[str]) -> None:
        """A batch is over: note what it answered, and drop earlier ones whose answers are all in the ledger."""
        noted.keys, noted.is_over = answered, True
        await self.save(noted)
        earlier, self._over = self._over, [noted]
        for one in earlier:
            one.keys = self._unanswered(one)
            if one.keys and one is not noted:
                self._over.append(one)
            elif one is not noted:
                await self.drop(one)

    async def drop(self, noted: Noted) -> None:
        """Forget a batch."""
        await self._ledger.drop_meta(self._key(noted))

    def _unanswered(self, noted: Noted) -> list[str]:
        sql = "SELECT 1 FROM requests WHERE key=? AND state='answered'"
        return [key for key in noted.keys if not self._ledger.query(sql, key)]

    def _key(self, noted: Noted) -> str:
        return f"{self._place}{noted.number:08d}"
