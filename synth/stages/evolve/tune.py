"""Auto Evol-Instruct (Zeng et al., arXiv 2406.00770): an optimiser model improves the wording of the evolving method.

It reads trajectories of a sample, names the method's faults and rewrites it; candidates are scored by their failure
rate on a held-out sample, and the best is kept. All requests go through the ledger, so a second run costs nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synth.engine.run import Ask, Engine, Item, StagePlan
from synth.engine.work import REQUEST_CHECK
from synth.errors import RequestFailed
from synth.models.base import Sampling
from synth.prompts import render, version
from synth.records import Lineage, Record, Rejection, digest
from synth.stages.evolve.evolver import TUNED, Evolver, EvolveSettings, TuneSettings
from synth.stages.evolve.gain import trusted_judge
from synth.stages.evolve.operators import Operator

STAGE = "tune"
FIRST_METHOD = """\
Read the task and list for yourself what could make it harder: constraints, depth, concrete detail, steps of reasoning,
richer material. Plan the change in small steps, carry it out, check that the result is still sensible and answerable,
and write the harder task."""
OPTIMISER_SAMPLING = Sampling(temperature=0.8, max_tokens=1024)


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best method, its failure rate on the held-out tasks, and one row per method tried: step, method,
    failure_rate, kept; or step and `problem` where the optimiser gave no answer, which ends the tuning."""

    method: str
    failure_rate: float
    history: list[dict[str, Any]]


async def tune(
    engine: Engine, records: Sequence[Record], settings: EvolveSettings, tuning: TuneSettings, stage: str = STAGE
) -> Tuned:
    """Tune on the first records given: `num_held_out` score the methods, the next `num_sample` are read."""
    held_out = records[: tuning.num_held_out]
    sample = records[tuning.num_held_out :][: tuning.num_sample] or held_out

    async def items() -> AsyncIterator[Item]:
        yield Item(digest([r.id for r in (*held_out, *sample)])[:16], None)

    dump = {"evolve": settings.model_dump(mode="json"), "tune": tuning.model_dump(mode="json")}
    plan = StagePlan(stage, digest(dump, [version(n) for n in ("evolve_analyse", "evolve_improve")]), dump)
    found: list[Record] = []
    judge = await trusted_judge(engine, settings.prompt("judge_equal")) if settings.judge else None
    as_json = await engine.takes_schema("teacher")
    evolver = Evolver(settings, engine.options.run_seed, {}, judge, as_json)
    work = Tuning(evolver, tuning, tuple(sample), tuple(held_out))
    async for _, results in engine.map(plan, items(), work):
        found += [result for result in results if isinstance(result, Record)]
    if not found:
        return Tuned(FIRST_METHOD, 1.0, [])
    return Tuned(found[0].instruction, found[0].meta["failure_rate"], found[0].meta["history"])


@dataclass(frozen=True, slots=True)
class Tuning:
    """The work of the one item of this stage."""

    evolver: Evolver
    tuning: TuneSettings
    sample: tuple[Record, ...]
    held_out: tuple[Record, ...]

    async def __call__(self, _value: None, ask: Ask, _rng: random.Random) -> list[Record | Rejection]:
        """The best method found, as a record."""
        tuned = await _Tuner(self.evolver, self.tuning, ask).best(self.sample, self.held_out)
        meta = {"failure_rate": tuned.failure_rate, "history": tuned.history}
        return [Record(tuned.method, lineage=Lineage("evolve", operator=TUNED), meta=meta)]


class _Tuner:
    def __init__(self, evolver: Evolver, tuning: TuneSettings, ask: Ask) -> None:
        self.evolver, self.tuning, self.ask = evolver, tuning, ask

    async def best(self, sample: Sequence[Record], held_out: Sequence[Record]) -> Tuned:
        """Improve until a step brings no lower failure rate."""
        method = FIRST_METHOD
        rate = await self._failure_rate(method, held_out)
        history: list[dict[str, Any]] = [{"step": 0, "method": method, "failure_rate": rate, "kept": True}]
        for step in range(1, self.tuning.steps + 1):
            try:
                candidates = await self._candidates(method, sample)
            except RequestFailed as error:
                history.append({"step": step, "problem": f"the optimiser gave no answer: {error.message}"})
                break
            rates = await asyncio.gather(*(self._failure_rate(text, held_out) for text in candidates))
            history += [
                {"step": step, "method": text, "failure_rate": found, "kept": False}
                for text, found in zip(candidates, rates, strict=True)
            ]
            lowest = min(rates, default=1.0)
            if lowest >= rate:
                break
            rate, method = lowest, candidates[rates.index(lowest)]
            history[rates.index(lowest) - len(rates)]["kept"] = True
        return Tuned(method, rate, history)

    def _evolver(self, method: str, rounds: int) -> Evolver:
        like = self.evolver
        settings = like.settings.model_copy(update={"rounds": rounds})
        return Evolver(settings, like.run_seed, {TUNED: Operator(method, changes_input=True)}, like.judge, like.as_json)

    async def _failure_rate(self, method: str, records: Sequence[Record]) -> float:
        """The share of failed evolutions; requests that came to nothing are no fault of the method and do not count."""
        evolver = self._evolver(method, 1)
        results = await asyncio.gather(*(evolver.generations(record, self.ask) for record in records))
        made = [result for one in results for result in one[1:]]
        made = [one for one in made if not (isinstance(one, Rejection) and one.check == REQUEST_CHECK)]
        return round(sum(isinstance(one, Rejection) for one in made) / len(made), 4) if made else 1.0

    async def _candidates(self, method: str, sample: Sequence[Record]) -> list[str]:
        evolver = self._evolver(method, self.tuning.rounds)
        results = await asyncio.gather(*(evolver.generations(record, self.ask) for record in sample))
        trajectories = [[_step(result) for result in one] for one in results]
        prompt = render("evolve_analyse", method=method, trajectories=trajectories)
        faults = await self.ask(prompt, replace(OPTIMISER_SAMPLING, temperature=0.0), keep_cut=True)
        prompt = render("evolve_improve", method=method, faults=faults.text)
        draws = range(self.tuning.num_candidates)
        answers = await asyncio.gather(*(self.ask(prompt, OPTIMISER_SAMPLING, draw=n, keep_cut=True) for n in draws))
        texts = dict.fromkeys(answer.text.strip() for answer in answers)
        return [text for text in texts if text and text != method]


def _step(result: Record | Rejection) -> dict[str, str]:
    record = result if isinstance(result, Record) else result.record
    text = record.instruction + (f"\n\n{record.input}" if record.input else "")
    return {"text": text, "reason": result.reason if isinstance(result, Rejection) else ""}
