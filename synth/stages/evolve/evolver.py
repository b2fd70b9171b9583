"""One record through its generations: draw an operator, rewrite, compare, judge, answer.

A child that is eliminated leaves its parent in the pool: the parent is evolved again, by another draw, in the next
generation. Depth and breadth trees are kept in the lineage of the records.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from synth.checks import TASK_CHECKS, build_checks, build_pair_checks
from synth.checks.base import Check, PairCheck, split_reason
from synth.checks.echo import repeats_request, repeats_rules
from synth.checks.evolution import evolved_input
from synth.checks.improbable import likeliness
from synth.engine.run import Ask, request_failure
from synth.errors import RequestFailed, UsageError
from synth.given import StrictSettings, as_mistake, read_named
from synth.models.base import Sampling
from synth.parsing import parse_rewrite, parse_score
from synth.prompts import render, version
from synth.prompts.answering import answering
from synth.records import Lineage, Record, Rejection, digest
from synth.stages.evolve.gain import GainJudge
from synth.stages.evolve.operators import OPERATOR_SETS, Operator, find_operators
from synth.stages.evolve.rewriting import gives_input, rewrite_schema, rewriting

STAGE = "evolve"
Result = Record | Rejection
JUDGE_SAMPLING = Sampling(temperature=0.0, max_tokens=256)
PROMPT_NAMES = ("evolve_depth", "evolve_breadth", "judge_equal", "answer", "rate_complexity")
TUNED = "auto"
"""Name of the one operator of a tuned method."""


class TuneSettings(StrictSettings):
    """How the method is tuned."""

    steps: int = Field(3, ge=1, le=20, description="Steps of optimisation at most.")
    num_candidates: int = Field(3, ge=1, le=16, description="Methods tried in each step.")
    rounds: int = Field(2, ge=1, le=8, description="Generations of the trajectories that the optimiser reads.")
    num_sample: int = Field(10, ge=1, description="Tasks whose trajectories are read.")
    num_held_out: int = Field(20, ge=1, description="Tasks that score a method.")


class EvolveSettings(StrictSettings):
    """How tasks are evolved. Sampling as in the paper."""

    rounds: int = Field(4, ge=1, le=50, description="Generations (4 in the paper).")
    method: Literal["operators", "auto"] = Field(
        "operators", description="operators, or auto: the teacher tunes one method of its own first."
    )
    method_path: Path | None = Field(
        None, description="A text file with a tuned method, as `synth evolve tune` writes it."
    )
    tune: TuneSettings = Field(TuneSettings(), description="How a method is tuned, with method: auto.")
    operators: Literal["default", "code", "math"] | dict[str, float] = Field(
        "default", description="default, code or math; or weights by operator name, where your own are module:name."
    )
    answer: bool = Field(True, description="Answer each new task at once, which the eliminations by answer need.")
    judge: bool = Field(True, description="Eliminate a task when a judge, asked in both orders, finds nothing gained.")
    rate_complexity: bool = Field(False, description="Grade the difficulty before and after.")
    checks: list[str | dict[str, dict[str, Any]]] | None = Field(
        None, description="Eliminations by comparing parent and child; null: all."
    )
    every_instance: bool = Field(
        False, description="Evolve each instance of a task; else its first, and the others pass."
    )
    stop_share: float = Field(
        0.9, gt=0, le=1, description="Stop when the judge eliminates more than this share of the candidates."
    )
    sampling: Sampling = Field(
        Sampling(temperature=1.0, top_p=0.9, max_tokens=2048), description="How a task is rewritten."
    )
    answer_sampling: Sampling = Field(
        Sampling(temperature=0.7, max_tokens=2048), description="How a new task is answered."
    )
    prompt_paths: dict[str, str] = Field(
        default_factory=dict, description="Prompt name to a .jinja file of your own; keep the headings."
    )

    @field_validator("prompt_paths")
    @classmethod
    def _known_prompts(cls, value: dict[str, str]) -> dict[str, str]:
        for name, path in value.items():
            if name not in PROMPT_NAMES:
                raise ValueError(f"there is no prompt {name!r} here; there are {', '.join(PROMPT_NAMES)}")
            if not path.endswith(".jinja"):
                raise ValueError(f"{path} must be a .jinja file")
        return value

    @field_validator("operators", mode="before")
    @classmethod
    def _known_operators(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            if not isinstance(value, str) or value not in OPERATOR_SETS:
                sets = ", ".join(OPERATOR_SETS)
                raise ValueError(f"unknown set of operators {value!r}; there are {sets}, or weights by operator name")
            return value
        with as_mistake():
            find_operators(map(str, value))
        return value

    @field_validator("operators")
    @classmethod
    def _sound_weights(cls, value: str | dict[str, float]) -> str | dict[str, float]:
        weights = [1.0] if isinstance(value, str) else list(value.values())
        if not all(0 <= weight < math.inf for weight in weights) or not 0 < sum(weights) < math.inf:
            raise ValueError("weights must be finite, none negative, and sum to more than zero")
        return value

    def chosen_operators(self) -> Mapping[str, Operator]:
        """The operators with a weight, or the one of `method_path`. Raises UsageError where that cannot be read."""
        if self.method_path is None:
            return find_operators(self.weights)
        where, hint = f"evolve.method_path {self.method_path}", "`synth evolve tune` writes one"
        text = read_named(self.method_path, hint, where).strip()
        if not text:
            raise UsageError(f"{where} is empty", hint)
        return {TUNED: Operator(text, changes_input=True)}

    @property
    def weights(self) -> dict[str, float]:
        """Weight by operator name."""
        return OPERATOR_SETS[self.operators] if isinstance(self.operators, str) else self.operators

    def prompt(self, name: str) -> str:
        """The prompt to render for `name`: the user's file where one is given."""
        return self.prompt_paths.get(name, name)


class Evolver:
    """One record through its generations. `operators`: those of the settings when None (`tune` has its own)."""

    def __init__(
        self,
        settings: EvolveSettings,
        run_seed: int,
        operators: Mapping[str, Operator] | None = None,
        judge: GainJudge | None = None,
        as_json: bool = False,
    ) -> None:
        self.settings = settings
        self.judge = judge
        self.as_json = as_json
        self.operators = settings.chosen_operators() if operators is None else operators
        is_tuned = TUNED in self.operators
        self.weights = dict.fromkeys(self.operators, 1.0) if is_tuned else settings.weights
        self.run_seed = run_seed
        self.pair_checks: list[tuple[str, PairCheck]] = build_pair_checks(settings.checks)
        names = ["short_apology", "no_content", *(["asks_back", "acknowledges"] if TUNED in self.operators else [])]
        self.answer_checks: list[tuple[str, Check]] = build_checks(names)
        self.task_checks = build_checks(TASK_CHECKS)

    def __reduce__(self) -> tuple[type[Evolver], tuple[Any, ...]]:
        """Elsewhere it is made again of its settings: checks may hold what cannot be sent."""
        return Evolver, (self.settings, self.run_seed, dict(self.operators), self.judge, self.as_json)

    @property
    def versions(self) -> list[str]:
        """Names and versions of the prompts, and the wording of the operators in use."""
        operators = [self.operators[name].method for name in sorted(self.weights)]
        return [version(self.settings.prompt(name)) for name in PROMPT_NAMES] + operators

    async def generations(self, record: Record, ask: Ask) -> list[Result]:
        """`record`, then the child or the rejection of each generation."""
        results: list[Result] = [record]
        current = record
        failed: Counter[str] = Counter()
        for generation in range(1, self.settings.rounds + 1):
            name = self._draw_operator(record, current, generation)
            child = await self._generation(current, name, generation, ask, failed[name])
            results.append(child)
            if isinstance(child, Record):
                current = child
                failed.clear()
            else:
                failed[name] += 1
        return results

    def _draw_operator(self, root: Record, parent: Record, generation: int) -> str:
        """Asked to invent an input for a task without one, a small model writes the answer there."""
        rng = random.Random(int(digest(self.run_seed, "operator", root.id, generation)[:16], 16))
        weighted = sorted(name for name, weight in self.weights.items() if weight > 0)
        names = [name for name in weighted if parent.input or not self.operators[name].needs_input] or weighted
        return rng.choices(names, [self.weights[name] for name in names])[0]

    async def _generation(self, parent: Record, name: str, generation: int, ask: Ask, draw: int) -> Result:
        """`draw`: how often the operator has failed on this parent; another answer is asked for then."""
        place = replace(parent, output="", lineage=replace(parent.lineage, operator=name, generation=generation))
        try:
            child = await self._rewrite(parent, name, generation, ask, draw)
            for step in (self._compare, self._judge, self._answer, self._rate):
                if isinstance(child, Rejection):
                    break
                child = await step(parent, child, ask)
            return child
        except RequestFailed as error:
            return request_failure(place, STAGE, error)

    async def _rewrite(self, parent: Record, name: str, generation: int, ask: Ask, draw: int) -> Result:
        operator = self.operators[name]
        template = self.settings.prompt(operator.prompt)
        prompt = rewriting(parent, name, operator, template, as_json=self.as_json)
        schema = rewrite_schema(gives_input(parent, operator)) if self.as_json else None
        answer = await ask(prompt, self.settings.sampling, schema=schema, draw=draw, logprobs=True)
        parsed = parse_rewrite(answer.text)
        given = evolved_input(parent.input, parsed.input, gives_input(parent, operator))
        line = Lineage("evolve", (parent.id,), name, generation, answer.model, prompt.version, (answer.key,))
        child = Record(parsed.instruction, given, "", parent.system, parent.history, lineage=line)
        child = replace(child, meta=_inherited(parent, operator) | likeliness(answer))
        if parsed.problem:
            return Rejection(child, STAGE, "parsing", parsed.problem)
        echo = repeats_request(prompt.messages, [parent.instruction, parent.input])
        return _checked(child, [("prompt_echo", echo), *self.task_checks])

    async def _compare(self, parent: Record, child: Record, _ask: Ask) -> Result:
        for name, check in self.pair_checks:
            if (verdict := check(parent, child)) is not None:
                return Rejection(child, STAGE, name, *split_reason(verdict))
        added = len(child.instruction.split()) - len(parent.instruction.split())
        return replace(child, meta=child.meta | {"words_added": added})

    async def _judge(self, parent: Record, child: Record, ask: Ask) -> Result:
        if self.judge is None:
            return child
        verdict = await self.judge.verdict(parent, child, ask)
        if verdict is None:
            return Rejection(child, STAGE, "judge", "unreadable_verdict")
        if verdict == "equal":
            return Rejection(child, STAGE, "judge", "no_gain")
        return replace(child, meta=child.meta | {"judge_disagrees": True}) if verdict == "unsure" else child

    async def _answer(self, _parent: Record, child: Record, ask: Ask) -> Result:
        if not self.settings.answer:
            return child
        prompt = answering(child, self.settings.prompt("answer"))
        answer = await ask(prompt, self.settings.answer_sampling)
        answered = child.answered(answer.text.strip(), answer.key)
        return _checked(answered, [("prompt_echo", repeats_rules(prompt.messages, child)), *self.answer_checks])

    async def _rate(self, parent: Record, child: Record, ask: Ask) -> Result:
        if not self.settings.rate_complexity:
            return child
        grades = {}
        for name, record in (("complexity_before", parent), ("complexity", child)):
            texts = {"instruction": record.instruction, "input": record.input, "talk": record.talk}
            prompt = render(self.settings.prompt("rate_complexity"), **texts)
            answer = await ask(prompt, JUDGE_SAMPLING, role="judge", keep_cut=True)
            grades[name] = parse_score(answer.text, "Difficulty", 1, 10)
        return replace(child, meta=child.meta | grades)


def _checked(record: Record, checks: Sequence[tuple[str, Check]]) -> Result:
    for name, check in checks:
        if (verdict := check(record)) is not None:
            return Rejection(record, STAGE, name, *split_reason(verdict))
    return record


def _inherited(parent: Record, operator: Operator) -> dict[str, Any]:
    names = ["language", "domain", *([] if operator.is_breadth else ["category", "requested_category"])]
    return {name: parent.meta[name] for name in names if name in parent.meta}
