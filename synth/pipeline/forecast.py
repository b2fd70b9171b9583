"""What a recipe will ask for: requests, tokens, money and time by stage and role, low, likely and high. Prints nothing.

From a pilot, a small run of the same recipe: what it measured, scaled to the whole, with the uncertainty of its size.
Without one: from the recipe's settings and rough figures of what prompts and answers are long, to a factor of two.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.engine.budget import FREE, Price

if TYPE_CHECKING:
    from synth.recipe import Recipe

LEAST_PILOT = 10
"""Tasks of a pilot, at least."""
ROUGH = 2.0
"""Without a pilot the truth may be this many times less or more."""
ROUGH_LATENCY_S = 3.0
SLOTS = 16
"""Requests in flight assumed where the recipe leaves them open and no pilot tells."""
PROMPT_TOKENS = {"bootstrap": 700, "rewrite": 350, "judge": 320, "answer": 80, "rate": 200}
ANSWER_TOKENS = {"task": 70, "solved task": 150, "rewrite": 100, "judge": 30, "answer": 250, "rate": 30}
"""Rough sizes for our prompts in English, in tokens of four characters."""
SURVIVAL = 0.85
"""Share of evolved tasks that reach the judge, and of those that then get an answer."""


@dataclass(frozen=True, slots=True)
class Load:
    """Requests of one stage in one role, with their tokens; `latency_s` is the mean time of an answer."""

    stage: str
    role: str
    requests: float
    prompt_tokens: float
    completion_tokens: float
    latency_s: float = ROUGH_LATENCY_S
    error: float = 0.0

    def times(self, factor: float, error: float | None = None) -> Load:
        """So many times as much, by `error` (a share) more or less."""
        return replace(
            self,
            requests=self.requests * factor,
            prompt_tokens=self.prompt_tokens * factor,
            completion_tokens=self.completion_tokens * factor,
            error=self.error if error is None else error,
        )

    def at(self, case: str) -> Load:
        """The "low", "likely" or "high" case."""
        return self.times({"low": 1 / (1 + self.error), "likely": 1.0, "high": 1 + self.error}[case])


def table(loads: list[Load], prices: dict[str, Price], slots: int) -> list[dict[str, Any]]:
    """One row for each stage, role and case, and one for the whole. Money is None where a price is missing."""
    rows = []
    for case in ("low", "likely", "high"):
        cases = [load.at(case) for load in loads]
        rows += [_row(load.stage, load.role, case, [load], prices, slots) for load in cases]
        rows.append(_row("all", "", case, cases, prices, slots))
    return rows


def _row(stage: str, role: str, case: str, loads: list[Load], prices: dict[str, Price], slots: int) -> dict[str, Any]:
    known = all(load.role in prices for load in loads)
    cost = sum(prices.get(x.role, FREE).cost(round(x.prompt_tokens), round(x.completion_tokens)) for x in loads)
    return {
        "stage": stage,
        "role": role,
        "case": case,
        "requests": round(sum(load.requests for load in loads)),
        "prompt_tokens": round(sum(load.prompt_tokens for load in loads)),
        "completion_tokens": round(sum(load.completion_tokens for load in loads)),
        "cost": round(cost, 6) if known else None,
        "seconds": round(sum(load.requests * load.latency_s for load in loads) / slots, 1),
    }


# -- from a pilot ------------------------------------------------------------------------------------------------------


def pilot_recipe(recipe: Recipe, share: float, folder: Path) -> Recipe:
    """The same recipe for a share of its tasks; the tasks of an input file are copied to `folder`."""
    changes: dict[str, Any] = {"name": f"{recipe.name[:57]}-pilot", "train": None, "evaluate": None, "report": None}
    if recipe.bootstrap:
        changes["bootstrap"] = recipe.bootstrap.model_copy(
            update={"num_tasks": _some(recipe.bootstrap.num_tasks, share)}
        )
        changes["seeds"] = recipe.seeds.model_copy(update={"evolve": False, "export": False})
        changes["input"] = None
    elif recipe.input:
        from synth.pipeline import read_input

        records = read_input(recipe).records
        folder.mkdir(parents=True, exist_ok=True)
        path = folder.absolute() / "pilot_tasks.jsonl"
        some = records[: _some(len(records), share)]
        path.write_text("".join(json.dumps(record.to_dict()) + "\n" for record in some), "utf-8")
        changes["input"] = path
    return recipe.model_copy(update=changes)


def _some(count: int, share: float) -> int:
    return min(count, max(LEAST_PILOT, math.ceil(count * share)))


def from_pilot(recipe: Recipe, folder: Path) -> list[Load]:
    """The whole run's load, by what the pilot's ledger measured."""
    from synth.engine.ledger import LedgerReader

    reader = LedgerReader(folder)
    try:
        kept, surplus = _bootstrap_counts(reader)
        given = _given(recipe)
        wanted = (recipe.bootstrap.num_tasks if recipe.bootstrap else 0) + given
        loads = []
        for stage, role, *numbers in reader.query(
            "SELECT stage, role, count(*), sum(prompt_tokens), sum(completion_tokens), avg(answered_at - sent_at)"
            " FROM requests WHERE state='answered' GROUP BY 1, 2"
        ):
            items = reader.query("SELECT count(*) FROM outcomes WHERE stage=?", stage)[0][0]
            if stage == "bootstrap":
                items = kept + surplus
                factor = (wanted - given + surplus) / max(1, items)
            else:  # what belongs to no item, such as the trial of a judge, is asked once
                factor = wanted / max(1, kept or items) if items else 1.0
            loads.append(Load(stage, role, *numbers).times(factor, 0.05 + 1 / math.sqrt(max(1, items))))
        return loads
    finally:
        reader.close()


def _bootstrap_counts(reader: Any) -> tuple[int, int]:
    """Tasks accepted, and tasks that would have been had they come earlier."""
    kept = sum(1 for _ in reader.records("bootstrap"))
    surplus = sum(rejection.reason == "surplus" for rejection in reader.rejections("bootstrap"))
    return kept, surplus


def _given(recipe: Recipe) -> int:
    """Records that enter beside the bootstrapped ones."""
    from synth.pipeline import read_input
    from synth.stages.seeds import read_seed_tasks

    count = len(read_input(recipe).records)
    if recipe.seeds.evolve:
        count += sum(len(seed.instances) for seed in read_seed_tasks(recipe.seeds.path))
    return count


# -- without one -------------------------------------------------------------------------------------------------------


def rough(recipe: Recipe) -> list[Load]:
    """The whole run's load, by its settings and rough sizes."""
    return [load.times(1.0, ROUGH - 1.0) for load in _rough(recipe)]


def _rough(recipe: Recipe) -> Iterator[Load]:
    tasks = float(_given(recipe))
    if recipe.bootstrap:
        settings = recipe.bootstrap
        tasks += settings.num_tasks
        requests = settings.num_tasks / (0.8 * settings.per_request)
        solved = "solved task" if settings.outputs else "task"
        yield _load("bootstrap", "teacher", requests, "bootstrap", ANSWER_TOKENS[solved] * settings.per_request)
        if settings.method == "self_instruct" or settings.instances > 1:
            steps = 2 if settings.method == "self_instruct" else 1
            size = ANSWER_TOKENS["solved task"] * settings.instances / steps
            yield _load("bootstrap", "teacher", steps * tasks, "bootstrap", size)
    if recipe.evolve:
        made, judge = tasks * recipe.evolve.rounds, "judge" if recipe.judge else "teacher"
        yield _load("evolve", "teacher", made, "rewrite", ANSWER_TOKENS["rewrite"])
        if recipe.evolve.judge:
            yield _load("evolve", judge, 2 * SURVIVAL * made, "judge", ANSWER_TOKENS["judge"])
        if recipe.evolve.answer:
            yield _load("evolve", "teacher", SURVIVAL**2 * made, "answer", ANSWER_TOKENS["answer"])
        if recipe.evolve.rate_complexity:
            yield _load("evolve", judge, 2 * SURVIVAL**2 * made, "rate", ANSWER_TOKENS["rate"])
    if recipe.respond:
        answered = tasks if not recipe.evolve or recipe.evolve.answer else tasks * (1 + SURVIVAL * recipe.evolve.rounds)
        draws = answered * recipe.respond.num_draws
        if recipe.respond.confirm and recipe.bootstrap:
            draws += tasks * (recipe.bootstrap.instances - 1) * (recipe.respond.num_draws - 1)
        yield _load("respond", "teacher", draws, "answer", ANSWER_TOKENS["answer"])
    if recipe.rephrase:
        wordings, judge = recipe.rephrase.num_wordings, "judge" if recipe.judge else "teacher"
        yield _load("rephrase", "teacher", tasks, "rewrite", ANSWER_TOKENS["rewrite"] * wordings)
        if recipe.rephrase.judge:
            yield _load("rephrase", judge, 2 * wordings * tasks, "judge", ANSWER_TOKENS["judge"])
    yield from _rough_grades(recipe, tasks)
    if recipe.prefer:
        settings, roles = recipe.prefer, {"judge": "judge" if recipe.judge else "teacher"}
        drawn = max(0, settings.num_answers - 1) * tasks
        yield _load("prefer", "teacher", drawn, "answer", ANSWER_TOKENS["answer"])
        answers = max(2, settings.num_answers)
        calls = answers * (answers - 1) if settings.judge_by == "pairs" else answers * settings.num_draws
        for role in settings.judge_roles:
            yield _load("prefer", roles.get(role, role), calls * tasks, "judge", ANSWER_TOKENS["judge"])


def _rough_grades(recipe: Recipe, tasks: float) -> Iterator[Load]:
    """The grading of what passes the checks."""
    from synth.stages.select import wants_complexity

    if recipe.select is None or not (recipe.select.grade or recipe.select.validity):
        return
    records = tasks * (1 + SURVIVAL * (recipe.evolve.rounds if recipe.evolve else 0))
    judge = "judge" if recipe.judge else "teacher"
    if recipe.select.validity:
        yield _load("grade", judge, records, "judge", ANSWER_TOKENS["judge"])
    if recipe.select.grade:
        yield _load("grade", judge, records * recipe.select.grade.num_draws, "judge", ANSWER_TOKENS["judge"])
    if wants_complexity(recipe.select):
        yield _load("grade", judge, records, "rate", ANSWER_TOKENS["rate"])


def _load(stage: str, role: str, requests: float, prompt: str, answer: float) -> Load:
    return Load(stage, role, requests, requests * PROMPT_TOKENS[prompt], requests * answer)
