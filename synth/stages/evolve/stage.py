"""The stage: records stream through the evolver, and nobody waits for another record's stragglers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any

from synth.engine.forecast import ANSWER_TOKENS, SURVIVAL, Flow
from synth.engine.run import Ask, Engine, Item, StagePlan
from synth.errors import StageStopped
from synth.records import Record, Rejection, digest
from synth.stages.evolve.evolver import STAGE, TUNED, Evolver, EvolveSettings, Result
from synth.stages.evolve.gain import GainJudge, trusted_judge
from synth.stages.evolve.operators import Operator
from synth.stages.evolve.tune import STAGE as TUNE
from synth.stages.evolve.tune import tune
from synth.stages.stage import Stage

MIN_FOR_STOP = 50
"""Candidates seen before a high rate of elimination can stop the stage."""


async def evolve(
    engine: Engine, records: AsyncIterator[Record], settings: EvolveSettings
) -> AsyncIterator[list[Result]]:
    """Yield, for each record in order, the record itself and what its generations brought: children and rejections.

    Of a conversation the last question is evolved, with the turns before it as context.

    Raises StageStopped when the judge eliminates more than `settings.stop_share` of the candidates.
    """
    is_tuned = settings.method == "auto"
    wanted = settings.tune.num_held_out + settings.tune.num_sample if is_tuned else 1
    first, judge, as_json = await _together(
        _take(records, wanted), _judge(engine, settings), engine.takes_schema("teacher")
    )
    operators = None
    if is_tuned:
        tuned = await tune(engine, first, settings, settings.tune)
        operators = {TUNED: Operator(tuned.method, changes_input=True)}
    evolver = Evolver(settings, engine.options.run_seed, operators, judge=judge, as_json=as_json)
    watch = _JudgeWatch(settings)

    async def items() -> AsyncIterator[Item]:
        seen: set[str] = set()
        async for record in _chain(first, records):
            is_evolved = settings.every_instance or record.task() not in seen
            seen.add(record.task())
            yield Item(record.id, (record, is_evolved))

    dump = settings.model_dump(mode="json")
    plan = StagePlan(STAGE, digest(dump, evolver.versions), dump)
    async for _, results in engine.map(plan, items(), Evolving(evolver)):
        watch.see(results)
        yield results


def forecast(settings: EvolveSettings, flow: Flow) -> None:
    """Each task is rewritten in each generation; what passes the checks is judged in both orders, and then answered."""
    made = settings.rounds * (flow.records if settings.every_instance else flow.tasks)
    flow.ask("rewriting", made, "rewrite", ANSWER_TOKENS["rewrite"])
    if settings.judge:
        flow.ask("is it new", 2 * SURVIVAL * made, "judge", ANSWER_TOKENS["judge"], "judge")
    if settings.answer:
        flow.ask("answers", SURVIVAL**2 * made, "answer", ANSWER_TOKENS["answer"])
    if settings.rate_complexity:
        flow.ask("how hard", 2 * SURVIVAL**2 * made, "rate", ANSWER_TOKENS["rate"], "judge")
    flow.add(SURVIVAL * made, 0 if settings.answer else SURVIVAL * made)


EVOLVE = Stage(
    STAGE,
    EvolveSettings,
    evolve,
    "children",
    helpers=(TUNE,),
    forecast=forecast,
    growing=("rounds", "stop_share"),
)


@dataclass(frozen=True, slots=True)
class Evolving:
    """The work of one record: its generations, where it is evolved at all."""

    evolver: Evolver

    async def __call__(self, task: tuple[Record, bool], ask: Ask, _rng: random.Random) -> list[Result]:
        """The record, and what its generations brought."""
        record, is_evolved = task
        return await self.evolver.generations(record, ask) if is_evolved else [record]


async def _together(*work: Awaitable[Any]) -> list[Any]:
    """The results, once all have ended: while the judge is tried, the stages before this one go on."""
    found = await asyncio.gather(*work, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


async def _judge(engine: Engine, settings: EvolveSettings) -> GainJudge | None:
    return await trusted_judge(engine, settings.prompt("judge_equal")) if settings.judge else None


async def _chain(first: list[Record], rest: AsyncIterator[Record]) -> AsyncIterator[Record]:
    for record in first:
        yield record
    async for record in rest:
        yield record


async def _take(records: AsyncIterator[Record], count: int) -> list[Record]:
    taken: list[Record] = []
    async for record in records:
        taken.append(record)
        if len(taken) == count:
            break
    return taken


class _JudgeWatch:
    """Stops the stage when the judge eliminates nearly everything: then the judge is wrong, not the tasks."""

    def __init__(self, settings: EvolveSettings) -> None:
        self.share = settings.stop_share
        self.judged = 0
        self.reasons: Counter[str] = Counter()

    def see(self, results: list[Result]) -> None:
        """Count what the judge did with one record's children."""
        for result in results[1:]:
            by_judge = isinstance(result, Rejection) and result.check == "judge"
            self.judged += isinstance(result, Record) or by_judge
            if isinstance(result, Rejection) and by_judge:
                self.reasons[result.reason] += 1
        lost = self.reasons.total()
        if self.judged >= MIN_FOR_STOP and lost > self.share * self.judged:
            what = ", ".join(f"{reason} {count}" for reason, count in self.reasons.most_common())
            raise StageStopped(
                f"the judge eliminated {lost} of {self.judged} evolved tasks ({what}), more than {self.share:.0%}",
                "look at its answers in the ledger; use another judge, or set evolve.judge: false",
            )
