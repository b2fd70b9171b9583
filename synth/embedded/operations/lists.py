"""Lists of words: filters, order, changes of each word, one of them, and how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from synth.embedded.draws import Draw
from synth.embedded.plan import Args, Operation
from synth.embedded.values import Name, Quantity, Unfit, Words


def _with(words: Words, values: Iterable[str]) -> Words:
    return replace(words, values=tuple(values))


def _kept(words: Words, values: list[str]) -> Words:
    if not values or len(values) == len(words.values):
        raise Unfit("a filter without effect or without a word")
    return _with(words, values)


def letters(word: str) -> int:
    """How many letters (not spaces, hyphens or digits) it has."""
    return sum(character.isalpha() for character in word)


def _letters_again(word: str) -> int:
    return len("".join(filter(str.isalpha, word)))


def _draw_many(words: Words, draw: Draw) -> Args | None:
    return {} if len(words.values) > 2 else None


def _draw_order(words: Words, draw: Draw) -> Args | None:
    return {"order": draw.pick(("desc", "asc"))} if len(words.values) > 2 else None


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


def _key(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum() or character == " ")


def _sort(words: Words, args: Args) -> Words:
    if len(set(map(_key, words.values))) < len(set(words.values)):
        raise Unfit("two words alike")
    return _with(words, sorted(words.values, key=_key, reverse=args["order"] == "desc"))


def _sort_again(words: Words, args: Args) -> Words:
    """By the number of words that come before each."""
    ranked = sorted((sum(_key(y) < _key(x) for y in words.values), n) for n, x in enumerate(words.values))
    found = [words.values[n] for _, n in ranked]
    return _with(words, found if args["order"] == "asc" else found[::-1])


def _draw_first(words: Words, draw: Draw) -> Args | None:
    return {"k": str(draw.between(2, min(5, len(words.values) - 1)))} if len(words.values) > 3 else None


def _first(words: Words, args: Args) -> Words:
    if int(args["k"]) >= len(words.values):
        raise Unfit("the list is too short")
    return _with(words, words.values[: int(args["k"])])


def _longest(words: Words, args: Args) -> Name:
    sizes = list(map(letters, words.values))
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


# fmt: off
OPERATIONS = (
    Operation("keep_by_letter", "words", "words", "filter", """
        cond(how=start): [starting|that start|beginning|that begin] with {letter}
        cond(how=not start): [not starting|that do not start|that do not begin] with {letter}
        cond(how=has): [containing|that contain|with|that have] the letter {letter}
        cond(how=has not): [not containing|that do not contain|without] the letter {letter}
    """, _draw_by_letter, _by_letter, _by_letter_again, "kept"),
    Operation("sort_words", "words", "words", "order", """
        do(order=asc): [sort|order|arrange|put] {them} [alphabetically|in alphabetical order|from A to Z]
        do(order=desc): [sort|order|arrange|put] {them} [in reverse alphabetical order|from Z to A]
    """, _draw_order, _sort, _sort_again, "in order"),
    Operation("reverse_list", "words", "words", "order", """
        do: [reverse|turn around] the order of {them}
        do: [write|list|give] {them} [in reverse order|backwards|from last to first]
        do: put {them} in the opposite order
        do: turn {them} around so that the last [comes|stands] first
    """, _draw_many, lambda words, args: _with(words, words.values[::-1]),
        lambda words, args: _with(words, [words.values[-n] for n in range(1, len(words.values) + 1)]), "reversed"),
    Operation("first_few", "words", "words", "change", """
        do: [keep|take] [only|just] the first {k} of {them}
        do: [drop|cut] [everything|all] after the first {k}
        do: stop after the first {k}
        nps: the first {k} [of {them}|{noun}]
    """, _draw_first, _first,
        lambda words, args: _with(words, [x for n, x in enumerate(words.values, 1) if n <= int(args["k"])]), "first ones"),
    Operation("capitals", "words", "words", "order", """
        do: [write|put|type] {them} in [capitals|capital letters|upper case]
        do: [capitalise|write in capitals] every letter of {them}
    """, _draw_many, lambda words, args: _with(words, map(str.upper, words.values)),
        lambda words, args: _with(words, ["".join(c.upper() for c in word) for word in words.values]), "in capitals"),
    Operation("count_words_listed", "words", "quantity", "reduce", """
        np: the number of {noun}[ on the list|]
        do: count {them}
        do: [count|say] how many {noun} [there are|are on the list|the list has]
        ask: how many {noun} [are there|are on the list|does the list have|stand on the list]
    """, _draw_many, lambda words, args: Quantity(Decimal(len(words.values))),
        lambda words, args: Quantity(Decimal(sum(Counter(words.values).values()))), "count"),
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
)
