"""Material drawn from the vocabulary: little tables, lists, texts, quantities that look like somebody's own."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal

from synth.embedded.draws import Draw
from synth.embedded.operations import programs
from synth.embedded.values import (
    MONTHS,
    Cell,
    Column,
    Day,
    Numbers,
    Pair,
    Quantity,
    Span,
    Table,
    Text,
    Unfit,
    Value,
    Words,
    pluralise,
)  # fmt: skip
from synth.embedded.words import lexicon
from synth.embedded.words.domains import CITIES, PEOPLE, Domain

PLAIN_NUMBERS = "numbers"


def number(column: Column, draw: Draw) -> Decimal:
    """A number in the column's range, in its steps."""
    scale = 10**column.places
    low, high = int(column.low * scale), int(column.high * scale)
    value = draw.between(low, high)
    if column.kind == "measure" and column.places == 2:
        value -= value % 5  # prices end in 0 or 5
    elif high - low > 800 * scale:
        value -= value % (10 * scale)
    return Decimal(max(value, low)).scaleb(-column.places)


def _cell(column: Column, draw: Draw) -> Cell:
    if column.is_number:
        return number(column, draw)
    if column.kind == "date":
        return datetime.date(int(column.low), 1, 1) + datetime.timedelta(days=draw.below(365))
    return draw.pick(column.pool)


def table(
    domain: Domain,
    draw: Draw,
    *,
    rows: int = 0,
    keep: tuple[str, ...] = (),
    values: tuple[str, ...] = (),
    repeats: bool = False,
) -> Table:
    """A table of the domain with 5 to 9 rows and about four columns, among them those in `keep`.

    `values` are names and categories that should occur where the domain has them.
    """
    first, *others = domain.columns
    wanted = {column.name for column in draw.some(others, draw.between(3, 4))} | set(keep)
    columns = (first, *(column for column in others if column.name in wanted))
    names = _some_with(first.pool, rows or draw.between(5, 9), values, draw)
    small = {c.name: _some_with(c.pool, draw.between(2, 3), values, draw) for c in columns[1:] if c.kind == "category"}
    body: list[tuple[Cell, ...]] = []
    for name in names:
        cells = [draw.pick(small[c.name]) if c.name in small else _cell(c, draw) for c in columns[1:]]
        body.append((name, *cells))
    if repeats:
        for row in draw.some(body, draw.between(1, 2)):
            body.insert(draw.below(len(body) + 1), row)
    return Table(domain.noun, columns, tuple(body))


def more_rows(old: Table, domain: Domain, count: int, draw: Draw) -> list[tuple[Cell, ...]]:
    """New rows for a table of the domain, with the categories that it has."""
    taken = {row[0] for row in old.rows}
    names = draw.some([name for name in domain.columns[0].pool if name not in taken], count)
    pools = {column.name: sorted(set(old.texts(column.name))) for column in old.columns if column.kind == "category"}
    known = {column.name: column for column in domain.columns}
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        rest = [draw.pick(pools[c.name]) if c.name in pools else _cell(known[c.name], draw) for c in old.columns[1:]]
        rows.append((name, *rest))
    return rows


def _some_with(pool: tuple[str, ...], count: int, wanted: tuple[str, ...], draw: Draw) -> list[str]:
    """Some of the pool, with those of the wanted ones that are in it."""
    sure = [value for value in wanted if value in pool]
    return draw.shuffled(sure + draw.some([value for value in pool if value not in sure], count - len(sure)))


def numbers(
    domain: Domain, draw: Draw, *, column: Column | None = None, size: int = 0, repeats: bool = False
) -> Numbers:
    """The values of one of the domain's measures."""
    fitting = [c for c in domain.columns if c.kind == "measure" and c.summable]
    if not fitting and column is None:
        raise Unfit("a domain without measures that add up")
    column = column or draw.pick(fitting)
    values = [number(column, draw) for _ in range(size or draw.between(5, 9))]
    if repeats:
        values += draw.some(values, 2)
    return Numbers(pluralise(column.name), tuple(values), column.unit, column.places)


def plain_numbers(draw: Draw, *, size: int = 0, high: int = 0, repeats: bool = False) -> Numbers:
    """Whole numbers of nothing in particular."""
    top = high or draw.pick((50, 100, 500, 1000))
    values = [Decimal(draw.between(1, top)) for _ in range(size or draw.between(5, 9))]
    return Numbers(PLAIN_NUMBERS, tuple(values + (draw.some(values, 2) if repeats else [])))


def sequence(draw: Draw) -> Numbers:
    """Equal steps or equal quotients."""
    start, length = draw.between(1, 30), draw.between(4, 6)
    if draw.chance(0.65):
        gap = draw.between(2, 15) * draw.pick((1, 1, -1))
        start += 90 if gap < 0 else 0
        return Numbers("numbers", tuple(Decimal(start + gap * n) for n in range(length)))
    factor, start = draw.between(2, 4), draw.between(1, 6)
    return Numbers("numbers", tuple(Decimal(start * factor**n) for n in range(length)))


def words(domain: Domain, draw: Draw, *, size: int = 0, repeats: bool = False) -> Words:
    """Names from the domain's first column, unless those are mere codes."""
    if any(character.isdigit() for character in domain.columns[0].pool[0]):
        raise Unfit("codes are no words")
    values = draw.some(domain.columns[0].pool, size or draw.between(5, 8))
    if repeats:
        values = draw.shuffled(values + draw.some(values, draw.between(1, 2)))
    return Words(domain.noun, tuple(values))


def pair(domain: Domain, draw: Draw) -> Pair:
    """Two lists that overlap."""
    if domain.columns[0].pool[0][-1].isdigit():
        raise Unfit("codes are no words")
    pool = draw.some(domain.columns[0].pool, 9)
    first, second = pool[:6], draw.shuffled(pool[3:])
    return Pair(Words(domain.noun, tuple(first)), Words(domain.noun, tuple(second[: draw.between(4, 6)])))


def pair_of_tables(domain: Domain, draw: Draw, *, col: str = "", keep: tuple[str, ...] = ()) -> Pair:
    """Two tables with the same first column: the second knows one more thing of each row, and of one or two others."""
    fitting = [c.name for c in domain.columns[1:] if c.is_number]
    col = col or draw.pick([a for _, a, _ in domain.products] or fitting)
    whole = table(domain, draw, keep=(*keep, col), rows=draw.between(6, 8))
    place = whole.at(col)
    rest = tuple(c for c in range(len(whole.columns)) if c != place)
    body = whole.rows[: -draw.between(1, 2)]
    first = Table(whole.noun, tuple(whole.columns[c] for c in rest), tuple(tuple(row[c] for c in rest) for row in body))
    looked_up = tuple((row[0], row[place]) for row in draw.shuffled(whole.rows))
    return Pair(first, Table(whole.noun, (whole.columns[0], whole.columns[place]), looked_up))


def day(draw: Draw) -> Day:
    """A day between 2019 and 2027."""
    return Day(datetime.date(2019, 1, 1) + datetime.timedelta(days=draw.below(9 * 365)))


def span(draw: Draw) -> Span:
    """Two times of a working day."""
    start = draw.between(6 * 12, 15 * 12) * 5
    return Span(start, start + draw.between(3, 90) * 5)


def quantity(domain: Domain, draw: Draw) -> tuple[Quantity, str]:
    """One measure of the domain and what it is called."""
    fitting = [c for c in domain.columns if c.kind == "measure" and c.unit and c.low >= 0]
    if not fitting:
        raise Unfit("a domain without units")
    column = draw.pick(fitting)
    return Quantity(number(column, draw), column.unit, column.places), column.name


# --- texts -----------------------------------------------------------------------------------------------------------


def review(draw: Draw, lean: str = "") -> Text:
    """Two to four sentences that are mostly of one mind."""
    lean = lean or draw.pick(("good", "bad"))
    own, other = (lexicon.GOOD, lexicon.BAD) if lean == "good" else (lexicon.BAD, lexicon.GOOD)
    count = draw.between(2, 3)
    words_ = draw.some(own, count) + (draw.some(other, 1) if count == 3 and draw.chance(0.3) else [])
    things = draw.some(lexicon.THINGS, len(words_))
    forms = draw.some(lexicon.REVIEW, len(words_))
    parts = [form.format(thing=thing, word=word) for form, thing, word in zip(forms, things, words_, strict=True)]
    parts += draw.some(lexicon.NEUTRAL, draw.below(2))
    return Text("review", " ".join(_articles(part) for part in draw.shuffled(parts)))


def news(draw: Draw, topic: str = "") -> Text:
    """Two or three sentences with words of one topic, maybe one of another."""
    topic = topic or draw.pick(tuple(lexicon.TOPICS))
    count = draw.between(2, 3)
    own = draw.some(lexicon.TOPICS[topic], 2 * count)
    forms = draw.some(lexicon.NEWS, count)
    return Text("note", " ".join(form.format(a=own[2 * n], b=own[2 * n + 1]) for n, form in enumerate(forms)))


def notice(draw: Draw) -> Text:
    """A notice with days, times, prices, addresses."""
    forms = draw.some(lexicon.NOTICE, draw.between(3, 5))
    event = draw.pick(lexicon.EVENTS)
    return Text("notice", " ".join(_articles(_filled(form, event, draw)) for form in forms))


def _filled(form: str, event: str, draw: Draw) -> str:
    person = draw.pick(PEOPLE)
    makers: dict[str, Callable[[], str]] = {
        "event": lambda: event,
        "date": lambda: f"{draw.between(1, 28)} {draw.pick(MONTHS)}",
        "time": lambda: f"{draw.between(8, 20)}:{draw.pick(('00', '15', '30', '45'))}",
        "mail": lambda: (
            f"{draw.pick(('office', 'info', 'team', person.split()[0].lower()))}@{draw.pick(('fair', 'club', 'hall', 'choir'))}.example"
        ),
        "price": lambda: f"{draw.between(2, 40)}{draw.pick(('', '.50', '.20'))} euros",
        "phone": lambda: f"0{draw.between(111, 999)} {draw.between(11111, 99999)}",
        "person": lambda: person,
        "city": lambda: draw.pick(CITIES),
        "object": lambda: draw.pick(lexicon.OBJECTS),
    }
    for name, make in makers.items():
        if "{" + name + "}" in form:
            form = form.replace("{" + name + "}", make())
    return form


def _articles(text: str) -> str:
    for vowel in "aeio":
        text = text.replace(f" a {vowel}", f" an {vowel}")
    return text


def material(kind: str, domain: Domain, draw: Draw, *, keep: tuple[str, ...] = ()) -> tuple[Value, str]:
    """Something of the kind, and what a task calls it or its parts."""
    if kind == "table":
        value = table(domain, draw, keep=keep, repeats=draw.chance(0.12))
        return value, value.noun
    if kind == "numbers":
        pick = draw.below(10)
        plain = pick < 4 or not any(c.kind == "measure" and c.summable for c in domain.columns)
        listed = plain_numbers(draw, repeats=pick == 0) if plain else numbers(domain, draw, repeats=pick == 9)
        return listed, listed.noun
    if kind == "words":
        named = words(domain, draw, repeats=draw.chance(0.15))
        return named, named.noun
    if kind == "pair":
        return (pair_of_tables if draw.chance(0.6) else pair)(domain, draw), domain.noun
    if kind == "day":
        return day(draw), "date"
    if kind == "span":
        return span(draw), "times"
    if kind == "code":
        return programs.sample(draw), "program"
    if kind == "quantity":
        if draw.chance(0.25):
            return plain_quantity(draw), "number"
        return quantity(domain, draw)
    written = draw.pick((review, news, notice, notice))(draw)
    return written, written.genre


def plain_quantity(draw: Draw) -> Quantity:
    """A whole number of nothing in particular."""
    return Quantity(Decimal(draw.between(12, 9999)))
