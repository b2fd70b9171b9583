"""Each evolution changes what is asked, keeps the rest, and its answer is known."""

import statistics
from dataclasses import replace

import pytest
from embedded.asking import ask, evolve, known, prompt, tasks

from synth.embedded.answer import answer
from synth.embedded.generate import Task, Wish
from synth.embedded.judge import difficulty
from synth.embedded.material import write
from synth.embedded.operations import OPERATIONS
from synth.embedded.plan import run
from synth.embedded.task import understand
from synth.embedded.values import Unfit
from synth.errors import RequestRefused
from synth.parsing import ParsedTask

DEPTH = ("add_constraint", "deepen", "concretise", "increase_reasoning", "complicate_input")


def evolved(operator: str, count: int = 60) -> list[tuple[Task, ParsedTask]]:
    """Pairs of a task and what the operator made of it; what was declined is left out."""
    pairs = []
    for task in tasks(f"to {operator}", count):
        try:
            pairs.append((task, evolve(task, operator)))
        except RequestRefused:
            continue
    return pairs


@pytest.mark.parametrize("operator", DEPTH)
def test_an_operator_works_on_most_tasks_and_its_result_is_understood(operator: str) -> None:
    pairs = evolved(operator)
    assert len(pairs) >= 33
    for before, after in pairs:
        found = known(after)
        assert found.plan != before.plan or after.input != before.input


@pytest.mark.parametrize("operator", DEPTH)
def test_about_ten_to_twenty_words_are_added(operator: str) -> None:
    added = [len(after.instruction.split()) - len(before.instruction.split()) for before, after in evolved(operator)]
    assert all(3 <= words <= 24 for words in added)
    assert sum(8 <= words <= 20 for words in added) >= 0.7 * len(added)


@pytest.mark.parametrize("operator", DEPTH)
def test_the_old_sentences_stay(operator: str) -> None:
    for before, after in evolved(operator, 40):
        assert set(before.instruction.split()) <= set(after.instruction.split())


def test_only_the_input_operator_touches_the_input() -> None:
    for operator in DEPTH[:4]:
        assert all(after.input == before.input for before, after in evolved(operator, 40))
    changed = [after.input != before.input for before, after in evolved("complicate_input")]
    assert all(changed)


def test_a_constraint_binds() -> None:
    filtered = 0
    for before, after in evolved("add_constraint", 120):
        found = known(after)
        assert answer(found) != answer(before)
        new = [one for one in found.plan.steps if one not in before.plan.steps]
        filtered += any(OPERATIONS[one.op].role == "filter" for one in new)
    assert filtered > 45


def test_every_filter_of_a_proposal_binds() -> None:
    for task in tasks("filters", 300):
        for place, one in enumerate(task.plan.steps):
            if OPERATIONS[one.op].role == "filter" and len(task.plan.steps) > 1:
                rest = task.plan.steps[:place] + task.plan.steps[place + 1 :]
                plan = type(task.plan)(task.plan.source, task.plan.noun, rest)
                try:
                    without = run(plan, task.material, OPERATIONS).result
                except (Unfit, KeyError):
                    continue
                assert write(without) != write(task.outcome.result), task.instruction


def test_making_it_concrete_leaves_the_result() -> None:
    for before, after in evolved("concretise"):
        assert write(known(after).outcome.result) == write(before.outcome.result)


def test_deepening_and_reasoning_ask_for_more() -> None:
    for operator in ("deepen", "increase_reasoning"):
        for before, after in evolved(operator):
            plan = known(after).plan
            assert len(plan.steps) + len(plan.also) > len(before.plan.steps) + len(before.plan.also)


def test_breadth_stays_in_the_domain_and_is_another_task() -> None:
    for before, after in evolved("breadth", 40):
        found = known(after)
        assert found.plan.skeleton != before.plan.skeleton
        if before.plan.source == "table" and found.plan.source == "table":
            assert found.material.noun == before.material.noun  # type: ignore[union-attr]


def test_breadth_keeps_length_and_difficulty() -> None:
    pairs = [(before, known(after)) for before, after in evolved("breadth", 40)]
    grown = [(before, known(after)) for before, after in evolved("increase_reasoning", 40)]
    pairs += [(found, known(evolve(found, "breadth"))) for _, found in grown]
    words = [len(new.instruction.split()) - len(old.instruction.split()) for old, new in pairs]
    points = [difficulty(new) - difficulty(old) for old, new in pairs]
    assert abs(statistics.mean(words)) <= 3 and statistics.mean(map(abs, words)) <= 6, words
    assert abs(statistics.mean(points)) <= 0.3 and statistics.mean(map(abs, points)) <= 0.5, points


def test_material_behind_the_instruction_stays_there() -> None:
    for operator in ("add_constraint", "complicate_input", "breadth"):
        for start in tasks("inline", 12):
            whole = replace(start, instruction=f"{start.instruction}\n\n{start.input}", input="")
            try:
                after = evolve(whole, operator)
            except RequestRefused:
                continue
            instruction, _, material = after.instruction.partition("\n\n")
            assert not after.input and material and understand(instruction, material) is not None


def test_four_generations_in_a_row_are_understood() -> None:
    for number, start in enumerate(tasks("generations", 25)):
        task: Task | ParsedTask = start
        for turn in range(4):
            try:
                task = evolve(task, DEPTH[(number + turn) % len(DEPTH)], draw=turn)
            except RequestRefused:
                continue
            assert known(task)


def test_what_is_outside_the_grammar_is_declined() -> None:
    with pytest.raises(RequestRefused) as declined:
        evolve(ParsedTask("Write a poem about the sea."), "deepen")
    assert declined.value.reason == "unsupported"
    task = tasks("declined", 1)[0]
    for operator in ("code_complexity", "unheard_of"):
        asked = prompt("evolve_depth", operator=operator, method="x", instruction=task.instruction, input=task.input)
        with pytest.raises(RequestRefused):
            ask(asked)


def test_domain_operators_near_an_ability_are_served() -> None:
    task = tasks("upward", 1, Wish(kinds=("table",), steps=2, scene=0.0))[0]
    assert understand(evolve(task, "math_upward").instruction, task.input) is not None
