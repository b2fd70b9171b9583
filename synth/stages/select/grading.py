"""Records in, the same records with grades out: a stage of its own beside select, so that no grade is paid for twice.

Each answer is graded by the judge and, where wanted, by a local model. A record that could not be graded becomes a
Rejection here: an answer nobody could judge never passes as a good one.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from synth.engine.run import Ask, Engine, Item, StagePlan
from synth.judge import JUDGING, grade
from synth.models.base import Completion, Sampling
from synth.parsing import parse_score
from synth.prompts import Prompt, render, version
from synth.records import Record, Rejection, digest
from synth.stages.select.checking import STAGE as SELECT
from synth.stages.select.checking import Result
from synth.stages.select.ifd import Ifd
from synth.stages.select.keep import is_graded
from synth.stages.select.settings import GradeSettings, SelectSettings
from synth.stages.select.validity import Validity, trusted_validity

STAGE = "grade"
ROLE = "judge"
MAX_COMPLEXITY = 10
Checked = tuple[Record, Result]
"""A record as it came in, and what became of it so far."""


async def graded(
    engine: Engine, checked: AsyncIterator[Checked], settings: SelectSettings, wants_complexity: bool
) -> AsyncIterator[Checked]:
    """Grade what passed the checks; all others pass by, in their order."""
    order: deque[Checked] = deque()
    as_json = await _as_json(engine, settings.grade)

    async def passed() -> AsyncIterator[Item]:
        async for record, result in checked:
            order.append((record, result))
            if _is_item(result):
                yield Item(digest(result.to_dict())[:16], result)

    validity = await trusted_validity(engine, settings.validity.min_auc) if settings.validity else None
    work = Grading(settings, wants_complexity, as_json, Ifd(settings.ifd) if settings.ifd else None, validity)
    async for _, results in engine.map(_plan(settings, wants_complexity, as_json), passed(), work):
        while not _is_item(order[0][1]):
            yield order.popleft()
        yield order.popleft()[0], _settled(results[0])
    while order:
        yield order.popleft()


@dataclass(frozen=True, slots=True)
class Grading:
    """The work of one record: its grades."""

    settings: SelectSettings
    wants_complexity: bool
    as_json: bool
    ifd: Ifd | None
    validity: Validity | None = None

    async def __call__(self, record: Record, ask: Ask, _rng: random.Random) -> list[Result]:
        """The record with its grades, or why there are none."""
        if self.validity is not None and (score := await self.validity.score(record, ask)) != 1:
            said = "the reply cannot be read" if score is None else f"{score:.0%} of the questions answered by yes"
            return [Rejection(record, STAGE, "validity", "not_usable", said)]
        return [await _grade(record, ask, self.settings, self.wants_complexity, self.as_json, self.ifd)]


def _is_item(result: Result) -> bool:
    return isinstance(result, Record) and is_graded(result)


async def _as_json(engine: Engine, settings: GradeSettings | None) -> bool:
    if settings is None or settings.structured == "sections":
        return False
    return settings.structured == "json" or await engine.takes_schema(ROLE)


def _plan(settings: SelectSettings, wants_complexity: bool, as_json: bool) -> StagePlan:
    parts = {"grade": settings.grade, "ifd": settings.ifd, "validity": settings.validity}
    dump = {name: part.model_dump(mode="json") for name, part in parts.items() if part}
    prompts = [version(_prompt(settings.grade))] if settings.grade else []
    prompts += [version("validity")] if settings.validity else []
    prompts += [version("rate_complexity")] if wants_complexity else []
    return StagePlan(STAGE, digest(dump, prompts, as_json), dump)


def _prompt(settings: GradeSettings) -> str:
    return settings.prompt_path or "grade"


async def _grade(
    record: Record, ask: Ask, settings: SelectSettings, wants_complexity: bool, as_json: bool, ifd: Ifd | None
) -> Result:
    notes: dict[str, object] = {}
    if settings.grade:
        found = await _answer_grades(record, ask, settings.grade, as_json)
        if found is None:
            return Rejection(record, STAGE, "grade", "unreadable", "no reply with three grades, asked twice")
        notes["grades"] = found
    if wants_complexity and not isinstance(record.meta.get("complexity"), int | float):
        complexity = await _complexity(record, ask)
        if complexity is None:
            return Rejection(record, STAGE, "grade", "unreadable", "no reply with a difficulty, asked twice")
        notes["complexity"] = complexity
    if ifd and (measured := await ifd.measure(record)) is not None:
        notes["ifd"] = measured
    return replace(record, meta=record.meta | notes)


async def _answer_grades(record: Record, ask: Ask, settings: GradeSettings, as_json: bool) -> dict[str, object] | None:
    async def asked(prompt: Prompt, sampling: Sampling, *, schema: dict[str, object] | None, draw: int) -> Completion:
        return await ask(prompt, sampling, role=ROLE, schema=schema, draw=draw, keep_cut=True)

    found = await grade(
        asked,
        record,
        num_draws=settings.num_draws,
        temperature=settings.temperature,
        as_json=as_json,
        prompt=_prompt(settings),
    )
    return found.to_dict() if found else None


async def _complexity(record: Record, ask: Ask) -> int | None:
    prompt = render("rate_complexity", instruction=record.instruction, input=record.input, talk=record.talk)
    for draw, temperature in enumerate((0.0, 0.7)):
        sampling = replace(JUDGING, temperature=temperature)
        reply = await ask(prompt, sampling, role=ROLE, draw=draw, keep_cut=True)
        if (found := parse_score(reply.text, "Difficulty", 1, MAX_COMPLEXITY)) is not None:
            return found
    return None


def _settled(result: Result) -> Result:
    """As select tells it: the failed request itself was counted, and will be asked again, by the grading stage."""
    if isinstance(result, Record):
        return result
    if result.check not in ("grade", "validity"):
        return Rejection(result.record, SELECT, "grade", "no_grade", f"{result.reason}: {result.detail}"[:300])
    return replace(result, stage=SELECT)
