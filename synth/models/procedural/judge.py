"""Judgements: do two tasks ask for the same, how good is an answer, which is better, how hard is a task. All recomputed."""

from __future__ import annotations

from synth.errors import RequestRefused
from synth.models.procedural.answer import answer, is_right, kind_word, plain
from synth.models.procedural.generate import Task
from synth.models.procedural.operations import OPERATIONS
from synth.models.procedural.plan import Plan
from synth.models.procedural.reader import read
from synth.models.procedural.recognise import Prompt
from synth.models.procedural.task import understand


def _understood(prompt: Prompt) -> Task:
    task = understand(prompt.block("instruction"), prompt.block("input"))
    if task is None:
        raise RequestRefused("the task is outside the teacher's grammar", "unsupported")
    return task


def compare(prompt: Prompt) -> str:
    """Equal where plan and material are the same, however worded; equal too where the texts are."""
    texts = [(prompt.block(title), prompt.block(title, 1)) for title in ("first task", "second task")]
    if plain(texts[0][0]) == plain(texts[1][0]):
        same = plain(texts[0][1]) == plain(texts[1][1])
    else:
        plans = [read(text) for text, _ in texts]
        if not all(plans):
            raise RequestRefused("one of the tasks is outside the teacher's grammar", "unsupported")
        same = bool(set(map(asks, plans[0])) & set(map(asks, plans[1]))) and plain(texts[0][1]) == plain(texts[1][1])
    reason = "Both ask for the same steps on the same material." if same else "They differ in what is asked or in the material."
    return f"Reason: {reason}\nVerdict: {'equal' if same else 'different'}"


def asks(plan: Plan) -> Plan:
    """The plan as a key of what is asked."""
    return plan


def grade(prompt: Prompt) -> str:
    """Three grades from the answer computed anew."""
    task, given = _understood(prompt), prompt.block("answer")
    right = answer(task)
    if plain(given) == plain(right):
        return _grades("The result is right and in the form asked for.", 5, 5, 5)
    if is_right(task, given):
        return _grades("The result is right, but not in the form asked for.", 5, 3, 4)
    if not given.strip():
        return _grades("There is no answer.", 1, 1, 1)
    partly = any(plain(line) and plain(line) in plain(given) for line in right.splitlines())
    reason = f"The {kind_word(task.outcome.result)} is not the right one."
    return _grades(reason, 2 if partly and len(right.splitlines()) > 1 else 1, 3 if _is_like(given, right) else 1, 3 if partly else 2)


def _is_like(given: str, right: str) -> bool:
    return abs(len(given) - len(right)) <= max(12, len(right) // 2)


def _grades(reason: str, correct: int, following: int, complete: int) -> str:
    return f"Reason: {reason}\nCorrectness: {correct}\nInstruction-following: {following}\nCompleteness: {complete}"


def prefer(prompt: Prompt) -> str:
    """A or B if only one of them is right, else a tie."""
    task = _understood(prompt)
    first, second = (is_right(task, prompt.block(title)) for title in ("answer a", "answer b"))
    if first is second:
        return f"Reason: {'Both answers are right.' if first else 'Neither answer is right.'}\nVerdict: tie"
    return f"Reason: Only one of the answers is right.\nVerdict: {'A' if first else 'B'}"


def rate(prompt: Prompt) -> str:
    """A grade from 1 to 10 that grows with the steps, filters, further questions and the material."""
    task = _understood(prompt)
    return f"Difficulty: {difficulty(task)}"


def difficulty(task: Task) -> int:
    """1 for one plain step; 10 at most."""
    plan = task.plan
    hard = sum(OPERATIONS[one.op].role in ("group", "change") for one in plan.steps)
    points = 2 * len(plan.steps) + hard + 2 * len(plan.also) + bool(plan.layout) + plan.working
    return max(1, min(10, (points + len(task.input) // 400) * 2 // 3))
