"""A task that somebody wrote, understood: its plan, its material, its answer. And new material for a known plan."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from synth.embedded import samples
from synth.embedded.domains import Domain, by_noun, columns_by_name, domains
from synth.embedded.draws import Draw
from synth.embedded.generate import Task, form_for, must_bind
from synth.embedded.material import read as read_material
from synth.embedded.material import renamed, write
from synth.embedded.operations import OPERATIONS
from synth.embedded.operations.texts import options
from synth.embedded.plan import Plan, run
from synth.embedded.reader import read
from synth.embedded.values import Column, Quantity, Table, Unfit, Value

TRIES = 300


@functools.lru_cache(maxsize=512)
def understand(instruction: str, material: str) -> Task | None:
    """The task, or None where it is outside the grammar or has no one clear answer."""
    for plan in read(instruction):
        try:
            value = renamed(read_material(plan.source, material), plan.noun)
            return Task(plan, value, run(plan, value, OPERATIONS), instruction, material)
        except (Unfit, ArithmeticError):
            continue
    return None


def plans_of(instruction: str) -> tuple[Plan, ...]:
    return tuple(plan for plan in read(instruction) if fitting_domains(plan))


def columns_of(plan: Plan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.args["col"] for one in (*plan.steps, *plan.also) if "col" in one.args))


def fitting_domains(plan: Plan) -> list[Domain]:
    wanted = set(columns_of(plan))
    place = plan.setting[0] if plan.setting else ""
    found = [d for d in domains() if wanted <= {column.name for column in d.columns}]
    return [d for d in found if d.noun == plan.noun] or [d for d in found if d.key == place] or found


def domain_of(task: Task) -> Domain | None:
    place = task.plan.setting[0] if task.plan.setting else ""
    named = next((domain for domain in domains() if domain.key == place), None)
    if named is None and isinstance(task.material, Table):
        named = by_noun().get(task.material.noun)
    return named or (fitting_domains(task.plan)[0] if task.plan.source == "table" else None)


def new_material(plan: Plan, draw: Draw, *, label: str = "") -> Task:
    """The plan over material of its own, every filter with an effect. Raises Unfit if none is found.

    `label`: the answer that is wanted of a classification.
    """
    for _ in range(TRIES):
        try:
            value = renamed(_draw_material(plan, draw, label), plan.noun)
            outcome = run(plan, value, OPERATIONS)
            must_bind(plan, value, outcome)
        except Unfit:
            continue
        text = write(value, form_for(value, draw))
        if text != write(outcome.result) and (not label or write(outcome.result) == label):
            return Task(plan, value, outcome, "", text)
    raise Unfit("no material found for the plan")


def _draw_material(plan: Plan, draw: Draw, label: str) -> Value:
    first = plan.steps[0].op
    if plan.source == "text":
        return _draw_text(plan, first, draw, label)
    if plan.source == "table":
        steps = (*plan.steps, *plan.also)
        values = tuple(value for one in steps for name, value in one.pairs if name in ("val", "name"))
        return samples.table(draw.pick(fitting_domains(plan)), draw, keep=columns_of(plan), values=values)
    columns = _measures(plan)
    if not columns:
        return samples.plain_quantity(draw)
    column = draw.pick(columns)
    return Quantity(samples.number(column, draw), column.unit, column.places)


def _measures(plan: Plan) -> tuple[Column, ...]:
    known = columns_by_name()
    if any(one.op == "convert_unit" for one in plan.steps) and plan.noun not in known:
        return tuple(column for columns in known.values() for column in columns if column.unit)
    return tuple(column for column in known.get(plan.noun, ()) if column.kind == "measure")


def _draw_text(plan: Plan, first: str, draw: Draw, label: str) -> Value:
    if first == "sentiment":
        good = plan.steps[0].args["good"]
        return samples.review(draw, {"": "", good: "good"}.get(label, "bad"))
    if first == "topic":
        return samples.news(draw, label or draw.pick(options(plan.steps[0].args["labels"])))
    return (samples.review if plan.noun == "review" else samples.news)(draw)


def variants(plan: Plan, draw: Draw, count: int) -> Iterator[Task]:
    seen: set[str] = set()
    for _ in range(3 * count):
        task = new_material(plan, draw)
        if task.input not in seen and len(seen) < count:
            seen.add(task.input)
            yield task
