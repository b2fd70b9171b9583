"""Select: runs the checks of a recipe over records; what comes out is a Record or a Rejection, and nothing is lost.

All checks look at every record, so a report can show how they overlap; the first one in the recipe's order that refuses
gives the rejection its name. No teacher is asked here.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from synth.checks import build_checks
from synth.checks.base import Check, StatefulCheck, split_reason
from synth.engine.run import Ask, Engine, Item, StagePlan
from synth.errors import UsageError
from synth.records import Record, Rejection, digest

STAGE = "select"

DEFAULT_CHECKS: tuple[str | dict[str, dict[str, Any]], ...] = (
    "empty_output",
    {"instruction_length": {"min_words": 3, "max_words": 400}},
    "odd_start",
    "needs_media",
    "needs_web",
    "placeholder",
    "no_input_spelling",
    "url_input",
    {"ends_with_colon": {"fields": ["output"]}},
    "control_characters",
    "mojibake",
    "prompt_leak",
    "as_an_ai",
    "self_identity",
    "refusal",
    "asks_back",
    "short_apology",
    "no_content",
    "repeats_instruction",
    "repetition",
    "truncated",
    "broken_fence",
    "broken_json",
    "invented_source",
    "answer_language",
    "contamination",
    "repeated_task",
    "privacy",
)
"""What hardly ever hits a good record in any language. Novelty is not among them: bootstrap applies it to instructions
as they come, and instances of one task, or a task and its evolved form, may be alike here."""


class SelectSettings(BaseModel):
    """`checks`: names, or a name with options, in the order in which they name a rejection."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checks: list[str | dict[str, dict[str, Any]]] = Field(default_factory=lambda: list(DEFAULT_CHECKS))

    @field_validator("checks")
    @classmethod
    def _checks_exist(cls, checks: list[str | dict[str, dict[str, Any]]]) -> list[str | dict[str, dict[str, Any]]]:
        try:
            build_checks(checks)
        except UsageError as error:
            raise ValueError(f"{error.message}. {error.hint}") from error
        return checks


async def select(
    engine: Engine, records: AsyncIterator[Record], settings: SelectSettings
) -> AsyncIterator[list[Record | Rejection]]:
    """Yield each record, or its rejection, in order."""
    checks = build_checks(settings.checks)

    async def work(record: Record, _ask: Ask, _rng: random.Random) -> list[Record | Rejection]:
        return [record]

    def settle(results: list[Record | Rejection]) -> list[Record | Rejection]:
        return [settled for result in results for settled in _settled(result, checks)]

    async def items() -> AsyncIterator[Item]:
        async for record in records:
            yield Item(digest(record.to_dict())[:16], record)

    dump = settings.model_dump(mode="json")
    async for results in engine.stage(StagePlan(STAGE, digest(dump), dump), items(), work, settle):
        yield results


def _settled(result: Record | Rejection, checks: NamedChecks) -> Iterator[Record | Rejection]:
    return apply_checks([result], checks) if isinstance(result, Record) else iter([result])


NamedChecks = Sequence[tuple[str, Check]]


def apply_checks(records: Iterable[Record], checks: NamedChecks, stage: str = STAGE) -> Iterator[Record | Rejection]:
    """One Record or Rejection for each record, in order. What was kept is shown to the checks that keep state.

    A rejection's detail ends with the other checks that refused the record too: `... (also: refusal, truncated)`.
    """
    for record in records:
        refused = _refused(record, checks)
        if not refused:
            yield _admit(record, checks)
            continue
        name, verdict = refused[0]
        reason, detail = split_reason(verdict)
        others = f"(also: {', '.join(other for other, _ in refused[1:])})" if refused[1:] else ""
        yield Rejection(record, stage, name, reason, " ".join(filter(None, (detail, others))))


def _refused(record: Record, checks: NamedChecks) -> list[tuple[str, str]]:
    verdicts = ((name, check(record)) for name, check in checks)
    return [(name, verdict) for name, verdict in verdicts if verdict is not None]


def _admit(record: Record, checks: NamedChecks) -> Record:
    for _, check in checks:
        if isinstance(check, StatefulCheck):
            record = check.admitted(record) or record
    return record


@dataclass(slots=True)
class CheckSummary:
    """What one check would throw away: all it refuses, those where it comes first, and those that only it refuses."""

    name: str
    refuses: int = 0
    first: int = 0
    alone: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[Record, str]] = field(default_factory=list)


@dataclass(slots=True)
class Explanation:
    """`overlaps`: how many records two checks (in the recipe's order) both refuse."""

    total: int
    kept: int
    checks: list[CheckSummary]
    overlaps: Counter[tuple[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """A JSON object; samples by id, instruction and what the check said."""
        return {
            "total": self.total,
            "kept": self.kept,
            "checks": [
                {
                    "name": c.name,
                    "refuses": c.refuses,
                    "first": c.first,
                    "alone": c.alone,
                    "reasons": dict(c.reasons.most_common()),
                    "samples": [{"id": r.id, "instruction": r.instruction, "verdict": v} for r, v in c.samples],
                }
                for c in self.checks
            ],
            "overlaps": [{"checks": list(pair), "records": n} for pair, n in self.overlaps.most_common()],
        }


def explain(records: Iterable[Record], settings: SelectSettings, num_samples: int = 5) -> Explanation:
    """What each check of `settings` would throw away of `records`, with the first samples and the overlaps."""
    checks = build_checks(settings.checks)
    summaries = {name: CheckSummary(name) for name, _ in checks}
    result = Explanation(0, 0, list(summaries.values()), Counter())
    for record in records:
        result.total += 1
        refused = _refused(record, checks)
        if not refused:
            result.kept += 1
            _admit(record, checks)
        for place, (name, verdict) in enumerate(refused):
            summary = summaries[name]
            summary.refuses += 1
            summary.first += place == 0
            summary.alone += len(refused) == 1
            summary.reasons[split_reason(verdict)[0]] += 1
            if len(summary.samples) < num_samples:
                summary.samples.append((record, verdict))
            result.overlaps.update((name, other) for other, _ in refused[place + 1 :])
    return result


def what_if(records: Sequence[Record], check: str, option: str, values: Sequence[Any], **others: Any) -> dict[Any, int]:
    """For each value of an option of `check`: how many of `records` that check alone would refuse."""
    counts = {}
    for value in values:
        checks = build_checks([{check: {**others, option: value}}])
        counts[value] = sum(isinstance(result, Rejection) for result in apply_checks(records, checks))
    return counts
