"""A judge compares the last student's answers with those of the others, in both orders, if it passes a trial first."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from synth.engine.run import PROBE, Engine
from synth.errors import RequestFailed
from synth.judge import Comparison, compare, planted
from synth.models.base import Completion, Sampling
from synth.prompts import Prompt
from synth.records import Record
from synth.stages.evaluate.examine import EvalResult
from synth.stages.stage import OpenEngine
from synth.student.items import EvalItem
from synth.student.win_rate import win_rates

PLANTED = 24
"""Planted pairs at most; a judge may be wrong on one in six."""


def judged(result: EvalResult, open_engine: OpenEngine, seed: int = 0) -> EvalResult:
    """The result with win rates of the last student over each other one, or a note why the judge was not asked.

    Every question and answer is in the run's ledger, so that none is paid for twice.
    """

    async def work() -> EvalResult:
        found = result
        async with open_engine() as engine:

            async def compare_all() -> None:
                nonlocal found
                found = await _judged(engine, result, seed)

            await engine.drive(compare_all())
        return found

    return asyncio.run(work())


async def _judged(engine: Engine, result: EvalResult, seed: int) -> EvalResult:
    records = {item.id: as_record(item) for item in result.items}
    right = [(record, record.output) for record in records.values() if record.output][:PLANTED]
    pairs = planted(right)
    told = [found for found in await _all(engine, [(record, wrong) for record, _, wrong in pairs]) if found]
    known = sum(found.winner == "one" for found in told)
    if len(pairs) < 5 or known < len(pairs) - len(pairs) // 6:
        figures = f"it got {known} of {len(pairs)} planted pairs right ({len(pairs) - len(pairs) // 6} are needed)"
        few = "there are too few tasks with a right answer to try it on"
        note = f"The judge did not compare the students: {few if len(pairs) < 5 else figures}."
        return replace(result, notes=[*result.notes, note])
    names = list(result.answers)
    for against in names[:-1]:
        result = await _rates(engine, result, (names[-1], against), records, seed)
    return result


async def _rates(
    engine: Engine, result: EvalResult, names: tuple[str, str], records: dict[str, Record], seed: int
) -> EvalResult:
    """The result with what the judge said of two students."""
    own, other = ({one.item: one.text for one in result.answers[name]} for name in names)
    shared = [item for item in own if item in other]
    found = await _all(engine, [(replace(records[item], output=own[item]), other[item]) for item in shared])
    judged = [(item, one) for item, one in zip(shared, found, strict=True) if one is not None and not one.is_unreadable]
    if not judged:
        return replace(result, notes=[*result.notes, f"The judge said nothing of {names[0]} and {names[1]}."])
    wins = [{"one": 1.0, "tie": 0.5}.get(one.winner, 0.0) for _, one in judged]
    lengths = [(len(own[item]), len(other[item])) for item, _ in judged]
    asked, turned = (sum(getattr(one, name) for _, one in judged) for name in ("was_asked", "is_inconsistent"))
    note = (
        f"{names[0]} against {names[1]}, by the judge: {wins.count(1.0)} wins, {wins.count(0.0)} losses and "
        f"{wins.count(0.5)} ties, {turned} of them since the verdict changed with the order; {asked} of {len(shared)} "
        f"needed to be asked, {len(shared) - len(judged)} were left out."
    )
    scores = [*result.scores, *win_rates(*names, wins, lengths, seed)]
    return replace(result, scores=scores, notes=[*result.notes, note])


async def _all(engine: Engine, pairs: list[tuple[Record, str]]) -> list[Comparison | None]:
    """Each record's answer compared with another one; None where a question failed."""
    ask = engine.asking(PROBE, "students compared")

    async def judge(prompt: Prompt, sampling: Sampling) -> Completion:
        return await ask(prompt, sampling, role="judge", keep_cut=True)

    async def one(record: Record, other: str) -> Comparison | None:
        try:
            return await compare(judge, record, other)
        except RequestFailed:
            return None

    return list(await asyncio.gather(*(one(*pair) for pair in pairs)))


def as_record(item: EvalItem) -> Record:
    """The item as a record, with the right answer where it has one."""
    *before, last = item.conversation.turns
    history = tuple((turn.user_text, turn.output) for turn in before)
    return Record(last.instruction, last.input, item.reference, item.conversation.system, history)
