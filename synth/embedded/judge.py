"""Judgements: do two tasks ask for the same, how good is an answer, which is better, how hard is a task. All recomputed."""

from __future__ import annotations

from synth.embedded.answer import answer, is_right, plain
from synth.embedded.generate import Task
from synth.embedded.operations import OPERATIONS
from synth.embedded.reader import read
from synth.embedded.recognise import Prompt, divided
from synth.embedded.talk import last_task, turns
from synth.embedded.task import understand
from synth.errors import RequestRefused


def _understood(prompt: Prompt) -> Task:
    texts = (prompt.block("instruction"), prompt.block("input"))
    task = understand(*divided(*texts)) or last_task(
        [*turns(prompt.block("conversation so far")), ("user", "\n\n".join(texts).strip())]
    )
    if task is None:
        raise RequestRefused("the task is outside the teacher's grammar", "unsupported")
    return task


def compare(prompt: Prompt) -> str:
    """Equal where plan and material are the same, however worded; equal too where the texts are.

    A task outside the grammar has no plan, and so is different from any other text.
    """
    texts = [divided(prompt.block(title), prompt.block(title, 1)) for title in ("first task", "second task")]
    if plain(texts[0][0]) == plain(texts[1][0]):
        same = plain(texts[0][1]) == plain(texts[1][1])
    else:
        plans = [read(text) for text, _ in texts]
        same = bool(set(plans[0]) & set(plans[1])) and plain(texts[0][1]) == plain(texts[1][1])
    reasons = ("They differ in what is asked or in the material.", "Both ask for the same steps on the same material.")
    return f"Reason: {reasons[same]}\nVerdict: {'equal' if same else 'different'}"


def verdict(prompt: Prompt) -> tuple[str, str]:
    """How a given answer stands to the one computed anew, and one sentence that says so.

    "right"; "form": right, but not as asked; "part": some lines are right; "wrong"; "none": there is no answer.
    """
    task, given = _understood(prompt), prompt.block("answer")
    right = answer(task)
    if plain(given) == plain(right):
        return "right", "The result is right and in the form asked for."
    if is_right(task, given):
        return "form", "The result is right, but not in the form asked for."
    if not given.strip():
        return "none", "There is no answer."
    lines = [plain(line) for line in right.splitlines() if plain(line)]
    if len(lines) > 1 and any(line in plain(given) for line in lines):
        return "part", "Some of it is right, the whole is not."
    return "wrong", "The result is not the right one."


GRADES = {"right": (5, 5, 5), "form": (5, 3, 4), "part": (2, 3, 2), "wrong": (1, 2, 2), "none": (1, 1, 1)}


def grade(prompt: Prompt) -> str:
    kind, reason = verdict(prompt)
    correct, following, complete = GRADES[kind]
    return f"Reason: {reason}\nCorrectness: {correct}\nInstruction-following: {following}\nCompleteness: {complete}"


def criticise(prompt: Prompt) -> str:
    """To be changed unless it is right, whatever the principle."""
    kind, reason = verdict(prompt)
    return f"Reason: {reason}\nVerdict: {'keep' if kind == 'right' else 'change'}"


def revise(prompt: Prompt) -> str:
    return answer(_understood(prompt))


def prefer(prompt: Prompt) -> str:
    """A or B if only one of them is right, else a tie."""
    task = _understood(prompt)
    first, second = (is_right(task, prompt.block(title)) for title in ("answer a", "answer b"))
    if first is second:
        return f"Reason: {'Both answers are right.' if first else 'Neither answer is right.'}\nVerdict: tie"
    return f"Reason: Only one of the answers is right.\nVerdict: {'A' if first else 'B'}"


def rate(prompt: Prompt) -> str:
    task = _understood(prompt)
    return f"Difficulty: {difficulty(task)}"


def difficulty(task: Task) -> int:
    """1 for one plain step; 10 at most."""
    plan = task.plan
    hard = sum(OPERATIONS[one.op].role == "change" for one in plan.steps)
    points = 2 * len(plan.steps) + hard + 2 * len(plan.also) + plan.bare
    return max(1, min(10, (points + len(task.input) // 400) * 2 // 3))
