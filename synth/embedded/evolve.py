"""Evolutions of a task by changing its plan: the text grows by the words of the change, the rest stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from synth.embedded import frames, samples
from synth.embedded.answer import table_form
from synth.embedded.domains import domains
from synth.embedded.draws import Draw
from synth.embedded.generate import (
    Task,
    Wish,
    can_be_bare,
    draw_task,
    followers,
    further_question,
    must_bind,
    next_step,
)
from synth.embedded.judge import difficulty
from synth.embedded.material import write
from synth.embedded.operations import OPERATIONS
from synth.embedded.optimiser import advice
from synth.embedded.plan import Link, Outcome, kind_of, run
from synth.embedded.reader import kind_of_sentence, normal, read, sentences
from synth.embedded.recognise import Prompt, count, divided
from synth.embedded.task import domain_of, new_material, plans_of, understand
from synth.embedded.values import Table, Text, Unfit, Value
from synth.embedded.writer import SINGLE, Writer, finished
from synth.errors import RequestRefused

TRIES = 25
INVENTIONS = 40
NEAR_ENOUGH = 0.1
"""Tasks tried in breadth, and how far from the old one is near enough: the same difficulty, a tenth of the words off."""
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
    task = understand(*divided(*prompt.given))
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
    return reply(best[1].instruction, best[1].material, apart=bool(prompt.given[1]))


def rephrase(prompt: Prompt, draw: Draw) -> str:
    """The reply to `# Say it in other words`: the plan of an instruction written out anew, as often as asked for."""
    plans = plans_of(prompt.given[0]) or read(prompt.given[0])
    if not plans:
        raise RequestRefused("the instruction is outside the teacher's grammar", "unsupported")
    found: dict[str, None] = {}
    for _ in range(TRIES):
        with suppress(Unfit):
            task = new_material(plans[0], draw)
            text = Writer(plans[0], task.outcome, domain_of(task), draw).instruction()
            found |= {text: None} if plans[0] in read(text) else {}
    wordings = list(found)[: count(prompt, "other wordings", 3)]
    return "\n".join(f"{number}. {text}" for number, text in enumerate(wordings, 1)) or "None"


def _nearest(task: Task, method: Method, draw: Draw) -> tuple[int, Evolved] | None:
    """(words off from 10 to 20 more, the sound change that comes nearest to that); None where there is none."""
    best: tuple[int, Evolved] | None = None
    for _ in range(TRIES):
        try:
            evolved = method(task, draw)
        except Unfit:
            continue
        if evolved is None or not _is_sound(task, evolved):
            continue
        added = len(evolved.instruction.split()) - len(task.instruction.split())
        excess = max(10 - added, added - 20, 0)
        best = (excess, evolved) if best is None or excess < best[0] else best
        if not excess:
            break
    return best


def reply(instruction: str, material: str, *, apart: bool = True) -> str:
    """In the form that the evolution prompts ask for; the material behind the instruction where it was not `apart`."""
    if not apart and material:
        instruction, material = f"{instruction}\n\n{material}", ""
    return f"### Instruction\n{instruction}\n### Input\n{material or 'None'}"


def _is_sound(task: Task, evolved: Evolved) -> bool:
    """Is the new text understood, with another plan or other material, and has every step something to work on?"""
    found = understand(evolved.instruction, evolved.material)
    if found is None or (found.plan == task.plan and evolved.material == task.input):
        return False
    if any(_is_bare(link.before) for link in found.outcome.links[1:]):
        return False
    try:
        must_bind(found.plan, found.material, found.outcome)
    except Unfit:
        return False
    return True


def _is_bare(value: Value) -> bool:
    """Is a single item left, with which nothing can be done that makes sense?"""
    return isinstance(value, Table) and len(value.rows) < 2


def invent(prompt: Prompt, draw: Draw, base: Wish) -> str:
    """The reply to `# Invent a task`: another chain of steps in the same domain, as long and as difficult as the old."""
    old = understand(*divided(*prompt.given))
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
    found: list[tuple[float, int, Task]] = []
    while len(found) < INVENTIONS and not (found and found[-1][0] <= NEAR_ENOUGH):
        try:
            task = draw_task(draw, wish)
        except Unfit:
            task = draw_task(draw, base)
        found.append((_distance(task, old), len(found), task))
    best = min(found)[2]
    return reply(best.instruction, best.input, apart=bool(prompt.given[1]))


def _distance(task: Task, old: Task) -> float:
    """How far two tasks are apart in length and difficulty: a point of difficulty counts as a fifth of the words."""
    words = [len(one.instruction.split()) for one in (task, old)]
    return abs(words[0] - words[1]) / max(1, words[1]) + abs(difficulty(task) - difficulty(old)) / 5


def _place(task: Task, sentence: str, order: int) -> str:
    """The instruction with a sentence put behind those of its kind or before (see `reader.kind_of_sentence`)."""
    parts = sentences(task.instruction)
    at = sum(kind_of_sentence(part) <= order for part in parts) if order else 0
    return " ".join([*parts[:at], finished(sentence), *parts[at:]])


def _writer(task: Task, link: Link, draw: Draw) -> Writer:
    said = task.instruction
    return Writer(task.plan, Outcome((link,), ()), None, draw, mentioned=True, reasons=draw.chance(0.6), said=said)


def add_constraint(task: Task, draw: Draw) -> Evolved | None:
    """One more filter on the material in a sentence of its own; else one on the result; else a form for the answer."""
    for _ in range(3):
        found = _filter_material(task, draw)
        if found:
            return found
    return _go_on(task, draw, ("filter",)) or _ask_for_form(task, draw)


def _filter_material(task: Task, draw: Draw) -> Evolved | None:
    base = value = task.material
    for link in task.outcome.links:
        if OPERATIONS[link.step.op].role != "filter":
            break
        value = link.after
    fitting = [op for op in OPERATIONS.values() if op.role == "filter" and op.takes == kind_of(base)]
    one = next_step(value, draw.some(fitting, 1), draw)
    if one is None or one in task.plan.steps:
        return None
    outcome = run(replace(task.plan, steps=normal((one, *task.plan.steps))), base, OPERATIONS)
    if write(outcome.result) == write(task.outcome.result) or any(_is_bare(on.before) for on in outcome.links[1:]):
        return None
    link = Link(one, base, base)
    return Evolved(_place(task, _writer(task, link, draw).note(link), 2), task.input)


def _ask_for_form(task: Task, draw: Draw) -> Evolved | None:
    if task.plan.bare or not can_be_bare(task.outcome.result):
        return None
    return Evolved(_place(task, frames.worded(frames.BARE, draw), 4), task.input)


def deepen(task: Task, draw: Draw) -> Evolved | None:
    """A further question about the same material, or a further step."""
    extra = further_question(task.plan, task.outcome, draw) if len(task.plan.also) < 3 else None
    if extra is None:
        return _go_on(task, draw, ())
    link = run(replace(task.plan, also=(*task.plan.also, extra)), task.material, OPERATIONS).also[-1]
    return Evolved(_place(task, _writer(task, link, draw).also(link), 3), task.input)


def concretise(task: Task, draw: Draw) -> Evolved | None:
    """Whose material it is and what the answer is for; at last its form."""
    place, purpose = task.plan.setting or ("", "")
    domain = None if place else domain_of(task) or (draw.pick(domains()) if task.plan.source in SINGLE else None)
    parts = [task.instruction]
    if domain:
        noun, is_one = task.plan.noun or getattr(task.material, "noun", "") or domain.noun, task.plan.source in SINGLE
        parts.insert(0, finished(frames.write_scene(domain, noun, draw, is_one=is_one) + "."))
    if not purpose:
        parts.append(finished(frames.write_purpose(draw.pick(frames.PURPOSE_WORDS), draw) + "."))
    return Evolved(" ".join(parts), task.input) if len(parts) > 1 else _ask_for_form(task, draw)


def increase_reasoning(task: Task, draw: Draw) -> Evolved | None:
    return _go_on(task, draw, ()) or deepen(task, draw)


def _go_on(task: Task, draw: Draw, roles: tuple[str, ...]) -> Evolved | None:
    """One more step on the result; of these roles, or any but a filter."""
    value, plan = task.outcome.result, task.plan
    if len(plan.steps) > 5 or (plan.also and kind_of(value) == kind_of(task.material)):
        return None
    fitting = [op for op in followers(value, plan.steps) if (op.role in roles if roles else op.role != "filter")]
    one = next_step(value, [op for op in fitting if not plan.bare or op.gives == "quantity"], draw)
    if one is None:
        return None
    after = OPERATIONS[one.op].solve(value, one.args)
    link = Link(one, value, after)
    return Evolved(_place(task, _writer(task, link, draw).going_on(link), 1), task.input)


def complicate_input(task: Task, draw: Draw) -> Evolved | None:
    """More material: rows or sentences, and a remark that says so."""
    remarks = [part for part in sentences(task.instruction) if kind_of_sentence(part) == 6]
    grown = _grown(task, task.material, draw)
    if len(remarks) > 1 or grown == task.material:
        return None
    remark = frames.worded(frames.REMARKS, draw)
    written = write(grown, table_form(task.input) if isinstance(grown, Table) else "")
    return None if finished(remark) in remarks else Evolved(_place(task, remark, 6), written)


def _grown(task: Task, value: Value, draw: Draw) -> Value:
    """Two to four new rows of the same kind, or another text behind the old one."""
    domain, extra = domain_of(task), draw.between(2, 4)
    if isinstance(value, Text):
        more = draw.pick((samples.review, samples.news))(draw)
        return replace(value, text=f"{value.text} {more.text}")
    if isinstance(value, Table) and domain and {c.name for c in value.columns} <= {c.name for c in domain.columns}:
        return samples.more_rows(value, domain, extra, draw)
    return value


METHODS: dict[str, Method] = {
    way.__name__: way for way in (add_constraint, deepen, concretise, increase_reasoning, complicate_input)
}
