"""Material drawn from the vocabulary: little tables, texts, quantities that look like somebody's own."""

from __future__ import annotations

from decimal import Decimal

from synth.embedded import domains as vocabulary
from synth.embedded.domains import Domain
from synth.embedded.draws import Draw
from synth.embedded.values import Cell, Column, Quantity, Table, Text, Value


def number(column: Column, draw: Draw) -> Decimal:
    scale = 10**column.places
    low, high = int(column.low * scale), int(column.high * scale)
    value = draw.between(low, high)
    if column.kind == "measure" and column.places == 2:
        value -= value % 5  # prices end in 0 or 5
    elif high - low > 800 * scale:
        value -= value % (10 * scale)
    return Decimal(max(value, low)).scaleb(-column.places)


def table(
    domain: Domain, draw: Draw, *, rows: int = 0, keep: tuple[str, ...] = (), values: tuple[str, ...] = ()
) -> Table:
    """A table of the domain with 5 to 7 rows and about four columns, among them those in `keep`.

    `values` are names and categories that should occur where the domain has them.
    """
    first, *others = domain.columns
    wanted = {column.name for column in draw.some(others, draw.between(3, 4))} | set(keep)
    columns = (first, *(column for column in others if column.name in wanted))
    names = _some_with(first.pool, rows or draw.between(5, 7), values, draw)
    pools = {c.name: _some_with(c.pool, draw.between(2, 3), values, draw) for c in columns[1:] if c.kind == "category"}
    return Table(domain.noun, columns, tuple((name, *_cells(columns[1:], pools, draw)) for name in names))


def more_rows(old: Table, domain: Domain, count: int, draw: Draw) -> Table:
    taken, known = {row[0] for row in old.rows}, {column.name: column for column in domain.columns}
    pools = {c.name: sorted(set(old.texts(c.name))) for c in old.columns if c.kind == "category"}
    columns = tuple(known[column.name] for column in old.columns[1:])
    names = draw.some([name for name in domain.columns[0].pool if name not in taken], count)
    return old.with_rows([*old.rows, *((name, *_cells(columns, pools, draw)) for name in names)])


def _cells(columns: tuple[Column, ...], pools: dict[str, list[str]], draw: Draw) -> list[Cell]:
    return [draw.pick(pools[c.name]) if c.name in pools else number(c, draw) for c in columns]


def _some_with(pool: tuple[str, ...], count: int, wanted: tuple[str, ...], draw: Draw) -> list[str]:
    """Some of the pool, with those of the wanted ones that are in it."""
    sure = [value for value in wanted if value in pool]
    return draw.shuffled(sure + draw.some([value for value in pool if value not in sure], count - len(sure)))


def plain_quantity(draw: Draw, high: int = 9999) -> Quantity:
    return Quantity(Decimal(draw.between(12, high)))


def review(draw: Draw, lean: str = "") -> Text:
    lean = lean or draw.pick(("good", "bad"))
    own, other = (vocabulary.GOOD, vocabulary.BAD)[:: 1 if lean == "good" else -1]
    count = draw.between(2, 3)
    said = draw.some(own, count) + (draw.some(other, 1) if count == 3 and draw.chance(0.3) else [])
    things, forms = draw.some(vocabulary.THINGS, len(said)), draw.some(vocabulary.REVIEW, len(said))
    parts = [form.format(thing=thing, word=word) for form, thing, word in zip(forms, things, said, strict=True)]
    parts += draw.some(vocabulary.NEUTRAL, draw.between(0, 1))
    return Text("review", _articles(" ".join(draw.shuffled(parts))))


def news(draw: Draw, topic: str = "") -> Text:
    count = draw.between(2, 3)
    own = draw.some(vocabulary.TOPICS[topic or draw.pick(tuple(vocabulary.TOPICS))], 2 * count)
    forms = draw.some(vocabulary.NEWS, count)
    return Text("note", " ".join(form.format(a=own[2 * n], b=own[2 * n + 1]) for n, form in enumerate(forms)))


def _articles(text: str) -> str:
    for vowel in "aeio":
        text = text.replace(f" a {vowel}", f" an {vowel}")
    return text


def material(kind: str, op: str, domain: Domain, draw: Draw, *, short: bool = False) -> tuple[Value, str]:
    """Something of the kind on which the operation `op` (or any, if empty) can work, and what a task calls it.

    `short`: small, for tasks that a tiny student can learn.
    """
    if kind == "quantity":
        return _quantity(op, domain, draw, short)
    value: Value
    if kind == "table":
        value = table(domain, draw, rows=draw.between(2, 3) if short else 0)
    else:
        value = {"sentiment": review, "topic": news}.get(op, review if short else draw.pick((review, news)))(draw)
    return value, value.genre if isinstance(value, Text) else str(getattr(value, "noun", ""))


def _quantity(op: str, domain: Domain, draw: Draw, short: bool) -> tuple[Quantity, str]:
    fitting = [column for column in domain.columns if column.kind == "measure" and column.unit]
    if op in ("parity", "round_to") or draw.chance(0.25) or not fitting:
        return plain_quantity(draw, 999 if short else 9999), "number"
    column = draw.pick(fitting)
    return Quantity(number(column, draw), column.unit, column.places), column.name
