"""Steps 2 and 3 of Self-Instruct: is a task classification? And inputs with answers for it, by the published rules.

For classification the teacher writes the label first and then an input that fits it, so that the inputs do not lean to
one label. The other way round everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from synth.checks.base import split_reason
from synth.checks.echo import repeats_request
from synth.checks.tasks import stands_in
from synth.engine.run import request_failure
from synth.errors import RequestFailed, RequestRefused
from synth.models.base import Completion
from synth.parsing import ParsedTask, parse_instances, parse_yes_no
from synth.prompts import Prompt, render
from synth.prompts.replies import instance_reply
from synth.records import Record, Rejection
from synth.stages.bootstrap.asking import YES_NO, Asker, instances_form
from synth.stages.bootstrap.examples import mixed
from synth.stages.bootstrap.pool import STAGE, Example, Result
from synth.stages.bootstrap.settings import SECOND_CLASSIFICATION_SAMPLING, BootstrapSettings


class Instances:
    """Makes the instances of new tasks, shown the same of `seeds` each time: a server's prefix cache serves them."""

    def __init__(self, seeds: Sequence[Example], settings: BootstrapSettings) -> None:
        self.settings = settings
        self._seeds = seeds

    async def make(self, task: Record, ask: Asker, *, classify: bool) -> list[Result]:
        """The records of one admitted task, and what had to be thrown away. A failed request costs this task only."""
        try:
            if not classify:
                return await self._input_first(task, ask)
            is_classification = await self._is_classification(task, ask)
            task = replace(task, meta=task.meta | {"is_classification": is_classification})
            return await (self._output_first(task, ask) if is_classification else self._input_first(task, ask))
        except RequestFailed as error:
            return [request_failure(task, STAGE, error)]

    async def _is_classification(self, task: Record, ask: Asker) -> bool:
        """Asked twice where need be. Raises RequestRefused where no answer can be read: never silently no."""
        yes, no = self.settings.classification_examples
        fitting = [seed for seed in self._seeds if seed.is_classification][:yes]
        examples = mixed(fitting, [seed for seed in self._seeds if not seed.is_classification][:no])
        prompt = render(self.settings.prompt("is_classification"), instruction=task.instruction, examples=examples)
        text = ""
        for draw, sampling in enumerate((self.settings.classification_sampling, SECOND_CLASSIFICATION_SAMPLING)):
            text = (await ask(prompt, sampling, YES_NO, draw=draw)).text
            verdict = parse_yes_no(text)
            if verdict is not None:
                return verdict
        raise RequestRefused(f"asked twice, the answer was neither yes nor no: {text[:200]!r}", "unreadable_answer")

    async def _input_first(self, task: Record, ask: Asker) -> list[Result]:
        own: list[Result] = [task] if task.input or task.output else []
        wanted = self.settings.instances - len(own)
        prompt = render(
            self.settings.prompt("instances"),
            instruction=task.instruction,
            num_instances=wanted,
            examples=self._solved(is_classification=False),
        )
        answer = await ask(prompt, self.settings.instance_sampling, instances_form("Input"))
        found = parse_instances(answer.text, cut=answer.finish_reason == "length")
        made = instance_records(task, found, answer, wanted, taken=[task.input] if own else [])
        return own + _without_echoes(made, prompt)

    async def _output_first(self, task: Record, ask: Asker) -> list[Result]:
        wanted = self.settings.instances
        prompt = render(
            self.settings.prompt("instances_output_first"),
            instruction=task.instruction,
            num_instances=wanted,
            examples=self._solved(is_classification=True),
        )
        answer = await ask(prompt, self.settings.instance_sampling, instances_form("Label"))
        found = parse_instances(answer.text, cut=answer.finish_reason == "length", wants_label=True)
        return _without_echoes(instance_records(task, found, answer, wanted), prompt)

    def _solved(self, *, is_classification: bool) -> list[dict[str, str]]:
        fitting = [seed for seed in self._seeds if seed.is_classification == is_classification]
        shown = fitting[: self.settings.solved_examples(is_classification)]
        replies = (instance_reply(one, label_first=is_classification) for one in shown)
        return [{"instruction": one.instruction, "reply": reply} for one, reply in zip(shown, replies, strict=True)]


def instance_records(
    task: Record, found: Sequence[ParsedTask], answer: Completion, most: int, taken: Sequence[str] = ()
) -> list[Result]:
    """The instances of a task as records, at most `most`; `taken` are inputs that it has already.

    One input with two answers drops both; Self-Instruct drops all instances of the task then, which costs good ones. A
    second answer without an input is only left out: many tasks without one have more than one right answer.
    """
    line = replace(task.lineage, completion_keys=(*task.lineage.completion_keys, answer.key))
    answers: dict[str, set[str]] = {}
    for instance in found:
        if instance.input and instance.problem is None:
            answers.setdefault(instance.input, set()).add(instance.output)
    results: list[Result] = []
    seen, kept = set(taken), 0
    for instance in found:
        given = "" if stands_in(instance.input, task.instruction) else instance.input
        record = replace(task, input=given, output=instance.output, lineage=line)
        conflict = len(answers.get(instance.input, ())) > 1
        reason = instance.problem or ("conflicting_outputs" if conflict else _fault(instance, seen, kept >= most))
        results.append(Rejection(record, STAGE, "instance", reason) if reason else record)
        kept += reason is None
        seen.add(instance.input)
    if not found:
        nothing = replace(task, lineage=line)
        results.append(Rejection(nothing, STAGE, "instance", "no_instances_found", answer.text[:500]))
    return results


def _without_echoes(results: Sequence[Result], prompt: Prompt) -> list[Result]:
    """`results` with those rejected that repeat the prompt (its own instruction apart)."""
    check = repeats_request(prompt.messages, [prompt.messages[-1]["content"]])
    verdicts = [check(one) if isinstance(one, Record) else None for one in results]
    return [
        Rejection(one, STAGE, "prompt_echo", *split_reason(verdict)) if isinstance(one, Record) and verdict else one
        for one, verdict in zip(results, verdicts, strict=True)
    ]


def _fault(instance: ParsedTask, seen: set[str], full: bool) -> str | None:
    """Self-Instruct's rules for one instance; an empty output is refused by the parser already."""
    if instance.input in seen:
        return "repeated_instance"
    if instance.input == instance.output:
        return "output_equals_input"
    if instance.output.endswith((":", "\N{FULLWIDTH COLON}")) or instance.input.endswith((":", "\N{FULLWIDTH COLON}")):
        return "unfinished"
    return "too_many_instances" if full else None
