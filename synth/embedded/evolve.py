"""Evolutions of a task by changing its plan: the text grows by the words of the change, the rest stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from synth.embedded import frames, samples
from synth.embedded.answer import answer, table_form
from synth.embedded.draws import Draw
from synth.embedded.generate import (
    Task,
    Wish,
    can_have_place,
    can_show_working,
    draw_layout,
    draw_task,
    followers,
    further_question,
    require_binding,
)  # fmt: skip
from synth.embedded.judge import difficulty
from synth.embedded.material import TABLE_FORMS, write, write_table
from synth.embedded.operations import OPERATIONS
from synth.embedded.optimiser import advice
from synth.embedded.plan import Link, Outcome, Step, kind_of, run, step
from synth.embedded.reader import kind_of_sentence, normal, sentences
from synth.embedded.recognise import Prompt, divided
from synth.embedded.scenes import PURPOSE_WORDS, RECIPIENT_WORDS, write_purpose, write_recipient, write_scene
from synth.embedded.task import fitting_domains, understand
from synth.embedded.values import Numbers, Pair, Quantity, Table, Text, Unfit, Value, Words
from synth.embedded.words.domains import Domain, by_noun, domains
from synth.embedded.writer import SINGLE, Writer, finished
from synth.errors import RequestRefused

TRIES = 25
ALIASES: tuple[tuple[str, str], ...] = (
    ("constraint", "add_constraint"), ("deepen", "deepen"), ("concret", "concretise"), ("specific", "concretise"),
    ("rarer", "concretise"), ("reason", "increase_reasoning"), ("more_steps", "increase_reasoning"),
    ("upward", "increase_reasoning"), ("input", "complicate_input"),
)  # fmt: skip
"""Part of an operator's name to the ability that comes nearest; "auto" is a method in free words, read by `optimiser`.

`code_` operators speak of programs to be written: those are declined."""


@dataclass(frozen=True, slots=True)
class Evolved:
    """A new text for the instruction, and new material where that changed."""

    instruction: str
    material: str


Method = Callable[[Task, Draw], Evolved | None]


def rewrite(prompt: Prompt, draw: Draw) -> str:
    """The reply to `# Rewrite a task`: the first sound change of 10 to 20 words, else the sound one that comes nearest."""
    task = _given(prompt)
    name = prompt.operator
    method = next((ability for part, ability in ALIASES if part in name), "")
    free = advice(prompt.method) if name == "auto" else None
    if task is None or not (method or free) or name.startswith("code_"):
        raise RequestRefused(f"the task or the method {name!r} is outside the teacher's grammar", "unsupported")
    ways = draw.shuffled(free.ways) if free else [method]
    best: tuple[int, Evolved] | None = None
    for way in ways if free and free.tries_others else ways[:1]:
        found = _nearest(task, METHODS[way], draw)
        best = found if found and (best is None or found[0] < best[0]) else best
        if best and (not best[0] or not (free and free.is_bounded)):
            break
    if best is None:
        raise RequestRefused(f"the task cannot be evolved further by {name!r}", "unsupported")
    return reply(best[1].instruction, best[1].material, apart=bool(prompt.block("input")))


def _given(prompt: Prompt) -> Task | None:
    return understand(*divided(prompt.block("instruction"), prompt.block("input")))


def _nearest(task: Task, method: Method, draw: Draw) -> tuple[int, Evolved] | None:
    """(words off from 10 to 20 more, the sound change that comes nearest to that); None where there is none."""
    best: tuple[int, Evolved] | None = None
    for _ in range(TRIES):
        evolved = _attempt(task, method, draw)
        if evolved is None:
            continue
        added = len(evolved.instruction.split()) - len(task.instruction.split())
        excess = max(10 - added, added - 20, 0)
        if best is None or excess < best[0]:
            best = (excess, evolved)
        if not excess:
            break
    return best


def _attempt(task: Task, method: Method, draw: Draw) -> Evolved | None:
    try:
        evolved = method(task, draw)
    except Unfit:
        return None
    return evolved if evolved and _is_sound(task, evolved) else None


def reply(instruction: str, material: str, *, apart: bool = True) -> str:
    """In the form that the evolution prompts ask for; the material behind the instruction where it was not `apart`."""
    if not apart and material:
        instruction, material = f"{instruction}\n\n{material}", ""
    return f"### Instruction\n{instruction}\n### Input\n{material or 'No input'}"


def _is_sound(task: Task, evolved: Evolved) -> bool:
    """Is the new text understood, with another plan or other material, and has every step something to work on?"""
    found = understand(evolved.instruction, evolved.material)
    if found is None or (found.plan == task.plan and evolved.material == task.input):
        return False
    if any(_is_bare(link.before) for link in found.outcome.links[1:]):
        return False
    try:
        require_binding(found.plan, found.material, found.outcome)
    except Unfit:
        return False
    return True


def invent(prompt: Prompt, draw: Draw, base: Wish) -> str:
    """The reply to `# Invent a task`: another chain of steps in the same domain, as long and as difficult as the old."""
    old = _given(prompt)
    if old is None:
        raise RequestRefused("the task is outside the teacher's grammar", "unsupported")
    wish = replace(
        base,
        domain=domain_of(old),
        steps=min(len(old.plan.steps), base.max_steps),
        kinds=(old.plan.source,),
        avoid=frozenset({old.plan.skeleton}) if not base.operations else frozenset(),
        scene=1.0 if old.plan.setting else 0.0,
    )
    best: tuple[float, Task] | None = None
    for _ in range(INVENTIONS):
        task = _grown_to(_drawn(draw, wish, base), old, draw, may_grow=not base.operations)
        miss = _distance(task, old)
        best = (miss, task) if best is None or miss < best[0] else best
        if miss <= NEAR_ENOUGH:
            break
    assert best is not None
    return reply(best[1].instruction, best[1].input, apart=bool(prompt.block("input")))


INVENTIONS = 10
NEAR_ENOUGH = 0.1
"""Tasks tried in breadth, and how far from the old one is near enough: the same difficulty, a tenth of the words off."""


def _drawn(draw: Draw, wish: Wish, base: Wish) -> Task:
    try:
        return draw_task(draw, wish)
    except Unfit:
        return draw_task(draw, base)


def _distance(task: Task, old: Task) -> float:
    """How far two tasks are apart in length and difficulty: a point of difficulty counts as a fifth of the words."""
    words = abs(_words(task) - _words(old)) / max(1, _words(old))
    return words + abs(difficulty(task) - difficulty(old)) / 5


def _words(task: Task) -> int:
    return len(task.instruction.split())


def _grown_to(task: Task, old: Task, draw: Draw, *, may_grow: bool) -> Task:
    """`task` made harder and longer, step by step, as long as that brings it nearer to `old`."""
    for _ in range(INVENTIONS if may_grow else 0):
        is_easier = difficulty(task) < difficulty(old)
        if not is_easier and _words(task) >= _words(old):
            break
        method = draw.pick((add_constraint, deepen, increase_reasoning) if is_easier else (concretise, _ask_for_form))
        evolved = _attempt(task, method, draw)
        grown = understand(evolved.instruction, evolved.material) if evolved else None
        if (
            grown is not None
            and grown.plan.skeleton != old.plan.skeleton
            and _distance(grown, old) < _distance(task, old)
        ):
            task = grown
    return task


def domain_of(task: Task) -> Domain | None:
    """The domain that the task lives in, if it can be told."""
    place = task.plan.setting[0] if task.plan.setting else ""
    named = next((domain for domain in domains() if domain.key == place), None)
    if named is None and isinstance(task.material, Table | Words):
        named = by_noun().get(task.material.noun)
    if named is None and task.plan.source == "table":
        named = next(iter(fitting_domains(task.plan)), None)
    return named


# --- where sentences go ----------------------------------------------------------------------------------------------


def _place(task: Task, sentence: str, order: int) -> str:
    """The instruction with a sentence put in: 0 scene, 1 after the request, 2 note, 3 further question, 4 form, 5 purpose."""
    parts = sentences(task.instruction)
    at = sum(_order(part) <= order for part in parts) if order else 0
    return " ".join([*parts[:at], finished(sentence), *parts[at:]])


def _order(sentence: str) -> int:
    """Which kind of sentence it is, in the same numbers; the request itself is 1."""
    return kind_of_sentence(sentence)


def _writer(task: Task, link: Link, draw: Draw) -> Writer:
    return Writer(
        task.plan, Outcome((link,), ()), None, draw, mentioned=True, reasons=draw.chance(0.6), said=task.instruction
    )


# --- the methods -----------------------------------------------------------------------------------------------------


def add_constraint(task: Task, draw: Draw) -> Evolved | None:
    """One more filter on the material in a sentence of its own; else one on the result; else a form for the answer."""
    for _ in range(3):
        found = _filter_material(task, draw)
        if found:
            return found
    return _go_on(task, draw, ("filter",)) or _ask_for_form(task, draw)


def _filter_material(task: Task, draw: Draw) -> Evolved | None:
    base = task.material
    value: Value = base
    for link in task.outcome.links:
        if OPERATIONS[link.step.op].role != "filter":
            break
        value = link.after
    fitting = [
        op
        for op in OPERATIONS.values()
        if op.role == "filter" and op.takes == kind_of(base) and not op.name.startswith("drop")
    ]
    operation = draw.pick(fitting) if fitting else None
    args = operation.draw(value, draw) if operation else None
    if operation is None or args is None or step(operation.name, args) in task.plan.steps:
        return None
    one = step(operation.name, args)
    outcome = run(replace(task.plan, steps=normal((one, *task.plan.steps))), base, OPERATIONS)
    if write(outcome.result) == write(task.outcome.result) or any(
        _is_bare(later.before) for later in outcome.links[1:]
    ):
        return None
    link = Link(one, base, base)
    return Evolved(_place(task, _writer(task, link, draw).note(link), 2), task.input)


def _is_bare(value: Value) -> bool:
    """Is a single item left, with which nothing can be done that makes sense?"""
    items = value.rows if isinstance(value, Table) else value.values if isinstance(value, Words | Numbers) else (0, 1)
    return len(set(items)) < 2


def _ask_for_form(task: Task, draw: Draw) -> Evolved | None:
    """A form for the answer."""
    layout = draw_layout(task.outcome.result, draw)
    if task.plan.layout or not layout:
        return None
    sentence = draw.pick(frames.pattern(draw.pick(frames.LAYOUTS[layout][1])).wordings)
    evolved = Evolved(_place(task, sentence, 4), task.input)
    changed = understand(evolved.instruction, evolved.material)
    return evolved if changed and answer(changed) != answer(task) else None


def deepen(task: Task, draw: Draw) -> Evolved | None:
    """A further question about the same material, or a further step."""
    extra = further_question(task.plan, task.outcome, draw) if len(task.plan.also) < 3 else None
    if extra is None:
        return _go_on(task, draw, ())
    plan = replace(task.plan, also=(*task.plan.also, extra))
    link = run(plan, task.material, OPERATIONS).also[-1]
    return Evolved(_place(task, _writer(task, link, draw).also(link), 3), task.input)


def concretise(task: Task, draw: Draw) -> Evolved | None:
    """Two of: whose material it is, what the answer is for, who waits for it; at last its form."""
    place, purpose, recipient = task.plan.setting or ("", "", "")
    domain = domain_of(task) or (draw.pick(domains()) if task.plan.source in SINGLE else None)
    open_to = [
        name
        for name, is_open in (
            ("place", not place and domain is not None and can_have_place(task.plan)),
            ("purpose", not purpose),
            ("recipient", not recipient),
        )
        if is_open
    ]
    if not open_to:
        return _ask_for_form(task, draw)
    text = task.instruction
    for name in draw.some(open_to, 2):
        text = _more_specific(text, name, task, domain, draw)
    return Evolved(text, task.input)


def _more_specific(text: str, name: str, task: Task, domain: Domain | None, draw: Draw) -> str:
    if name == "place" and domain:
        noun = task.plan.noun or getattr(task.material, "noun", "") or domain.noun
        return f"{finished(write_scene(domain, noun, draw, is_one=task.plan.source in SINGLE) + '.')} {text}"
    if name == "purpose":
        return f"{text} {finished(write_purpose(draw.pick(PURPOSE_WORDS), draw) + '.')}"
    return f"{text} {finished(write_recipient(draw.pick(RECIPIENT_WORDS), draw) + '.')}"


def increase_reasoning(task: Task, draw: Draw) -> Evolved | None:
    """One more step to the result, or the steps shown, or both."""
    further = _go_on(task, draw, ()) if draw.chance(0.7) else None
    text = further.instruction if further else task.instruction
    if not task.plan.working and can_show_working(task.outcome) and (not further or draw.chance(0.3)):
        sentence = draw.pick(frames.pattern(draw.pick(frames.WORKING)).wordings)
        return Evolved(_place(replace(task, instruction=text), sentence, 4), task.input)
    return further or deepen(task, draw)


def _go_on(task: Task, draw: Draw, roles: tuple[str, ...]) -> Evolved | None:
    """One more step on the result; of these roles, or any but a filter."""
    value, plan = task.outcome.result, task.plan
    if len(plan.steps) > 5 or (plan.also and kind_of(value) == kind_of(task.material)):
        return None
    for operation in draw.some(followers(value, list(plan.steps)), 6):
        is_wanted = operation.role in roles if roles else operation.role != "filter"
        args = operation.draw(value, draw) if is_wanted else None
        if args is None:
            continue
        try:
            after = operation.solve(value, args)
        except Unfit:
            continue
        suits = not plan.layout or kind_of(after) in frames.LAYOUTS[plan.layout][0]
        if suits and write(after) != write(value):
            link = Link(step(operation.name, args), value, after)
            return Evolved(_place(task, _writer(task, link, draw).going_on(link), 1), task.input)
    return None


# --- richer material -------------------------------------------------------------------------------------------------


def complicate_input(task: Task, draw: Draw) -> Evolved | None:
    """More material; rows listed twice that count once; a single figure that must first be found in a table."""
    value, plan = task.material, task.plan
    has_remark = any(_order(part) == 6 for part in sentences(task.instruction))
    if isinstance(value, Text):
        if has_remark:
            return None
        more = draw.pick((samples.review, samples.news, samples.notice))(draw)
        return Evolved(_place(task, _remark("text", draw), 6), f"{value.text} {more.text}")
    if isinstance(value, Quantity):
        return _from_table(task, value, draw)
    if not isinstance(value, Table | Words | Numbers | Pair):
        return None
    name = {"table": "drop_repeated_rows", "words": "drop_repeated_words", "numbers": "drop_repeated_numbers"}.get(
        plan.source, ""
    )
    grown = _grown(task, value, draw)
    if not name or any("drop" in one.op for one in plan.steps) or draw.chance(0.25):
        if has_remark:
            return None
        return Evolved(_place(task, _remark("list", draw), 6), _written_like(task, grown)) if grown != value else None
    doubled = _doubled(grown, draw)
    link = Link(Step(name), doubled, doubled)
    return Evolved(_place(task, _writer(task, link, draw).note(link), 2), _written_like(task, doubled))


def _remark(kind: str, draw: Draw) -> str:
    return draw.pick(frames.pattern(draw.pick(frames.REMARKS[kind])).wordings)


def _from_table(task: Task, amount: Quantity, draw: Draw) -> Evolved | None:
    """The figure becomes one cell of a table, and the task begins with finding it there."""
    fitting = [d for d in domains() for c in d.columns if c.name == task.plan.noun and c.unit == amount.unit]
    if not fitting or any(frames.stripped(task.instruction.lower(), frames.openings(*frames.FIRST))):
        return None
    domain = draw.pick(fitting)
    table = samples.table(domain, draw, keep=(task.plan.noun,))
    row, place = draw.below(len(table.rows)), table.at(task.plan.noun)
    rows = list(table.rows)
    rows[row] = (*rows[row][:place], amount.value, *rows[row][place + 1 :])
    table = table.with_rows(rows)
    one = step("lookup", {"col": task.plan.noun, "name": str(rows[row][0])})
    link = Link(one, table, amount)
    command = Writer(task.plan, Outcome((link,), ()), None, draw).command(link)
    opening = draw.pick(frames.openings(*frames.FIRST))
    parts = sentences(task.instruction)
    at = next(number for number, part in enumerate(parts) if _order(part) == 1)
    return Evolved(
        " ".join([*parts[:at], finished(f"{opening}{command}."), *parts[at:]]),
        write_table(table, draw.pick(TABLE_FORMS)),
    )


def _grown(task: Task, value: Value, draw: Draw) -> Value:
    """Two to four new rows or items of the same kind."""
    domain, extra = domain_of(task), draw.between(2, 4)
    if isinstance(value, Pair):
        both = (
            (_grown(task, value.first, draw), value.second)
            if isinstance(value.first, Words)
            else (value.first, value.second)
        )
        return Pair(*both)  # type: ignore[arg-type]
    if isinstance(value, Table) and domain and {c.name for c in value.columns} <= {c.name for c in domain.columns}:
        return value.with_rows(list(value.rows) + samples.more_rows(value, domain, extra, draw))
    if isinstance(value, Words):
        pool = next((d.columns[0].pool for d in domains() if value.values[0] in d.columns[0].pool), ())
        return replace(
            value, values=value.values + tuple(draw.some([name for name in pool if name not in value.values], extra))
        )
    if isinstance(value, Numbers) and value.values:
        scale = 10**value.places
        low, high = int(min(value.values) * scale), int(max(value.values) * scale)
        return replace(
            value, values=value.values + tuple(Decimal(draw.between(low, high)) / scale for _ in range(extra))
        )
    return value


def _doubled(value: Value, draw: Draw) -> Value:
    """One or two of the rows or items once more."""
    if isinstance(value, Table):
        return value.with_rows(list(value.rows) + draw.some(value.rows, draw.between(1, 2)))
    if isinstance(value, Words):
        return replace(value, values=(*value.values, *draw.some(value.values, draw.between(1, 2))))
    if isinstance(value, Numbers):
        return replace(value, values=(*value.values, *draw.some(value.values, draw.between(1, 2))))
    return value


def _written_like(task: Task, value: Value) -> str:
    if isinstance(value, Table):
        return write_table(value, table_form(task.input))
    form = "titled" if ": " in task.input and task.plan.source == "numbers" else "lines" if "\n" in task.input else ""
    return write(value, "" if isinstance(value, Pair) else form)


METHODS: dict[str, Method] = {
    "add_constraint": add_constraint,
    "deepen": deepen,
    "concretise": concretise,
    "increase_reasoning": increase_reasoning,
    "complicate_input": complicate_input,
}
