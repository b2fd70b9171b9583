"""What tables and lists of numbers have in common: one figure of many numbers, and comparison with a bound."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from synth.embedded.draws import Draw
from synth.embedded.plan import Args, Operation
from synth.embedded.values import Numbers, Quantity, Table, Unfit, show_number, show_quantity

COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


def threshold(values: list[Decimal], draw: Draw) -> Args | None:
    """A comparison and a bound that some of the values pass and some do not; the bound is a round number if it can be."""
    known = sorted(set(values))
    if len(known) < 3:
        return None
    cut = draw.between(1, len(known) - 2)
    low, high = known[cut], known[cut + 1]
    cmp = draw.pick((">", "<", ">=", "<="))
    if cmp in (">=", "<="):
        return {"cmp": cmp, "x": show_number(draw.pick((low, high)))}
    for unit in (Decimal(100), Decimal(50), Decimal(10), Decimal(5), Decimal(1), Decimal("0.5")):
        bound = (low // unit + 1) * unit
        if low < bound < high and bound > 0:
            return {"cmp": cmp, "x": show_number(bound)}
    return {"cmp": cmp, "x": show_number(low if cmp == ">" else high)}


def divided(total: Decimal, count: Decimal | int) -> Decimal:
    """total / count. Raises Unfit where rounding half up or half to even would differ."""
    exact = Fraction(total) / Fraction(count) * 1000
    if exact.denominator == 1 and exact % 10 == 5:
        raise Unfit("a tie in rounding")
    return total / count


def decimal(exact: Fraction) -> Decimal:
    """A fraction as a Decimal."""
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def in_unit(value: Table | Numbers, args: Args, number: Decimal) -> Quantity:
    """A figure of a column or a list, in its unit."""
    if isinstance(value, Table):
        column = value.column(args["col"])
        return Quantity(number, column.counted_in, column.places)
    return Quantity(number, value.unit, value.places)


def numbers_of(value: Table | Numbers, args: Args) -> list[Decimal]:
    """The numbers of the column asked for, or of the list. Raises Unfit for fewer than two."""
    numbers = value.numbers(args["col"]) if isinstance(value, Table) else list(value.values)
    if len(numbers) < 2:
        raise Unfit("a figure of one number")
    return numbers


def _median(values: list[Decimal]) -> Decimal:
    ranked, middle = sorted(values), len(values) // 2
    return ranked[middle] if len(values) % 2 else divided(ranked[middle - 1] + ranked[middle], 2)


def _spread(values: list[Decimal]) -> Decimal:
    if min(values) == max(values):
        raise Unfit("no spread")
    return max(values) - min(values)


SOLVE: dict[str, Callable[[list[Decimal]], Decimal]] = {
    "total": lambda values: sum(values, Decimal(0)),
    "average": lambda values: divided(sum(values, Decimal(0)), len(values)),
    "median": _median,
    "range": _spread,
}
CHECK: dict[str, Callable[[list[Fraction]], Fraction]] = {
    "total": lambda values: Fraction(sum(int(value * 100) for value in reversed(values)), 100),
    "average": statistics.mean,
    "median": statistics.median,
    "range": lambda values: max(a - b for a in values for b in values),
}
EXPLAIN = {
    "total": "Total: {plus} = {after}",
    "average": "Average: ({plus}) / {count} = {after}",
    "median": "In order: {ranked}; the median is {after}",
    "range": "Difference: {high} - {low} = {after}",
}


def figure(name: str, takes: str, word: str, wording: str, draw: Callable[[Any, Draw], Args | None]) -> Operation:
    """The operation that gives one figure ("total", "average", "median", "range") of the numbers of a table or list."""

    def solve(value: Table | Numbers, args: Args) -> Quantity:
        return in_unit(value, args, SOLVE[word](numbers_of(value, args)))

    def check(value: Table | Numbers, args: Args) -> Quantity:
        return in_unit(value, args, decimal(CHECK[word]([Fraction(x) for x in numbers_of(value, args)])))

    def explain(before: Table | Numbers, args: Args, after: Quantity) -> str:
        numbers = numbers_of(before, args)
        shown, ranked = ([show_number(x, after.places) for x in some] for some in (numbers, sorted(numbers)))
        parts = {"plus": " + ".join(shown), "ranked": ", ".join(ranked), "high": ranked[-1], "low": ranked[0]}
        return EXPLAIN[word].format(count=len(shown), after=show_quantity(after), **parts)

    title = f"{word} {{col}}" if takes == "table" else word
    return Operation(name, takes, "quantity", "reduce", wording, draw, solve, check, title, explain)
