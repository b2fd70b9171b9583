"""Domains: a place, a role and the table that people there keep. The texts are in `domains_a` to `domains_c`.

Notation: `key | place | role`, then columns, one or more a line with `;` between. `name: a, b` is a column of names or
categories (`@pool` for a shared pool); `<on *>` is how a category qualifies a row; `name: 1.20-9.80 euros` holds
measures with the decimals as written; `name#: 4-60` counts things called by the column's name; `~` marks numbers that
must not be added up; `name: 2024` holds days of that year; `c = a * b` is a figure worth computing. The first column
names the row: its plural is what the rows are called.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from decimal import Decimal

from synth.embedded.patterns import plain_articles
from synth.embedded.values import WEEKDAYS, Column, pluralise
from synth.embedded.words import domains_a, domains_b, domains_c

PEOPLE = (
    "Ada Brandt, Amir Hassan, Anna Kowalska, Ben Okafor, Bruno Costa, Carla Ruiz, Chen Wei, Clara Novak, Daniel Levy, "
    "Diana Petrova, Elif Kaya, Emil Larsen, Erik Sand, Fatima Noor, Felix Braun, Grace Mensah, Hana Sato, Hugo Martin, "
    "Ines Duarte, Ivan Horvat, Jonas Weber, Julia Stein, Kofi Adjei, Lea Fischer, Leo Rossi, Lina Berg, Lucas Meyer, "
    "Mara Popescu, Marco Bianchi, Maya Singh, Mila Jovanovic, Nadia Rahman, Nils Holm, Nora Lind, Oscar Nyman, "
    "Paula Silva, Peter Gruber, Priya Nair, Rosa Marin, Sam Taylor, Selma Demir, Sofia Greco, Tariq Aziz, Tom Becker, "
    "Vera Sokolova, Yara Haddad, Yusuf Demirci, Zoe Martel"
).split(", ")
CITIES = (
    "Aalborg, Basel, Bergen, Bologna, Bremen, Brno, Cork, Dijon, Erfurt, Faro, Gdansk, Ghent, Graz, Haarlem, Kassel, "
    "Leeds, Lille, Linz, Malmo, Nantes, Odense, Parma, Porto, Riga, Rouen, Salzburg, Siena, Split, Tampere, Toledo, "
    "Turin, Uppsala, Utrecht, Verona, Vilnius, Zagreb"
).split(", ")
FIRST_NAMES = (
    "Anna, Bruno, Carla, Dario, Elif, Felix, Greta, Hugo, Ines, Jonas, Kaya, Lena, Marta, Nils, Olga, Pavel".split(", ")
)
CHILDREN = "Mia, Noah, Ella, Finn, Lotta, Emil, Ida, Theo, Alma, Oskar, Romy, Levi, Juna, Mats, Frida, Anton".split(
    ", "
)
POOLS: dict[str, tuple[str, ...]] = {
    "people": tuple(PEOPLE), "cities": tuple(CITIES), "firstnames": tuple(FIRST_NAMES), "firstchildren": tuple(CHILDREN), "weekdays": WEEKDAYS[:6],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Domain:
    """A little world. `columns[0]` names the rows; `products` are (name, factor, factor) of figures worth computing."""

    key: str
    place: str
    role: str
    columns: tuple[Column, ...]
    products: tuple[tuple[str, str, str], ...]

    @property
    def noun(self) -> str:
        """What the rows are, in the plural."""
        return pluralise(self.columns[0].name)


_RANGE = re.compile(r"(-?[\d.]+)-([\d.]+)(?: (.+))?$")


def _column(text: str, is_first: bool) -> Column:
    head, _, body = text.partition(":")
    name, _, phrase = head.strip().partition(" <")
    plain, body = name.rstrip("#~"), body.strip()
    numbers = _RANGE.match(body)
    if numbers:
        low, high, unit = numbers.groups()
        places = len(low.partition(".")[2])
        kind = "count" if "#" in name else "measure"
        summable = "~" not in name
        return Column(plain, kind, unit or "", places, summable, low=Decimal(low), high=Decimal(high))
    if re.fullmatch(r"20\d\d", body):
        return Column(plain, "date", low=Decimal(body), high=Decimal(body))
    pool = POOLS[body[1:]] if body.startswith("@") else tuple(body.split(", "))
    return Column(plain, "name" if is_first else "category", phrase=phrase.rstrip(">"), pool=pool)


def _domain(block: str) -> Domain:
    lines = block.splitlines()
    key, place, role = lines[0].split(" | ")
    columns: list[Column] = []
    products: list[tuple[str, str, str]] = []
    for part in (part.strip() for line in lines[1:] for part in line.split(";")):
        if " = " in part:
            name, _, factors = part.partition(" = ")
            one, _, other = factors.partition(" * ")
            products.append((name, one, other))
        else:
            columns.append(_column(part, not columns))
    return Domain(key, place, role, tuple(columns), tuple(products))


@functools.cache
def domains() -> tuple[Domain, ...]:
    """All domains, in the order of the files."""
    blocks = [
        block
        for text in (domains_a.DOMAINS, domains_b.DOMAINS, domains_c.DOMAINS)
        for block in text.strip().split("\n\n")
    ]
    return tuple(_domain(block) for block in blocks)


@functools.cache
def by_noun() -> dict[str, Domain]:
    """The domain whose rows are called so."""
    return {domain.noun: domain for domain in reversed(domains())}


@functools.cache
def by_place() -> dict[str, Domain]:
    """The domain of a place, which is written with "a" for every "an"."""
    return {plain_articles(domain.place): domain for domain in domains()}


@functools.cache
def columns_by_name() -> dict[str, tuple[Column, ...]]:
    """All columns of a name, over all domains."""
    found: dict[str, list[Column]] = {}
    for domain in domains():
        for column in domain.columns:
            found.setdefault(column.name, []).append(column)
    return {name: tuple(columns) for name, columns in found.items()}


@functools.cache
def column_names() -> frozenset[str]:
    """All names that a column can have: those of the tables, of computed columns, of groups."""
    names = {column.name for domain in domains() for column in domain.columns}
    names |= {name for domain in domains() for name, _, _ in domain.products}
    return frozenset(names | {f"{word} {name}" for name in names for word in ("total", "average")} | set(by_noun()))


@functools.cache
def nouns() -> frozenset[str]:
    """All that the parts of a material can be called: rows, values of a column, results of earlier steps."""
    columns = [column for domain in domains() for column in domain.columns]
    named = {pluralise(column.name) for column in columns if column.kind != "count"} | {d.noun for d in domains()}
    return frozenset(
        named
        | set(
            "numbers,differences,letter counts,items,words,dates,times,prices,phone numbers,e-mail addresses".split(",")
        )
    )


@functools.cache
def measures() -> dict[str, tuple[Column, ...]]:
    """The measures by name."""
    named = {name: tuple(c for c in columns if c.kind == "measure") for name, columns in columns_by_name().items()}
    return {name: columns for name, columns in named.items() if columns}


@functools.cache
def phrases() -> dict[str, tuple[Column, ...]]:
    """Qualifying phrase ("paid by *") to the columns that use it."""
    found: dict[str, list[Column]] = {}
    for domain in domains():
        for column in domain.columns:
            if column.phrase:
                found.setdefault(column.phrase, []).append(column)
    return {phrase: tuple(columns) for phrase, columns in found.items()}
