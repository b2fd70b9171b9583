"""The evolution operators. A new one is one line in OPERATORS; `code` and `math` are ready sets for those domains.

Sources: add_constraint to breadth from WizardLM (arXiv 2304.12244, section 3.2), the code set from WizardCoder (arXiv
2306.08568, section 3), upward and downward from WizardMath (arXiv 2308.09583, section 3). The wording is ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from synth.errors import UsageError
from synth.plugins import find


@dataclass(frozen=True, slots=True)
class Operator:
    """`method` is what the teacher is told. `changes_input`: the operator may rewrite the input as well.

    `prompt`: the template, "evolve_depth" for a harder version, "evolve_breadth" for a new task of the same kind.
    `needs_input`: drawn only for tasks that have an input. `aim`: what the new task of the same kind is to be.
    """

    method: str
    changes_input: bool = False
    prompt: str = "evolve_depth"
    needs_input: bool = False
    aim: str = "about as long and as difficult, but rarer, something fewer people would think of"

    @property
    def is_breadth(self) -> bool:
        """Does it make a new task rather than a version of the old one?"""
        return self.prompt == "evolve_breadth"


_WORKED_INPUTS = """
Make the input richer: a table, a list, code, JSON or a log instead of a few words, and let the instruction ask about
it. All the data that is needed stands in the input."""

OPERATORS: dict[str, Operator] = {
    "add_constraint": Operator("Add one more constraint or requirement that changes what a right answer is."),
    "deepen": Operator("Let it ask deeper or wider as well: about causes, consequences or a further step."),
    "concretise": Operator(
        "Replace what is general by something specific: name the setting, the people, the purpose or the quantities."
    ),
    "increase_reasoning": Operator("Let it need one more step of reasoning, and ask for the steps to be shown."),
    "complicate_input": Operator(_WORKED_INPUTS, changes_input=True, needs_input=True),
    "breadth": Operator("A new task of the same domain, length and difficulty, but rarer.", True, "evolve_breadth"),
    "code_constraint": Operator("Add a new requirement to the program, in about ten more words."),
    "code_rarer_requirement": Operator("Replace a commonly used requirement by a less common and more specific one."),
    "code_more_steps": Operator(
        "If the program can be written in a few logical steps, add further steps of logic to it."
    ),
    "code_misleading_code": Operator(
        "Give a piece of faulty code under Input as a false lead; say that it is to be judged.", True
    ),
    "code_complexity": Operator(
        "Ask for a better bound on time or memory, named in the task, but only where one exists."
    ),
    "math_upward": Operator(
        "Make the problem harder: one more unknown, one more condition, or one more step to the answer."
    ),
    "math_downward": Operator(
        "Make an easier problem of the same topic, which a beginner can solve in fewer steps.",
        True,
        "evolve_breadth",
        aim="clearly easier, so that a beginner can do it in fewer steps",
    ),
}

OPERATOR_SETS: dict[str, dict[str, float]] = {
    "default": dict.fromkeys(
        ("add_constraint", "deepen", "concretise", "increase_reasoning", "complicate_input", "breadth"), 1.0
    ),
    "code": dict.fromkeys((name for name in OPERATORS if name.startswith("code_")), 1.0),
    "math": dict.fromkeys(("math_upward", "math_downward", "increase_reasoning"), 1.0),
}


def find_operators(names: Iterable[str]) -> dict[str, Operator]:
    """The operators of these names, or those that `module:name` names. Raises UsageError where there is none."""
    found = {name: find(OPERATORS, name, "operator") for name in names}
    for name, operator in found.items():
        if not isinstance(operator, Operator):
            raise UsageError(f"operator {name}: it is no synth.Operator", "see examples/plugins/operator.py")
    return found
