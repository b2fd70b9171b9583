"""Answers in order: by the record's check, by comparisons of every two, or by grades."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from synth.engine.run import Ask
from synth.judge import grade, rank
from synth.metrics import mean
from synth.models.base import Completion, Sampling
from synth.parsing.finals import split_final
from synth.prompts import Prompt
from synth.ranking import Ranking, Votes, strengths_of
from synth.records import Record
from synth.stages.prefer.settings import PreferSettings
from synth.verify import Check, check_mistakes, verify


def check_of(record: Record) -> Check | None:
    """The record's check; None where it has none that can be used."""
    check = record.meta.get("check")
    return None if check is None or check_mistakes(check) else check


def by_check(check: Check, answers: Sequence[str]) -> Ranking:
    """Right (1) before wrong (0). Of worked steps the final answer counts."""
    finals = [split_final(answer) for answer in answers]
    texts = [found[1] if found else answer for found, answer in zip(finals, answers, strict=True)]
    return Ranking("verify", tuple(float(verify(text, check).passed) for text in texts))


@dataclass(frozen=True, slots=True)
class Judging:
    """Ranks the answers to a record by the settings' judges. `as_json`: do they grade by a schema?"""

    settings: PreferSettings
    as_json: bool = False

    async def __call__(self, record: Record, answers: Sequence[str], ask: Ask) -> Ranking:
        """Raises RequestFailed where a judge does not answer."""
        way = self._graded if self.settings.judge_by == "grades" else self._compared
        found = await asyncio.gather(*(way(record, answers, ask, role) for role in self.settings.judge_roles))
        votes, counts = tuple(one.votes[0] for one in found), Counter[str]()
        for one in found:
            counts.update(one.counts)
            counts.update(_lengths(one.votes[0], answers))
        counts.update(_agreement(votes))
        scores = strengths_of(len(answers), votes) if found[0].by == "pairs" else _means([one.scores for one in found])
        return Ranking(found[0].by, scores, votes, +counts)

    async def _compared(self, record: Record, answers: Sequence[str], ask: Ask, role: str) -> Ranking:
        async def judge(prompt: Prompt, sampling: Sampling) -> Completion:
            return await ask(prompt, sampling, role=role, keep_cut=True)

        return await rank(judge, record, answers)

    async def _graded(self, record: Record, answers: Sequence[str], ask: Ask, role: str) -> Ranking:
        async def judge(prompt: Prompt, sampling: Sampling, *, schema: dict[str, Any] | None, draw: int) -> Completion:
            return await ask(prompt, sampling, role=role, schema=schema, draw=draw, keep_cut=True)

        draws, rows = self.settings.num_draws, [replace(record, output=text) for text in answers]
        found = await asyncio.gather(*(grade(judge, row, num_draws=draws, as_json=self.as_json) for row in rows))
        scores = tuple(one.overall if one else None for one in found)
        votes = {
            (one, other): (a > b) - (a < b)
            for (one, a), (other, b) in combinations(enumerate(scores), 2)
            if a is not None and b is not None
        }
        unread = len(answers) * (len(answers) - 1) // 2 - len(votes)
        kinds = {"pairs": len(votes) + unread, "unreadable": unread, "ties": list(votes.values()).count(0)}
        return Ranking("grades", scores, (votes,), Counter(kinds))


def _lengths(votes: Votes, answers: Sequence[str]) -> Counter[str]:
    """How often the better answer is the longer one, and the shorter one."""
    signs = [vote * (len(answers[one]) - len(answers[other])) for (one, other), vote in votes.items()]
    return Counter("longer" if sign > 0 else "shorter" for sign in signs if sign)


def _agreement(votes: Sequence[Votes]) -> Counter[str]:
    """How often two judges said the same of the same pair."""
    both = [(one[pair], other[pair]) for one, other in combinations(votes, 2) for pair in one.keys() & other.keys()]
    return Counter("agree" if one == other else "differ" for one, other in both)


def _means(scores: Sequence[Sequence[float | None]]) -> tuple[float | None, ...]:
    """The mean score of each answer over the judges who gave one."""
    read = [[score for score in column if score is not None] for column in zip(*scores, strict=True)]
    return tuple(mean(column) if column else None for column in read)


def audit(truth: Ranking, judged: Ranking, answers: Sequence[str]) -> dict[str, int]:
    """How judges did on pairs of a right and a wrong answer: errors by whether the wrong one was longer, and ties."""
    found: Counter[str] = Counter()
    for (one, other), vote in ((pair, vote) for votes in judged.votes for pair, vote in votes.items()):
        right = int(truth.score(one) - truth.score(other))
        if not right:
            continue
        lengths = len(answers[one]), len(answers[other])
        excess = (lengths[1] - lengths[0]) * right
        size = "long" if excess > 0 else "short" if excess < 0 else "even"
        found[f"{size}_wrong"] += 1
        found[f"{size}_errors"] += vote == -right
        found["undecided"] += vote == 0
    return dict(+found)
