"""What flows through a plan: tables, texts, quantities, days. Plain values and how they are written, no more.

Numbers are `Decimal`: sums and products are exact, and a division that leaves a remainder is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

Cell = str | Decimal

CENT = Decimal("0.01")
_GRAINS = (Decimal(1), Decimal("0.1"), CENT)


class Unfit(Exception):
    """The material does not suit the plan: a tie, an empty result, a step without effect, a missing value."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `kind` is name, category, measure ("price") or count ("pages", a plural).

    `unit`: plural unit of a measure. `places`: decimals shown. `summable`: does a total make sense? `phrase`: how a
    category qualifies a row, with * for the value ("paid by *"). `pool`, `low` and `high` say where values are drawn.
    """

    name: str
    kind: str
    unit: str = ""
    places: int = 0
    summable: bool = True
    phrase: str = ""
    pool: tuple[str, ...] = ()
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(0)

    @property
    def label(self) -> str:
        return f"number of {self.name}" if self.kind == "count" else self.name

    @property
    def header(self) -> str:
        """How the head of a table names it: "price (euros)"."""
        return f"{self.name} ({self.unit})" if self.unit and self.kind == "measure" else self.name

    @property
    def is_number(self) -> bool:
        return self.kind in ("measure", "count")

    @property
    def counted_in(self) -> str:
        """The plural after a number of this column: its unit, or the things counted."""
        return self.name if self.kind == "count" else self.unit


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells. `noun` is what a row is, in the plural ("orders"); the first column names the row."""

    noun: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def at(self, name: str) -> int:
        for place, column in enumerate(self.columns):
            if column.name == name:
                return place
        raise Unfit(f"no column {name}")

    def column(self, name: str) -> Column:
        return self.columns[self.at(name)]

    def numbers(self, name: str) -> list[Decimal]:
        place = self.at(name)
        if not self.columns[place].is_number or not self.rows:
            raise Unfit(f"no numbers in {name}")
        return [cell for row in self.rows if isinstance(cell := row[place], Decimal)]

    def texts(self, name: str) -> list[str]:
        place = self.at(name)
        return [show_cell(row[place], self.columns[place].places) for row in self.rows]

    def with_rows(self, rows: list[tuple[Cell, ...]]) -> Table:
        return replace(self, rows=tuple(rows))


@dataclass(frozen=True, slots=True)
class Text:
    """Running text. `genre` is how it is called: "review", "notice"."""

    genre: str
    text: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number with its unit (plural form, or "")."""

    value: Decimal
    unit: str = ""
    places: int = 0


@dataclass(frozen=True, slots=True)
class Label:
    """One of a small set of answers."""

    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """One short text: a name, a word, a cell."""

    text: str


Value = Table | Text | Quantity | Label | Name

IRREGULAR = {"people": "person", "loaves": "loaf", "species": "species", "calories": "calorie", "statuses": "status"}
_PLURALS = {one: many for many, one in IRREGULAR.items()}
UNCOUNTED = frozenset(("kg", "g", "km", "m", "cm", "mm", "ml", "°C", "%", "km per hour"))
"""Units that have no plural of their own."""


def singular(plural: str) -> str:
    """The singular of the last word of a plural: "train rides" → "train ride"."""
    if plural in UNCOUNTED:
        return plural
    head, gap, last = plural.rpartition(" ")
    if last in IRREGULAR:
        one = IRREGULAR[last]
    elif last.endswith("ies") and len(last) > 4:
        one = last[:-3] + "y"
    elif last.endswith(("ches", "shes", "xes", "sses")):
        one = last[:-2]
    else:
        one = last.removesuffix("s")
    return head + gap + one


def pluralise(word: str) -> str:
    """The plural of the last word of a singular: "price" → "prices", "city" → "cities"."""
    head, gap, last = word.rpartition(" ")
    if last in _PLURALS:
        many = _PLURALS[last]
    elif last.endswith("y") and last[-2] not in "aeiou":
        many = last[:-1] + "ies"
    else:
        many = last + ("es" if last.endswith(("s", "x", "ch", "sh")) else "s")
    return head + gap + many


def show_number(value: Decimal, places: int = 0) -> str:
    """The number with at least `places` decimals, at most two, rounded half up only where it must be."""
    value = value.quantize(CENT, ROUND_HALF_UP)
    shown = next(d for d in (places, places + 1, 2) if d >= 2 or value == value.quantize(_GRAINS[d]))
    return f"{value.quantize(_GRAINS[min(shown, 2)]):f}"


def show_cell(cell: Cell, places: int = 0) -> str:
    return cell if isinstance(cell, str) else show_number(cell, places)


def show_quantity(amount: Quantity) -> str:
    """12.50 euros, 1 page, 14 %."""
    number = show_number(amount.value, amount.places)
    if not amount.unit:
        return number
    return f"{number} {singular(amount.unit) if amount.value == 1 else amount.unit}"
