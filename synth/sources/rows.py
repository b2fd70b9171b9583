"""One row of a foreign file, how its fields are read, and what is noted on the way."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a file and where it stands, such as `tasks.jsonl:12`."""

    where: str
    value: dict[str, Any]


@dataclass(slots=True)
class Reading:
    """What is noted while a file is read.

    `mistakes`: one line for each thing that is wrong in a row, with its place. `changes`: what was changed in rows that
    are used, each with its number of rows. `unread`: columns that mean nothing here, with their number of rows.
    """

    mistakes: list[str] = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)

    def notes(self) -> list[str]:
        """A sentence for each kind of change, and one that names the columns which were not read."""
        found = [f"{what} (rows: {count:,})" for what, count in self.changes.items()]
        columns = [f"{' '.join(name.split())[:60]} ({count:,})" for name, count in self.unread.most_common()]
        more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
        return found + ([f"columns that were not read: {', '.join(columns[:20])}{more}"] if columns else [])


@dataclass(slots=True)
class Fields:
    """The fields of one row: each mistake is noted once, and a stand-in is returned for what cannot be used."""

    row: Row
    reading: Reading
    num_bad: int = 0
    used: set[str] = field(default_factory=set)

    def bad(self, what: str) -> None:
        """Note a mistake of this row; `what` says what is wrong and what to do."""
        self.num_bad += 1
        self.reading.mistakes.append(f"{self.row.where}: {what}")

    def changed(self, what: str) -> None:
        """Note that something in this row is used in another form than it was given."""
        self.reading.changes[what] += 1

    def get(self, key: str) -> Any:
        """The value under `key`, None where it is missing, null or not a number (NaN)."""
        self.used.add(key)
        value = self.row.value.get(key)
        return None if isinstance(value, float) and math.isnan(value) else value

    def text(self, key: str, *, may_be_empty: bool = False) -> str:
        """The text under `key`; one that may be empty may also be null or missing."""
        value = self.get(key)
        if value is None and may_be_empty:
            return ""
        if value is None:
            self.bad(f"`{key}` is missing; add it as a text")
        elif not isinstance(value, str):
            self.bad(f"`{key}` is not a text; write it in quotation marks")
        elif not value.strip() and not may_be_empty:
            self.bad(f"`{key}` is empty; fill it or remove the row")
        else:
            return value
        return ""

    def close(self) -> None:
        """Count the columns of a row that is used which hold something and were not read."""
        self.reading.unread.update(
            key for key, value in self.row.value.items() if key not in self.used and value not in (None, "", [])
        )
