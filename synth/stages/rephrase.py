"""Rephrase: the teacher words an instruction anew, and a judge says whether it still means the same.

So one task is trained under many wordings, with the same input and answer. All instances of a task share the requests.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from pydantic import Field

from synth.engine.forecast import ANSWER_TOKENS, SURVIVAL, Flow
from synth.engine.run import Ask, Engine, request_failure
from synth.errors import RequestFailed
from synth.given import StrictSettings
from synth.models.base import Sampling
from synth.parsing import parse_choice, parse_numbered
from synth.prompts import render, version
from synth.records import Lineage, Record, Rejection
from synth.stages.stage import Stage, each_record

STAGE = "rephrase"
SHOWN = {
    "instruction": "Say whether the review is positive or negative. Answer with one word.",
    "wordings": [
        "Is this review positive or negative? Reply with a single word.",
        "In one word, positive or negative: which is the review?",
        "Read the review and tell me with one word if it is a positive or a negative one.",
    ],
}
EQUAL, OTHER = "Name three rivers of France.", "Name three rivers of France and their lengths."
JUDGED = [
    {"first": Record(EQUAL), "second": Record("Which are three French rivers?"), "verdict": "equal"},
    {"first": Record(EQUAL), "second": Record(OTHER), "verdict": "different"},
]
"""Worked examples of the two prompts."""


class RephraseSettings(StrictSettings):
    """How instructions are worded anew."""

    num_wordings: int = Field(3, ge=1, le=20, description="New wordings of each instruction, at most.")
    judge: bool = Field(
        True, description="Keep a wording only where the judge says, in both orders, that it means the same."
    )
    sampling: Sampling = Field(Sampling(temperature=0.9, max_tokens=1024), description="How wordings are drawn.")
    prompt_path: str | None = Field(None, description="A .jinja file of your own in place of the prompt rephrase.")


async def rephrase(
    engine: Engine, records: AsyncIterator[Record], settings: RephraseSettings
) -> AsyncIterator[list[Record | Rejection]]:
    """Yield each record, then the same under its new wordings or their rejections, in order."""
    prompts = (version(settings.prompt_path or STAGE), version("judge_equal"))
    async for results in each_record(engine, STAGE, records, settings, Rewording(settings), *prompts):
        yield results


@dataclass(frozen=True, slots=True)
class Rewording:
    """The work of one record."""

    settings: RephraseSettings

    async def __call__(self, record: Record, ask: Ask, _rng: random.Random) -> list[Record | Rejection]:
        """The record and what came of its wordings."""
        settings = self.settings
        texts = {"count": settings.num_wordings, "instruction": record.instruction, "examples": [SHOWN]}
        prompt = render(settings.prompt_path or STAGE, **texts)
        try:
            reply = await ask(prompt, settings.sampling, keep_cut=True)
        except RequestFailed as error:  # the record itself is as good as before
            return [record, request_failure(_reworded(record, "", None, prompt.version), STAGE, error)]
        items = parse_numbered(reply.text, 1, cut=reply.finish_reason == "length")
        seen = {_plain(record.instruction)}
        results: list[Record | Rejection] = [record]
        for item in items[: settings.num_wordings]:
            child = _reworded(record, item.instruction, reply.key, prompt.version)
            is_new = item.problem is None and _plain(item.instruction) not in seen
            seen.add(_plain(item.instruction))
            if is_new:
                results.append(await self._judged(record, child, ask))
            else:
                results.append(Rejection(child, STAGE, "parsing", item.problem or "repeated"))
        return results

    async def _judged(self, record: Record, child: Record, ask: Ask) -> Record | Rejection:
        """The record under its new wording, or why it is not taken."""
        try:
            reason = await _other_meaning(record.instruction, child.instruction, ask) if self.settings.judge else None
        except RequestFailed as error:
            return request_failure(child, STAGE, error)
        return Rejection(child, STAGE, "judge", reason) if reason else child


def _reworded(record: Record, wording: str, key: str | None, prompt: str) -> Record:
    """The record under another wording, as one step from it."""
    line = record.lineage
    keys = (*line.completion_keys, *([key] if key else []))
    lineage = Lineage("evolve", (record.id,), STAGE, line.generation + 1, line.model, prompt, keys)
    return replace(record, instruction=wording, lineage=lineage)


async def _other_meaning(one: str, other: str, ask: Ask) -> str | None:
    """Why two wordings are not taken for equal; None where the judge says so in both orders."""
    for first, second in ((one, other), (other, one)):
        asked = render("judge_equal", examples=JUDGED, first=Record(first), second=Record(second))
        reply = await ask(asked, Sampling(temperature=0.0, max_tokens=64), role="judge", keep_cut=True)
        verdict = parse_choice(reply.text, "Verdict", ("equal", "different"))
        if verdict != "equal":
            return "other_meaning" if verdict else "no_verdict"
    return None


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def forecast(settings: RephraseSettings, flow: Flow) -> None:
    """One request for all wordings of a record; each is judged in both orders."""
    wordings = settings.num_wordings * flow.records
    flow.ask("wordings", flow.records, "rewrite", ANSWER_TOKENS["rewrite"] * settings.num_wordings)
    if settings.judge:
        flow.ask("same meaning", 2 * wordings, "judge", ANSWER_TOKENS["judge"], "judge")
    flow.add(SURVIVAL * wordings, SURVIVAL * settings.num_wordings * flow.unanswered)


REPHRASE = Stage(STAGE, RephraseSettings, rephrase, "children", forecast=forecast)
