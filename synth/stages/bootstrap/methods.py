"""The three methods: what a request shows and asks for, and how its reply is read."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth.metrics import rouge_l
from synth.models.base import Completion
from synth.parsing import ParsedTask, parse_numbered, parse_tasks
from synth.prompts import Prompt, render, version
from synth.records import Lineage, Record, Rejection, SeedTask
from synth.stages.bootstrap import settings as defaults
from synth.stages.bootstrap.asking import Asker, list_form, tasks_form
from synth.stages.bootstrap.attributes import CATEGORIES, describe, draw_attributes, draw_language, language_name
from synth.stages.bootstrap.instances import Instances, instance_records
from synth.stages.bootstrap.pool import STAGE, Example, Pool, Result, seed_example
from synth.stages.bootstrap.settings import BootstrapSettings

__all__ = ["METHODS", "Method", "Request", "instance_records", "tasks_schema"]
PUBLISHED = ("write_a_program", "starts_with_punctuation", "non_ascii_start")
"""Heuristics that both published codes share; the last applies to English only."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request for new tasks: the prompt, the ids of the tasks it shows, and notes for the tasks it will bring.

    `number` is its place among all requests, `lost` what `Pool.lost` was when it was made.
    """

    prompt: Prompt
    parents: tuple[str, ...]
    notes: tuple[dict[str, Any], ...] = ()
    number: int = 0
    lost: int = 0


class Method(ABC):
    """What the methods have in common. `checks` are those the method was published with, `sampling` its own."""

    checks: Sequence[str | dict[str, Any]] = ()
    sampling = defaults.ALPACA_SAMPLING
    prompt_name = ""
    classifies = False

    def __init__(self, seeds: Sequence[SeedTask], settings: BootstrapSettings, structured: bool = False) -> None:
        self.seeds = seeds
        self.settings = settings
        self.as_json = settings.structured == "json" or (settings.structured == "auto" and structured)
        self.wants_output = settings.outputs
        self._instances = Instances([seed_example(s) for s in seeds], settings)

    @property
    def versions(self) -> list[str]:
        """Names and versions of the prompts in use, for the stage's fingerprint. Raises UsageError for a bad one."""
        used = {self.prompt_name} | ({"instances"} if self._makes_instances else set())
        used |= {"is_classification", "instances_output_first"} if self.classifies else set()
        return sorted(version(self.settings.prompt(name)) for name in used)

    @abstractmethod
    def request(self, pool: Pool, rng: random.Random) -> Request:
        """Draw the next request from the pool as it stands."""

    async def propose(self, request: Request, ask: Asker) -> list[Result]:
        """Ask for new tasks and read the reply: candidates, and rejections of what cannot be used."""
        as_json = self.as_json and not ask.completes
        answer = await ask(
            request.prompt,
            self.settings.sampling or self.sampling,
            tasks_form(self.settings.per_request),
            schema=tasks_schema(self.wants_output) if as_json else None,
        )
        tasks = parse_tasks(answer.text, cut=answer.finish_reason == "length", wants_output=self.wants_output)
        return self.results(tasks, request, answer)

    async def instances(self, task: Record, ask: Asker) -> list[Result]:
        """The records of an admitted task: itself, unless the method or the settings want more of it."""
        if not self._makes_instances:
            return [task]
        return await self._instances.make(task, ask, classify=self.classifies)

    @property
    def _makes_instances(self) -> bool:
        return self.classifies or self.settings.instances > 1

    def results(self, tasks: list[ParsedTask], request: Request, answer: Completion) -> list[Result]:
        """What was read as records with their lineage, or as rejections."""
        prompt, keys = request.prompt.version, (answer.key,)
        line = Lineage("bootstrap", request.parents, self.settings.method, 0, answer.model, prompt, keys)
        if not tasks:
            nothing = Record("", lineage=line)
            return [Rejection(nothing, STAGE, "parsing", "no_tasks_found", answer.text[:500])]
        results: list[Result] = []
        for task in tasks:
            meta = request.notes[task.number - 1] if 0 < task.number <= len(request.notes) else {}
            record = Record(task.instruction, task.input, task.output, lineage=line, meta=_asked(meta))
            results.append(Rejection(record, STAGE, "parsing", task.problem) if task.problem else record)
        return results


class SelfInstruct(Method):
    """The four steps as published: instructions, classification or not, instances, filters."""

    prompt_name = "self_instruct"
    sampling = defaults.SELF_INSTRUCT_SAMPLING
    checks = ("instruction_length", {"banned_words": {"words": "self_instruct"}}, *PUBLISHED)
    classifies = True

    def request(self, pool: Pool, rng: random.Random) -> Request:
        """8 instructions: all seeds at first, then up to 2 machine-made ones among them, shuffled."""
        settings = self.settings
        seeds = [s for s in pool.seeds if s.is_classification] if settings.classification_only else pool.seeds
        seeds = seeds or pool.seeds
        machine = rng.sample(pool.accepted, min(settings.machine_examples, settings.examples, len(pool.accepted)))
        shown = machine + rng.sample(seeds, min(settings.examples - len(machine), len(seeds)))
        rng.shuffle(shown)
        language = draw_language(settings, rng)
        prompt = render(
            settings.prompt("self_instruct"),
            instructions=[example.instruction.rstrip().rstrip(":\N{FULLWIDTH COLON}") for example in shown],
            num_new=settings.per_request,
            classification_only=settings.classification_only,
            topic=settings.topic,
            language=language_name(language),
        )
        return Request(prompt, _ids(shown), _notes(language, settings.per_request))

    async def propose(self, request: Request, ask: Asker) -> list[Result]:
        """A numbered list that goes on; never JSON."""
        settings, shown = self.settings, len(request.parents)
        form = list_form(shown, settings.per_request)
        answer = await ask(request.prompt, settings.sampling or self.sampling, form)
        tasks = parse_numbered(answer.text, shown + 1, cut=answer.finish_reason == "length")
        return self.results(tasks, request, answer)


class Alpaca(Method):
    """Many tasks with their answers in one reply; seeds only as examples."""

    prompt_name = "alpaca"
    sampling = defaults.ALPACA_SAMPLING
    checks = ("instruction_length", {"banned_words": {"words": "alpaca"}}, *PUBLISHED)

    def request(self, pool: Pool, rng: random.Random) -> Request:
        """3 seeds with their first instance."""
        settings = self.settings
        shown = rng.sample(pool.seeds, min(settings.examples, len(pool.seeds)))
        language = draw_language(settings, rng)
        prompt = render(
            settings.prompt("alpaca"),
            num_tasks=settings.per_request,
            topic=settings.topic,
            examples=shown,
            language=language_name(language),
            with_outputs=self.wants_output,
            as_json=self.as_json,
        )
        return Request(prompt, _ids(shown), _notes(language, settings.per_request))


class Diverse(Method):
    """Ours: tasks under drawn attributes; machine-made examples are those farthest from the other examples.

    Its checks aim at what the published ones aim at, without refusing innocent tasks: see `synth.checks.heuristics`.
    """

    prompt_name = "diverse"
    sampling = defaults.DIVERSE_SAMPLING
    checks = ("instruction_length", "needs_media", "needs_web", "odd_start")

    def request(self, pool: Pool, rng: random.Random) -> Request:
        """A few examples that lie far apart, the verbs used up, and a line of attributes for each task wanted."""
        settings = self.settings
        known = sorted({seed.category for seed in self.seeds if seed.category})
        rows = draw_attributes(settings, known or CATEGORIES, rng, settings.per_request)
        machine = min(settings.machine_examples, len(pool.accepted), settings.examples - 1)
        shown = rng.sample(pool.seeds, min(settings.examples - machine, len(pool.seeds)))
        for _ in range(machine):
            drawn = rng.sample(pool.accepted, min(FARTHEST_OF, len(pool.accepted)))
            shown.append(farthest(drawn, shown))
        rng.shuffle(shown)
        prompt = render(
            settings.prompt("diverse"),
            topic=settings.topic,
            examples=shown,
            wanted=[describe(row) for row in rows],
            verbs=pool.frequent_verbs(),
            with_outputs=self.wants_output,
            as_json=self.as_json,
        )
        return Request(prompt, _ids(shown), tuple(rows))


FARTHEST_OF = 8
"""Accepted tasks drawn, of which the one farthest from the examples is shown."""


def farthest(candidates: Sequence[Example], shown: Sequence[Example]) -> Example:
    """The candidate whose closest neighbour among `shown` is the farthest, by ROUGE-L."""
    return min(
        candidates,
        key=lambda c: (max((rouge_l(c.instruction, s.instruction) for s in shown), default=0.0), c.id),
    )


def _asked(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Notes of what was asked for, named so: whether a task is of the category is not known."""
    return {"requested_category" if name == "category" else name: value for name, value in notes.items()}


def _ids(shown: Sequence[Example]) -> tuple[str, ...]:
    return tuple(example.id for example in shown)


def _notes(language: str | None, count: int) -> tuple[dict[str, Any], ...]:
    return tuple({"language": language} for _ in range(count)) if language else ()


def tasks_schema(wants_output: bool) -> dict[str, Any]:
    """The JSON schema of a reply with tasks."""
    names = ["instruction", "input", *(["output"] if wants_output else [])]
    task = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": names,
        "additionalProperties": False,
    }
    tasks = {"tasks": {"type": "array", "items": task}}
    return {"type": "object", "properties": tasks, "required": ["tasks"], "additionalProperties": False}


METHODS: dict[str, type[Method]] = {"diverse": Diverse, "alpaca": Alpaca, "self_instruct": SelfInstruct}
