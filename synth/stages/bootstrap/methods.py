"""The methods: what a request shows and asks for, and how its reply is read."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synth.checks.answers import repetition
from synth.checks.improbable import likeliness
from synth.checks.tasks import has_material, stands_in
from synth.models.base import Completion
from synth.parsing import ParsedTask, parse_numbered, parse_tasks
from synth.prompts import Prompt, render, version
from synth.prompts.replies import task_reply
from synth.records import Lineage, Record, Rejection, SeedTask, digest
from synth.sources.languages import language_name
from synth.stages.bootstrap import settings as defaults
from synth.stages.bootstrap.asking import Asker, list_form, tasks_form
from synth.stages.bootstrap.attributes import KINDS, Kind, draw_attributes, draw_language, kind_of
from synth.stages.bootstrap.examples import languages, plain_tasks, short, showable
from synth.stages.bootstrap.instances import Instances, instance_records
from synth.stages.bootstrap.pool import STAGE, Example, Pool, Result, seed_example
from synth.stages.bootstrap.settings import BootstrapSettings
from synth.stages.bootstrap.worked import WORKED_IDS

__all__ = ["METHODS", "Method", "Request", "instance_records", "tasks_schema"]
PUBLISHED = ("write_a_program", "starts_with_punctuation", "non_ascii_start")
"""Heuristics that both published codes share; the last applies to English only."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request for new tasks: the prompt, the ids of the tasks it shows, and notes for the tasks it will bring.

    `number` is its place among all requests, `lost` what `Pool.lost` was when it was made. `with_inputs`: does the
    reply give each task an input beside its instruction?
    """

    prompt: Prompt
    parents: tuple[str, ...]
    notes: tuple[dict[str, Any], ...] = ()
    number: int = 0
    lost: int = 0
    with_inputs: bool = True


class Method(ABC):
    """What the methods have in common. `checks` are those the method was published with, `sampling` its own.

    `plain_kinds`: seeds of these kinds need not be shown, as plain tasks of the same kinds are. `languages` (ISO 639-1
    codes):
    new tasks are in one of them; empty where nothing says which.
    """

    checks: Sequence[str | dict[str, Any]] = ()
    sampling = defaults.ALPACA_SAMPLING
    prompt_name = ""
    classifies = False
    plain_kinds: Collection[str] = frozenset(KINDS)
    shows_tasks = True

    def __init__(
        self, seeds: Sequence[SeedTask], settings: BootstrapSettings, structured: bool = False, run_seed: int = 0
    ) -> None:
        self.seeds = seeds
        self.settings = settings
        self.run_seed = run_seed
        self.seed_examples = showable([seed_example(seed) for seed in seeds], settings)
        self.plain = plain_tasks(self.seed_examples, settings)
        are_known = all(seed.category in self.plain_kinds for seed in self.seed_examples)
        self.showable = (self.plain if are_known else []) or self.seed_examples
        self.languages = languages(self.showable if self.shows_tasks else (), settings)
        self.as_json = settings.structured == "json" or (settings.structured == "auto" and structured)
        self.wants_output = settings.outputs
        self._instances = Instances(list(dict.fromkeys([*self.showable, *self.seed_examples])), settings)

    @property
    def versions(self) -> list[str]:
        """Names and versions of the prompts in use, for the stage's fingerprint. Raises UsageError for a bad one."""
        used = {self.prompt_name} | ({"instances"} if self.makes_instances else set())
        used |= {"is_classification", "instances_output_first"} if self.classifies else set()
        return sorted(version(self.settings.prompt(name)) for name in used)

    @abstractmethod
    def request(self, pool: Pool, rng: random.Random, number: int = 0) -> Request:
        """Draw request `number` from the pool as it stands."""

    def reply(self, shown: Sequence[Example], with_inputs: bool = True) -> str:
        """The reply that would have given the tasks shown."""
        return task_reply(shown, with_inputs=with_inputs, with_outputs=self.wants_output, as_json=self.as_json)

    async def propose(self, request: Request, ask: Asker) -> list[Result]:
        """Ask for new tasks and read the reply: candidates, and rejections of what cannot be used."""
        size = self.settings.per_request
        as_json = self.as_json and not ask.completes
        answer = await ask(
            request.prompt,
            self.settings.sampling or self.sampling,
            tasks_form(size),
            schema=tasks_schema(size, self.wants_output, request.with_inputs) if as_json else None,
            draw=request.number,  # with few seeds or a topic two requests may have the same words
            logprobs=True,
        )
        tasks = parse_tasks(answer.text, cut=answer.finish_reason == "length", wants_output=self.wants_output)
        return self.results(tasks, request, answer)

    async def instances(self, task: Record, ask: Asker) -> list[Result]:
        """The records of an admitted task: itself, unless the method or the settings want more of it."""
        if not self.makes_instances:
            return [task]
        return await self._instances.make(task, ask, classify=self.classifies)

    @property
    def makes_instances(self) -> bool:
        """Are inputs and outputs asked for by requests of their own?"""
        return self.classifies or self.settings.instances > 1

    def results(self, tasks: list[ParsedTask], request: Request, answer: Completion) -> list[Result]:
        """What was read as records with their lineage, or as rejections."""
        prompt, keys = request.prompt.version, (answer.key,)
        parents = tuple(one for one in request.parents if one not in WORKED_IDS)
        line = Lineage("bootstrap", parents, self.settings.method, 0, answer.model, prompt, keys)
        if not tasks:
            nothing = Record("", lineage=line)
            return [Rejection(nothing, STAGE, "parsing", "no_tasks_found", answer.text[:500])]
        results: list[Result] = []
        for task in tasks:
            meta = request.notes[task.number - 1] if 0 < task.number <= len(request.notes) else {}
            given = "" if stands_in(task.input, task.instruction) else task.input
            record = Record(task.instruction, given, task.output, lineage=line, meta=_asked(meta) | likeliness(answer))
            problem = task.problem or _lack(record)
            results.append(Rejection(record, STAGE, "parsing", problem) if problem else record)
        return results


class SelfInstruct(Method):
    """The four steps as published: instructions, classification or not, instances, filters."""

    prompt_name = "self_instruct"
    sampling = defaults.SELF_INSTRUCT_SAMPLING
    checks = ("instruction_length", {"banned_words": {"words": "self_instruct"}}, *PUBLISHED)
    classifies = True

    def request(self, pool: Pool, rng: random.Random, number: int = 0) -> Request:
        """8 instructions: up to 2 machine-made ones, and seeds, half of them plain tasks where these may be shown."""
        settings = self.settings
        labelled = [s for s in self.seed_examples if s.is_classification] if settings.classification_only else []
        seeds = short(labelled or self.showable)
        machine = rng.sample(pool.accepted, min(settings.machine_examples, settings.examples, len(pool.accepted)))
        beside = [] if self.showable is self.plain else self.plain
        plain = rng.sample(beside, min((settings.examples - len(machine)) // 2, len(beside)))
        shown = machine + plain + rng.sample(seeds, min(settings.examples - len(machine) - len(plain), len(seeds)))
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
        sampling = settings.sampling or self.sampling
        answer = await ask(request.prompt, sampling, form, draw=request.number, logprobs=True)
        tasks = parse_numbered(answer.text, shown + 1, cut=answer.finish_reason == "length")
        return self.results(tasks, request, answer)


class Alpaca(Method):
    """Several tasks with their answers in one reply; seeds only as examples."""

    prompt_name = "alpaca"
    sampling = defaults.ALPACA_SAMPLING
    checks = ("instruction_length", {"banned_words": {"words": "alpaca"}}, *PUBLISHED)

    def request(self, pool: Pool, rng: random.Random, number: int = 0) -> Request:
        """3 seeds with their first instance, in one earlier reply."""
        settings = self.settings
        seeds = short(self.showable)
        shown = rng.sample(seeds, min(settings.examples, len(seeds)))
        language = draw_language(settings, rng)
        replies = [{"count": len(shown), "reply": self.reply(shown)}] if shown else []
        if settings.per_request == 1:
            replies = [{"count": 1, "reply": self.reply([one])} for one in shown]
        prompt = render(
            settings.prompt("alpaca"),
            num_tasks=settings.per_request,
            topic=settings.topic,
            examples=replies,
            language=language_name(language),
            with_outputs=self.wants_output,
            as_json=self.as_json,
        )
        return Request(prompt, _ids(shown), _notes(language, settings.per_request))


class Diverse(Method):
    """Ours: tasks under drawn attributes, each shown what seeds of its kind look like.

    Its checks aim at what the published ones aim at, without refusing innocent tasks: see `synth.checks.heuristics`.
    """

    prompt_name = "diverse"
    sampling = defaults.DIVERSE_SAMPLING
    checks = ("instruction_length", "needs_media", "needs_web", "odd_start")
    plain_kinds = frozenset({*KINDS, ""})
    """Tasks are asked for by our kinds where the seeds name none, and then shown by them."""

    def request(self, pool: Pool, rng: random.Random, number: int = 0) -> Request:
        """Examples, some of the first kind wanted, and the attributes of each task."""
        settings = self.settings
        known = sorted({seed.category for seed in self.seeds if seed.category})
        kinds = settings.categories or known or list(KINDS)
        rows = draw_attributes(settings, kinds, self.run_seed, number, rng)
        with_inputs = any(self._works_on_input(row["category"]) for row in rows)
        shown = self.shown({row["category"] for row in rows}, with_inputs, number)
        size = settings.per_request
        groups = [shown[at : at + size] for at in range(0, len(shown), size)]
        prompt = render(
            settings.prompt("diverse"),
            topic=settings.topic,
            examples=[
                {"wanted": [_described(one) for one in group], "reply": self.reply(group, with_inputs)}
                for group in groups
            ],
            wanted_items=[_wanted(row) for row in rows],
            with_inputs=with_inputs,
            with_outputs=self.wants_output,
        )
        return Request(prompt, _ids(shown), tuple(rows), with_inputs=with_inputs)

    def shown(self, wanted: set[str], with_inputs: bool, number: int) -> list[Example]:
        """The examples of request `number`: of several kinds, none of them wanted, all with an input or all without.

        They hardly change for `USES` requests, so that a server's prefix cache serves them.
        """
        free = [one for one in self.showable if not one.is_classification]
        others = [one for one in free if one.category not in wanted] or free
        fitting = short([one for one in others if bool(one.input) == with_inputs] or others)
        drawn = sorted(fitting, key=lambda one: digest(self.run_seed, number // USES, one.id))
        of_each = {one.category or one.id: one for one in reversed(drawn)}
        return sorted(of_each.values(), key=drawn.index)[: self.settings.examples]

    def _works_on_input(self, category: str) -> bool:
        own = [bool(one.input) for one in self.showable if one.category == category]
        return bool(kind_of(category).material) or sum(own) > len(own) / 2


class Magpie(Method):
    """No example and no seed: an aligned model that is given the header of a user's turn writes one (arXiv 2406.08464).

    The header goes to the completions endpoint; answers are asked for as ever.
    """

    sampling = defaults.MAGPIE_SAMPLING
    shows_tasks = False
    checks = ("instruction_length", "needs_media", "needs_web", "odd_start")

    @property
    def versions(self) -> list[str]:
        """The header takes the place of a prompt."""
        return [f"header@{digest(self.settings.header)[:8]}"]

    def request(self, pool: Pool, rng: random.Random, number: int = 0) -> Request:
        """The header alone; the draw tells requests apart."""
        return Request(Prompt.of(self.settings.header, self.versions[0]), ())

    async def propose(self, request: Request, ask: Asker) -> list[Result]:
        """What the model wrote as the user's turn; one that did not end is no task."""
        sampling = self.settings.sampling or self.sampling
        ends = replace(sampling, stop=(*sampling.stop, self.settings.header_end))
        number = request.number
        answer = await ask.ask(request.prompt, ends, draw=number, keep_cut=True, kind="completion", logprobs=True)
        text = answer.text.strip()
        problem = "cut_off" if answer.finish_reason == "length" else repetition(Record("", "", text))
        return self.results([ParsedTask(text, problem=problem and problem.partition(":")[0])], request, answer)


USES = 256
"""Requests that show the same examples."""


def _lack(record: Record) -> str | None:
    """Why a task of its kind cannot be done: the text to translate, say, is in neither input nor instruction."""
    wanted = record.meta.get("requested_category")
    needs = kind_of(wanted).material if wanted else ""
    is_there = not needs or record.input or has_material(record.instruction)
    return None if is_there else "missing_input"


def _described(example: Example) -> dict[str, str]:
    """What a request for this very example would have wanted."""
    kind = kind_of(example.category) if example.category else Kind("")
    return {
        "kind": kind.phrase,
        "topic": example.topic,
        "language": "",
        "material": kind.material if example.input else "",
    }


def _wanted(row: dict[str, str]) -> dict[str, str]:
    kind = kind_of(row["category"])
    language = language_name(row.get("language")) or ""
    return {"kind": kind.phrase, "topic": row.get("domain", ""), "language": language, "material": kind.material}


def _asked(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Notes of what was asked for, named so: whether a task is of the category is not known."""
    return {"requested_category" if name == "category" else name: value for name, value in notes.items()}


def _ids(shown: Sequence[Example]) -> tuple[str, ...]:
    return tuple(example.id for example in shown)


def _notes(language: str | None, count: int) -> tuple[dict[str, Any], ...]:
    return tuple({"language": language} for _ in range(count)) if language else ()


def tasks_schema(count: int, wants_output: bool, with_inputs: bool = True) -> dict[str, Any]:
    """The JSON schema of a reply with `count` tasks; one task is an object by itself."""
    names = ["instruction", *(["input"] if with_inputs else []), *(["output"] if wants_output else [])]
    task = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": names,
        "additionalProperties": False,
    }
    if count == 1:
        return task
    tasks = {"tasks": {"type": "array", "items": task}}
    return {"type": "object", "properties": tasks, "required": ["tasks"], "additionalProperties": False}


METHODS: dict[str, type[Method]] = {
    "diverse": Diverse,
    "alpaca": Alpaca,
    "self_instruct": SelfInstruct,
    "magpie": Magpie,
}
