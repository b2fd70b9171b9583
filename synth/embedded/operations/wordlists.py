"""Lists of words: filters, order, what they have in common, one of them, and lists of two lists."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from synth.embedded.draws import Draw
from synth.embedded.plan import Args, Operation, say
from synth.embedded.values import NUMBER_WORDS, Name, Numbers, Pair, Quantity, Unfit, Words


def _with(words: Words, values: list[str]) -> Words:
    return Words(words.noun, tuple(values))


def _kept(words: Words, values: list[str]) -> Words:
    if not values or len(values) == len(words.values):
        raise Unfit("a filter without effect or without a word")
    return _with(words, values)


def _explain_list(before: Words, args: Args, after: Words) -> str:
    return f"This gives: {', '.join(after.values)}"


def letters(word: str) -> int:
    """How many letters (not spaces, hyphens or digits) it has."""
    return sum(character.isalpha() for character in word)


# --- filters ---------------------------------------------------------------------------------------------------------

BY_LETTER = (
    *say("cond", "[starting|that start|beginning|that begin] with {letter}", "whose first letter is {letter}", how="start"),
    *say("cond", "[not starting|that do not start|that do not begin] with {letter}", "whose first letter is not {letter}", how="not start"),
    *say("cond", "[containing|that contain|with] the letter {letter}", "that have the letter {letter}", how="has"),
    *say("cond", "[not containing|that do not contain|without] the letter {letter}", how="has not"),
)  # fmt: skip
OPPOSITE_LETTER = {"start": "not start", "not start": "start", "has": "has not", "has not": "has"}


def _draw_by_letter(words: Words, draw: Draw) -> Args | None:
    if len(words.values) < 3:
        return None
    word = draw.pick(words.values).lower()
    if draw.chance(0.4):
        return {"how": "start", "letter": f'"{word[0]}"'} if word[0].isascii() and word[0].isalpha() else None
    letter = draw.pick([c for c in word if c.isascii() and c.isalpha()] or ["a"])
    return {"how": draw.pick(("has", "has not")), "letter": f'"{letter}"'}


def _by_letter(words: Words, args: Args) -> Words:
    letter, how = args["letter"][1], args["how"]
    if how.endswith("start"):
        return _kept(words, [w for w in words.values if w.lower().startswith(letter) is (how == "start")])
    return _kept(words, [w for w in words.values if (letter in w.lower()) is (how == "has")])


def _by_letter_again(words: Words, args: Args) -> Words:
    letter, how = args["letter"][1], args["how"]
    found = []
    for word in words.values:
        places = [place for place, character in enumerate(word.casefold()) if character == letter]
        hit = places[:1] == [0] if how.endswith("start") else bool(places)
        if hit is not ("not" in how):
            found.append(word)
    return _with(words, found)


BY_LENGTH = (
    *say("cond", "[with|that have] more than {k} letters", "longer than {k} letters", cmp=">"),
    *say("cond", "[with|that have] fewer than {k} letters", "shorter than {k} letters", cmp="<"),
    *say(
        "cond",
        "[with|that have] at least {k} letters",
        "of at least {k} letters",
        "[with|of] {k} or more letters",
        cmp=">=",
    ),
    *say(
        "cond",
        "[with|that have] at most {k} letters",
        "of at most {k} letters",
        "[with|of] {k} letters or fewer",
        cmp="<=",
    ),
)


def _draw_by_length(words: Words, draw: Draw) -> Args | None:
    sizes = sorted({letters(word) for word in words.values})
    fitting = [size for size in sizes[1:] if size in NUMBER_WORDS.values()]
    if not fitting or len(words.values) < 3:
        return None
    cmp, edge = draw.pick(("<", ">=", ">", "<=")), draw.pick(fitting)
    edge -= 1 if cmp in (">", "<=") else 0
    return {"cmp": cmp, "k": str(edge)} if 2 <= edge <= 12 else None


def _by_length(words: Words, args: Args) -> Words:
    from synth.embedded.operations.rows import COMPARE

    passes, edge = COMPARE[args["cmp"]], Decimal(args["k"])
    return _kept(words, [word for word in words.values if passes(Decimal(letters(word)), edge)])


def _by_length_again(words: Words, args: Args) -> Words:
    """By the set of lengths that are allowed."""
    edge, allowed = int(args["k"]), set()
    for size in range(80):
        if (
            (size < edge and "<" in args["cmp"])
            or (size > edge and ">" in args["cmp"])
            or (size == edge and "=" in args["cmp"])
        ):
            allowed.add(size)
    return _with(words, [w for w in words.values if len([c for c in w if c.isalpha()]) in allowed])


ONCE = (
    *say("do", "[remove|drop|delete] [repeated {noun}|duplicates|repeats]", "keep each of the {noun} only once"),
    *say("lead", "[counting|taking] repeated {noun} only once", "after [removing|dropping] repeated {noun}"),
    *say("tail", "counting repeated {noun} only once", "with repeated {noun} counted only once"),
    *say("note", "repeated {noun} count only once", "[some|a few] of {them} are listed twice by mistake; count each only once"),
)  # fmt: skip


def _draw_once(words: Words, draw: Draw) -> Args | None:
    return {} if 1 < len(set(words.values)) < len(words.values) else None


def _once(words: Words, args: Args) -> Words:
    return _kept(words, list(dict.fromkeys(words.values)))


def _once_again(words: Words, args: Args) -> Words:
    return _with(words, [word for place, word in enumerate(words.values) if word not in words.values[:place]])


# --- order and form --------------------------------------------------------------------------------------------------

_AZ = "[alphabetically|in alphabetical order|from A to Z]"
_ZA = "[in reverse alphabetical order|from Z to A]"
SORT = (
    *say("do", f"[sort|order|arrange|put] {{them}} {_AZ}", order="asc"),
    *say("do", f"[sort|order|arrange|put] {{them}} {_ZA}", order="desc"),
    *say("post", "[sorted alphabetically|in alphabetical order|sorted from A to Z]", order="asc"),
    *say("post", "in reverse alphabetical order", "sorted from Z to A", order="desc"),
)


def _key(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum() or character == " ")


def _draw_sort(words: Words, draw: Draw) -> Args | None:
    order = draw.pick(("asc", "asc", "desc"))
    return {"order": order} if list(words.values) != sorted(words.values, key=_key, reverse=order == "desc") else None


def _sort(words: Words, args: Args) -> Words:
    keys = {_key(word) for word in words.values}
    if len(keys) < len(set(words.values)):
        raise Unfit("two words alike")
    return _with(words, sorted(words.values, key=_key, reverse=args["order"] == "desc"))


def _sort_again(words: Words, args: Args) -> Words:
    """By the number of words that come before each."""
    ranked = sorted(
        (sum(_key(other) < _key(word) for other in words.values), place, word)
        for place, word in enumerate(words.values)
    )
    found = [word for _, _, word in ranked]
    return _with(words, found if args["order"] == "asc" else found[::-1])


REVERSE = (
    *say("do", "[reverse|turn around] the order of {them}", "[write|list] {them} [in reverse order|backwards|from last to first]",
         "put {them} in the opposite order", "turn {them} around so that the last comes first"),
    *say("post", "in reverse order", "from last to first", "with the last one first"),
)  # fmt: skip


def _draw_many(words: Words, draw: Draw) -> Args | None:
    return {} if len(words.values) > 2 else None


def _reverse(words: Words, args: Args) -> Words:
    return _with(words, list(words.values[::-1]))


def _reverse_again(words: Words, args: Args) -> Words:
    found: list[str] = []
    for word in words.values:
        found.insert(0, word)
    return _with(words, found)


CAPITALS = (
    *say("do", "[write|put|type] {them} in [capitals|capital letters|upper case]", "capitalise every letter of {them}"),
    *say("post", "in [capitals|capital letters|upper case]", "written in [capitals|capital letters]"),
)  # fmt: skip


def _capitals(words: Words, args: Args) -> Words:
    return _with(words, [word.upper() for word in words.values])


def _capitals_again(words: Words, args: Args) -> Words:
    return _with(
        words, ["".join(chr(ord(c) - 32) if "a" <= c <= "z" else c.upper() for c in word) for word in words.values]
    )


INITIALS = (
    *say(
        "do",
        "[shorten|abbreviate|reduce] [each of {them}|{them}] to [its first letter|the first letter]",
        "keep only the first letter of each of {them}",
    ),
    *say("nps", "the first [letters|letter] of each of {them}", "the [initials|first letters] of {them}"),
    *say("do", "replace each of {them} by its first letter", "write only the first letter of each of {them}"),
)


def _initials(words: Words, args: Args) -> Words:
    return _with(words, [word[0].upper() for word in words.values])


def _initials_again(words: Words, args: Args) -> Words:
    return _with(
        words, [word.upper().removesuffix(word.upper()[1:]) if len(word) > 1 else word.upper() for word in words.values]
    )


FIRST = (
    *say("do", "[keep|take] [only|just] the first {k} of {them}", "[drop|cut] [everything|all] after the first {k}", "stop after the first {k}",
         "[keep|take] the first {k} only"),
    *say("nps", "the first {k} of {them}", "the first {k} {noun}"),
)  # fmt: skip


def _draw_first(words: Words, draw: Draw) -> Args | None:
    return {"k": str(draw.between(2, min(5, len(words.values) - 1)))} if len(words.values) > 3 else None


def _first(words: Words, args: Args) -> Words:
    count = int(args["k"])
    if count >= len(words.values):
        raise Unfit("not so many words")
    return _with(words, list(words.values[:count]))


def _first_again(words: Words, args: Args) -> Words:
    return _with(words, [word for place, word in enumerate(words.values, 1) if place <= int(args["k"])])


# --- one thing out of a list -----------------------------------------------------------------------------------------

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


def _count(words: Words, args: Args) -> Quantity:
    return Quantity(Decimal(len(words.values)))


def _count_again(words: Words, args: Args) -> Quantity:
    return Quantity(Decimal(sum(Counter(words.values).values())))


LONGEST = (
    *say("np", "the [longest|longest name] of {them}", "the {one} with the most letters", order="desc"),
    *say("np", "the [shortest|shortest name] of {them}", "the {one} with the fewest letters", order="asc"),
    *say("do", "[pick|pick out|name] the longest of {them}", order="desc"),
    *say("do", "[pick|pick out|name] the shortest of {them}", order="asc"),
    *say("ask", "which of {them} is the longest", "which of {them} has the most letters", order="desc"),
    *say("ask", "which of {them} is the shortest", "which of {them} has the fewest letters", order="asc"),
)


def _draw_longest(words: Words, draw: Draw) -> Args | None:
    return {"order": draw.pick(("desc", "asc"))} if len(words.values) > 2 else None


def _longest(words: Words, args: Args) -> Name:
    sizes = [letters(word) for word in words.values]
    best = max(sizes) if args["order"] == "desc" else min(sizes)
    if sizes.count(best) > 1 or len(sizes) < 2:
        raise Unfit("a tie")
    return Name(words.values[sizes.index(best)])


def _longest_again(words: Words, args: Args) -> Name:
    ranked = sorted(words.values, key=lambda word: len([c for c in word if c.isalpha()]))
    return Name(ranked[-1] if args["order"] == "desc" else ranked[0])


NTH = (
    *say("np", "the {nth} of {them}", "the {nth} {one}"),
    *say("do", "[pick|pick out|take] the {nth} of {them}", "name the {nth} {one}"),
    *say(
        "ask", "which [of {them} is|{one} is] the {nth}", "which of {them} comes {nth}", "what is the {nth} of {them}"
    ),
)
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def _draw_nth(words: Words, draw: Draw) -> Args | None:
    return {"nth": draw.pick((*ORDINALS[: min(8, len(words.values))], "last"))} if len(words.values) > 2 else None


def _nth(words: Words, args: Args) -> Name:
    place = len(words.values) - 1 if args["nth"] == "last" else ORDINALS.index(args["nth"])
    if place >= len(words.values):
        raise Unfit("not so many words")
    return Name(words.values[place])


def _nth_again(words: Words, args: Args) -> Name:
    rest = list(words.values)
    if args["nth"] == "last":
        return Name(rest.pop())
    for _ in range(ORDINALS.index(args["nth"])):
        rest.pop(0)
    return Name(rest[0])


JOIN = (
    *say("do", "join {them} into one line with {quoted} between them", "[write|put] {them} on one line separated by {quoted}",
         "string {them} together with {quoted}", "link {them} with {quoted}"),
    *say("post", "[joined|separated|divided] by {quoted}", "with {quoted} between them"),
    *say("ask", "what do {rows} look like joined by {quoted}"),
    *say("do", "merge {them} into one text with {quoted} between them", "combine {them} with {quoted} between them"),
)  # fmt: skip


def _draw_join(words: Words, draw: Draw) -> Args | None:
    return (
        {"quoted": draw.pick(('" - "', '" / "', '"; "', '" + "', '" & "', '" | "'))} if len(words.values) > 1 else None
    )


def _join(words: Words, args: Args) -> Name:
    return Name(args["quoted"][1:-1].join(words.values))


def _join_again(words: Words, args: Args) -> Name:
    text = words.values[0]
    for word in words.values[1:]:
        text += args["quoted"][1:-1] + word
    return Name(text)


LENGTHS = (
    *say("do", "count the letters of each of {them}", "replace each of {them} by its number of letters", "swap each of {them} for its number of letters",
         "[say|write down] how many letters each of {them} has"),
    *say("nps", "the [numbers of letters|letter counts] of {them}", "the number of letters in each of {them}"),
    *say("ask", "how many letters does each of {them} have", "how long is each of {them} in letters"),
)  # fmt: skip


def _lengths(words: Words, args: Args) -> Numbers:
    return Numbers("letter counts", tuple(Decimal(letters(word)) for word in words.values))


def _lengths_again(words: Words, args: Args) -> Numbers:
    return Numbers("letter counts", tuple(Decimal(len("".join(filter(str.isalpha, word)))) for word in words.values))


# --- two lists -------------------------------------------------------------------------------------------------------

COMMON = (
    *say(
        "nps",
        "the {noun} that [are on both lists|appear in both lists|the two lists share]",
        "the {noun} common to both lists",
    ),
    *say(
        "do",
        "[list|name] the {noun} that [are on both lists|appear in both lists]",
        "compare the two lists and [write down|list] what they share",
    ),
    *say("ask", "which {noun} [are on both lists|appear in both lists|do the two lists share]"),
)
ONLY = (
    *say("nps", "the {noun} that are [only on the first list|on the first list but not on the second|missing from the second list]"),
    *say("do", "[list|name] the {noun} that are [only on the first list|on the first list but not on the second]",
         "[strike|cross] whatever is on the second list off the first"),
    *say("ask", "which {noun} are [only on the first list|on the first list but not on the second|missing from the second list]"),
)  # fmt: skip
EITHER = (
    *say("do", "[merge|combine|join] the two lists [into one |]without repeating any of the {noun}", "[merge|combine] both lists and list each of the {noun} once"),
    *say("nps", "the {noun} that are on at least one of the two lists", "all the {noun} of both lists with none repeated"),
    *say("ask", "which {noun} are on [either list|at least one of the two lists|either of the two lists]"),
)  # fmt: skip


def _lists(pair: Pair) -> tuple[Words, Words]:
    if not isinstance(pair.first, Words) or not isinstance(pair.second, Words):
        raise Unfit("not two lists")
    return pair.first, pair.second


def _draw_pair(pair: Pair, draw: Draw) -> Args | None:
    return {} if isinstance(pair.first, Words) else None


def _common(pair: Pair, args: Args) -> Words:
    one, other = _lists(pair)
    return _kept(one, [word for word in one.values if word in other.values])


def _only(pair: Pair, args: Args) -> Words:
    one, other = _lists(pair)
    return _kept(one, [word for word in one.values if word not in other.values])


def _either(pair: Pair, args: Args) -> Words:
    one, other = _lists(pair)
    if not set(one.values) & set(other.values):
        raise Unfit("nothing in common")
    return _with(one, list(dict.fromkeys(one.values + other.values)))


def _counted(pair: Pair) -> tuple[Words, dict[str, int]]:
    """Each word with 1 for the first list, 2 for the second, 3 for both."""
    one, other = _lists(pair)
    marks: dict[str, int] = {}
    for bit, words in ((1, one), (2, other)):
        for word in words.values:
            marks[word] = marks.get(word, 0) | bit
    return one, marks


def _common_again(pair: Pair, args: Args) -> Words:
    one, marks = _counted(pair)
    return _with(one, [word for word, mark in marks.items() if mark == 3])


def _only_again(pair: Pair, args: Args) -> Words:
    one, marks = _counted(pair)
    return _with(one, [word for word, mark in marks.items() if mark == 1])


def _either_again(pair: Pair, args: Args) -> Words:
    one, marks = _counted(pair)
    return _with(one, list(marks))


OPERATIONS = (
    Operation("keep_by_letter", "words", "words", "filter", BY_LETTER, _draw_by_letter, _by_letter, _by_letter_again, lambda a: "kept", _explain_list),
    Operation("keep_by_length", "words", "words", "filter", BY_LENGTH, _draw_by_length, _by_length, _by_length_again, lambda a: "kept", _explain_list),
    Operation("drop_repeated_words", "words", "words", "filter", ONCE, _draw_once, _once, _once_again, lambda a: "kept", _explain_list),
    Operation("sort_words", "words", "words", "order", SORT, _draw_sort, _sort, _sort_again, lambda a: "in order", _explain_list),
    Operation("reverse_list", "words", "words", "order", REVERSE, _draw_many, _reverse, _reverse_again, lambda a: "reversed", _explain_list),
    Operation("first_few", "words", "words", "change", FIRST, _draw_first, _first, _first_again, lambda a: "first ones", _explain_list),
    Operation("capitals", "words", "words", "order", CAPITALS, _draw_many, _capitals, _capitals_again, lambda a: "in capitals", _explain_list),
    Operation("initials", "words", "words", "order", INITIALS, _draw_many, _initials, _initials_again, lambda a: "first letters", _explain_list),
    Operation("count_words_listed", "words", "quantity", "reduce", COUNT, _draw_many, _count, _count_again, lambda a: "count"),
    Operation("longest", "words", "name", "reduce", LONGEST, _draw_longest, _longest, _longest_again,
              lambda a: "longest" if a["order"] == "desc" else "shortest"),
    Operation("nth_word", "words", "name", "reduce", NTH, _draw_nth, _nth, _nth_again, lambda a: f"{a['nth']} one"),
    Operation("join_words", "words", "name", "finish", JOIN, _draw_join, _join, _join_again, lambda a: "in one line"),
    Operation("letter_counts", "words", "numbers", "reduce", LENGTHS, _draw_many, _lengths, _lengths_again, lambda a: "letters"),
    Operation("common_words", "pair", "words", "reduce", COMMON, _draw_pair, _common, _common_again, lambda a: "on both lists", _explain_list),
    Operation("only_first", "pair", "words", "reduce", ONLY, _draw_pair, _only, _only_again, lambda a: "only on the first list", _explain_list),
    Operation("either_list", "pair", "words", "reduce", EITHER, _draw_pair, _either, _either_again, lambda a: "on either list", _explain_list),
)  # fmt: skip
