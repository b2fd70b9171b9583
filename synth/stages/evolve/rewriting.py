"""The request that evolves a record: the task in the form of the reply, after worked examples in that form."""

from __future__ import annotations

from typing import Any

from synth.prompts import Prompt, render
from synth.prompts.replies import task_reply
from synth.records import Record
from synth.stages.evolve.operators import OPERATORS, Operator
from synth.stages.evolve.worked import BREADTH, DEPTH, RICHER_INPUT, Worked


def rewriting(parent: Record, name: str, operator: Operator, template: str, *, as_json: bool) -> Prompt:
    """The prompt that has `parent` evolved by `operator`; replies come in JSON or in headed sections."""

    with_input = gives_input(parent, operator)

    def shown(one: Worked) -> dict[str, str]:
        return {
            "given": task_reply([one.before], with_outputs=False, as_json=as_json),
            "operator": _words(one.operator),
            "method": OPERATORS[one.operator].method,
            "reply": task_reply([one.after], with_inputs=with_input, with_outputs=False, as_json=as_json),
        }

    worked = BREADTH if operator.is_breadth else RICHER_INPUT if operator.changes_input else DEPTH
    return render(
        template,
        examples=[shown(one) for one in worked if with_input or not (operator.is_breadth and one.after.input)],
        operator=_words(name),
        method=operator.method,
        aim=operator.aim,
        changes_input=with_input,
        given=task_reply([parent], with_outputs=False, as_json=as_json),
        instruction=parent.instruction,
        input=parent.input,
        talk=parent.talk,
    )


def gives_input(parent: Record, operator: Operator) -> bool:
    """Does the reply hold an input? A new task of the kind of one without an input needs none."""
    return operator.changes_input and (bool(parent.input) or not operator.is_breadth)


def rewrite_schema(with_input: bool) -> dict[str, Any]:
    """The JSON schema of a reply: the new instruction, and the new input where the operator may change it."""
    names = ["instruction", "input"] if with_input else ["instruction"]
    properties = {name: {"type": "string"} for name in names}
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _words(name: str) -> str:
    return name.replace("_", " ")
