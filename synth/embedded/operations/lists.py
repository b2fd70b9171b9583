"""Lists of numbers and of words: filters, order, changes of each item, one of them, and one figure of all."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from synth.embedded.draws import Draw
from synth.embedded.operations.figures import COMPARE, figure, in_unit, threshold
from synth.embedded.plan import Args, Operation
from synth.embedded.values import Name, Numbers, Quantity, Unfit, Words, show_number

Items = Numbers | Words
L = TypeVar("L", Numbers, Words)


def _with(items: L, values: Any) -> L:
    return replace(items, values=tuple(values))


def _kept(items: L, values: list[Any]) -> L:
    if not values or len(values) == len(items.values):
        raise Unfit("a filter without effect or without an item")
    return _with(items, values)


def _explain(before: Items, args: Args, after: Items) -> str:
    shown = after.values if isinstance(after, Words) else [show_number(x, after.places) for x in after.values]
    return f"This gives: {', '.join(shown)}"


def letters(word: str) -> int:
    """How many letters (not spaces, hyphens or digits) it has."""
    return sum(character.isalpha() for character in word)


def _letters_again(word: str) -> int:
    return len("".join(filter(str.isalpha, word)))


def _draw_many(items: Items, draw: Draw) -> Args | None:
    return {} if len(items.values) > 2 else None


def _draw_order(items: Items, draw: Draw) -> Args | None:
    return {"order": draw.pick(("desc", "asc"))} if len(items.values) > 2 else None


def _by_size_again(numbers: Numbers, args: Args) -> Numbers:
    """By the sign of the difference."""
    bound, signs = Fraction(args["x"]), {">": (1,), "<": (-1,), ">=": (0, 1), "<=": (0, -1)}[args["cmp"]]
    return _with(numbers, [x for x in numbers.values if (Fraction(x) > bound) - (Fraction(x) < bound) in signs])


def _draw_by_letter(words: Words, draw: Draw) -> Args | None:
    found = [c for c in draw.pick(words.values).lower() if "a" <= c <= "z"]
    if len(words.values) < 3 or not found:
        return None
    how = draw.pick(("start", "has", "has not"))
    return {"how": how, "letter": f'"{found[0] if how == "start" else draw.pick(found)}"'}


def _by_letter(words: Words, args: Args) -> Words:
    letter, how = args["letter"][1], args["how"]
    if how.endswith("start"):
        return _kept(words, [word for word in words.values if word.lower().startswith(letter) is (how == "start")])
    return _kept(words, [word for word in words.values if (letter in word.lower()) is (how == "has")])


def _by_letter_again(words: Words, args: Args) -> Words:
    """By the places where the letter stands."""
    places = {word: [n for n, c in enumerate(word.casefold()) if c == args["letter"][1]] for word in words.values}
    hits = {word: found[:1] == [0] if args["how"].endswith("start") else bool(found) for word, found in places.items()}
    return _with(words, [word for word in words.values if hits[word] is not ("not" in args["how"])])


def _key(item: Any) -> Any:
    return item if isinstance(item, Decimal) else "".join(c for c in item.lower() if c.isalnum() or c == " ")


def _sort(items: L, args: Args) -> L:
    if len({_key(item) for item in items.values}) < len(set(items.values)):
        raise Unfit("two words alike")
    return _with(items, sorted(items.values, key=_key, reverse=args["order"] == "desc"))


def _sort_again(items: L, args: Args) -> L:
    """By the number of items that come before each."""
    ranked = sorted((sum(_key(y) < _key(x) for y in items.values), n) for n, x in enumerate(items.values))
    found = [items.values[n] for _, n in ranked]
    return _with(items, found if args["order"] == "asc" else found[::-1])


def _reverse_again(items: L, args: Args) -> L:
    found: list[Any] = []
    for item in items.values:
        found.insert(0, item)
    return _with(items, found)


def _draw_first(items: Items, draw: Draw) -> Args | None:
    return {"k": str(draw.between(2, min(5, len(items.values) - 1)))} if len(items.values) > 3 else None


def _first(items: L, args: Args) -> L:
    if int(args["k"]) >= len(items.values):
        raise Unfit("the list is too short")
    return _with(items, items.values[: int(args["k"])])


def _extreme(numbers: Numbers, args: Args) -> Quantity:
    return in_unit(numbers, args, max(numbers.values) if args["order"] == "desc" else min(numbers.values))


def _extreme_again(numbers: Numbers, args: Args) -> Quantity:
    return in_unit(numbers, args, sorted(numbers.values, key=Fraction)[-1 if args["order"] == "desc" else 0])


def _draw_larger(numbers: Numbers, draw: Draw) -> Args | None:
    return {"order": draw.pick(("desc", "asc"))} if len(set(numbers.values)) == 2 == len(numbers.values) else None


def _larger(numbers: Numbers, args: Args) -> Quantity:
    if len(numbers.values) != 2 or len(set(numbers.values)) != 2:
        raise Unfit("not two different numbers")
    return _extreme(numbers, args)


def _longest(words: Words, args: Args) -> Name:
    sizes = [letters(word) for word in words.values]
    best = max(sizes) if args["order"] == "desc" else min(sizes)
    if sizes.count(best) > 1 or len(sizes) < 2:
        raise Unfit("a tie")
    return Name(words.values[sizes.index(best)])


def _draw_join(words: Words, draw: Draw) -> Args | None:
    return (
        {"quoted": draw.pick(('" - "', '" / "', '"; "', '" + "', '" & "', '" | "'))} if len(words.values) > 1 else None
    )


def _join_again(words: Words, args: Args) -> Name:
    text = words.values[0]
    for word in words.values[1:]:
        text += args["quoted"][1:-1] + word
    return Name(text)


_X = "{x}[ {per}|]"
_DOWN, _UP = (
    "from [largest to smallest|highest to lowest|high to low]",
    "from [smallest to largest|lowest to highest|low to high]",
)
# fmt: off
OPERATIONS = (
    Operation("keep_by_size", "numbers", "numbers", "filter", f"""
        cond(cmp=>): [|that are ][above|over|greater than|higher than] {_X}
        cond(cmp=<): [|that are ][below|under|less than|lower than] {_X}
        cond(cmp=>=): [of|that are] at least {_X}
        cond(cmp=<=): [of|that are] at most {_X}
    """, lambda numbers, draw: threshold(list(numbers.values), draw) if len(numbers.values) > 3 else None,
        lambda numbers, args: _kept(numbers, [x for x in numbers.values if COMPARE[args["cmp"]](x, Decimal(args["x"]))]),
        _by_size_again, "numbers kept", _explain),
    Operation("keep_by_letter", "words", "words", "filter", """
        cond(how=start): [starting|that start|beginning|that begin] with {letter}
        cond(how=not start): [not starting|that do not start|that do not begin] with {letter}
        cond(how=has): [containing|that contain|with|that have] the letter {letter}
        cond(how=has not): [not containing|that do not contain|without] the letter {letter}
    """, _draw_by_letter, _by_letter, _by_letter_again, "kept", _explain),
    Operation("sort_numbers", "numbers", "numbers", "order", f"""
        do(order=desc): [sort|order|arrange|put] {{them}} {_DOWN}
        do(order=desc): [sort|arrange] {{them}} in descending order
        do(order=asc): [sort|order|arrange|put] {{them}} {_UP}
        do(order=asc): [sort|arrange] {{them}} in ascending order
    """, _draw_order, _sort, _sort_again, "sorted", _explain),
    Operation("sort_words", "words", "words", "order", """
        do(order=asc): [sort|order|arrange|put] {them} [alphabetically|in alphabetical order|from A to Z]
        do(order=desc): [sort|order|arrange|put] {them} [in reverse alphabetical order|from Z to A]
    """, _draw_order, _sort, _sort_again, "in order", _explain),
    Operation("reverse_list", "words", "words", "order", """
        do: [reverse|turn around] the order of {them}
        do: [write|list|give] {them} [in reverse order|backwards|from last to first]
        do: put {them} in the opposite order
        do: turn {them} around so that the last [comes|stands] first
    """, _draw_many, lambda words, args: _with(words, words.values[::-1]), _reverse_again, "reversed", _explain),
    Operation("first_few", "words", "words", "change", """
        do: [keep|take] [only|just] the first {k} of {them}
        do: [drop|cut] [everything|all] after the first {k}
        do: stop after the first {k}
        nps: the first {k} [of {them}|{noun}]
    """, _draw_first, _first, lambda words, args: _with(words, [x for n, x in enumerate(words.values, 1) if n <= int(args["k"])]),
        "first ones", _explain),
    Operation("capitals", "words", "words", "order", """
        do: [write|put|type] {them} in [capitals|capital letters|upper case]
        do: [capitalise|write in capitals] every letter of {them}
    """, _draw_many, lambda words, args: _with(words, map(str.upper, words.values)),
        lambda words, args: _with(words, ["".join(c.upper() for c in word) for word in words.values]), "in capitals", _explain),
    Operation("running_totals", "numbers", "numbers", "change", """
        do: turn {them} into [running|cumulative] totals
        do: add up {them} step by step and give every subtotal
        do: [replace|swap] each of {them} [by|for] the total so far
        nps: the [running|cumulative] [totals|sums][ of {them}|]
    """, _draw_many, lambda numbers, args: _with(numbers, itertools.accumulate(numbers.values)),
        lambda numbers, args: _with(numbers, [sum(numbers.values[:n], Decimal(0)) for n in range(1, len(numbers.values) + 1)]),
        "running totals", _explain),
    figure("sum_numbers", "numbers", "total", """
        np: the [total|sum|overall total] of {them}
        np: the sum of all the {noun}
        do: [add up|sum|total|sum up] {them}
        ask: what do {rows} [add up to|come to|sum to]
    """, _draw_many),
    figure("mean_numbers", "numbers", "average", """
        np: the [average|mean|arithmetic mean] of {them}
        np: the [average|mean] of all the {noun}
        do: average {them}
        do: take the [average|mean] of {them}
        ask: what do {rows} average
        ask: how large are {rows} on average
    """, _draw_many),
    figure("median_numbers", "numbers", "median", """
        np: the median of [{them}|all the {noun}]
        np: the [middle value|value in the middle] of {them} [in order|when sorted]
        do: take the [median|middle value] of {them}
        do: find the value that splits {them} in half
        ask: which value lies in the middle of {them} when they are sorted
    """, _draw_many),
    figure("spread_numbers", "numbers", "range", """
        np: the [range|spread] of {them}
        np: the [difference|gap|distance] between the largest and the smallest of {them}
        do: [take|subtract] the smallest of {them} from the largest
        do: measure the distance from the smallest of {them} to the largest
        ask: how far apart are the largest and the smallest of {them}
        ask: by how much does the largest of {them} exceed the smallest
    """, _draw_many),
    Operation("count_words_listed", "words", "quantity", "reduce", """
        np: the number of {noun}[ on the list|]
        do: count {them}
        do: [count|say] how many {noun} [there are|are on the list|the list has]
        ask: how many {noun} [are there|are on the list|does the list have|stand on the list]
    """, _draw_many, lambda items, args: Quantity(Decimal(len(items.values))),
        lambda items, args: Quantity(Decimal(sum(Counter(items.values).values()))), "count"),
    Operation("extreme_number", "numbers", "quantity", "reduce", """
        np(order=desc): the [largest|highest|greatest|maximum] of {them}
        do(order=desc): [pick|pick out] the [largest|highest] of {them}
        ask(order=desc): which of {them} is the [largest|highest]
        np(order=asc): the [smallest|lowest|minimum] of {them}
        do(order=asc): [pick|pick out] the [smallest|lowest] of {them}
        ask(order=asc): which of {them} is the [smallest|lowest]
    """, _draw_order, _extreme, _extreme_again, "{most}"),
    Operation("larger_number", "numbers", "quantity", "reduce", """
        np(order=desc): the [larger|greater|bigger|higher] [of the two numbers|number]
        ask(order=desc): which [of the two numbers|number] is [larger|greater|bigger|higher]
        do(order=desc): compare the two numbers and [give|name|write] the [larger|bigger] one
        np(order=asc): the [smaller|lesser|lower] [of the two numbers|number]
        ask(order=asc): which [of the two numbers|number] is [smaller|lower]
        do(order=asc): compare the two numbers and [give|name|write] the [smaller|lower] one
    """, _draw_larger, _larger, _extreme_again, "{most}"),
    Operation("longest", "words", "name", "reduce", """
        np(order=desc): the [longest [of {them}|name of {them}]|{one} with the most letters]
        do(order=desc): [pick|pick out|name] the longest of {them}
        ask(order=desc): which of {them} [is the longest|has the most letters]
        np(order=asc): the [shortest [of {them}|name of {them}]|{one} with the fewest letters]
        do(order=asc): [pick|pick out|name] the shortest of {them}
        ask(order=asc): which of {them} [is the shortest|has the fewest letters]
    """, _draw_order, _longest,
        lambda words, args: Name(sorted(words.values, key=_letters_again)[-1 if args["order"] == "desc" else 0]), "by length"),
    Operation("join_words", "words", "name", "finish", """
        do: [join|combine] {them} into one line with {quoted} between them
        do: [write|put] {them} on one line [separated|divided] by {quoted}
        do: [string|link] {them} together with {quoted}
        do: [merge|combine] {them} with {quoted} between them
        do: make one line of {them} with {quoted} in between
    """, _draw_join, lambda words, args: Name(args["quoted"][1:-1].join(words.values)), _join_again, "in one line"),
    Operation("letter_counts", "words", "numbers", "reduce", """
        do: count the letters of each of {them}
        do: [replace|swap] each of {them} [by|for] its number of letters
        nps: the [numbers of letters|letter counts] of {them}
        nps: the number of letters in each of {them}
        ask: how many letters does each of {them} have
        ask: how long is each of {them} in letters
    """, _draw_many, lambda words, args: Numbers("letter counts", tuple(Decimal(letters(word)) for word in words.values)),
        lambda words, args: Numbers("letter counts", tuple(Decimal(_letters_again(word)) for word in words.values)), "letters"),
)
