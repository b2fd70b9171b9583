"""English back to plans: the inverse of `writer`, for whatever the grammar can have written. Anything else gives nothing.

A sentence is cut at its commas and joints into clauses, each clause is looked up by its first word among the phrases of
all operations, and the clauses are put together to plans whose types fit. What one clause leaves open (is "above 20"
said of rows or of numbers?) the others or the material decide.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from synth.embedded import frames
from synth.embedded.operations import OPERATIONS
from synth.embedded.operations.negation import opposite
from synth.embedded.patterns import plain_articles
from synth.embedded.plan import Args, Operation, Phrase, Plan, Step, step
from synth.embedded.scenes import read_scene
from synth.embedded.values import NUMBER_WORDS, pluralise, singular
from synth.embedded.words.domains import by_noun, column_names, nouns, phrases

_SENTENCES = re.compile(r"(?<=[.?!]) +(?=[A-Z\"])")
_JOINTS = re.compile(r",? and (?:then|finally|after that|lastly) |, then ")
_QUOTED = re.compile(r"\"[^\"]*\"|\([^()]*\)")
_GENERIC = {"result", "answer", "figure"}
_COLUMN_SLOTS = ("col", "measure", "measures", "count", "cat", "cats", "datecol")


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
    layout: str = ""
    working: bool = False
    opened: bool = False
    place: str = ""
    purpose: str = ""
    recipient: str = ""


def sentences(text: str) -> list[str]:
    """The sentences of an instruction, as they are."""
    return _SENTENCES.split(text.strip())


@functools.lru_cache(maxsize=512)
def read(instruction: str) -> tuple[Plan, ...]:
    """All plans that the text can mean, the likeliest first; empty where it is outside the grammar."""
    if len(instruction) > 2000 or "\n" in instruction.strip():
        return ()
    understood = Understood()
    for sentence in sentences(plain_articles(instruction)):
        if not _sentence(sentence, understood):
            return ()
    return tuple(_plans(understood)) if understood.chain else ()


def _sentence(sentence: str, understood: Understood) -> bool:
    text = sentence if sentence.startswith(("I ", "I'")) else sentence[:1].lower() + sentence[1:]
    known = frames.fixed_sentences().get(text)
    if known:
        if known[0] == "layout":
            understood.layout = known[1]
        understood.working = understood.working or known[0] == "working"
        return True
    body, end = text[:-1], text[-1:]
    if end not in (".", "?"):
        return False
    body = frames.without_reason(body)
    if end == "." and understood.chain and _also(body, end, understood):
        return True
    scene = read_scene(body) if end == "." else None
    if scene:
        setattr(understood, scene[0], scene[1])
        return True
    if understood.chain and _later(body, end, understood):
        return True
    note = _note(body) if end == "." else []
    if note:
        understood.front.append(note)
        return True
    if understood.opened:
        understood.opened = False
        return _goes_on(body, end, understood)
    for rest in frames.stripped(body, frames.openings(*frames.FIRST)) if not understood.chain and end == "." else ():
        understood.opened = _request(rest, end, understood)
        return understood.opened
    return not understood.chain and _request(body, end, understood)


@functools.lru_cache(maxsize=2048)
def kind_of_sentence(sentence: str) -> int:
    """What a sentence of a task does: 0 sets the scene, 1 requests, 2 filters, 3 asks further, 4 is about the form, 5 and 6 close."""
    sentence = plain_articles(sentence)
    text = sentence if sentence.startswith(("I ", "I'")) else sentence[:1].lower() + sentence[1:]
    known = frames.fixed_sentences().get(text)
    if known:
        return 6 if known[0] == "remark" else 4
    body, end = frames.without_reason(text[:-1]), text[-1:]
    scene = read_scene(body)
    if scene:
        return 0 if scene[0] == "place" else 5
    probe = Understood(chain=[[]])
    if _also(body, end, probe):
        return 3
    return (
        2
        if end == "."
        and _note(body)
        and not frames.stripped(body, frames.openings(*frames.THEN_NEW, *frames.FINALLY_NEW))
        else 1
    )


def _also(body: str, end: str, understood: Understood) -> bool:
    openings = frames.openings(*frames.ALSO_OPENINGS) if end == "." else frames.openings(*frames.ALSO_QUESTIONS)
    for rest in frames.stripped(body, openings):
        found = _match(rest, ("np", "nps") if end == "." else ("ask",))
        if found:
            understood.also.append(found)
            return True
    return False


def _later(body: str, end: str, understood: Understood) -> bool:
    """A sentence that goes on with the request, or a further question."""
    if end == "?":
        return _also(body, end, understood)
    for rest in frames.stripped(body, frames.openings(*frames.THEN_NEW, *frames.FINALLY_NEW)):
        events = _clauses(rest, ".", is_first=False)
        if events:
            understood.chain.extend(events[1])
            return True
    return False


def _goes_on(body: str, end: str, understood: Understood) -> bool:
    """The request proper, after a sentence that began with "first"."""
    events = _clauses(body, end, is_first=True)
    if events and not events[0]:
        understood.chain.extend(events[1])
        return True
    return False


def _request(body: str, end: str, understood: Understood) -> bool:
    events = _clauses(body, end, is_first=True)
    if not events:
        return False
    understood.front.extend(events[0])
    understood.chain.extend(events[1])
    return True


def _clauses(body: str, end: str, *, is_first: bool) -> tuple[list[list[Said]], list[list[Said]]] | None:
    """Front filters and chain of one sentence."""
    front: list[list[Said]] = []
    chain: list[list[Said]] = []
    masked = _QUOTED.sub(lambda found: found[0].replace(", ", ",\0"), body)
    for number, clause in enumerate(_JOINTS.split(masked)):
        segments = [segment.replace("\0", " ") for segment in clause.split(", ")]
        if not _segments(segments, end, number > 0 or not is_first, front, chain):
            return None
    return front, chain


def _segments(segments: list[str], end: str, is_later: bool, front: list[list[Said]], chain: list[list[Said]]) -> bool:
    at = 0
    if not is_later and len(segments) > 1:
        lead = _set_apart(segments[0], frames.LEAD, "lead")
        if lead:
            front.append(lead)
            at = 1
    for stop in range(at + 1, min(at + 5, len(segments)) + 1):
        core = _command(", ".join(segments[at:stop])) if is_later else _core(", ".join(segments[at:stop]), end)
        if core:
            chain.append(core)
            break
    else:
        return False
    for segment in segments[stop:]:
        post = _match(segment, ("post",))
        tail = [] if post else _set_apart(segment, frames.TAIL, "tail")
        if not post and not tail:
            return False
        (chain if post else front).append(post or tail)
    return True


def _core(text: str, end: str) -> list[Said]:
    found: list[Said] = []
    for opening, mark in frames.DO_OPENINGS:
        if mark == end:
            for rest in frames.stripped(text, frames.openings(opening)):
                found += _command(rest)
    for form, table in (("np", frames.NP_OPENINGS), ("nps", frames.NPS_OPENINGS)):
        for opening, mark in table:
            if mark == end:
                for rest in frames.stripped(text, frames.openings(opening)):
                    found += _match(rest, (form,))
    return found + (_match(text, ("ask",)) if end == "?" else [])


@functools.lru_cache(maxsize=2048)
def _command(text: str) -> list[Said]:
    found = _match(text, ("do",))
    for rest in frames.stripped(text, frames.openings(*frames.FIGURE_COMMANDS)):
        found += _match(rest, ("np",))
    for rest in frames.stripped(text, frames.openings(*frames.NPS_COMMANDS)):
        found += _match(rest, ("nps",))
    return found + _framed(text, frames.DO_FILTER)


def _note(body: str) -> list[Said]:
    found = _match(body, ("note",)) + _framed(body, frames.NOTE)
    for sign, pairs in frames.NOTE_AROUND.items():
        for opening, ending in pairs:
            for rest in frames.stripped(body, frames.openings(opening) if opening else ("",)):
                for tail in frames.openings(ending):
                    if rest.endswith(tail):
                        found += _filters(rest.removesuffix(tail), sign)
    return found


def _set_apart(text: str, table: dict[str, str], form: str) -> list[Said]:
    return _match(text, (form,)) + _framed(text, table)


def _framed(text: str, table: dict[str, str]) -> list[Said]:
    found = []
    for sign, opening in table.items():
        for rest in frames.stripped(text, frames.openings(opening)):
            found += _filters(rest, sign)
    return found


def _filters(text: str, sign: str) -> list[Said]:
    """Readings of "the loaves baked on Monday" as a filter."""
    found = []
    for noun, inner in read_rows(text):
        if inner is not None and inner.op != "top_rows":
            one = inner if sign == "yes" else step(inner.op, opposite(inner.op, inner.args))
            found.append(Said(one, (), noun))
    return found


# --- noun phrases ----------------------------------------------------------------------------------------------------

_ROWS = re.compile(
    r"(?:the|these|those)(?: listed)? (?:(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) )?(.+)"
)


def read_rows(text: str) -> list[tuple[str, Step | None]]:
    """What a noun phrase speaks of: (noun, filter inside it). "them" has neither."""
    if text == "them":
        return [("", None)]
    match = _ROWS.fullmatch(text)
    if match is None:
        return []
    count, words = match[1], match[2].split(" ")
    found: list[tuple[str, Step | None]] = []
    for size in range(min(4, len(words)), 0, -1):
        noun, rest = " ".join(words[:size]), " ".join(words[size:])
        if noun not in nouns():
            continue
        if not rest:
            found += [(noun, None)] if not count else []
        else:
            found += [(noun, one) for one in _conditions(rest, count)]
    return found


@functools.lru_cache(maxsize=4096)
def _conditions(text: str, count: str | None) -> tuple[Step, ...]:
    found = []
    for said in _match(text, ("cond",)):
        if (said.step.op == "top_rows") is bool(count):
            extra = {"k": str(NUMBER_WORDS[count])} if count else {}
            found.append(step(said.step.op, said.step.args | extra))
    return tuple(found)


# --- phrases ---------------------------------------------------------------------------------------------------------


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
    """All readings of a clause as a phrase of one of the forms."""
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
            noun = pluralise(value) if slot == "row" else value
            if noun not in nouns():
                return []
        elif slot in ("it", "that"):
            noun = _thing(value) or noun
        elif slot == "name" and value.startswith("the "):
            named = _called(value.removeprefix("the "))
            if named is None:
                return []
            args["name"], noun = named
        elif slot == "one" and operation.name != "exchange":
            noun = pluralise(value)
            if noun not in nouns():
                return []
        elif slot != "per":
            args |= _argument(slot, value)
    if any(args.get(name) != value for name, value in fixed.items()) or not _has_known_columns(args):
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
        if noun in by_noun() or noun in nouns():
            return " ".join(words[size:]), noun
    return None


def _has_known_columns(args: Args) -> bool:
    return all(args[name] in column_names() for name in ("col", "key", "first", "second", "a", "b") if name in args)


def _argument(slot: str, value: str) -> Args:
    if slot in _COLUMN_SLOTS:
        name = value.removeprefix("number of ")
        return {"col": singular(name) if slot in ("measures", "cats") else name}
    if slot == "k":
        return {"k": str(NUMBER_WORDS[value])}
    return {"when" if slot in ("date", "month") else slot: value}


def _thing(text: str) -> str:
    """The noun of "the review"; "" for "it" and "the result"."""
    noun = text.partition(" ")[2]
    return "" if noun in _GENERIC else noun


@functools.cache
def _where_index() -> dict[str, list[tuple[re.Pattern[str], str, frozenset[str]]]]:
    found: dict[str, list[tuple[re.Pattern[str], str, frozenset[str]]]] = {}
    for phrase, columns in phrases().items():
        regex = re.compile(re.escape(phrase).replace(r"\*", r"(.+)"))
        for name in dict.fromkeys(column.name for column in columns):
            pool = frozenset(value for column in columns if column.name == name for value in column.pool)
            found.setdefault(phrase.split(" ")[0], []).append((regex, name, pool))
    return found


def read_where(text: str) -> list[Args]:
    """The column and the value of a qualifying phrase such as "paid by card"."""
    found = []
    for regex, name, pool in _where_index().get(text.split(" ", 1)[0], ()):
        match = regex.fullmatch(text)
        if match and match[1] in pool:
            found.append({"col": name, "val": match[1]})
    return found


# --- putting clauses together ----------------------------------------------------------------------------------------


def _plans(understood: Understood) -> Iterator[Plan]:
    for chain in _chains(understood.chain, 0, ""):
        first = chain[0].inner[0] if chain[0].inner else chain[0].step
        source = OPERATIONS[first.op].takes
        front = [_fitting(readings, source) for readings in understood.front]
        steps = [one for said in chain for one in (*said.inner, said.step)]
        kind = _base_kind(source, steps)
        also = [_fitting(readings, kind) for readings in understood.also]
        if None in front or None in also:
            continue
        noun = next((said.noun for said in (*front, chain[0]) if said and said.noun), "")
        if not _suits(source, noun) or not _is_called_rightly(chain):
            continue
        asked = tuple(said.step for said in also if said)
        filters = tuple(said.step for said in front if said)
        named = (understood.place, understood.purpose, understood.recipient)
        setting = named if any(named) else ()
        yield Plan(source, noun, normal((*filters, *steps)), asked, understood.layout, understood.working, setting)


def _suits(source: str, noun: str) -> bool:
    """Can material of this kind be called so? Rows and names have nouns of their own, numbers are called by measures."""
    if source == "numbers":
        return noun not in by_noun()
    return source not in ("table", "words", "pair") or not noun or noun in by_noun()


def _is_called_rightly(chain: tuple[Said, ...]) -> bool:
    """Do the steps on tables speak of rows before grouping, and of the groups after it?"""
    groups = ""
    for said in chain:
        operation = OPERATIONS[said.step.op]
        if operation.takes == "table" and said.noun and (said.noun != groups if groups else said.noun not in by_noun()):
            return False
        if operation.role == "group":
            groups = pluralise(said.step.args["key"])
    return True


def _base_kind(source: str, steps: list[Step]) -> str:
    return OPERATIONS[steps[0].op].gives if source == "pair" else source


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
            if here and not _follows(here, operation.takes):
                break
            here = operation.gives
        else:
            for rest in _chains(clauses, at + 1, here):
                yield (said, *rest)


def _follows(gives: str, takes: str) -> bool:
    return gives == takes or (gives == "cell" and takes in ("quantity", "name"))


def normal(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The same steps with the filters at their front in one fixed order, since those commute."""
    count = 0
    while count < len(steps) and OPERATIONS[steps[count].op].role == "filter":
        count += 1
    return tuple(sorted(steps[:count], key=lambda one: (one.op, one.pairs))) + steps[count:]
