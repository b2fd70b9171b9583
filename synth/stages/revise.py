"""Revise: an answer is criticised by a drawn principle and written anew (Constitutional AI, arXiv 2212.08073).

The revised answer becomes the record's own and the first one the worse of a pair. With `choose` a judge says by a drawn
principle which of a record's answers is better, which is how the paper's harmlessness pairs are made.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from synth.engine.forecast import ANSWER_TOKENS, Flow
from synth.engine.run import Ask, Engine, request_failure
from synth.errors import InputError, RequestFailed
from synth.given import StrictSettings, parse_yaml, read_named
from synth.judge import JUDGING, rank
from synth.models.base import Completion, Sampling
from synth.parsing import parse_choice, parse_reason
from synth.prompts import Prompt, render, version
from synth.records import AS_GOOD, WORSE, OtherAnswer, Record, Rejection, digest
from synth.stages.stage import Stage, each_record

STAGE = "revise"


class ReviseSettings(StrictSettings):
    """How answers are criticised and revised by principles."""

    principles_path: str | None = Field(
        None, description="A YAML file of principles, name: sentence. None: the twelve of data/principles.yaml."
    )
    num_rounds: int = Field(
        1, ge=0, le=12, description="Critiques, each by another principle, with a revision where one is wanted."
    )
    choose: bool = Field(
        False,
        description=(
            "Let the judge say by a drawn principle, in both orders, which of the record's answers is better. Without "
            "it the revised answer counts as better than the first."
        ),
    )
    sampling: Sampling = Field(Sampling(temperature=0.7, max_tokens=1024), description="How revisions are drawn.")

    @model_validator(mode="after")
    def _does_something(self) -> ReviseSettings:
        if self.num_rounds == 0 and not self.choose:
            raise ValueError("num_rounds is 0 and nothing is chosen: set one of them")
        return self


async def revise(
    engine: Engine, records: AsyncIterator[Record], settings: ReviseSettings
) -> AsyncIterator[list[Record | Rejection]]:
    """Yield each record with its revised answer, the first one beside it; as it came where nothing was to change."""
    principles = read_principles(settings.principles_path)
    prompts = (version("critique"), version("revise"), version("judge_pair"), digest(principles)[:8])
    async for results in each_record(engine, STAGE, records, settings, Revising(settings, principles), *prompts):
        yield results


def forecast(settings: ReviseSettings, flow: Flow) -> None:
    """A criticism and a revision in each round; the judge chooses in both orders."""
    answered = flow.records - flow.unanswered
    rounds = answered * settings.num_rounds
    flow.ask("criticism", rounds, "judge", ANSWER_TOKENS["rewrite"])
    flow.ask("revisions", rounds, "rewrite", ANSWER_TOKENS["answer"])
    if settings.choose:
        flow.ask("which is better", 2 * answered, "judge", ANSWER_TOKENS["judge"], "judge")


REVISE = Stage(STAGE, ReviseSettings, revise, forecast=forecast)


def read_principles(path: str | None) -> dict[str, str]:
    """Name → sentence. Raises InputError for a file that is no mapping of texts, UsageError for one not readable."""
    shipped = resources.files("synth").joinpath("data/principles.yaml")
    text = read_named(Path(path), "name a YAML file of principles") if path else shipped.read_text("utf-8")
    data, _ = parse_yaml(text, str(path or shipped))
    if not isinstance(data, dict) or not data:
        raise InputError(f"{path}: principles are a mapping, name: sentence", [], "see synth/data/principles.yaml")
    wrong = [f"{path}: {name}: the principle is no text" for name, text in data.items() if not _is_text(text)]
    if wrong:
        raise InputError(f"{path}: {len(wrong)} mistake(s)", wrong, "write each principle as one sentence")
    return {str(name): " ".join(text.split()) for name, text in data.items()}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


@dataclass(frozen=True, slots=True)
class Revising:
    """The work of one record."""

    settings: ReviseSettings
    principles: dict[str, str]

    async def __call__(self, record: Record, ask: Ask, rng: random.Random) -> list[Record | Rejection]:
        """The record after its rounds; a record without an answer is rejected."""
        if not record.output.strip():
            return [Rejection(record, STAGE, "answer", "no_answer", "there is nothing to criticise")]
        try:
            return [await self._revised(record, ask, rng)]
        except RequestFailed as error:
            return [request_failure(record, STAGE, error)]

    async def _revised(self, record: Record, ask: Ask, rng: random.Random) -> Record:
        names = rng.sample(sorted(self.principles), min(self.settings.num_rounds, len(self.principles)))
        steps = []
        now = record
        for name in names:
            now, step = await self._round(now, name, ask)
            steps.append(step)
        if now.output != record.output:
            first = OtherAnswer(record.output, record.lineage.model, WORSE)
            now = replace(now, others=(*record.others, first))
        noted: dict[str, Any] = {"steps": steps}
        if self.settings.choose and now.others:
            name = rng.choice(sorted(self.principles))
            now, noted["choice"] = await self._chosen(now, name, ask)
        return replace(now, meta=now.meta | {STAGE: noted})

    async def _round(self, record: Record, name: str, ask: Ask) -> tuple[Record, dict[str, str]]:
        """The record after one critique, and what came of it: kept, revised, unreadable or unchanged."""
        texts = {"principle": self.principles[name], "instruction": record.instruction, "input": record.input}
        texts |= {"talk": record.talk, "answer": record.output}
        critique = (await ask(render("critique", **texts), JUDGING, keep_cut=True)).text
        step = {"principle": name, "critique": parse_reason(critique)}
        verdict = parse_choice(critique, "Verdict", ("change", "keep"))
        if verdict != "change":
            return record, step | {"result": "kept" if verdict else "unreadable"}
        prompt = render("revise", **texts, critique=step["critique"] or "It does not keep to the principle.")
        reply = await ask(prompt, self.settings.sampling)
        text = reply.text.strip()
        if text == record.output.strip():
            return record, step | {"result": "unchanged"}
        return record.answered(text, reply.key), step | {"result": "revised"}

    async def _chosen(self, record: Record, name: str, ask: Ask) -> tuple[Record, dict[str, Any]]:
        """The record with the best of its answers as its own, and the others by rank, as in the stage `prefer`."""

        async def judge(prompt: Prompt, sampling: Sampling) -> Completion:
            return await ask(prompt, sampling, role="judge", keep_cut=True)

        answers = [OtherAnswer(record.output, record.lineage.model), *record.others]
        found = await rank(judge, record, [one.output for one in answers], self.principles[name])
        best, *others = sorted(range(len(answers)), key=lambda number: -found.score(number))
        graded = [
            replace(answers[other], grade=WORSE if found.is_better(best, other, 0) else AS_GOOD) for other in others
        ]
        noted = {"principle": name, "judged": dict(found.counts)}
        return replace(record, output=answers[best].output, others=tuple(graded)), noted
