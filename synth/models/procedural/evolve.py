"""Evolutions of a task by changing its plan: the text grows by the words of the change, the rest stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from synth.errors import RequestRefused
from synth.models.procedural import frames, samples
from synth.models.procedural.answer import table_form
from synth.models.procedural.draws import Draw
from synth.models.procedural.generate import (
    Task, Wish, can_show_working, draw_layout, draw_task, followers, further_question, require_binding,
)  # fmt: skip
from synth.models.procedural.material import write, write_table
from synth.models.procedural.operations import OPERATIONS
from synth.models.procedural.plan import Link, Outcome, Step, kind_of, run, step
from synth.models.procedural.reader import kind_of_sentence, normal, sentences
from synth.models.procedural.recognise import Prompt
from synth.models.procedural.scenes import PURPOSE_WORDS, write_purpose, write_scene
from synth.models.procedural.task import fitting_domains, understand
from synth.models.procedural.values import Numbers, Table, Text, Unfit, Value, Words
from synth.models.procedural.words.domains import Domain, by_noun, domains
from synth.models.procedural.writer import Writer, finished

TRIES = 25
ALIASES: tuple[tuple[str, str], ...] = (
    ("constraint", "add_constraint"), ("deepen", "deepen"), ("concret", "concretise"), ("specific", "concretise"),
    ("rarer", "concretise"), ("reason", "increase_reasoning"), ("more_steps", "increase_reasoning"),
    ("upward", "increase_reasoning"), ("input", "complicate_input"),
)  # fmt: skip
"""Part of an operator's name to the ability that comes nearest. `code_` operators speak of programs: those are declined."""


@dataclass(frozen=True, slots=True)
class Evolved:
    """A new text for the instruction, and new material where that changed."""

    instruction: str
    material: str


Method = Callable[[Task, Draw], Evolved | None]


def rewrite(prompt: Prompt, draw: Draw) -> str:
    """The reply to `# Rewrite a task`."""
    task = understand(prompt.block("instruction"), prompt.block("input"))
    name = prompt.operator
    method = next((ability for part, ability in ALIASES if part in name), "")
    if task is None or not method or name.startswith("code_"):
        raise RequestRefused(f"the task or the method {name!r} is outside the teacher's grammar", "unsupported")
    for _ in range(TRIES):
        try:
            evolved = METHODS[method](task, draw)
        except Unfit:
            continue
        if evolved and _is_sound(task, evolved):
            return reply(evolved.instruction, evolved.material)
    raise RequestRefused(f"the task cannot be evolved further by {name!r}", "unsupported")


def reply(instruction: str, material: str) -> str:
    """In the form that the evolution prompts ask for."""
    return f"### Instruction\n{instruction}\n### Input\n{material or 'No input'}"


def _is_sound(task: Task, evolved: Evolved) -> bool:
    """Is the new text understood, with another plan or other material, and does every filter have an effect?"""
    found = understand(evolved.instruction, evolved.material)
    if found is None or (found.plan == task.plan and evolved.material == task.input):
        return False
    try:
        require_binding(found.plan, found.material, found.outcome)
    except Unfit:
        return False
    return len(evolved.instruction.split()) - len(task.instruction.split()) <= 24


def invent(prompt: Prompt, draw: Draw, base: Wish) -> str:
    """The reply to `# Invent a task`: the same domain and length, another and longer chain of steps."""
    old = understand(prompt.block("instruction"), prompt.block("input"))
    if old is None:
        raise RequestRefused("the task is outside the teacher's grammar", "unsupported")
    wish = replace(
        base,
        domain=domain_of(old),
        steps=min(len(old.plan.steps), base.max_steps),
        kinds=(old.plan.source,),
        avoid=frozenset({old.plan.skeleton}) if not base.operations else frozenset(),
    )
    try:
        task = draw_task(draw, wish)
    except Unfit:
        task = draw_task(draw, base)
    return reply(task.instruction, task.input)


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
    return Writer(task.plan, Outcome((link,), ()), None, draw, mentioned=True)


# --- the methods -----------------------------------------------------------------------------------------------------


def add_constraint(task: Task, draw: Draw) -> Evolved | None:
    """One more filter, said in a sentence of its own."""
    base = task.material
    fitting = [op for op in OPERATIONS.values() if op.role == "filter" and op.takes == kind_of(base) and not op.name.startswith("drop")]
    if not fitting:
        return _ask_for_form(task, draw)
    value: Value = base
    for link in task.outcome.links:
        if OPERATIONS[link.step.op].role != "filter":
            break
        value = link.after
    operation = draw.pick(fitting)
    args = operation.draw(value, draw)
    if args is None or operation.name in [one.op for one in task.plan.steps]:
        return None
    one = step(operation.name, args)
    plan = replace(task.plan, steps=normal((one, *task.plan.steps)))
    outcome = run(plan, base, OPERATIONS)
    if write(outcome.result) == write(task.outcome.result):
        return None
    note = _writer(task, Link(one, base, base), draw).note(Link(one, base, base))
    return Evolved(_place(task, note, 2), task.input)


def _ask_for_form(task: Task, draw: Draw) -> Evolved | None:
    """Where nothing can be filtered: a form for the answer."""
    layout = draw_layout(task.outcome.result, draw)
    if task.plan.layout or not layout or task.plan.also:
        return None
    sentence = draw.pick(frames.pattern(draw.pick(frames.LAYOUTS[layout][1])).wordings)
    return Evolved(_place(task, sentence, 4), task.input)


def deepen(task: Task, draw: Draw) -> Evolved | None:
    """A further question about the same material."""
    extra = further_question(task.plan, task.outcome, draw)
    if extra is None or len(task.plan.also) >= 3 or task.plan.layout:
        return _go_on(task, draw, show=False)
    plan = replace(task.plan, also=(*task.plan.also, extra))
    link = run(plan, task.material, OPERATIONS).also[-1]
    return Evolved(_place(task, _writer(task, link, draw).also(link), 3), task.input)


def concretise(task: Task, draw: Draw) -> Evolved | None:
    """A place, a purpose, or both."""
    place, purpose = task.plan.setting or ("", "")
    text = task.instruction
    domain = domain_of(task)
    if not place and domain and task.plan.source in ("table", "words", "pair"):
        noun = getattr(task.material, "noun", "") or domain.noun
        text = f"{finished(write_scene(domain, noun, draw) + '.')} {text}"
    elif purpose:
        return _ask_for_form(task, draw) if not task.plan.layout else None
    if not purpose:
        text = f"{text} {finished(write_purpose(draw.pick(PURPOSE_WORDS), draw) + '.')}"
    return Evolved(text, task.input)


def increase_reasoning(task: Task, draw: Draw) -> Evolved | None:
    """One more step, and the steps shown."""
    return _go_on(task, draw, show=True)


def _go_on(task: Task, draw: Draw, *, show: bool) -> Evolved | None:
    text, plan = task.instruction, task.plan
    found = None
    if not plan.also and not plan.layout and len(plan.steps) < 6:
        value = task.outcome.result
        for operation in draw.some(followers(value, list(plan.steps)), 6):
            args = operation.draw(value, draw) if operation.role != "filter" else None
            if args is None:
                continue
            try:
                after = operation.solve(value, args)
            except Unfit:
                continue
            if write(after) != write(value):
                found = Link(step(operation.name, args), value, after)
                break
    if found:
        text = _place(task, _writer(task, found, draw).going_on(found), 1)
    shown = show and not plan.working and can_show_working(task.outcome)
    if shown:
        middle = replace(task, instruction=text)
        text = _place(middle, draw.pick(frames.pattern(draw.pick(frames.WORKING)).wordings), 4)
    return Evolved(text, task.input) if found or shown else None


def complicate_input(task: Task, draw: Draw) -> Evolved | None:
    """More material; rows listed twice that must be counted once; a table in another notation."""
    value, plan = task.material, task.plan
    if isinstance(value, Text):
        more = draw.pick((samples.review, samples.news, samples.notice))(draw)
        return Evolved(_place(task, frames_remark(draw, "text"), 5), f"{value.text} {more.text}")
    if not isinstance(value, Table | Words | Numbers):
        return None
    name = {"table": "drop_repeated_rows", "words": "drop_repeated_words", "numbers": "drop_repeated_numbers"}[plan.source]
    grown = _grown(task, value, draw)
    if name in [one.op for one in plan.steps] or any("drop" in one.op for one in plan.steps):
        return Evolved(_place(task, frames_remark(draw, plan.source), 5), _written_like(task, grown))
    doubled = _doubled(grown, draw)
    one = Step(name)
    note = _writer(task, Link(one, doubled, doubled), draw).note(Link(one, doubled, doubled))
    return Evolved(_place(task, note, 2), _written_like(task, doubled))


def frames_remark(draw: Draw, source: str) -> str:
    """A sentence about material that has grown."""
    return draw.pick(frames.pattern(draw.pick(frames.REMARKS["text" if source == "text" else "list"])).wordings)


def _grown(task: Task, value: Value, draw: Draw) -> Value:
    """Two to four new rows or items of the same kind."""
    domain = domain_of(task)
    extra = draw.between(2, 4)
    if isinstance(value, Table) and domain and {c.name for c in value.columns} <= {c.name for c in domain.columns}:
        return value.with_rows(list(value.rows) + samples.more_rows(value, domain, extra, draw))
    if isinstance(value, Words) and domain:
        return replace(value, values=value.values + tuple(draw.some([n for n in domain.columns[0].pool if n not in value.values], extra)))
    if isinstance(value, Numbers) and value.values:
        low, high = min(value.values), max(value.values)
        scale = 10**value.places
        new = [draw.between(int(low * scale), int(high * scale)) for _ in range(extra)]
        return replace(value, values=value.values + tuple(Decimal(number) / scale for number in new))
    return value


def _doubled(value: Value, draw: Draw) -> Value:
    """One or two of the rows or items once more."""
    if isinstance(value, Table):
        return value.with_rows(list(value.rows) + draw.some(value.rows, draw.between(1, 2)))
    if isinstance(value, Words | Numbers):
        return replace(value, values=value.values + tuple(draw.some(value.values, draw.between(1, 2))))
    return value


def _written_like(task: Task, value: Value) -> str:
    if isinstance(value, Table):
        return write_table(value, table_form(task.input))
    form = "lines" if "\n" in task.input else "titled" if ": " in task.input else ""
    return write(value, form)


METHODS: dict[str, Method] = {
    "add_constraint": add_constraint,
    "deepen": deepen,
    "concretise": concretise,
    "increase_reasoning": increase_reasoning,
    "complicate_input": complicate_input,
}
