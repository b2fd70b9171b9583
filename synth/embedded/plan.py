"""A plan is what a task asks for: typed steps over one piece of material. Texts and answers are made from it elsewhere.

`run` works a plan out step by step. Every operation carries a second, independent derivation (`check`); the tests hold
the two against each other, and `prove` does so for a whole plan.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from synth.embedded.draws import Draw
from synth.embedded.material import write
from synth.embedded.patterns import Pattern
from synth.embedded.values import CENT, Quantity, Table, Unfit, Value

Args = dict[str, str]
_MOST = {"desc": "highest", "asc": "lowest", "": ""}
_PHRASE = re.compile(r"(\w+)(?:\((.*?)\))?: (.+)")


def kind_of(value: Value) -> str:
    """How operations name the type of a value."""
    return type(value).__name__.lower()


@dataclass(frozen=True, slots=True)
class Step:
    """One operation with its arguments, all as text, in order of their names."""

    op: str
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def args(self) -> Args:
        return dict(self.pairs)


def step(op: str, args: Args) -> Step:
    return Step(op, tuple(sorted(args.items())))


@dataclass(frozen=True, slots=True)
class Phrase:
    """A wording of an operation, usable where its step has the arguments `fixed`.

    `form`: np (a noun phrase for one thing), nps (for several), do (a command), ask (a question), cond (what
    qualifies a row).
    """

    form: str
    pattern: Pattern
    fixed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Operation:
    """One kind of step.

    `role`: filter (commutes with other filters and can stand first), change, order, reduce, label or finish.
    `wording`: one phrase a line, `form: pattern` or `form(argument=value, ...): pattern`. `draw` chooses arguments that have
    an effect on this value, or None. `solve` and `check` derive the result in two ways. `title` names the result in an
    answer, with arguments in braces. `labels`: the words, or the arguments that hold the words, of the labels.
    """

    name: str
    takes: str
    gives: str
    role: str
    wording: str
    draw: Callable[[Any, Draw], Args | None]
    solve: Callable[[Any, Args], Any]
    check: Callable[[Any, Args], Any]
    title: str = "result"
    labels: tuple[str, ...] = ()

    @functools.cached_property
    def phrases(self) -> tuple[Phrase, ...]:
        found = []
        for line in self.wording.strip().splitlines():
            match = _PHRASE.fullmatch(line.strip())
            if match is None:
                raise ValueError(f"{self.name}: not a phrase: {line}")
            fixed = [pair.partition("=") for pair in (match[2] or "").split(", ") if pair]
            found.append(Phrase(match[1], Pattern(match[3]), tuple((name, value) for name, _, value in fixed)))
        return tuple(found)

    def named(self, args: Args) -> str:
        return self.title.format(most=_MOST[args.get("order", "")], **args)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a task asks for.

    `source`: the kind of material. `noun`: what its parts are called, which changes nothing in what is asked. `also`:
    further questions about the same material. `bare`: is the figure wanted without its unit? `setting`: place and purpose.
    """

    source: str
    noun: str = field(compare=False)
    steps: tuple[Step, ...]
    also: tuple[Step, ...] = ()
    bare: bool = False
    setting: tuple[str, ...] = ()

    @property
    def skeleton(self) -> str:
        """Its operations without their arguments: what makes two tasks the same kind of task."""
        asked = " > ".join(step.op for step in self.steps)
        return " & ".join([asked, *(step.op for step in self.also)])


@dataclass(frozen=True, slots=True)
class Link:
    step: Step
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Outcome:
    """The worked-out plan: each step, and each further question."""

    links: tuple[Link, ...]
    also: tuple[Link, ...]

    @property
    def result(self) -> Value:
        return self.links[-1].after


def run(plan: Plan, material: Value, operations: dict[str, Operation]) -> Outcome:
    """Work the plan out. Raises Unfit where the material does not allow one clear answer."""
    links, value = [], material
    for number, one in enumerate(plan.steps):
        after = operations[one.op].solve(value, one.args)
        if number + 1 < len(plan.steps) and not _is_exact(after):
            raise Unfit("a rounded figure would be worked on")
        links.append(Link(one, value, after))
        value = after
    base = asked_of(material, links)
    if plan.also and base is not material and not _is_exact(base):
        raise Unfit("a rounded figure would be asked about")
    also = [Link(one, base, operations[one.op].solve(base, one.args)) for one in plan.also]
    return Outcome(tuple(links), tuple(also))


def asked_of(material: Value, links: list[Link]) -> Value:
    """What further questions are about: the last value before the request leaves the material's own kind."""
    base = material
    for link in links:
        if type(link.after) is not type(base):
            break
        base = link.after
    return base


def prove(plan: Plan, material: Value, operations: dict[str, Operation]) -> bool:
    """Do both derivations agree at every step and every further question?"""
    outcome = run(plan, material, operations)
    links = outcome.links + outcome.also
    return all(same(operations[link.step.op].check(link.before, link.step.args), link.after) for link in links)


def same(one: Value, other: Value) -> bool:
    """Are both the same as written? Quotients that leave a remainder are compared as shown."""
    return type(one) is type(other) and write(one) == write(other)


def _is_exact(value: Value) -> bool:
    cells = [value.value] if isinstance(value, Quantity) else []
    if isinstance(value, Table):
        cells = [cell for row in value.rows for cell in row if not isinstance(cell, str)]
    return all(cell == cell.quantize(CENT) for cell in cells)
