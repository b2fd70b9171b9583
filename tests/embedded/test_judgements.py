"""Judgements are computed: the same plan is equal, the right answer is better, longer chains are harder."""

import itertools

from embedded.asking import ask, evolve, prompt, tasks

from synth.embedded.answer import answer, is_right
from synth.embedded.draws import Draw
from synth.embedded.generate import Task, Wish, told
from synth.embedded.values import Unfit
from synth.errors import RequestRefused
from synth.parsing import parse_choice, parse_score


def verdict(first: object, second: object) -> str | None:
    return parse_choice(ask(prompt("judge_equal", first=first, second=second)), "Verdict", ("equal", "different"))


def grade(task: Task, given: str) -> int | None:
    asked = prompt("grade", instruction=task.instruction, input=task.input, answer=given)
    return parse_score(ask(asked), "Correctness", 1, 5)


def better(task: Task, first: str, second: str) -> str | None:
    asked = prompt("judge_pair", instruction=task.instruction, input=task.input, answer_a=first, answer_b=second)
    return parse_choice(ask(asked), "Verdict", ("A", "B", "tie"))


def test_other_words_for_the_same_task_are_equal() -> None:
    judged = 0
    for number, task in enumerate(tasks("reworded", 60, Wish(scene=0.0))):
        try:
            again = told(task.plan, task.material, None, Draw("other words", number))
        except Unfit:
            continue
        second = {"instruction": again.instruction, "input": task.input}
        assert verdict(task, second) == verdict(second, task) == "equal", again.instruction
        judged += 1
    assert judged > 40


def test_an_evolved_task_is_different() -> None:
    for task in tasks("evolved", 40):
        try:
            after = evolve(task, "deepen")
        except RequestRefused:
            continue
        assert verdict(task, after) == verdict(after, task) == "different"


def test_outside_the_grammar_a_copy_is_equal_and_anything_else_is_different() -> None:
    poem = {"instruction": "Write a poem.", "input": ""}
    assert verdict(poem, poem) == "equal"
    assert verdict(poem, {"instruction": "Write an ode.", "input": ""}) == "different"


def test_the_right_answer_gets_five_and_a_wrong_one_does_not() -> None:
    for task in tasks("graded", 80):
        right = answer(task)
        assert grade(task, right) == 5 and is_right(task, right)
        assert (grade(task, "I am not sure.") or 5) <= 2
        assert (grade(task, right + " or maybe 417") or 5) < 5 or (
            grade(task, right + " or maybe 417") == 5 and "417" not in right
        )
        assert grade(task, "") == 1


def test_another_tasks_answer_is_wrong() -> None:
    pool = tasks("mixed up", 60, Wish(kinds=("table",)))
    mixed = [grade(one, answer(other)) == 5 for one, other in itertools.pairwise(pool) if answer(one) != answer(other)]
    assert sum(mixed) <= 1


def test_wording_around_a_right_figure_is_forgiven_in_correctness_only() -> None:
    found = tasks("figures", 9, Wish(operations=("total",), max_steps=1))
    task = next(task for task in found if not task.plan.bare)
    given = f"The total comes to {answer(task)}"
    text = ask(prompt("grade", instruction=task.instruction, input=task.input, answer=given))
    assert parse_score(text, "Correctness", 1, 5) == 5 and (parse_score(text, "Instruction-following", 1, 5) or 5) < 5


def test_the_better_answer_wins_in_either_place() -> None:
    for task in tasks("pairs", 40):
        right = answer(task)
        assert better(task, right, "no idea") == "A"
        assert better(task, "no idea", right) == "B"
        assert better(task, right, right) == "tie"
        assert better(task, "no idea", "nothing") == "tie"


def test_longer_chains_are_rated_harder() -> None:
    def mean(steps: int) -> float:
        found = tasks(f"rated {steps}", 60, Wish(steps=steps, max_steps=steps))
        grades = [
            parse_score(ask(prompt("rate_complexity", instruction=t.instruction, input=t.input)), "Difficulty", 1, 10)
            for t in found
        ]
        return sum(value or 0 for value in grades) / len(grades)

    assert mean(1) + 1 < mean(3)
