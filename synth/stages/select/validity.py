"""A judge reads each row for what no check can know: is it a task, is what it needs there, does the output answer it?

A judge is measured on labelled rows before it may reject anything. One that hardly orders them is switched off with a
warning, as small models mostly are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Protocol

from synth.engine.run import PROBE, Ask, Engine
from synth.errors import RequestFailed
from synth.metrics import roc_auc
from synth.models.base import Sampling
from synth.parsing import find_json
from synth.prompts import render

SAMPLING = Sampling(temperature=0.0, max_tokens=64)
QUESTIONS = ("is_task", "is_complete", "answers")
ROLE = "judge"


class Row(Protocol):
    """The texts that are judged: of a record, or of a labelled row."""

    @property
    def instruction(self) -> str: ...
    @property
    def input(self) -> str: ...
    @property
    def output(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row that a small open model wrote, and whether readers would keep it, at most with a small change."""

    instruction: str
    input: str
    output: str
    usable: bool


@cache
def labelled_rows() -> tuple[Labelled, ...]:
    """The 100 labelled rows of the package."""
    text = resources.files("synth").joinpath("data/validity.jsonl").read_text("utf-8")
    return tuple(Labelled(**json.loads(line)) for line in text.splitlines())


EXAMPLES = (
    (Labelled("Name two birds that cannot fly.", "", "The ostrich and the penguin.", True), (True, True, True)),
    (Labelled("Summarise the text below in one sentence.", "", "It is about a text.", False), (True, False, False)),
    (Labelled("A topic from the field of cooking", "", "Soup is made of water.", False), (False, False, False)),
)


@dataclass(frozen=True, slots=True)
class Validity:
    """Asks the judge about rows. `as_json`: by a schema."""

    as_json: bool

    async def score(self, row: Row, ask: Ask) -> float | None:
        """The share of the questions answered by yes, 0 to 1; None where the reply cannot be read.

        Raises RequestFailed where there is no reply.
        """
        names = QUESTIONS if row.output else QUESTIONS[:2]
        examples = [{"row": one, "reply": self._reply(said)} for one, said in EXAMPLES]
        prompt = render("validity", row=row, examples=examples)
        answer = await ask(prompt, SAMPLING, role=ROLE, schema=_schema(names) if self.as_json else None, keep_cut=True)
        said = _read(answer.text, names)
        return None if said is None else sum(said) / len(said)

    async def auc(self, rows: Sequence[Labelled], ask: Ask) -> float:
        """How well the scores order the labelled rows: 0.5 is chance, 1 is perfect. No readable reply scores 0."""

        async def scored(row: Labelled) -> float:
            try:
                return await self.score(row, ask) or 0.0
            except RequestFailed:
                return 0.0

        return roc_auc(await asyncio.gather(*map(scored, rows)), [row.usable for row in rows])

    def _reply(self, said: tuple[bool, ...]) -> str:
        if self.as_json:
            return json.dumps(dict(zip(QUESTIONS, said, strict=True)))
        return "\n".join(f"{number}. {'yes' if one else 'no'}" for number, one in enumerate(said, 1))


async def trusted_validity(engine: Engine, min_auc: float) -> Validity | None:
    """The recipe's judge, if it orders the labelled rows well enough; else None, with a note."""
    judge, rows = Validity(await engine.takes_schema(ROLE)), labelled_rows()
    found = await judge.auc(rows, engine.asking(PROBE, "labelled rows"))
    if found >= min_auc:
        return judge
    engine.note(
        f"select: validity is switched off. The judge orders the {len(rows)} labelled rows with an AUC of {found:.2f} "
        f"({min_auc:g} is needed), so nothing is rejected by it. Name another judge: in the recipe."
    )
    return None


def _schema(names: Sequence[str]) -> dict[str, Any]:
    properties = {name: {"type": "boolean"} for name in names}
    return {"type": "object", "properties": properties, "required": list(names), "additionalProperties": False}


def _read(text: str, names: Sequence[str]) -> list[bool] | None:
    """The answers in a reply of JSON, or of lines that say yes or no."""
    found = find_json(text)
    if isinstance(found, dict):
        said = [found.get(name) for name in names]
    else:
        lines = [line.lower() for line in text.splitlines() if line.strip()]
        said = [("yes" in line) if ("yes" in line) != ("no" in line) else None for line in lines[: len(names)]]
    whole = [one for one in said if isinstance(one, bool)]
    return whole if len(whole) == len(names) else None
