"""A task that somebody wrote, understood: its plan, its material, what comes out. And new material for a known plan."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from synth.embedded import samples
from synth.embedded.draws import Draw
from synth.embedded.generate import Task, form_for, require_binding
from synth.embedded.material import read as read_material
from synth.embedded.material import renamed, write
from synth.embedded.operations import OPERATIONS
from synth.embedded.plan import Plan, run
from synth.embedded.reader import read
from synth.embedded.values import Column, Pair, Quantity, Table, Unfit, Value, singular
from synth.embedded.words.domains import Domain, by_noun, columns_by_name, domains, measures

TRIES = 300
_COLUMN_ARGS = ("col", "key", "a", "b", "first", "second")


@functools.lru_cache(maxsize=512)
def understand(instruction: str, material: str) -> Task | None:
    """The task, or None where it is outside the grammar or has no one clear answer."""
    for plan in read(instruction):
        try:
            value = read_material(plan.source, material)
            value = _named(value, plan.noun)
            return Task(plan, value, run(plan, value, OPERATIONS), instruction, material)
        except (Unfit, ArithmeticError):
            continue
    return None


def _named(value: Value, noun: str) -> Value:
    """The material under the name that the instruction gives it; a table has its own, which must agree."""
    if not noun:
        return value
    if isinstance(value, Pair):
        return Pair(_named(value.first, noun), _named(value.second, noun))  # type: ignore[arg-type]
    if isinstance(value, Table):
        if value.noun != noun:
            raise Unfit(f"the table is about {value.noun}, not {noun}")
        return value
    return renamed(value, noun)


def plans_of(instruction: str) -> tuple[Plan, ...]:
    """What an instruction without material can ask for: plans for which there is a domain."""
    return tuple(plan for plan in read(instruction) if not columns_of(plan) or fitting_domains(plan))


def columns_of(plan: Plan) -> tuple[str, ...]:
    """The columns that the material must have."""
    made = {one.args["new"] for one in plan.steps if "new" in one.args}
    made |= {plan.noun} if any(one.op == "group_count" for one in plan.steps) else set()
    named = [one.args[name] for one in (*plan.steps, *plan.also) for name in _COLUMN_ARGS if name in one.args]
    return tuple(name for name in dict.fromkeys(named) if name not in made and not _is_made(name))


def _is_made(name: str) -> bool:
    return (name.startswith(("total ", "average ")) or name in by_noun()) and name not in columns_by_name()


def fitting_domains(plan: Plan) -> list[Domain]:
    """The domains whose tables have all that the plan needs."""
    wanted = set(columns_of(plan))
    place = plan.setting[0] if plan.setting else ""
    found = [d for d in domains() if wanted <= {column.name for column in d.columns}]
    named = [d for d in found if d.noun == plan.noun] or [d for d in found if d.key == place]
    return named or found


def new_material(plan: Plan, draw: Draw, *, label: str = "") -> Task:
    """The plan over material of its own, every filter with an effect. Raises Unfit if none is found.

    `label`: the answer that is wanted of a classification.
    """
    for _ in range(TRIES):
        try:
            value = _named(_draw_material(plan, draw, label), plan.noun)
            outcome = run(plan, value, OPERATIONS)
            require_binding(plan, value, outcome)
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
    if first == "larger_number":
        return samples.plain_numbers(draw, size=2)
    if first == "next_in_sequence":
        return samples.sequence(draw)
    if plan.source == "table":
        values = tuple(
            value for one in (*plan.steps, *plan.also) for name, value in one.pairs if name in ("val", "name")
        )
        repeats = any(one.op == "drop_repeated_rows" for one in plan.steps)
        return samples.table(
            draw.pick(fitting_domains(plan)), draw, keep=columns_of(plan), values=values, repeats=repeats
        )
    return _draw_list(plan, draw, any(one.op.startswith("drop_repeated") for one in plan.steps))


def _draw_list(plan: Plan, draw: Draw, repeats: bool) -> Value:
    owner = by_noun().get(plan.noun)
    domain = owner or draw.pick(domains())
    if plan.source == "words":
        return samples.words(domain, draw, repeats=repeats)
    if plan.source == "pair" and plan.steps[0].op == "join_tables":
        return samples.pair_of_tables(
            draw.pick(fitting_domains(plan)), draw, col=plan.steps[0].args["col"], keep=columns_of(plan)
        )
    if plan.source == "pair":
        return samples.pair(domain, draw)
    if plan.source in ("day", "span", "code"):
        return samples.material(plan.source, domain, draw)[0]
    columns = _measures(plan, any(one.op in ("convert_unit", "exchange") for one in plan.steps))
    if plan.source == "numbers":
        return (
            samples.numbers(domain, draw, column=draw.pick(columns), repeats=repeats)
            if columns
            else samples.plain_numbers(draw, repeats=repeats)
        )
    column = draw.pick(columns) if columns else None
    return (
        Quantity(samples.number(column, draw), column.unit, column.places) if column else samples.plain_quantity(draw)
    )


def _measures(plan: Plan, needs_unit: bool) -> tuple[Column, ...]:
    """The columns whose values the plan's noun can mean; any measure with a unit where only the unit matters."""
    known = measures()
    found = known.get(plan.noun) or known.get(singular(plan.noun)) or ()
    return found or (tuple(c for columns in known.values() for c in columns if c.unit) if needs_unit else ())


def _draw_text(plan: Plan, first: str, draw: Draw, label: str) -> Value:
    if first == "sentiment":
        good = plan.steps[0].args["good"]
        return samples.review(draw, {"": "", good: "good"}.get(label, "bad"))
    if first == "topic":
        from synth.embedded.operations.texts import options

        return samples.news(draw, label or draw.pick(options(plan.steps[0].args["labels"])))
    if plan.noun == "review":
        return samples.review(draw)
    return samples.news(draw) if plan.noun == "note" else samples.notice(draw)


def variants(plan: Plan, draw: Draw, count: int) -> Iterator[Task]:
    """Up to `count` tasks of the plan with different material."""
    seen: set[str] = set()
    for _ in range(3 * count):
        task = new_material(plan, draw)
        if task.input not in seen:
            seen.add(task.input)
            yield task
        if len(seen) == count:
            return
