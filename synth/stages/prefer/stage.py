"""Prefer: answers to each record are ranked, the best becomes its own. The export `preference` writes the pairs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synth.engine.forecast import ANSWER_TOKENS, Flow
from synth.engine.run import Ask, Engine
from synth.prompts import version
from synth.prompts.systems import PRINCIPLES
from synth.ranking import Ranking
from synth.records import AS_GOOD, WORSE, OtherAnswer, Record, Rejection, digest
from synth.stages.prefer.answers import Answer, Answers, usable, with_answers
from synth.stages.prefer.ranking import Judging, audit, by_check, check_of
from synth.stages.prefer.settings import PreferSettings, pool_roles
from synth.stages.prefer.trial import PLANTED, Trial
from synth.stages.stage import Stage, each_record

STAGE = "prefer"
NOTE = "prefer"
"""In a record's `meta`: how its answers were ranked."""


async def prefer(
    engine: Engine, records: AsyncIterator[Record], settings: PreferSettings
) -> AsyncIterator[list[Record | Rejection]]:
    """Yield each record with its best answer as its own and the others by rank, the worst last.

    Raises StageStopped where the judge fails on planted pairs.
    """
    head, rest = await _first(records, PLANTED if settings.calibrate else 0, settings.num_answers > 0)
    as_json = settings.judge_by == "grades" and await engine.takes_schema("judge")
    answers, judging = Answers(settings, engine.options.run_seed), Judging(settings, as_json)
    work = Preferring(settings, answers, judging, Trial(engine, head, answers, judging))
    prompts = [version("judge_pair" if settings.judge_by == "pairs" else "grade"), version("answer")]
    prompts += [digest(PRINCIPLES)[:8]] if settings.principles is not None else []
    async for results in each_record(engine, STAGE, rest, settings, work, *prompts):
        yield results


def forecast(settings: PreferSettings, flow: Flow) -> None:
    """The answers that are wanted beside a record's own, and each judge's comparisons or grades of them."""
    answers = max(2, settings.num_answers)
    flow.ask("answers", max(0, settings.num_answers - 1) * flow.records, "answer", ANSWER_TOKENS["answer"])
    calls = answers * (answers - 1) if settings.judge_by == "pairs" else answers * settings.num_draws
    for role in settings.judge_roles:
        flow.ask("which is better", calls * flow.records, "judge", ANSWER_TOKENS["judge"], role)


PREFER = Stage(STAGE, PreferSettings, prefer, roles=pool_roles, forecast=forecast)


@dataclass(frozen=True, slots=True)
class Preferring:
    """The work of one record."""

    settings: PreferSettings
    answers: Answers
    judging: Judging
    trial: Trial

    def at(self, engine: Engine) -> Preferring:
        """The same work where `engine` asks."""
        return replace(self, trial=self.trial.at(engine))

    async def __call__(self, record: Record, ask: Ask, rng: random.Random) -> list[Record | Rejection]:
        """The record with its answers by rank; as it came where it has but one."""
        is_alone = not record.others and self.settings.num_answers < 2
        if is_alone and not self.settings.only_pairs:
            return [record]
        check = check_of(record) if self.settings.verify else None
        is_judged = not is_alone and (check is None or rng.random() < self.settings.audit)
        if is_judged:
            await self.trial.hold()
        answers, left_out = usable(await self.answers.all(record, ask))
        if len(answers) < 2:
            why = next((reason for reason in ("identical", "empty") if left_out[reason]), "one_answer")
            return [self._unpaired(record, answers, why, left_out, {})]
        texts = [answer.text.strip() for answer in answers]
        judged = await self.judging(record, texts, ask) if is_judged else None
        ranking = by_check(check, texts) if check is not None else judged
        assert ranking is not None
        noted: dict[str, Any] = {"by": ranking.by} | ({"judged": dict(judged.counts)} if judged else {})
        if judged is not None and record.output.strip():
            record = replace(record, meta=record.meta | {"compared": judged.of_first()})
        if judged is not None and ranking is not judged:
            noted["audit"] = audit(ranking, judged, texts)
        return [self._ranked(record, answers, ranking, left_out, noted)]

    def _ranked(
        self,
        record: Record,
        answers: Sequence[Answer],
        ranking: Ranking,
        left_out: Counter[str],
        noted: dict[str, Any],
    ) -> Record | Rejection:
        order = ranking.order()
        left_out["unreadable"] = len(answers) - len(order)
        placed = [answers[number] for number in order]
        if len(order) < 2:
            return self._unpaired(record, placed or answers[:1], "unreadable", left_out, noted)
        best, *others = order
        is_worse = [ranking.is_better(best, other, self.settings.min_margin) for other in others]
        if not any(is_worse):
            return self._unpaired(record, placed, "tied", left_out, noted)
        grades = [WORSE if worse else AS_GOOD for worse in is_worse]
        margins = [round(ranking.score(best) - ranking.score(other), 3) for other in others]
        return _with(record, placed, grades, left_out, noted | {"margins": margins})

    def _unpaired(
        self, record: Record, answers: Sequence[Answer], why: str, left_out: Counter[str], noted: dict[str, Any]
    ) -> Record | Rejection:
        """What becomes of a record that makes no pair; `why` is a short code."""
        grades = [AS_GOOD] * (len(answers) - 1)
        found = _with(record, answers, grades, left_out, noted | {"none": why})
        if not self.settings.only_pairs:
            return found
        told = [f"answers that can be ranked: {len(answers)}"]
        told += [f"{count} {kind}" for kind, count in sorted(left_out.items()) if count]
        return Rejection(found, STAGE, "pairs", why, ", ".join(told))


def _with(
    record: Record, answers: Sequence[Answer], grades: Sequence[float], left_out: Counter[str], noted: dict[str, Any]
) -> Record:
    """The record with these answers, the first as its own, and the notes on how they were ranked."""
    noted |= {"left_out": dict(+left_out)} if left_out.total() else {}
    noted |= {"drawn": [one.drawn and list(one.drawn) for one in answers]} if any(one.drawn for one in answers) else {}
    others = tuple(OtherAnswer(one.text, one.model, grade) for one, grade in zip(answers[1:], grades, strict=True))
    found = with_answers(record, answers) if answers else record
    return replace(found, others=others, meta=record.meta | {NOTE: noted})


async def _first(
    records: AsyncIterator[Record], count: int, are_drawn: bool
) -> tuple[list[Record], AsyncIterator[Record]]:
    """The first records that have an answer, or will have one, and all of them again."""
    seen: list[Record] = []
    head: list[Record] = []
    while len(head) < count and (record := await anext(records, None)) is not None:
        seen.append(record)
        head += [record] * (are_drawn or bool(record.output.strip()))

    async def again() -> AsyncIterator[Record]:
        for record in seen:
            yield record
        async for record in records:
            yield record

    return head, again()
