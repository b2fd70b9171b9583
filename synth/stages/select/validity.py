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
from typing import Any

from synth.engine.run import Ask, Engine
from synth.metrics import roc_auc
from synth.models.base import Sampling
from synth.parsing import find_json
from synth.prompts import render
from synth.records import Record

SAMPLING = Sampling(temperature=0.0, max_tokens=64)
QUESTIONS = ("is_task", "is_complete", "answers")
ROLE = "judge"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row that a model wrote, and whether a reader called it usable."""

    instruction: str
    input: str
    output: str
    usable: bool


@cache
def labelled_rows() -> tuple[Labelled, ...]:
    """The labelled rows of the package: written by small open models, read by hand."""
    text = resources.files("synth").joinpath("data/validity.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    return tuple(Labelled(row["instruction"], row["input"], row["output"], row["usable"]) for row in rows)


EXAMPLES = (
    (Labelled("Name two birds that cannot fly.", "", "The ostrich and the penguin.", True), (True, True, True)),
    (Labelled("Summarise the text below in one sentence.", "", "It is about a text.", False), (True, False, False)),
    (Labelled("A topic from the field of cooking", "", "Soup is made of water.", False), (False, False, False)),
)


class Validity:
    """Asks the judge about rows. `as_json`: by a schema."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    async def score(self, row: Any, ask: Ask) -> float | None:
        """The share of the questions answered by yes, 0 to 1; None where the reply cannot be read."""
        names = QUESTIONS if row.output else QUESTIONS[:2]
        examples = [vars_of(one) | {"reply": self._reply(said)} for one, said in EXAMPLES]
        prompt = render("validity", row=row, examples=examples)
        schema = _schema(names) if self.as_json else None
        answer = await ask(prompt, SAMPLING, role=ROLE, schema=schema, keep_cut=True)
        said = _read(answer.text, names)
        return None if said is None else sum(said) / len(said)

    async def auc(self, rows: Sequence[Labelled], ask: Ask) -> float:
        """How well the scores order the labelled rows: 0.5 is chance, 1 is perfect. An unreadable reply scores 0."""
        scores = await asyncio.gather(*(self.score(row, ask) for row in rows))
        return roc_auc([score or 0.0 for score in scores], [row.usable for row in rows])

    def _reply(self, said: tuple[bool, ...]) -> str:
        if self.as_json:
            return json.dumps(dict(zip(QUESTIONS, said, strict=True)))
        return "\n".join(f"{number}. {'yes' if one else 'no'}" for number, one in enumerate(said, 1))


def vars_of(row: Labelled) -> dict[str, Any]:
    """The texts of a row, as a template reads them."""
    return {"instruction": row.instruction, "input": row.input, "output": row.output}


async def trusted(engine: Engine, stage: str, min_auc: float) -> Validity | None:
    """The recipe's judge, if it orders the labelled rows well enough; else None, with a warning."""
    judge = Validity(as_json=await engine.takes_schema(ROLE))
    found = await judge.auc(labelled_rows(), engine.asking(stage, "labelled rows"))
    if found >= min_auc:
        return judge
    engine.progress.warn(
        f"select.validity is switched off: the judge orders the {len(labelled_rows())} labelled rows with an AUC of "
        f"{found:.2f} ({min_auc:g} is needed), so nothing is rejected by it. Name a stronger model under judge:."
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


def usable(score: float | None) -> bool:
    """Does a row pass: all questions answered by yes?"""
    return score == 1.0


def noted(record: Record, score: float | None) -> dict[str, Any]:
    """What a record's meta keeps of it."""
    return record.meta | {"validity": score}
