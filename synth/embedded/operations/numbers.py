"""Lists of numbers: filters, order, changes of each number, and one figure of all."""

from __future__ import annotations

import itertools
import statistics
from decimal import Decimal
from fractions import Fraction

from synth.embedded.draws import Draw
from synth.embedded.operations.figures import divided
from synth.embedded.operations.rows import COMPARE, threshold
from synth.embedded.plan import Args, Operation, say
from synth.embedded.values import Numbers, Quantity, Unfit, show_number, show_quantity


def _with(numbers: Numbers, values: list[Decimal] | tuple[Decimal, ...]) -> Numbers:
    return Numbers(numbers.noun, tuple(values), numbers.unit, numbers.places)


def _kept(numbers: Numbers, values: list[Decimal]) -> Numbers:
    if not values or len(values) == len(numbers.values):
        raise Unfit("a filter without effect or without a number")
    return _with(numbers, values)


def shown(numbers: Numbers) -> str:
    """The numbers with commas."""
    return ", ".join(show_number(value, numbers.places) for value in numbers.values)


def _explain_list(before: Numbers, args: Args, after: Numbers) -> str:
    return f"This gives: {shown(after)}"


# --- filters ---------------------------------------------------------------------------------------------------------

_X = " {x}[ {per}|]"
BY_SIZE = (
    *say("cond", f"[above|over|greater than|higher than]{_X}", f"that are [above|over|greater than]{_X}", cmp=">"),
    *say("cond", f"[below|under|less than|lower than]{_X}", f"that are [below|under|less than]{_X}", cmp="<"),
    *say("cond", f"of at least{_X}", f"of{_X} or more", f"that are at least{_X}", cmp=">="),
    *say("cond", f"of at most{_X}", f"of{_X} or less", f"that are at most{_X}", cmp="<="),
)


def _draw_by_size(numbers: Numbers, draw: Draw) -> Args | None:
    found = threshold(list(numbers.values), draw)
    return {"cmp": found[0], "x": show_number(found[1])} if found and len(numbers.values) > 3 else None


def _by_size(numbers: Numbers, args: Args) -> Numbers:
    bound, passes = Decimal(args["x"]), COMPARE[args["cmp"]]
    return _kept(numbers, [value for value in numbers.values if passes(value, bound)])


def _by_size_again(numbers: Numbers, args: Args) -> Numbers:
    """By sorting in the bound: what stands on its wrong side goes."""
    bound = Fraction(args["x"])
    signs = {">": (1,), "<": (-1,), ">=": (0, 1), "<=": (0, -1)}[args["cmp"]]
    left = [v for v in numbers.values if ((Fraction(v) > bound) - (Fraction(v) < bound)) in signs]
    return _with(numbers, left)


BY_PARITY = (
    *say("cond", "that are {parity}", "which are {parity}", "that are {parity} numbers", "[divisible|that are divisible] by two", parity="even"),
    *say("cond", "that are {parity}", "which are {parity}", "that are {parity} numbers", "not divisible by two", parity="odd"),
    *say("do", "[keep only|take only|pick out|select] the {parity} ones", "[remove|drop|discard] all but the {parity} ones"),
)  # fmt: skip


def _are_whole(numbers: Numbers) -> bool:
    return all(value == value.to_integral_value() for value in numbers.values)


def _draw_parity(numbers: Numbers, draw: Draw) -> Args | None:
    odd = [value % 2 for value in numbers.values]
    if not _are_whole(numbers) or len(set(odd)) < 2:
        return None
    return {"parity": draw.pick(("even", "odd"))}


def _by_parity(numbers: Numbers, args: Args) -> Numbers:
    if not _are_whole(numbers):
        raise Unfit("not whole numbers")
    return _kept(numbers, [v for v in numbers.values if (v % 2 == 0) is (args["parity"] == "even")])


def _by_parity_again(numbers: Numbers, args: Args) -> Numbers:
    """By the last digit."""
    ends = "02468" if args["parity"] == "even" else "13579"
    return _with(numbers, [v for v in numbers.values if f"{v.to_integral_value():f}"[-1] in ends])


ONCE = (
    *say("do", "[remove|drop|delete] [repeated {noun}|duplicates|repeats]", "keep each of the {noun} only once"),
    *say("lead", "[counting|taking] repeated {noun} only once", "after [removing|dropping] repeated {noun}"),
    *say("tail", "counting repeated {noun} only once", "with repeated {noun} counted only once"),
    *say("note", "repeated {noun} count only once", "[some|a few] of {them} are listed twice by mistake; count each only once"),
)  # fmt: skip


def _draw_once(numbers: Numbers, draw: Draw) -> Args | None:
    return {} if 1 < len(set(numbers.values)) < len(numbers.values) else None


def _once(numbers: Numbers, args: Args) -> Numbers:
    return _kept(numbers, list(dict.fromkeys(numbers.values)))


def _once_again(numbers: Numbers, args: Args) -> Numbers:
    values = numbers.values
    return _with(numbers, [value for place, value in enumerate(values) if value not in values[:place]])


# --- order and changes -----------------------------------------------------------------------------------------------

SORT = (
    *say("do", "[sort|order|arrange|put] {them} from [largest to smallest|highest to lowest|high to low]",
         "[sort|arrange] {them} in descending order", order="desc"),
    *say("do", "[sort|order|arrange|put] {them} from [smallest to largest|lowest to highest|low to high]",
         "[sort|arrange] {them} in ascending order", order="asc"),
    *say("post", "sorted from [largest to smallest|high to low]", "in descending order", order="desc"),
    *say("post", "sorted from [smallest to largest|low to high]", "in ascending order", order="asc"),
)  # fmt: skip


def _draw_order(numbers: Numbers, draw: Draw) -> Args | None:
    order = draw.pick(("asc", "desc"))
    return {"order": order} if list(numbers.values) != sorted(numbers.values, reverse=order == "desc") else None


def _sort(numbers: Numbers, args: Args) -> Numbers:
    return _with(numbers, sorted(numbers.values, reverse=args["order"] == "desc"))


def _sort_again(numbers: Numbers, args: Args) -> Numbers:
    """By inserting each number where it belongs."""
    values: list[Decimal] = []
    for value in numbers.values:
        at = sum(1 for other in values if other <= value)
        values.insert(at, value)
    return _with(numbers, values if args["order"] == "asc" else values[::-1])


RUNNING = (
    *say("do", "turn {them} into [running|cumulative] totals", "add up {them} step by step and give every subtotal",
         "replace each of {them} by the total so far", "swap each of {them} for the total so far"),
    *say("nps", "the [running|cumulative] totals[ of {them}|]", "the [running|cumulative] sums[ of {them}|]",
         "the totals so far after each of {them}"),
)  # fmt: skip


def _draw_any(numbers: Numbers, draw: Draw) -> Args | None:
    return {} if len(numbers.values) > 2 else None


def _running(numbers: Numbers, args: Args) -> Numbers:
    return _with(numbers, tuple(itertools.accumulate(numbers.values)))


def _running_again(numbers: Numbers, args: Args) -> Numbers:
    return _with(numbers, [sum(numbers.values[: n + 1], Decimal(0)) for n in range(len(numbers.values))])


GAPS = (
    *say("nps", "the [differences|gaps|steps] between neighbouring {noun}", "the changes from each of {them} to the next",
         "the [differences|changes] from one to the next[ of {them}|]"),
    *say("do", "subtract each of {them} from the one after it", "write down by how much each of {them} differs from the one before",
         "take the [differences|gaps] between [neighbours|neighbouring {noun}]"),
)  # fmt: skip


def _gaps(numbers: Numbers, args: Args) -> Numbers:
    if len(numbers.values) < 3:
        raise Unfit("too few numbers")
    return Numbers(
        "differences", tuple(b - a for a, b in itertools.pairwise(numbers.values)), numbers.unit, numbers.places
    )


def _gaps_again(numbers: Numbers, args: Args) -> Numbers:
    """What must be added to come from the first number to each of the others, undone step by step."""
    sums = [value - numbers.values[0] for value in numbers.values]
    found = [sums[n] - sums[n - 1] for n in range(1, len(sums))]
    return Numbers("differences", tuple(found), numbers.unit, numbers.places)


SCALE = (
    *say("do", "multiply [each|every one] of {them} by {times}", "multiply {them} by {times}", "scale {them} by a factor of {times}",
         "[make|take] [each|every one] of {them} {times} times [as large|over]", "scale [each|every one] of {them} up by a factor of {times}"),
    *say("nps", "the results of multiplying [{them}|each of {them}] by {times}"),
)  # fmt: skip


def _draw_scale(numbers: Numbers, draw: Draw) -> Args | None:
    return {"times": str(draw.between(2, 12))} if len(numbers.values) > 1 else None


def _scale(numbers: Numbers, args: Args) -> Numbers:
    return _with(numbers, [value * int(args["times"]) for value in numbers.values])


def _scale_again(numbers: Numbers, args: Args) -> Numbers:
    return _with(numbers, [sum([value] * int(args["times"]), Decimal(0)) for value in numbers.values])


# --- one figure of all -----------------------------------------------------------------------------------------------

_OF = " of {them}"
SUM = (
    *say("np", "the [total|sum|overall total] of {them}", "the sum of all the {noun}"),
    *say("do", "add up {them}", "add {them} together", "[sum|total] {them}", "sum up {them}"),
    *say("ask", "what do {rows} [add up to|come to|sum to]"),
)
MEAN = (
    *say("np", f"the [average|mean|arithmetic mean]{_OF}", "the [average|mean] of all the {noun}"),
    *say("do", "average {them}", f"take the [average|mean]{_OF}"),
    *say("ask", "what do {rows} average", "how large are {rows} on average"),
)
MEDIAN = (
    *say(
        "np",
        f"the median{_OF}",
        "the median of all the {noun}",
        f"the [middle value|value in the middle]{_OF} [in order|when sorted]",
    ),
    *say("do", f"take the [median|middle value]{_OF}", "find the value that splits {them} in half"),
    *say(
        "ask", "which value lies in the middle of {them} when they are sorted", "what is the median value among {them}"
    ),
)
SPREAD = (
    *say("np", f"the [range|spread]{_OF}", f"the [difference|gap|distance] between the largest and the smallest{_OF}"),
    *say(
        "do",
        "[take|subtract] the smallest of {them} from the largest",
        "measure the distance from the smallest of {them} to the largest",
    ),
    *say(
        "ask",
        "how far apart are the largest and the smallest of {them}",
        "by how much does the largest of {them} exceed the smallest",
    ),
)
COUNT = (
    *say("np", "the number of {noun}[| on the list]"),
    *say(
        "do",
        "count {them}",
        "count how many {noun} [there are|are on the list]",
        "say how many {noun} [there are|the list has]",
    ),
    *say("ask", "how many {noun} [are there|are on the list|does the list have|stand on the list]"),
)
EXTREME = (
    *say("np", f"the [largest|highest|greatest]{_OF}", "the maximum of {them}", order="desc"),
    *say("np", f"the [smallest|lowest]{_OF}", "the minimum of {them}", order="asc"),
    *say("do", "[pick|pick out] the [largest|highest] of {them}", order="desc"),
    *say("do", "[pick|pick out] the [smallest|lowest] of {them}", order="asc"),
    *say("ask", "which of {them} is the [largest|highest]", order="desc"),
    *say("ask", "which of {them} is the [smallest|lowest]", order="asc"),
)
LARGER = (
    *say("np", "the [larger|greater|bigger|higher] of the two numbers", "the [larger|greater|bigger] number", order="desc"),
    *say("np", "the [smaller|lesser|lower] of the two numbers", "the [smaller|lower] number", order="asc"),
    *say("ask", "which of the two numbers is [larger|greater|bigger|higher]", "which number is [larger|greater|bigger]",
         "which one of these two numbers is the [larger|greater|bigger]", order="desc"),
    *say("ask", "which of the two numbers is [smaller|lower]", "which number is [smaller|lower]",
         "which one of these two numbers is the [smaller|lower]", order="asc"),
    *say("do", "compare the two numbers and [give|name|write] the [larger|bigger] one", "pick the [larger|bigger|greater] [number|of the two numbers]",
         order="desc"),
    *say("do", "compare the two numbers and [give|name|write] the [smaller|lower] one", "pick the [smaller|lower] [number|of the two numbers]",
         order="asc"),
)  # fmt: skip


def _one(numbers: Numbers, value: Decimal) -> Quantity:
    return Quantity(value, numbers.unit, numbers.places)


def _sum(numbers: Numbers, args: Args) -> Quantity:
    return _one(numbers, sum(numbers.values, Decimal(0)))


def _sum_again(numbers: Numbers, args: Args) -> Quantity:
    cents = sum(int(value * 100) for value in reversed(numbers.values))
    return _one(numbers, Decimal(cents) / 100)


def _mean(numbers: Numbers, args: Args) -> Quantity:
    return _one(numbers, divided(sum(numbers.values, Decimal(0)), len(numbers.values)))


def _mean_again(numbers: Numbers, args: Args) -> Quantity:
    exact = statistics.mean(Fraction(value) for value in numbers.values)
    return _one(numbers, Decimal(exact.numerator) / Decimal(exact.denominator))


def _median(numbers: Numbers, args: Args) -> Quantity:
    values = sorted(numbers.values)
    middle, odd = divmod(len(values), 2)
    return _one(numbers, values[middle] if odd else divided(values[middle - 1] + values[middle], 2))


def _median_again(numbers: Numbers, args: Args) -> Quantity:
    exact = statistics.median(Fraction(value) for value in numbers.values)
    return _one(numbers, Decimal(exact.numerator) / Decimal(exact.denominator))


def _spread(numbers: Numbers, args: Args) -> Quantity:
    if len(set(numbers.values)) < 2:
        raise Unfit("no spread")
    return _one(numbers, max(numbers.values) - min(numbers.values))


def _spread_again(numbers: Numbers, args: Args) -> Quantity:
    """The largest of all differences."""
    return _one(numbers, max(a - b for a in numbers.values for b in numbers.values))


def _count(numbers: Numbers, args: Args) -> Quantity:
    return Quantity(Decimal(len(numbers.values)))


def _count_again(numbers: Numbers, args: Args) -> Quantity:
    return Quantity(Decimal(shown(numbers).count(",") + 1))


def _extreme(numbers: Numbers, args: Args) -> Quantity:
    return _one(numbers, max(numbers.values) if args["order"] == "desc" else min(numbers.values))


def _extreme_again(numbers: Numbers, args: Args) -> Quantity:
    best = numbers.values[0]
    for value in numbers.values[1:]:
        if (value > best) is (args["order"] == "desc") and value != best:
            best = value
    return _one(numbers, best)


def _draw_extreme(numbers: Numbers, draw: Draw) -> Args | None:
    return {"order": draw.pick(("desc", "asc"))} if len(numbers.values) > 2 else None


def _draw_larger(numbers: Numbers, draw: Draw) -> Args | None:
    return {"order": draw.pick(("desc", "asc"))} if len(set(numbers.values)) == 2 == len(numbers.values) else None


def _larger(numbers: Numbers, args: Args) -> Quantity:
    if len(numbers.values) != 2 or len(set(numbers.values)) != 2:
        raise Unfit("not two different numbers")
    return _extreme(numbers, args)


def _explain_sum(before: Numbers, args: Args, after: Quantity) -> str:
    return f"Total: {shown(before).replace(', ', ' + ')} = {show_quantity(after)}"


def _explain_mean(before: Numbers, args: Args, after: Quantity) -> str:
    return f"Average: ({shown(before).replace(', ', ' + ')}) / {len(before.values)} = {show_quantity(after)}"


def _explain_median(before: Numbers, args: Args, after: Quantity) -> str:
    return f"In order: {shown(_with(before, sorted(before.values)))}; the median is {show_quantity(after)}"


def _explain_spread(before: Numbers, args: Args, after: Quantity) -> str:
    high, low = (show_number(value, before.places) for value in (max(before.values), min(before.values)))
    return f"Difference: {high} - {low} = {show_quantity(after)}"


# --- the next of a sequence ------------------------------------------------------------------------------------------

NEXT = (
    *say("np", "the number that comes next[ in the sequence|]", "the next number[ of the sequence|]"),
    *say(
        "do",
        "continue the sequence by one number",
        "[add|give] the next number of the sequence",
        "say how the sequence goes on",
    ),
    *say(
        "ask",
        "which number [comes next|follows|continues the sequence]",
        "what comes after the last number[ of the sequence|]",
    ),
)


def _draw_next(numbers: Numbers, draw: Draw) -> Args | None:
    try:
        _next(numbers, {})
    except Unfit:
        return None
    return {}


def _next(numbers: Numbers, args: Args) -> Quantity:
    values = numbers.values
    if len(values) < 4:
        raise Unfit("too short to be sure")
    steps = {b - a for a, b in itertools.pairwise(values)}
    if len(steps) == 1:
        return _one(numbers, values[-1] + steps.pop())
    if values[0] and all(b * values[0] == a * values[1] for a, b in itertools.pairwise(values)):
        return _one(numbers, values[-1] * values[1] / values[0])
    raise Unfit("no rule found")


def _next_again(numbers: Numbers, args: Args) -> Quantity:
    """By polynomials through the last terms, or by their quotient."""
    first, second, third, fourth = (Fraction(value) for value in numbers.values[-4:])
    if fourth - third == third - second == second - first:
        value = 4 * fourth - 6 * third + 4 * second - first
    else:
        value = fourth * fourth / third
    return _one(numbers, Decimal(value.numerator) / Decimal(value.denominator))


OPERATIONS = (
    Operation("keep_by_size", "numbers", "numbers", "filter", BY_SIZE, _draw_by_size, _by_size, _by_size_again, lambda a: "numbers kept", _explain_list),
    Operation("keep_parity", "numbers", "numbers", "filter", BY_PARITY, _draw_parity, _by_parity, _by_parity_again, lambda a: "numbers kept", _explain_list),
    Operation("drop_repeated_numbers", "numbers", "numbers", "filter", ONCE, _draw_once, _once, _once_again, lambda a: "numbers kept", _explain_list),
    Operation("sort_numbers", "numbers", "numbers", "order", SORT, _draw_order, _sort, _sort_again, lambda a: "sorted", _explain_list),
    Operation("running_totals", "numbers", "numbers", "change", RUNNING, _draw_any, _running, _running_again, lambda a: "running totals", _explain_list),
    Operation("differences", "numbers", "numbers", "change", GAPS, _draw_any, _gaps, _gaps_again, lambda a: "differences", _explain_list),
    Operation("scale_numbers", "numbers", "numbers", "change", SCALE, _draw_scale, _scale, _scale_again, lambda a: f"times {a['times']}", _explain_list),
    Operation("sum_numbers", "numbers", "quantity", "reduce", SUM, _draw_any, _sum, _sum_again, lambda a: "total", _explain_sum),
    Operation("mean_numbers", "numbers", "quantity", "reduce", MEAN, _draw_any, _mean, _mean_again, lambda a: "average", _explain_mean),
    Operation("median_numbers", "numbers", "quantity", "reduce", MEDIAN, _draw_any, _median, _median_again, lambda a: "median", _explain_median),
    Operation("spread_numbers", "numbers", "quantity", "reduce", SPREAD, _draw_any, _spread, _spread_again, lambda a: "range", _explain_spread),
    Operation("count_numbers", "numbers", "quantity", "reduce", COUNT, _draw_any, _count, _count_again, lambda a: "count"),
    Operation("extreme_number", "numbers", "quantity", "reduce", EXTREME, _draw_extreme, _extreme, _extreme_again,
              lambda a: "largest" if a["order"] == "desc" else "smallest"),
    Operation("larger_number", "numbers", "quantity", "reduce", LARGER, _draw_larger, _larger, _extreme_again,
              lambda a: "larger" if a["order"] == "desc" else "smaller"),
    Operation("next_in_sequence", "numbers", "quantity", "reduce", NEXT, _draw_next, _next, _next_again, lambda a: "next number"),
)  # fmt: skip
