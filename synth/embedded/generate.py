"""Tasks drawn step by step over drawn material, so that every step has an effect and the answer is clear."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from synth.embedded import frames, samples
from synth.embedded.draws import Draw
from synth.embedded.material import TABLE_FORMS, write
from synth.embedded.operations import OPERATIONS
from synth.embedded.plan import Operation, Outcome, Plan, Step, asked_of, kind_of, run, step
from synth.embedded.reader import normal
from synth.embedded.scenes import PURPOSE_WORDS, RECIPIENT_WORDS
from synth.embedded.values import UNCOUNTED, Numbers, Quantity, Table, Unfit, Value
from synth.embedded.words.domains import Domain, domains
from synth.embedded.writer import SINGLE, Writer

TRIES = 60
FEWEST_WORDS = 4
KINDS = (
    ("table",) * 11
    + ("numbers",) * 5
    + ("words",) * 5
    + ("text",) * 5
    + ("pair",) * 4
    + ("quantity",) * 2
    + ("day", "span", "code")
)
AFTER_NO_GROUP = ("total", "share", "keep_columns", "column_values", "fill_template")
"""Operations that sound odd when said of groups: "the total of the totals"."""
RARER = frozenset(("parity", "compare_with", "in_words", "multiply", "reverse_words", "initials", "scale_numbers"))
"""Operations that people seldom ask for after another."""
AFTER_ORDER = (
    "names", "first_few", "nth_word", "letter_counts", "join_words", "column_values", "differences", "running_totals", "to_json",
    "to_csv", "to_markdown", "fill_template",
)  # fmt: skip
"""Operations that go with things put in order."""
UNASKED = ("larger_number", "next_in_sequence", "share")
"""Operations that make no good further question."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a task should be like; every field may be left open.

    `max_steps` bounds the chain, `steps` wishes for a length. `kinds` of material. `operations` allowed, all if empty;
    `prefer`: those to start from if that can be. `classification`: the answer is a label. `avoid`: skeletons not wanted.
    `style`: question, order or format. `scene`: how likely a setting is, 0 to 1. `short`: small material, plain words.
    """

    domain: Domain | None = None
    steps: int = 0
    max_steps: int = 3
    kinds: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    classification: bool = False
    avoid: frozenset[str] = frozenset()
    style: str = ""
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
    material, noun = material_for(kind, first, domain, draw, wish)
    count = min(wish.steps or draw.pick((1, 2, 2, 3, 3, 3, 3)), wish.max_steps)
    steps = _steps(material, count, first, draw, wish)
    plan = Plan(kind, noun, normal(tuple(steps)))
    plan = _adorned(plan, run(plan, material, OPERATIONS), domain.key, draw, wish)
    return told(plan, material, domain, draw, wish.style)


def told(plan: Plan, material: Value, domain: Domain | None, draw: Draw, style: str = "") -> Task:
    """The task in words. Raises Unfit where the plan has no clear answer or a filter changes nothing."""
    outcome = run(plan, material, OPERATIONS)
    require_binding(plan, material, outcome)
    text = Writer(plan, outcome, domain, draw, style).instruction()
    if len(text.split()) < FEWEST_WORDS:
        raise Unfit("too few words to stand alone")
    return Task(plan, material, outcome, text, write(material, form_for(material, draw)))


def require_binding(plan: Plan, material: Value, outcome: Outcome) -> None:
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
    if wish.operations and names:
        return OPERATIONS[draw.pick(names)]
    if wish.classification:
        return OPERATIONS[draw.pick(("sentiment", "topic", "mentions", "parity", "compare_with"))]
    return None


def material_for(kind: str, first: Operation | None, domain: Domain, draw: Draw, wish: Wish) -> tuple[Value, str]:
    """Material of the kind on which a first operation can work, and what a task calls it or its parts."""
    name = first.name if first else ""
    if name == "larger_number":
        listed = samples.plain_numbers(draw, size=2)
        return listed, listed.noun
    if name == "next_in_sequence" or (kind == "numbers" and not name and draw.chance(0.06)):
        return samples.sequence(draw), "numbers"
    if name in ("sentiment", "topic"):
        text = samples.review(draw) if name == "sentiment" else samples.news(draw)
        return text, text.genre
    if name == "extract":
        text = samples.notice(draw)
        return text, text.genre
    if name in ("parity", "in_words", "round_to"):
        return Quantity(Decimal(draw.between(13, 999 if wish.short else 9999))), "number"
    if name == "join_tables" or (kind == "pair" and name):
        both = (samples.pair_of_tables if name == "join_tables" else samples.pair)(domain, draw)
        return both, domain.noun
    if name.startswith("drop_repeated"):
        return _repeating(kind, domain, draw)
    if wish.short:
        return _short(kind, domain, draw)
    return samples.material(kind, domain, draw)


def _repeating(kind: str, domain: Domain, draw: Draw) -> tuple[Value, str]:
    value: Value = samples.table(domain, draw, repeats=True)
    if kind == "words":
        value = samples.words(domain, draw, repeats=True)
    elif kind == "numbers":
        value = samples.plain_numbers(draw, repeats=True)
    return value, str(getattr(value, "noun", ""))


def _short(kind: str, domain: Domain, draw: Draw) -> tuple[Value, str]:
    """Small material, for tasks that a tiny student can learn."""
    if kind == "table":
        value: Value = samples.table(domain, draw, rows=draw.between(2, 3))
    elif kind == "numbers":
        value = samples.plain_numbers(draw, size=draw.between(3, 4), high=99)
    elif kind == "words":
        value = samples.words(domain, draw, size=draw.between(3, 4))
    elif kind == "text":
        text = samples.review(draw)
        return text, text.genre
    else:
        return samples.material(kind, domain, draw)
    return value, str(getattr(value, "noun", ""))


# --- steps -----------------------------------------------------------------------------------------------------------


def _steps(material: Value, count: int, first: Operation | None, draw: Draw, wish: Wish) -> list[Step]:
    steps: list[Step] = []
    value = material
    while len(steps) < count:
        allowed = [first] if first and not steps else followers(value, steps, wish.operations)
        found = _next(value, allowed, draw, is_later=bool(steps))
        if found is None:
            break
        steps.append(found)
        value = OPERATIONS[found.op].solve(value, found.args)
    if not steps or not _ends_well(steps, value, count):
        raise Unfit("the chain does not come to an end")
    return steps


def _next(value: Value, allowed: Iterable[Operation], draw: Draw, *, is_later: bool) -> Step | None:
    for operation in draw.some(list(allowed), 6):
        if operation.name in RARER and is_later and draw.chance(0.6):
            continue
        args = operation.draw(value, draw)
        if args is None:
            continue
        try:
            after = operation.solve(value, args)
        except Unfit:
            continue
        if after != value:
            return step(operation.name, args)
    return None


def followers(value: Value, steps: list[Step], names: Iterable[str] = ()) -> list[Operation]:
    """The operations, of those named or of all, that make sense after `steps` on `value`."""
    kind = kind_of(value)
    names = names or OPERATIONS
    found = [OPERATIONS[name] for name in names if OPERATIONS[name].takes == kind]
    return [operation for operation in found if _is_sensible(operation, steps, value)]


def _is_sensible(operation: Operation, steps: list[Step], value: Value) -> bool:
    """Would a person ask for this after those steps?"""
    used = [one.op for one in steps]
    if operation.name in used or operation.name == "larger_number":
        return False
    if operation.name == "parity" and isinstance(value, Quantity) and steps and value.unit in UNCOUNTED:
        return False
    if not steps:
        return True
    if any(name.startswith("count") for name in used) and operation.name in (
        "percent_change",
        "split_evenly",
        "multiply",
    ):
        return False
    if operation.name.startswith("sort") and used[-1].startswith("reverse"):
        return False
    roles, last = _roles(used), OPERATIONS[used[-1]]
    if last.role == "finish":
        return False
    if operation.role == "filter" and ("group" in roles or last.role == "order") and operation.name != "keep_by_number":
        return False
    if operation.name.startswith("drop_repeated"):
        return set(roles) <= {"filter"}
    if last.role == "order":
        return (
            operation.name in AFTER_ORDER
            or last.takes == "text"
            or (operation.role in ("order", "finish") and last.takes != "table")
        )
    if last.role == "group" and operation.name in AFTER_NO_GROUP:
        return False
    if operation.role == "group" or operation.name == "compute_column":
        return "group" not in roles and "order" not in roles
    if used[-1] in ("names", "distinct_values") and operation.name in (
        "count_words_listed",
        "keep_by_length",
        "letter_counts",
    ):
        return False
    return not (used[-1] in ("letter_counts", "extract") and operation.role == "filter")


def _roles(names: list[str]) -> list[str]:
    return [OPERATIONS[name].role for name in names]


def _ends_well(steps: list[Step], value: Value, count: int) -> bool:
    """Is the result worth asking for?"""
    if isinstance(value, Table) and len(value.rows) < 2:
        return False
    if isinstance(value, Numbers) and len(value.values) < 2:
        return False
    last = OPERATIONS[steps[-1].op]
    return last.name != "compute_column" or count == 1


# --- further questions, layout, setting ------------------------------------------------------------------------------


def _adorned(plan: Plan, outcome: Outcome, domain_key: str, draw: Draw, wish: Wish) -> Plan:
    result = outcome.result
    if wish.classification:
        return _set(plan, domain_key, draw, wish)
    room = len(plan.steps) < wish.max_steps and not wish.operations
    for share in (0.5, 0.25) if room else ():
        extra = further_question(plan, outcome, draw) if draw.chance(share) else None
        if extra is None:
            break
        plan = replace(plan, also=(*plan.also, extra))
    if draw.chance(1.0 if wish.style == "format" else 0.1 if plan.also else 0.3):
        plan = replace(plan, layout=draw_layout(result, draw))
    if not wish.short and not plan.layout and can_show_working(outcome) and draw.chance(0.15):
        plan = replace(plan, working=True)
    return _set(plan, domain_key, draw, wish)


def _set(plan: Plan, domain_key: str, draw: Draw, wish: Wish) -> Plan:
    """The plan in a setting, maybe."""
    place = (
        domain_key
        if can_have_place(plan) and draw.chance(wish.scene * (0.4 if plan.source in SINGLE and wish.scene < 1 else 1))
        else ""
    )
    purpose = draw.pick(PURPOSE_WORDS) if not wish.short and draw.chance(wish.scene * 0.5) else ""
    recipient = draw.pick(RECIPIENT_WORDS) if not wish.short and draw.chance(wish.scene * 0.15) else ""
    return replace(plan, setting=(place, purpose, recipient) if place or purpose or recipient else ())


def can_have_place(plan: Plan) -> bool:
    """Does a scene fit the material?"""
    return plan.source in ("table", "words", "pair", *SINGLE) or (plan.source == "numbers" and plan.noun != "numbers")


def draw_layout(result: Value, draw: Draw) -> str:
    """A form that suits the result, or ""."""
    kind = kind_of(result)
    fitting = [name for name, (kinds, _) in frames.LAYOUTS.items() if kind in kinds]
    if isinstance(result, Quantity) and not result.unit:
        fitting = ["sentence"]
    return draw.pick(fitting) if fitting else ""


def can_show_working(outcome: Outcome) -> bool:
    """Is there something to show?"""
    return any(OPERATIONS[link.step.op].explain for link in outcome.links) and kind_of(outcome.result) in (
        "quantity",
        "name",
        "label",
    )


def further_question(plan: Plan, outcome: Outcome, draw: Draw) -> Step | None:
    """Another figure of the same material, or None."""
    material = outcome.links[0].before
    base = asked_of(material, list(outcome.links))
    if base is not material and plan.source != "table":
        return None
    taken = {one.op for one in (*plan.steps, *plan.also)}
    grouped = any(OPERATIONS[one.op].role == "group" for one in plan.steps)
    fitting = [
        operation
        for operation in OPERATIONS.values()
        if operation.takes == kind_of(base) and operation.name not in taken and operation.name not in UNASKED
        and not (grouped and operation.name in AFTER_NO_GROUP) and (operation.role in ("reduce", "label") or kind_of(base) in ("quantity", "day"))
        and operation.gives in ("quantity", "name", "label", "day")
        and any(phrase.form in ("np", "nps", "ask") for phrase in operation.phrases)
    ]  # fmt: skip
    for operation in draw.some(fitting, 4):
        args = operation.draw(base, draw)
        if args is None:
            continue
        try:
            operation.solve(base, args)
        except Unfit:
            continue
        return step(operation.name, args)
    return None


def form_for(material: Value, draw: Draw) -> str:
    """A way to write the material; numbers with a unit need their title, which names it."""
    if isinstance(material, Table):
        return draw.pick(("csv", *TABLE_FORMS))
    if isinstance(material, Numbers) and material.unit:
        return "titled"
    return "lines" if draw.chance(0.2) else ""
