"""Tasks drawn step by step over drawn material, so that every step has an effect and the answer is clear."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from synth.embedded import frames, samples
from synth.embedded.domains import Domain, domains
from synth.embedded.draws import Draw
from synth.embedded.material import TABLE_FORMS, write
from synth.embedded.operations import OPERATIONS
from synth.embedded.plan import Operation, Outcome, Plan, Step, asked_of, kind_of, run, step
from synth.embedded.reader import normal
from synth.embedded.values import UNCOUNTED, Quantity, Table, Unfit, Value
from synth.embedded.writer import SINGLE, Writer

TRIES = 60
FEWEST_WORDS = 4
KINDS = ("table",) * 9 + ("text",) * 2 + ("quantity",) * 2
LABELS = ("sentiment", "topic", "mentions", "parity", "compare_with")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a task should be like; every field may be left open.

    `max_steps` bounds the chain, `steps` wishes for a length. `kinds` of material. `operations` allowed, all if empty;
    `prefer`: those to start from if that can be. `classification`: the answer is a label. `avoid`: skeletons not wanted.
    `scene`: how likely a setting is, 0 to 1. `short`: small material, plain words.
    """

    domain: Domain | None = None
    steps: int = 0
    max_steps: int = 3
    kinds: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    classification: bool = False
    avoid: frozenset[str] = frozenset()
    scene: float = 0.5
    short: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A plan over material, in words."""

    plan: Plan
    material: Value
    outcome: Outcome
    instruction: str
    input: str


def draw_task(draw: Draw, wish: Wish) -> Task:
    """A task that fits the wish as far as can be. Raises Unfit when nothing was found after many tries."""
    for _ in range(TRIES):
        try:
            task = _try(draw, wish)
        except Unfit:
            continue
        if task.plan.skeleton not in wish.avoid:
            return task
    raise Unfit("no task fits the wish")


def _try(draw: Draw, wish: Wish) -> Task:
    domain = wish.domain or draw.pick(domains())
    first = _first_operation(draw, wish)
    kind = first.takes if first else draw.pick(wish.kinds or KINDS)
    material, noun = samples.material(kind, first.name if first else "", domain, draw, short=wish.short)
    return over(material, noun, domain, draw, wish, first)


def over(
    material: Value, noun: str, domain: Domain | None, draw: Draw, wish: Wish, first: Operation | None = None
) -> Task:
    """A task over this material. Raises Unfit where the steps drawn lead to none, or a filter changes nothing."""
    count = min(wish.steps or draw.pick((1, 2, 2, 3, 3, 3, 3)), wish.max_steps)
    plan = Plan(kind_of(material), noun, normal(tuple(_steps(material, count, first, draw, wish))))
    plan = _adorned(plan, run(plan, material, OPERATIONS), domain.key if domain else "", draw, wish)
    return told(plan, material, domain, draw)


def told(plan: Plan, material: Value, domain: Domain | None, draw: Draw) -> Task:
    """The task in words. Raises Unfit where the plan has no clear answer or a filter changes nothing."""
    outcome = run(plan, material, OPERATIONS)
    must_bind(plan, material, outcome)
    text = Writer(plan, outcome, domain, draw).instruction()
    if len(text.split()) < FEWEST_WORDS:
        raise Unfit("too few words to stand alone")
    return Task(plan, material, outcome, text, write(material, form_for(material, draw)))


def must_bind(plan: Plan, material: Value, outcome: Outcome) -> None:
    """Raises Unfit if the plan without one of its filters comes to the same."""
    for place, one in enumerate(plan.steps):
        if OPERATIONS[one.op].role != "filter" or len(plan.steps) == 1:
            continue
        without = replace(plan, steps=plan.steps[:place] + plan.steps[place + 1 :], also=())
        try:
            other = run(without, material, OPERATIONS).result
        except (Unfit, KeyError):
            continue
        if write(other) == write(outcome.result):
            raise Unfit("a filter that changes nothing")


def _first_operation(draw: Draw, wish: Wish) -> Operation | None:
    """Where only some operations are allowed or wished for, one of them to start from."""
    if wish.prefer and draw.chance(0.8):
        return OPERATIONS[draw.pick(wish.prefer)]
    names = [name for name in wish.operations if not wish.classification or OPERATIONS[name].role == "label"]
    if names or wish.classification:
        return OPERATIONS[draw.pick(names or LABELS)]
    return None


def _steps(material: Value, count: int, first: Operation | None, draw: Draw, wish: Wish) -> list[Step]:
    steps: list[Step] = []
    value = material
    while len(steps) < count:
        allowed = [first] if first and not steps else followers(value, steps, wish.operations)
        found = next_step(value, allowed, draw)
        if found is None:
            break
        steps.append(found)
        value = OPERATIONS[found.op].solve(value, found.args)
    if not steps or (isinstance(value, Table) and len(value.rows) < 2):
        raise Unfit("the chain does not come to an end")
    return steps


def next_step(value: Value, allowed: Iterable[Operation], draw: Draw) -> Step | None:
    for operation in draw.some(list(allowed), 6):
        args = operation.draw(value, draw)
        try:
            if args is not None and operation.solve(value, args) != value:
                return step(operation.name, args)
        except Unfit:
            continue
    return None


def followers(value: Value, steps: Iterable[Step], names: Iterable[str] = ()) -> list[Operation]:
    """The operations, of those named or of all, that make sense after `steps` on `value`."""
    used = [one.op for one in steps]
    found = [OPERATIONS[name] for name in names or OPERATIONS]
    return [one for one in found if one.takes == kind_of(value) and _is_sensible(one, used, value)]


def _is_sensible(operation: Operation, used: list[str], value: Value) -> bool:
    """Would a person ask for this after those steps?"""
    name, roles = operation.name, [OPERATIONS[op].role for op in used]
    if name in used or not used:
        return name not in used
    if roles[-1] == "finish" or (name == "parity" and isinstance(value, Quantity) and value.unit in UNCOUNTED):
        return False
    if operation.role == "filter":
        return roles[-1] != "order"
    if roles[-1] == "order":
        return operation.role == "finish"
    return name != "multiply" or not any(op.startswith("count") for op in used)


def _adorned(plan: Plan, outcome: Outcome, domain_key: str, draw: Draw, wish: Wish) -> Plan:
    if wish.classification:
        return _set(plan, domain_key, draw, wish)
    room = len(plan.steps) < wish.max_steps and not wish.operations
    for share in (0.5, 0.25) if room else ():
        extra = further_question(plan, outcome, draw) if draw.chance(share) else None
        if extra is None:
            break
        plan = replace(plan, also=(*plan.also, extra))
    if can_be_bare(outcome.result) and draw.chance(0.1 if plan.also else 0.3):
        plan = replace(plan, bare=True)
    return _set(plan, domain_key, draw, wish)


def _set(plan: Plan, domain_key: str, draw: Draw, wish: Wish) -> Plan:
    likely = wish.scene * (0.4 if plan.source in SINGLE and wish.scene < 1 else 1)
    place = domain_key if draw.chance(likely) else ""
    purpose = draw.pick(frames.PURPOSE_WORDS) if not wish.short and draw.chance(wish.scene * 0.5) else ""
    return replace(plan, setting=(place, purpose) if place or purpose else ())


def can_be_bare(result: Value) -> bool:
    return isinstance(result, Quantity) and bool(result.unit)


def further_question(plan: Plan, outcome: Outcome, draw: Draw) -> Step | None:
    """Another figure, name or label of the same material, or None."""
    material = outcome.links[0].before
    base = asked_of(material, list(outcome.links))
    if base is not material and plan.source != "table":
        return None
    taken = {one.op for one in (*plan.steps, *plan.also)}
    fitting = [
        one
        for one in OPERATIONS.values()
        if one.takes == kind_of(base) and one.name not in taken and _can_be_asked(one)
    ]
    return next_step(base, fitting, draw)


def _can_be_asked(operation: Operation) -> bool:
    is_answer = operation.gives in ("quantity", "name", "label") and (
        operation.role in ("reduce", "label") or operation.takes == "quantity"
    )
    return is_answer and any(phrase.form in ("np", "nps", "ask") for phrase in operation.phrases)


def form_for(material: Value, draw: Draw) -> str:
    return draw.pick(("csv", *TABLE_FORMS)) if isinstance(material, Table) else ""
