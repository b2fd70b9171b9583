"""Train, validation and test by families: what was evolved from one task, or says the same, never lies in two splits.

A family holds together records with the same instruction, a record and what it was evolved from, and the links that are
handed in. Which tasks a prompt only showed as examples makes no family, or with Self-Instruct all would be one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from synth.metrics import tokens
from synth.records import Record, digest

TRAIN, VALIDATION, TEST = "train", "validation", "test"


class Families:
    """Groups of records, grown one by one (union-find). `num_records` counts what was added."""

    def __init__(self, links: Iterable[tuple[str, str]] = ()) -> None:
        self._numbers: dict[str, int] = {}
        self._parent = array("q")
        self._records = array("q")
        for one, other in links:
            self._unite(self._number(one), self._number(other))

    @property
    def num_records(self) -> int:
        """Records added so far."""
        return len(self._records)

    def add(self, record: Record) -> None:
        """Put a record into its family; call it in the order in which the records are written later."""
        number = self._number(record.id)
        self._records.append(number)
        words = " ".join(tokens(record.task())) or record.task()
        self._unite(number, self._number("i:" + digest(words)[:24]))
        if record.lineage.origin == "evolve" or record.lineage.generation > 0:
            for parent in record.lineage.parents:
                self._unite(number, self._number(parent))

    def assign(self, validation: float, test: float) -> list[str]:
        """The split of each added record, in order. Shares are met to within the size of one family.

        Families are drawn in the order of a hash of their first record, so the same records in the same order always
        fall the same way.
        """
        members: dict[int, list[int]] = {}
        for index, number in enumerate(self._records):
            members.setdefault(self._find(number), []).append(index)
        names = list(self._numbers)
        order = sorted(members.values(), key=lambda family: int(digest(0, names[self._records[family[0]]])[:15], 16))
        splits = [TRAIN] * self.num_records
        for split, share in ((TEST, test), (VALIDATION, validation)):
            room = round(share * self.num_records)
            for family in order:
                if len(family) <= room and splits[family[0]] == TRAIN:
                    room -= len(family)
                    for index in family:
                        splits[index] = split
        return splits

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self._parent))
        if number == len(self._parent):
            self._parent.append(number)
        return number

    def _find(self, number: int) -> int:
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def _unite(self, one: int, other: int) -> None:
        first, second = self._find(one), self._find(other)
        self._parent[max(first, second)] = min(first, second)
