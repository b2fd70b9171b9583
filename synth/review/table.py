"""The indexed rows as columns in memory: filters, the counts beside them, and the order of a page, in milliseconds."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.review.index import FACETS, NUMBERS, spaced
from synth.tokens import unicode_tokens

PAGE = 50
BLOCK = 20_000
SORTS = {
    "": "as made",
    "newest": "newest first",
    "low": "lowest grade first",
    "high": "highest grade first",
    "near": "nearest to others first",
    "long": "longest answer first",
    "short": "shortest answer first",
}
ORDER = {"low": ("grade", 1), "high": ("grade", -1), "near": ("nearest", -1), "long": ("words", -1)}
ORDER |= {"short": ("words", 1)}
VERDICTS = ("not reviewed", "accept", "reject", "edit", "disputed")
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page asks for: a value of each facet ("": any), bounds of the grade, words, an order, a page from 0."""

    stage: str = ""
    state: str = ""
    reason: str = ""
    operator: str = ""
    generation: str = ""
    language: str = ""
    category: str = ""
    verdict: str = ""
    least: float | None = None
    most: float | None = None
    nearest: float | None = None
    text: str = ""
    sort: str = ""
    page: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """The wishes of a query string; what cannot be read is left out."""
        texts = {name: query.get(name, "")[:200] for name in (*FACETS, "verdict", "text")}
        bounds = {name: bound_of(query.get(name, "")) for name in ("least", "most", "nearest")}
        sort, page = query.get("sort", ""), query.get("page", "")
        number = int(page) if re.fullmatch(r"[0-9]{1,7}", page) else 0
        return cls(**texts, **bounds, sort=sort if sort in SORTS else "", page=number)  # type: ignore[arg-type]

    def query(self, **changes: Any) -> dict[str, str]:
        """The wishes as a query string's pairs, with changes; a change goes back to the first page."""
        changed = replace(self, **({"page": 0} | changes)) if changes else self
        pairs = {one.name: getattr(changed, one.name) for one in fields(self)}
        return {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in pairs.items()
                if value not in ("", None, 0)}  # fmt: skip


def bound_of(text: str) -> float | None:
    """The number in a text; None where it is none."""
    return float(text) if re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", text) else None


@dataclass(slots=True)
class Found:
    """What is found: `ids` of one page's rows, `total` rows in all, of how many `indexed`, and facet → value → rows.

    A facet's counts are those under all the other filters: what choosing the value would show.
    """

    ids: list[int]
    total: int
    indexed: int
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


class Table:
    """The rows of an index. Not for several threads at once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._mark: tuple[Any, ...] = ()
        self.names: list[str] = [""]
        self._empty()

    def _empty(self) -> None:
        self.ids = np.zeros(0, np.int64)
        self._codes = np.zeros((0, len(FACETS)), np.int32)
        self._numbers = np.zeros((0, len(NUMBERS)), np.float32)
        self._keys = np.zeros(0, np.int64)
        self._texts = np.zeros(0, np.int64)
        self.verdicts = np.zeros(0, np.int8)

    def refresh(self) -> None:
        """Take in the rows that were indexed since; all anew where earlier ones went or were replaced."""
        self._db.execute("BEGIN")
        try:
            marks = "SELECT value FROM meta WHERE key IN ('era', 'replaced') ORDER BY key"
            mark = tuple(row[0] for row in self._db.execute(marks))
            if mark != self._mark:
                self._mark = mark
                self._empty()
            last = int(self.ids[-1]) if len(self.ids) else 0
            columns = f"id, key, text, {', '.join(FACETS)}, {', '.join(NUMBERS)}"
            rows = self._db.execute(f"SELECT {columns} FROM rows WHERE id>? ORDER BY id", (last,))
            blocks = []
            while block := rows.fetchmany(BLOCK):
                blocks.append(_columns(block))
            self._join(blocks)
            names = self._db.execute("SELECT id, text FROM names ORDER BY id").fetchall()
        finally:
            self._db.execute("COMMIT")
        self.names = [""] * (max(number for number, _ in names) + 1)
        for number, text in names:
            self.names[number] = text

    def _join(self, blocks: Sequence[tuple[Any, ...]]) -> None:
        if blocks:
            own = (self.ids, self._keys, self._texts, self._codes, self._numbers)
            joined = [np.concatenate(parts) for parts in zip(own, *blocks, strict=True)]
            self.ids, self._keys, self._texts, self._codes, self._numbers = joined
            self.verdicts = np.concatenate([self.verdicts, np.zeros(len(self.ids) - len(self.verdicts), np.int8)])

    def judge(self, said: Mapping[int, int]) -> None:
        """Note the verdicts: key of a row → its place in VERDICTS."""
        self.verdicts = np.zeros(len(self.ids), np.int8)
        if said:
            keys = np.array(sorted(said), np.int64)
            values = np.array([said[int(key)] for key in keys], np.int8)
            places = np.minimum(np.searchsorted(keys, self._keys), len(keys) - 1)
            self.verdicts = np.where(keys[places] == self._keys, values[places], 0).astype(np.int8)

    def column(self, name: str) -> NDArray[np.float32]:
        """One of NUMBERS of every row, NaN where a row has none."""
        return self._numbers[:, NUMBERS.index(name)]

    def code(self, facet: str) -> NDArray[np.int32]:
        """The numbers in `names` of a facet of every row."""
        return self._codes[:, FACETS.index(facet)]

    def keys(self) -> NDArray[np.int64]:
        """The keys of all rows (see `index.signed`)."""
        return self._keys

    def number_of(self, name: str) -> int:
        """The number of a facet's value; -1 where no row has it."""
        return self.names.index(name) if name in self.names else -1

    def ended(self, stages: Sequence[str]) -> Mask:
        """Each row once, where it ended: rejected by one of the `stages`, or kept by the last of them."""
        stage, rejected = self.code("stage"), self.code("state") == self.number_of("rejected")
        ended: Mask = rejected & np.isin(stage, [self.number_of(name) for name in stages])
        ended |= ~rejected & (stage == self.number_of(stages[-1] if stages else ""))
        return ended

    def mask(self, wanted: Wanted, stages: Sequence[str]) -> Mask:
        """The rows that all filters let through."""
        chosen = list(self._chosen(wanted, stages).values())
        every: Mask = np.logical_and.reduce([self._base(wanted), *chosen])
        return every

    def find(self, wanted: Wanted, stages: Sequence[str]) -> Found:
        """A page of rows, and the counts beside the filters."""
        base, chosen = self._base(wanted), self._chosen(wanted, stages)
        counts = {}
        for facet in (*FACETS, "verdict"):
            others = base.copy()
            for name, one in chosen.items():
                if name != facet:
                    others &= one
            counts[facet] = self._counts(facet, others)
        for one in chosen.values():
            base &= one
        places = np.flatnonzero(base)
        start = wanted.page * PAGE
        ordered = self._ordered(places, wanted.sort)[start : start + PAGE]
        return Found([int(one) for one in self.ids[ordered]], len(places), len(self.ids), counts)

    def _counts(self, facet: str, mask: Mask) -> dict[str, int]:
        """Value → rows, the most frequent first."""
        if facet == "verdict":
            names, found = list(VERDICTS), np.bincount(self.verdicts[mask])
        else:
            names, found = self.names, np.bincount(self.code(facet)[mask])
        ranked = sorted(np.flatnonzero(found), key=lambda one: (-int(found[one]), names[one]))
        return {names[one]: int(found[one]) for one in ranked if names[one]}

    def _base(self, wanted: Wanted) -> Mask:
        """What the filters that are no facets let through."""
        mask = np.ones(len(self.ids), np.bool_)
        grade, nearest = self.column("grade"), self.column("nearest")
        with np.errstate(invalid="ignore"):
            mask &= True if wanted.least is None else grade >= wanted.least
            mask &= True if wanted.most is None else grade <= wanted.most
            mask &= True if wanted.nearest is None else ~(nearest > wanted.nearest)
        if wanted.text.strip():
            mask &= np.isin(self._texts, self.search(wanted.text))
        return mask

    def _chosen(self, wanted: Wanted, stages: Sequence[str]) -> dict[str, Mask]:
        chosen: dict[str, Mask] = {}
        for facet in FACETS:
            if value := getattr(wanted, facet):
                chosen[facet] = self.code(facet) == self.number_of(value)
        if not wanted.stage:
            chosen["stage"] = self.ended(stages)
        if wanted.verdict:
            known = VERDICTS.index(wanted.verdict) if wanted.verdict in VERDICTS else -1
            chosen["verdict"] = self.verdicts == known
        return chosen

    def search(self, text: str) -> NDArray[np.int64]:
        """The text numbers of the rows that hold all words; the last word may be the beginning of one."""
        words = unicode_tokens(spaced(text))[:20]
        if not words:
            return np.zeros(0, np.int64)
        asked = " ".join(f'"{word}"' for word in words) + ("*" if not text[-1].isspace() else "")
        rows = self._db.execute("SELECT rowid FROM texts WHERE texts MATCH ?", (asked,))
        return np.fromiter((row[0] for row in rows), np.int64)

    def _ordered(self, places: NDArray[Any], sort: str) -> NDArray[Any]:
        if sort == "newest":
            return places[::-1]
        if sort in ORDER:
            name, sign = ORDER[sort]
            return places[np.argsort(sign * self.column(name)[places], kind="stable")]  # NaN comes last
        return places


def _columns(block: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """(ids, keys, texts, codes, numbers) of some rows."""
    facets = 3 + len(FACETS)
    ids, keys, texts = (np.array([row[place] for row in block], np.int64) for place in range(3))
    codes = np.array([row[3:facets] for row in block], np.int32)
    return ids, keys, texts, codes, np.array([row[facets:] for row in block], np.float32)
