"""English back to plans: the inverse of `writer`, for whatever the grammar can have written. Anything else gives nothing.

A sentence is cut at its joints into clauses, each clause is looked up by its first word among the phrases of all
operations, and the clauses are put together to plans whose types fit. What one clause leaves open (is "above 20" said
of rows or of numbers?) the others or the material decide.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from synth.embedded import frames
from synth.embedded.domains import by_noun, columns_by_name, nouns
from synth.embedded.operations import OPERATIONS, opposite
from synth.embedded.patterns import plain_articles
from synth.embedded.plan import Args, Operation, Phrase, Plan, Step, step
from synth.embedded.values import Column, pluralise, singular

_SENTENCES = re.compile(r"(?<=[.?!]) +(?=[A-Z\"])")
_JOINTS = re.compile(r",? and (?:then|finally|after that|lastly) |, then ")
_COLUMN_SLOTS = ("col", "measure", "measures", "count", "cat")


@dataclass(frozen=True, slots=True)
class Said:
    """One way to understand a clause: filters inside it, its step, and what it calls the material's parts."""

    step: Step
    inner: tuple[Step, ...] = ()
    noun: str = ""


@dataclass
class Understood:
    """What the sentences say, each clause with all its readings."""

    front: list[list[Said]] = field(default_factory=list)
    chain: list[list[Said]] = field(default_factory=list)
    also: list[list[Said]] = field(default_factory=list)
    bare: bool = False
    place: str = ""
    purpose: str = ""


def sentences(text: str) -> list[str]:
    return _SENTENCES.split(text.strip())


@functools.lru_cache(maxsize=512)
def read(instruction: str) -> tuple[Plan, ...]:
    """All plans that the text can mean, the likeliest first; empty where it is outside the grammar."""
    if len(instruction) > 2000 or "\n" in instruction.strip():
        return ()
    understood = Understood()
    for sentence in sentences(plain_articles(instruction)):
        if _sentence(sentence, understood) is None:
            return ()
    return tuple(_plans(understood)) if understood.chain else ()


def _sentence(sentence: str, understood: Understood) -> int | None:
    """Note what a sentence says; its kind (see `kind_of_sentence`), None where it is outside the grammar."""
    text = sentence if sentence.startswith(("I ", "I'")) else sentence[:1].lower() + sentence[1:]
    what = frames.fixed_sentences().get(text)
    if what:
        understood.bare |= what == "bare"
        return 6 if what == "remark" else 4
    body, end = frames.without_reason(text[:-1]), text[-1:]
    setting = frames.read_setting(body) if end == "." else None
    if setting:
        setattr(understood, *setting)
        return 0 if setting[0] == "place" else 5
    if understood.chain and _also(body, end, understood):
        return 3
    if understood.chain and end == "." and _later(body, understood):
        return 1
    if understood.chain:
        understood.front.append(_framed(body, frames.NOTE) if end == "." else [])
        return 2 if understood.front[-1] else None
    clauses = _clauses(body, end, is_first=True) if end in (".", "?") else []
    understood.chain += clauses
    return 1 if clauses else None


@functools.lru_cache(maxsize=2048)
def kind_of_sentence(sentence: str) -> int:
    """What a sentence of a task does: 0 sets the scene, 1 requests, 2 filters, 3 asks further, 4 is about the form, 5 and 6 close."""
    kind = _sentence(plain_articles(sentence), Understood(chain=[[]]))
    return 1 if kind is None else kind


def _also(body: str, end: str, understood: Understood) -> bool:
    frame, forms = (frames.ALSO, ("np", "nps")) if end == "." else ((frames.ALSO_ASK,), ("ask",))
    for rest in frames.stripped(body, *frame):
        found = _match(rest, forms)
        if found:
            understood.also.append(found)
            return True
    return False


def _later(body: str, understood: Understood) -> bool:
    for rest in frames.stripped(body, frames.THEN, frames.FINALLY):
        clauses = _clauses(rest, ".", is_first=False)
        if clauses:
            understood.chain.extend(clauses)
            return True
    return False


def _clauses(body: str, end: str, *, is_first: bool) -> list[list[Said]]:
    """The readings of each clause of a sentence; empty where one of them has none."""
    found = [
        _core(clause, end) if is_first and not number else _command(clause)
        for number, clause in enumerate(_JOINTS.split(body))
    ]
    return found if all(found) else []


def _core(text: str, end: str) -> list[Said]:
    found: list[Said] = []
    for opening, form, mark in frames.REQUEST:
        for rest in frames.stripped(text, opening) if mark == end else ():
            found += _command(rest) if form == "do" else _match(rest, (form,))
    return found


@functools.lru_cache(maxsize=2048)
def _command(text: str) -> list[Said]:
    found = _match(text, ("do",))
    for rest in frames.stripped(text, frames.FIGURE_COMMANDS):
        found += _match(rest, ("np",))
    for rest in frames.stripped(text, frames.NPS_COMMANDS):
        found += _match(rest, ("nps",))
    return found + _framed(text, frames.DO_FILTER)


def _framed(text: str, table: dict[str, str]) -> list[Said]:
    """Readings of "keep only the loaves baked on Monday" as a filter."""
    found = []
    for sign, opening in table.items():
        for rest in frames.stripped(text, opening):
            for noun, inner in read_rows(rest):
                if inner is not None:
                    found.append(Said(inner if sign == "yes" else step(inner.op, opposite(inner.args)), (), noun))
    return found


_ROWS = re.compile(r"(?:the|these|those)(?: listed)? (.+)")


def read_rows(text: str) -> list[tuple[str, Step | None]]:
    """What a noun phrase speaks of: (noun, filter inside it). "them" has neither."""
    if text == "them":
        return [("", None)]
    match = _ROWS.fullmatch(text)
    words = match[1].split(" ") if match else []
    found: list[tuple[str, Step | None]] = []
    for size in range(min(4, len(words)), 0, -1):
        noun, rest = " ".join(words[:size]), " ".join(words[size:])
        if noun in nouns():
            found += [(noun, said.step) for said in _match(rest, ("cond",))] if rest else [(noun, None)]
    return found


@functools.cache
def _index(form: str) -> dict[str, list[tuple[Operation, Phrase]]]:
    found: dict[str, list[tuple[Operation, Phrase]]] = {}
    for operation in OPERATIONS.values():
        for phrase in operation.phrases:
            if phrase.form == form:
                for head in phrase.pattern.heads:
                    found.setdefault(head, []).append((operation, phrase))
    return found


def _match(text: str, forms: tuple[str, ...]) -> list[Said]:
    head = text.split(" ", 1)[0]
    found = []
    for form in forms:
        index = _index(form)
        for operation, phrase in (*index.get(head, ()), *index.get("", ())):
            slots = phrase.pattern.read(text)
            if slots is not None:
                found += _readings(operation, slots, dict(phrase.fixed))
    return found


def _readings(operation: Operation, slots: Args, fixed: Args) -> list[Said]:
    args, noun = dict(fixed), ""
    spreads: list[Args] = [{}]
    rows: list[tuple[str, Step | None]] = [("", None)]
    for slot, value in slots.items():
        if slot in ("rows", "them"):
            rows = read_rows(value)
        elif slot == "where":
            spreads = read_where(value)
        elif slot in ("noun", "row"):
            noun = value if slot == "noun" else pluralise(value)
            if noun not in nouns():
                return []
        elif slot in ("it", "that"):
            thing = value.partition(" ")[2]  # "" of "it"
            noun = noun if thing in ("", "result") else thing
        elif slot == "name" and value.startswith("the "):
            named = _called(value.removeprefix("the "))
            if named is None:
                return []
            args["name"], noun = named
        elif slot != "per":
            args |= _argument(slot, value)
    if any(args.get(name) != value for name, value in fixed.items()) or args.get("col", "") not in (
        "",
        *columns_by_name(),
    ):
        return []
    found = []
    for called, inner in rows:
        for spread in spreads:
            one = step(operation.name, args | spread)
            found.append(Said(one, (inner,) if inner else (), called or noun))
    return found


def _called(text: str) -> tuple[str, str] | None:
    """The name and the noun of "loaf brioche"."""
    words = text.split(" ")
    for size in range(min(3, len(words) - 1), 0, -1):
        noun = pluralise(" ".join(words[:size]))
        if noun in nouns():
            return " ".join(words[size:]), noun
    return None


def _argument(slot: str, value: str) -> Args:
    if slot in _COLUMN_SLOTS:
        name = value.removeprefix("number of ")
        return {"col": singular(name) if slot == "measures" else name}
    return {slot: value}


@functools.cache
def _where_index() -> dict[str, list[tuple[re.Pattern[str], Column]]]:
    found: dict[str, list[tuple[re.Pattern[str], Column]]] = {}
    for column in (column for columns in columns_by_name().values() for column in columns if column.phrase):
        regex = re.compile(re.escape(column.phrase).replace(r"\*", r"(.+)"))
        found.setdefault(column.phrase.split(" ")[0], []).append((regex, column))
    return found


def read_where(text: str) -> list[Args]:
    matches = ((regex.fullmatch(text), column) for regex, column in _where_index().get(text.split(" ", 1)[0], ()))
    found = {(column.name, match[1]) for match, column in matches if match and match[1] in column.pool}
    return [{"col": name, "val": value} for name, value in sorted(found)]


def _plans(understood: Understood) -> Iterator[Plan]:
    for chain in _chains(understood.chain, 0, ""):
        first = chain[0].inner[0] if chain[0].inner else chain[0].step
        source = OPERATIONS[first.op].takes
        front = [_fitting(readings, source) for readings in understood.front]
        steps = [one for said in chain for one in (*said.inner, said.step)]
        also = [_fitting(readings, source) for readings in understood.also]
        if None in front or None in also:
            continue
        noun = next((said.noun for said in (*front, chain[0]) if said and said.noun), "")
        if source == "table" and noun and noun not in by_noun():
            continue
        asked = tuple(said.step for said in also if said)
        filters = tuple(said.step for said in front if said)
        named = (understood.place, understood.purpose)
        setting = named if any(named) else ()
        yield Plan(source, noun, normal((*filters, *steps)), asked, understood.bare, setting)


def _fitting(readings: list[Said], kind: str) -> Said | None:
    return next((said for said in readings if OPERATIONS[said.step.op].takes == kind and not said.inner), None)


def _chains(clauses: list[list[Said]], at: int, kind: str) -> Iterator[tuple[Said, ...]]:
    """All choices of readings whose types follow on each other."""
    if at == len(clauses):
        yield ()
        return
    for said in clauses[at]:
        here = kind
        for one in (*said.inner, said.step):
            operation = OPERATIONS[one.op]
            if here not in ("", operation.takes) and not (here == "cell" and operation.takes in ("quantity", "name")):
                break
            here = operation.gives
        else:
            for rest in _chains(clauses, at + 1, here):
                yield (said, *rest)


def normal(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The same steps with the filters at their front in one fixed order, since those commute."""
    count = 0
    while count < len(steps) and OPERATIONS[steps[count].op].role == "filter":
        count += 1
    return tuple(sorted(steps[:count], key=lambda one: (one.op, one.pairs))) + steps[count:]
