"""Does an evolved task ask for more than its parent? A judge says so, once it has shown that it can tell.

Elimination rule 1 of Evol-Instruct (arXiv 2304.12244, section 3.3). A small judge often says the same of every pair.
So it is tried on planted pairs first: a task with itself, and a task with a clearly harder one.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Literal

from synth.engine.run import PROBE, Ask, Engine
from synth.errors import RequestFailed
from synth.models.base import Sampling
from synth.parsing import find_json, parse_choice
from synth.prompts import render
from synth.records import Record
from synth.stages.evolve.worked import BREADTH, DEPTH, RICHER_INPUT, Task

SAMPLING = Sampling(temperature=0.0, max_tokens=64)
VERDICTS = ("equal", "different")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"verdict": {"enum": list(VERDICTS)}},
    "required": ["verdict"],
    "additionalProperties": False,
}
Verdict = Literal["equal", "different", "unsure"]
SHOWN = (DEPTH[0], DEPTH[1])
PLANTED = (DEPTH[2], DEPTH[3], RICHER_INPUT[0], RICHER_INPUT[1], BREADTH[0], BREADTH[1])
NEEDED = 5
"""Of the six planted pairs of each kind, this many must be told rightly."""


class GainJudge:
    """Asks the judge about pairs in both orders. `as_json`: by a schema."""

    def __init__(self, prompt: str, *, as_json: bool) -> None:
        self.prompt = prompt
        self.as_json = as_json

    async def verdict(self, one: Record, other: Record, ask: Ask) -> Verdict | None:
        """The verdict of both orders, "unsure" where they differ; None where one cannot be read."""
        first, second = await asyncio.gather(self._one_order(one, other, ask), self._one_order(other, one, ask))
        if first is None or second is None:
            return None
        return ("equal" if first == "equal" else "different") if first == second else "unsure"

    async def can_tell(self, ask: Ask) -> tuple[int, int]:
        """Of the planted pairs: how many equal ones and how many different ones were told rightly."""

        async def told(before: Task, after: Task) -> str | None:
            one, other = (Record(task.instruction, task.input) for task in (before, after))
            try:
                return await self.verdict(one, other, ask)
            except RequestFailed:
                return None

        equal = [told(pair.before, pair.before) for pair in PLANTED]
        harder = [told(pair.before, _with_input(pair.after, pair.before)) for pair in PLANTED]
        found = await asyncio.gather(*equal, *harder)
        return found[: len(equal)].count("equal"), found[len(equal) :].count("different")

    async def _one_order(self, first: Record, second: Record, ask: Ask) -> str | None:
        prompt = render(self.prompt, first=first, second=second, talk=first.talk, examples=self._examples())
        for draw in range(2):
            sampling = replace(SAMPLING, temperature=0.7 * draw)
            schema = SCHEMA if self.as_json else None
            answer = await ask(prompt, sampling, role="judge", schema=schema, draw=draw, keep_cut=True)
            found = find_json(answer.text) if self.as_json else None
            said = str(found.get("verdict")) if isinstance(found, dict) else answer.text
            verdict = parse_choice(said, "Verdict", VERDICTS)
            if verdict is not None:
                return verdict
        return None

    def _examples(self) -> list[dict[str, Any]]:
        """One pair of each kind, in the form of the reply."""
        equal, harder = SHOWN
        said = {name: f'{{"verdict": "{name}"}}' if self.as_json else f"Verdict: {name}" for name in VERDICTS}
        pairs = ((equal.before, equal.before, "equal"), (harder.before, harder.after, "different"))
        return [{"first": one, "second": other, "verdict": said[name]} for one, other, name in pairs]


async def trusted_judge(engine: Engine, prompt: str) -> GainJudge | None:
    """The judge of the recipe, once it has told planted pairs apart; None where it cannot, with a note."""
    judge = GainJudge(prompt, as_json=await engine.takes_schema("judge"))
    equal, harder = await judge.can_tell(engine.asking(PROBE, "planted pairs"))
    if min(equal, harder) >= NEEDED:
        return judge
    engine.note(
        f"evolve: the judge is switched off. Of {len(PLANTED)} planted pairs each it knew {equal} equal and {harder} "
        f"harder ones ({NEEDED} are needed), so nothing is rejected as no_gain. Name another judge: in the recipe."
    )
    return None


def _with_input(after: Task, before: Task) -> Task:
    return after if after.input else replace(after, input=before.input)
