"""Domains: a place, a role and the table that people there keep.

Notation in `words.DOMAINS`: `key | place | role`, then columns with `;` between. `name: a, b` is a column of names or
categories (`@pool` for a shared pool); `<on *>` is how a category qualifies a row; `name: 1.20-9.80 euros` holds
measures with the decimals as written; `name#: 4-60` counts things called by the column's name; `~` marks numbers that
must not be added up. The first column names the row: its plural is what the rows are called.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from decimal import Decimal

from synth.embedded import words
from synth.embedded.patterns import plain_articles
from synth.embedded.values import Column, pluralise

POOLS = {"people": words.PEOPLE, "cities": words.CITIES, "firstnames": words.FIRST_NAMES, "weekdays": words.WEEKDAYS}
_RANGE = re.compile(r"(-?[\d.]+)-([\d.]+)(?: (.+))?$")


@dataclass(frozen=True, slots=True)
class Domain:
    """A little world. `columns[0]` names the rows."""

    key: str
    place: str
    role: str
    columns: tuple[Column, ...]

    @property
    def noun(self) -> str:
        """What the rows are, in the plural."""
        return pluralise(self.columns[0].name)


def _column(text: str, is_first: bool) -> Column:
    head, _, body = text.partition(":")
    name, _, phrase = head.strip().partition(" <")
    plain, body = name.rstrip("#~"), body.strip()
    numbers = _RANGE.match(body)
    if numbers:
        low, high, unit = numbers.groups()
        kind = "count" if "#" in name else "measure"
        places = len(low.partition(".")[2])
        return Column(plain, kind, unit or "", places, "~" not in name, low=Decimal(low), high=Decimal(high))
    pool = POOLS[body[1:]] if body.startswith("@") else tuple(body.split(", "))
    return Column(plain, "name" if is_first else "category", phrase=phrase.rstrip(">"), pool=pool)


@functools.cache
def domains() -> tuple[Domain, ...]:
    """All domains, in the order of the text."""
    found = []
    for block in words.DOMAINS.strip().split("\n\n"):
        head, *lines = block.splitlines()
        columns = [part for line in lines for part in line.split("; ")]
        key, place, role = head.split(" | ")
        found.append(Domain(key, place, role, tuple(_column(part, not n) for n, part in enumerate(columns))))
    return tuple(found)


@functools.cache
def by_noun() -> dict[str, Domain]:
    """The domain whose rows are called so."""
    return {domain.noun: domain for domain in domains()}


@functools.cache
def by_place() -> dict[str, Domain]:
    """The domain of a place, which is written with "a" for every "an"."""
    return {plain_articles(domain.place): domain for domain in domains()}


@functools.cache
def columns_by_name() -> dict[str, tuple[Column, ...]]:
    """All columns of a name, over all domains."""
    found: dict[str, tuple[Column, ...]] = {}
    for domain in domains():
        for column in domain.columns:
            found[column.name] = (*found.get(column.name, ()), column)
    return found


@functools.cache
def nouns() -> frozenset[str]:
    """All that the parts of a material can be called: rows, values of a column, results of earlier steps."""
    named = {pluralise(name) for name, (column, *_) in columns_by_name().items() if column.kind != "count"}
    return frozenset(named | set(by_noun()))
