"""From one quantity to another, or to a label: units, multiples, rounding, parity, comparison."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from synth.embedded.draws import Draw
from synth.embedded.plan import Args, Operation
from synth.embedded.values import Label, Quantity, Unfit, show_number

EXACT: dict[str, dict[str, Decimal]] = {
    unit: {other: Decimal(factor) for other, factor in (pair.split("=") for pair in pairs.split())}
    for unit, pairs in {
        "kg": "grams=1000", "g": "milligrams=1000 kilograms=0.001", "tonnes": "kilograms=1000", "km": "metres=1000",
        "m": "centimetres=100 millimetres=1000", "cm": "millimetres=10 metres=0.01", "litres": "millilitres=1000 centilitres=100",
        "ml": "litres=0.001", "hours": "minutes=60 seconds=3600", "minutes": "seconds=60", "weeks": "days=7",
        "euros": "cents=100", "years": "months=12",
    }.items()
}  # fmt: skip
COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    ">": lambda a, b: a > b, "<": lambda a, b: a < b, ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b,
}  # fmt: skip
SHARED = ("euros", "cents", "kg", "g", "grams", "litres", "ml", "tonnes", "kilograms", "")
"""Units of what people buy several times."""
GRAINS = {"whole number": Decimal(1), "ten": Decimal(10), "hundred": Decimal(100), "five": Decimal(5)}


def divided(total: Decimal, count: Decimal | int) -> Decimal:
    """total / count. Raises Unfit where rounding half up or half to even would differ."""
    exact = Fraction(total) / Fraction(count) * 1000
    if exact.denominator == 1 and exact % 10 == 5:
        raise Unfit("a tie in rounding")
    return total / count


def decimal(exact: Fraction) -> Decimal:
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def _places(value: Decimal) -> int:
    return max(0, -int(value.normalize().as_tuple().exponent))


def _draw_convert(amount: Quantity, draw: Draw) -> Args | None:
    fitting = [unit for unit, factor in EXACT.get(amount.unit, {}).items() if _places(amount.value * factor) <= 2]
    return {"to": draw.pick(fitting)} if fitting else None


def _convert(amount: Quantity, args: Args) -> Quantity:
    if args["to"] not in EXACT.get(amount.unit, {}):
        raise Unfit(f"no way from {amount.unit} to {args['to']}")
    value = (amount.value * EXACT[amount.unit][args["to"]]).normalize()
    if _places(value) > 3:
        raise Unfit("too many decimals")
    return Quantity(value, args["to"], min(_places(value), 2))


def _convert_again(amount: Quantity, args: Args) -> Quantity:
    """By the way back: which amount of the new unit makes the old amount?"""
    value = decimal(Fraction(amount.value) / (1 / Fraction(EXACT[amount.unit][args["to"]])))
    return Quantity(value, args["to"], min(_places(value), 2))


def _draw_round(amount: Quantity, draw: Draw) -> Args | None:
    fitting = [g for g, size in GRAINS.items() if size < amount.value and amount.value % size not in (0, size / 2)]
    return {"grain": draw.pick(fitting)} if fitting else None


def _round(amount: Quantity, args: Args) -> Quantity:
    size = GRAINS[args["grain"]]
    rest = amount.value % size
    if rest * 2 == size or amount.value < 0:
        raise Unfit("half-way")
    return Quantity(amount.value - rest + (size if rest * 2 > size else 0), amount.unit)


def _round_again(amount: Quantity, args: Args) -> Quantity:
    size = int(GRAINS[args["grain"]])
    return Quantity(Decimal(math.floor(Fraction(amount.value) / size + Fraction(1, 2)) * size), amount.unit)


def _parity(amount: Quantity, args: Args) -> Label:
    if amount.value % 1:
        raise Unfit("not a whole number")
    return Label("odd" if amount.value % 2 else "even")


def _draw_above(amount: Quantity, draw: Draw) -> Args | None:
    size = Decimal(10) ** max(0, amount.value.adjusted() - 1)
    bound = (amount.value // size + draw.pick((-3, -2, -1, 1, 2, 3))) * size
    args = {"cmp": draw.pick((">", "<")), "x": show_number(bound)}
    return args if amount.value > 0 and bound > 0 and bound != amount.value else None


def _above(amount: Quantity, args: Args) -> Label:
    bound = Decimal(args["x"])
    if bound == amount.value:
        raise Unfit("just equal")
    return Label("yes" if COMPARE[args["cmp"]](amount.value, bound) else "no")


def _above_again(amount: Quantity, args: Args) -> Label:
    """By the sign of the difference."""
    difference = Fraction(amount.value) - Fraction(args["x"])
    return Label("yes" if difference * (1 if args["cmp"] == ">" else -1) > 0 else "no")


_X = "{x}[ {per}|]"
# fmt: off
OPERATIONS = (
    Operation("convert_unit", "quantity", "quantity", "change", """
        do: [convert|change|turn] {it} [to|into] {to}
        do: [express|give|state|write] {it} in {to}
        do: [say|work out] how many {to} {that} is
        ask: how many {to} is {that}
        ask: [how much|what] is {that} in {to}
    """, _draw_convert, _convert, _convert_again, "in {to}"),
    Operation("multiply", "quantity", "quantity", "change", """
        do: multiply {it} by {n}
        do: take {it} {n} times
        do: [work out|calculate|compute|find] {n} times {that}
        ask: [how much|what] is {n} times {that}
        ask: what do you get if you [multiply {it} by {n}|take {it} {n} times]
    """, lambda amount, draw: {"n": str(draw.between(2, 12))} if amount.value > 0 and amount.unit in SHARED else None,
        lambda amount, args: replace(amount, value=amount.value * int(args["n"])),
        lambda amount, args: replace(amount, value=sum([amount.value] * int(args["n"]), Decimal(0))), "{n} times as much"),
    Operation("round_to", "quantity", "quantity", "change", """
        do: round {it}[ off|] to the nearest {grain}
        do: [give|bring] {it} to the nearest {grain}
        do: express {it} rounded[ off|] to the nearest {grain}
        ask: [what|how much] is {that} [rounded |]to the nearest {grain}
    """, _draw_round, _round, _round_again, "rounded"),
    Operation("parity", "quantity", "label", "label", """
        ask: is {that} [even or odd|an even or an odd number]
        ask: would you call {that} even or odd
        do: [say|decide|tell me|state|determine] whether {that} is even or odd
        do: [label|classify|mark] {it} as even or odd
        do: say if {it} is even or odd
    """, lambda amount, draw: {} if amount.value % 1 == 0 else None, _parity,
        lambda amount, args: Label("odd" if f"{amount.value.to_integral_value():f}"[-1] in "13579" else "even"),
        "parity", ("even", "odd")),
    Operation("compare_with", "quantity", "label", "label", f"""
        ask(cmp=>): is {{that}} [above|more than|over|higher than] {_X}
        ask(cmp=<): is {{that}} [below|less than|under|lower than] {_X}
        do(cmp=>): [say|decide|tell me|state] whether {{that}} is [above|more than|over] {_X} (yes or no)
        do(cmp=<): [say|decide|tell me|state] whether {{that}} is [below|less than|under] {_X} (yes or no)
    """, _draw_above, _above, _above_again, "comparison", ("yes", "no")),
)
