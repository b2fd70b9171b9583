"""From one quantity to another, or to a label: units, percentages, equal shares, rounding, parity, comparison."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from synth.embedded.draws import Draw
from synth.embedded.operations.figures import divided
from synth.embedded.plan import Args, Operation, say
from synth.embedded.values import Label, Name, Quantity, Unfit, show_number, show_quantity, singular

# --- units -----------------------------------------------------------------------------------------------------------

EXACT: dict[str, tuple[tuple[str, Decimal], ...]] = {
    unit: tuple((other, Decimal(factor)) for other, factor in pairs)
    for unit, pairs in {
        "kg": (("grams", "1000"),),
        "g": (("milligrams", "1000"), ("kilograms", "0.001")),
        "grams": (("kilograms", "0.001"), ("milligrams", "1000")),
        "tonnes": (("kilograms", "1000"),),
        "km": (("metres", "1000"),),
        "kilometres": (("metres", "1000"),),
        "m": (("centimetres", "100"), ("millimetres", "1000"), ("kilometres", "0.001")),
        "metres": (("centimetres", "100"), ("kilometres", "0.001")),
        "cm": (("millimetres", "10"), ("metres", "0.01")),
        "centimetres": (("millimetres", "10"), ("metres", "0.01")),
        "litres": (("millilitres", "1000"), ("centilitres", "100")),
        "ml": (("litres", "0.001"),),
        "hours": (("minutes", "60"), ("seconds", "3600")),
        "minutes": (("seconds", "60"),),
        "days": (("hours", "24"),),
        "weeks": (("days", "7"),),
        "euros": (("cents", "100"),),
        "dollars": (("cents", "100"),),
        "hectares": (("square metres", "10000"),),
        "years": (("months", "12"),),
    }.items()
}
RATED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "euros": (("dollars", "1.05", "1.20"), ("pounds", "0.80", "0.90"), ("Swiss francs", "0.91", "0.99")),
    "dollars": (("euros", "0.85", "0.95"), ("pounds", "0.70", "0.82")),
    "km": (("miles", "0.62", "0.62"),),
    "kg": (("pounds", "2.20", "2.20"),),
    "litres": (("pints", "1.76", "1.76"),),
}
"""Unit to units that need a rate, which the task names itself."""
SPELLED = {
    "%": "per cent",
    "°C": "degrees Celsius",
    "mm": "millimetres",
    "kWh": "kilowatt hours",
    "kg": "kilograms",
    "g": "grams",
    "km": "kilometres",
    "m": "metres",
    "cm": "centimetres",
    "ml": "millilitres",
}

CONVERT = (
    *say(
        "do",
        "[convert|change|turn] {it} [to|into] {to}",
        "[express|give|state|write] {it} in {to}",
        "[say|work out] how many {to} {that} is",
    ),
    *say("ask", "how many {to} is {that}", "how much is {that} in {to}", "what is {that} in {to}"),
    *say("post", "[expressed|given|stated] in {to}", "converted [to|into] {to}"),
)
EXCHANGE = (
    *say("do", "[convert|change] {it} [to|into] {to} at {rate} {to} per {one}", "[express|give|state] {it} in {to} at {rate} {to} to the {one}",
         "[convert|change] {it} [to|into] {to} (one {one} is {rate} {to})"),
    *say("post", "[converted|changed] to {to} at {rate} {to} per {one}", "in {to} at {rate} {to} per {one}",
         "[expressed|given|stated] in {to} (one {one} is {rate} {to})"),
    *say("ask", "how much is {that} in {to} at {rate} {to} per {one}", "how many {to} is {that} if one {one} is {rate} {to}"),
)  # fmt: skip


def _units(amount: Quantity) -> tuple[tuple[str, Decimal], ...]:
    return EXACT.get(amount.unit, ())


def _draw_convert(amount: Quantity, draw: Draw) -> Args | None:
    fitting = [unit for unit, factor in _units(amount) if _places(amount.value * factor) <= 2]
    return {"to": draw.pick(fitting)} if fitting else None


def _places(value: Decimal) -> int:
    return max(0, -int(value.normalize().as_tuple().exponent))


def _convert(amount: Quantity, args: Args) -> Quantity:
    for unit, factor in _units(amount):
        if unit == args["to"]:
            value = amount.value * factor
            if _places(value) > 3:
                raise Unfit("too many decimals")
            return Quantity(value.normalize() if value else value, unit, min(_places(value), 2))
    raise Unfit(f"no way from {amount.unit} to {args['to']}")


def _convert_again(amount: Quantity, args: Args) -> Quantity:
    """By the way back: which amount of the new unit makes the old amount?"""
    back = {unit: Fraction(1) / Fraction(factor) for unit, factor in _units(amount)}[args["to"]]
    value = Fraction(amount.value) / back
    decimal = Decimal(value.numerator) / Decimal(value.denominator)
    return Quantity(decimal, args["to"], min(_places(decimal), 2))


def _draw_exchange(amount: Quantity, draw: Draw) -> Args | None:
    fitting = RATED.get(amount.unit, ())
    if not fitting or amount.value <= 0:
        return None
    to, low, high = draw.pick(fitting)
    rate = Decimal(draw.between(int(Decimal(low) * 100), int(Decimal(high) * 100))) / 100
    return {"to": to, "rate": show_number(rate, 2), "one": _one(amount.unit)}


def _one(unit: str) -> str:
    return {"euros": "euro", "dollars": "dollar", "km": "kilometre", "kg": "kilogram", "litres": "litre"}[unit]


def _exchange(amount: Quantity, args: Args) -> Quantity:
    if amount.unit not in RATED or _one(amount.unit) != args["one"]:
        raise Unfit("the rate is for another unit")
    return Quantity(_rounded(amount.value * Decimal(args["rate"])), args["to"], 2 if "miles" not in args["to"] else 0)


def _rounded(value: Decimal) -> Decimal:
    """The value itself; Unfit where rounding to two decimals is a tie."""
    if (value * 1000) % 10 == 5 and value * 1000 == (value * 1000).to_integral_value():
        raise Unfit("a tie in rounding")
    return value


def _exchange_again(amount: Quantity, args: Args) -> Quantity:
    """In whole hundredths."""
    hundredths = int(amount.value * 10000) * int(Decimal(args["rate"]) * 100)
    return Quantity(Decimal(hundredths).scaleb(-6), args["to"], 2 if "miles" not in args["to"] else 0)


def _explain_equal(before: Quantity, args: Args, after: Quantity) -> str:
    return f"{show_quantity(before)} = {show_quantity(after)}"


# --- percentages, shares, multiples ----------------------------------------------------------------------------------

RAISE = (
    *say("do", "[add|put] {p} % [to {it}|on top of {it}|on top]", "[raise|increase] {it} by {p} %", dir="up"),
    *say(
        "do",
        "[take|knock] {p} % off {it}",
        "[lower|reduce|cut|decrease] {it} by {p} %",
        "[subtract|deduct] {p} % from {it}",
        dir="down",
    ),
    *say("post", "plus {p} %", "with {p} % [on top|added]", "raised by {p} %", dir="up"),
    *say("post", "[less|minus] {p} %", "[lowered|reduced] by {p} %", "with {p} % taken off", dir="down"),
)
SHARED = frozenset(("euros", "dollars", "pounds", "cents", "kg", "g", "grams", "litres", "ml", "tonnes", "kilograms"))
"""Units of what people buy, sell and share out."""
PERCENTS = ("5", "7", "10", "12", "15", "19", "20", "25", "30", "40", "50")


def _draw_raise(amount: Quantity, draw: Draw) -> Args | None:
    if amount.unit not in SHARED and amount.unit:
        return None
    percent = draw.pick(PERCENTS)
    up = draw.chance(0.5)
    factor = Decimal(100 + (int(percent) if up else -int(percent))) / 100
    if amount.value <= 0 or _places(amount.value * factor) > 2:
        return None
    return {"p": percent, "dir": "up" if up else "down"}


def _raise(amount: Quantity, args: Args) -> Quantity:
    part = amount.value * int(args["p"]) / 100
    value = _rounded(amount.value + part if args["dir"] == "up" else amount.value - part)
    return Quantity(value, amount.unit, amount.places)


def _raise_again(amount: Quantity, args: Args) -> Quantity:
    factor = Fraction(100 + int(args["p"]) * (1 if args["dir"] == "up" else -1), 100)
    value = Fraction(amount.value) * factor
    return Quantity(Decimal(value.numerator) / Decimal(value.denominator), amount.unit, amount.places)


def _explain_raise(before: Quantity, args: Args, after: Quantity) -> str:
    part = before.value * int(args["p"]) / 100
    sign = "+" if args["dir"] == "up" else "-"
    shown = show_number(before.value, before.places)
    return (
        f"{args['p']} % of {shown} is {show_number(part)}; {shown} {sign} {show_number(part)} = {show_quantity(after)}"
    )


SPLIT = (
    *say(
        "do",
        "[split|divide|share] {it} [equally |evenly |]among {n} people",
        "[split|divide] {it} into {n} equal parts",
        "divide {it} by {n}",
    ),
    *say("post", "[split|divided|shared] [equally|evenly] among {n} people", "divided by {n}"),
    *say("ask", "how much does each of {n} people get if {that} is shared [equally|evenly]"),
)


def _draw_split(amount: Quantity, draw: Draw) -> Args | None:
    if amount.unit and amount.unit not in SHARED:
        return None
    fitting = [n for n in range(2, 13) if _places_of(Fraction(amount.value) / n) <= 2]
    return {"n": str(draw.pick(fitting))} if fitting and amount.value > 0 else None


def _places_of(value: Fraction) -> int:
    return 2 if (value * 100).denominator == 1 else 9


def _split(amount: Quantity, args: Args) -> Quantity:
    return Quantity(divided(amount.value, int(args["n"])), amount.unit, amount.places)


def _split_again(amount: Quantity, args: Args) -> Quantity:
    """The cents of one share, by counting off whole shares."""
    cents, count = int(amount.value * 10000), int(args["n"])
    share, left = divmod(cents, count)
    value = Fraction(share) + Fraction(left, count)
    exact = value / 10000
    return Quantity(Decimal(exact.numerator) / Decimal(exact.denominator), amount.unit, amount.places)


def _explain_split(before: Quantity, args: Args, after: Quantity) -> str:
    return f"{show_number(before.value, before.places)} / {args['n']} = {show_quantity(after)}"


TIMES = (
    *say("do", "multiply {it} by {n}", "take {it} {n} times", "work out {n} times {that}"),
    *say("post", "multiplied by [|a factor of ]{n}", "[times|scaled by] {n}"),
    *say(
        "ask",
        "how much is {n} times {that}",
        "what is {n} times {that}",
        "what does {that} come to if it is needed {n} times",
    ),
)


def _draw_times(amount: Quantity, draw: Draw) -> Args | None:
    return {"n": str(draw.between(2, 12))} if amount.value > 0 and (amount.unit in SHARED or not amount.unit) else None


def _times(amount: Quantity, args: Args) -> Quantity:
    return Quantity(amount.value * int(args["n"]), amount.unit, amount.places)


def _times_again(amount: Quantity, args: Args) -> Quantity:
    return Quantity(sum([amount.value] * int(args["n"]), Decimal(0)), amount.unit, amount.places)


def _explain_times(before: Quantity, args: Args, after: Quantity) -> str:
    return f"{show_number(before.value, before.places)} × {args['n']} = {show_quantity(after)}"


# --- rounding, parity, comparison ------------------------------------------------------------------------------------

GRAINS = {"whole number": Decimal(1), "ten": Decimal(10), "hundred": Decimal(100), "five": Decimal(5)}
ROUND = (
    *say(
        "do",
        "round {it}[ off|] to the nearest {grain}",
        "give {it} to the nearest {grain}",
        "bring {it} to the nearest {grain}",
    ),
    *say("post", "rounded[ off|] to the nearest {grain}", "to the nearest {grain}"),
    *say("ask", "what is {that} [rounded |]to the nearest {grain}", "how much is {that} to the nearest {grain}"),
)


def _draw_round(amount: Quantity, draw: Draw) -> Args | None:
    fitting = [
        grain for grain, size in GRAINS.items() if size < amount.value and amount.value % size not in (0, size / 2)
    ]
    return {"grain": draw.pick(fitting)} if fitting else None


def _round(amount: Quantity, args: Args) -> Quantity:
    size = GRAINS[args["grain"]]
    below = amount.value // size * size
    rest = amount.value - below
    if rest * 2 == size or amount.value < 0:
        raise Unfit("half-way")
    return Quantity(below + size if rest * 2 > size else below, amount.unit)


def _round_again(amount: Quantity, args: Args) -> Quantity:
    size = int(GRAINS[args["grain"]])
    return Quantity(Decimal(math.floor(Fraction(amount.value) / size + Fraction(1, 2)) * size), amount.unit)


def _explain_round(before: Quantity, args: Args, after: Quantity) -> str:
    return f"{show_quantity(before)} to the nearest {args['grain']} is {show_quantity(after)}"


PARITY = (
    *say("ask", "is {that} even or odd", "is {that} an even or an odd number", "would you call {that} even or odd"),
    *say("do", "[say|decide|tell me|state|determine] whether {that} is even or odd", "[label|classify|mark] {it} as even or odd",
         "say if {it} is even or odd"),
)  # fmt: skip


def _draw_parity(amount: Quantity, draw: Draw) -> Args | None:
    return {} if amount.value == amount.value.to_integral_value() else None


def _parity(amount: Quantity, args: Args) -> Label:
    if amount.value != amount.value.to_integral_value():
        raise Unfit("not a whole number")
    return Label("odd" if amount.value % 2 else "even")


def _parity_again(amount: Quantity, args: Args) -> Label:
    return Label("odd" if f"{amount.value.to_integral_value():f}"[-1] in "13579" else "even")


ABOVE = (
    *say("ask", "is {that} [above|more than|over|higher than] {x}[ {per}|]", cmp=">"),
    *say("ask", "is {that} [below|less than|under|lower than] {x}[ {per}|]", cmp="<"),
    *say("do", "[say|decide|tell me|state] whether {that} is [above|more than|over] {x}[ {per}|] (yes or no)", cmp=">"),
    *say(
        "do", "[say|decide|tell me|state] whether {that} is [below|less than|under] {x}[ {per}|] (yes or no)", cmp="<"
    ),
)


def _draw_above(amount: Quantity, draw: Draw) -> Args | None:
    size = Decimal(10) ** max(0, amount.value.adjusted() - 1) if amount.value > 0 else Decimal(0)
    if not size:
        return None
    bound = (amount.value // size + draw.pick((-3, -2, -1, 1, 2, 3))) * size
    return {"cmp": draw.pick((">", "<")), "x": show_number(bound)} if bound > 0 and bound != amount.value else None


def _above(amount: Quantity, args: Args) -> Label:
    bound = Decimal(args["x"])
    if bound == amount.value:
        raise Unfit("just equal")
    return Label("yes" if (amount.value > bound) is (args["cmp"] == ">") else "no")


def _above_again(amount: Quantity, args: Args) -> Label:
    """By the sign of the difference."""
    difference = Fraction(amount.value) - Fraction(args["x"])
    wanted = 1 if args["cmp"] == ">" else -1
    return Label("yes" if difference * wanted > 0 else "no")


# --- in words --------------------------------------------------------------------------------------------------------

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SPELL = (
    *say("do", "[write|spell] {it} out in words", "[write|give|put] {it} in words", "spell out {that} in words"),
    *say("post", "[written|spelled] out in words", "in words instead of digits"),
    *say("ask", "how is {that} written in words", "what is {that} in words"),
    *say("do", "turn {it} into words", "replace the digits of {that} by words"),
)


def spelled(number: int) -> str:
    """A whole number from 0 to 999,999 in English words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    if number < 1000:
        rest = f" and {spelled(number % 100)}" if number % 100 else ""
        return f"{_ONES[number // 100]} hundred{rest}"
    thousands, rest_number = divmod(number, 1000)
    joint = " and " if 0 < rest_number < 100 else " "
    return f"{spelled(thousands)} thousand" + (joint + spelled(rest_number) if rest_number else "")


def _draw_spell(amount: Quantity, draw: Draw) -> Args | None:
    is_whole = amount.value == amount.value.to_integral_value()
    return {} if is_whole and 12 < amount.value < 1_000_000 else None


def _spell(amount: Quantity, args: Args) -> Name:
    if amount.value != amount.value.to_integral_value() or not 0 <= amount.value < 1_000_000:
        raise Unfit("not a whole number below a million")
    return Name(spelled(int(amount.value)) + _unit_in_words(amount))


def _unit_in_words(amount: Quantity) -> str:
    word = SPELLED.get(amount.unit, amount.unit)
    return f" {singular(word) if amount.value == 1 else word}" if word else ""


def _spell_again(amount: Quantity, args: Args) -> Name:
    """By reading words back: the one spelling whose value is the number."""
    number, parts = int(amount.value), []
    for size, word in ((1000, "thousand"), (1, "")):
        chunk = number // size % 1000
        if not chunk:
            continue
        hundreds, low = divmod(chunk, 100)
        text = f"{_ONES[hundreds]} hundred" if hundreds else ""
        if low:
            tail = (
                _ONES[low]
                if low < 20
                else "-".join(filter(None, (_TENS[low // 10], _ONES[low % 10] if low % 10 else "")))
            )
            glue = " and " if hundreds else "and " if size == 1 and number > 1000 else ""
            text += glue + tail
        parts.append(f"{text} {word}".strip())
    return Name((" ".join(parts) or "zero") + _unit_in_words(amount))


OPERATIONS = (
    Operation("convert_unit", "quantity", "quantity", "change", CONVERT, _draw_convert, _convert, _convert_again, lambda a: f"in {a['to']}", _explain_equal),
    Operation("exchange", "quantity", "quantity", "change", EXCHANGE, _draw_exchange, _exchange, _exchange_again, lambda a: f"in {a['to']}", _explain_equal),
    Operation("percent_change", "quantity", "quantity", "change", RAISE, _draw_raise, _raise, _raise_again, lambda a: f"after {a['p']} %", _explain_raise),
    Operation("split_evenly", "quantity", "quantity", "change", SPLIT, _draw_split, _split, _split_again, lambda a: "each share", _explain_split),
    Operation("multiply", "quantity", "quantity", "change", TIMES, _draw_times, _times, _times_again, lambda a: f"{a['n']} times as much", _explain_times),
    Operation("round_to", "quantity", "quantity", "change", ROUND, _draw_round, _round, _round_again, lambda a: "rounded", _explain_round),
    Operation("parity", "quantity", "label", "label", PARITY, _draw_parity, _parity, _parity_again, lambda a: "parity", None, ("even", "odd")),
    Operation("compare_with", "quantity", "label", "label", ABOVE, _draw_above, _above, _above_again, lambda a: "comparison", None, ("yes", "no")),
    Operation("in_words", "quantity", "name", "finish", SPELL, _draw_spell, _spell, _spell_again, lambda a: "in words"),
)  # fmt: skip
