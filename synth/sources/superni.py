"""Task files of Natural Instructions (arXiv 2104.08773) and Super-NaturalInstructions (arXiv 2204.07705), both ways.

A file holds one task: its definition, examples, and instances with one or more right outputs. Files of the first
release lack keys or nest their examples; all of them are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.records import AS_GOOD, OtherAnswer, Record, SeedTask
from synth.sources.languages import language_code, language_name
from synth.sources.rows import Fields, Row


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a task stands in its prompt beside the definition: the numbers of positive and negative examples, and
    whether their explanations are shown. Published experiments show none, 2 positive ones, or 2 of each.
    """

    num_positive: int = 0
    num_negative: int = 0
    explanations: bool = False


@dataclass(frozen=True, slots=True)
class TaskExample:
    """An example of a task file; `explanation` says why it is right, or what is wrong with it."""

    input: str
    output: str
    explanation: str = ""


def superni(fields: Fields, require_output: bool, shown: Shown = Shown()) -> list[Record]:
    """A record for each instance of a task; an instance that cannot be used costs no other one.

    The first output is the record's answer, the others are among its `others` with the grade of a tie.
    """
    definition = _definition(fields)
    instances = fields.get("Instances")
    if not isinstance(instances, list) or not instances:
        fields.bad('`Instances` must be a list of {"input": "...", "output": ["..."]}, not empty')
    positive = _examples(fields, "Positive Examples", shown.num_positive)
    negative = _examples(fields, "Negative Examples", shown.num_negative)
    if fields.num_bad or not isinstance(instances, list):
        return []
    instruction = prompt(definition, positive, negative, shown.explanations)
    meta = _meta(fields)
    found = (_instance(fields, number, one, require_output) for number, one in enumerate(instances, 1))
    return [
        Record(instruction, given, outputs[0], others=tuple(OtherAnswer(text, None, AS_GOOD) for text in outputs[1:]),
               meta=dict(meta))
        for given, outputs in filter(None, found)
    ]  # fmt: skip


def prompt(
    definition: str, positive: Sequence[TaskExample], negative: Sequence[TaskExample], explanations: bool = False
) -> str:
    """The instruction: the definition alone, or under the published headings with its examples."""
    if not positive and not negative:
        return definition
    parts = [f"Definition: {definition}"]
    for kind, examples in (("Positive", positive), ("Negative", negative)):
        for number, one in enumerate(examples, 1):
            lines = [f"{kind} Example {number} -", f"Input: {one.input}", f"Output: {one.output}"]
            lines += [f"Explanation: {one.explanation}"] if explanations and one.explanation else []
            parts.append("\n".join(lines))
    return "\n\n".join([*parts, "Now complete the following example -"])


def _definition(fields: Fields) -> str:
    """Newer files hold a list, of which the published code takes the first."""
    given = fields.get("Definition")
    if isinstance(given, list) and given:
        fields.row.value["Definition"] = given[0]
    return fields.text("Definition").strip()


def _examples(fields: Fields, key: str, number: int) -> list[TaskExample]:
    """The first `number` examples under `key`, which the first release kept within `Examples`."""
    nested = fields.get("Examples")
    given = fields.get(key) or (nested.get(key) if isinstance(nested, dict) else None) or []
    if number == 0:
        return []
    sound = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    read = [_example(one) for one in sound]
    found = [one for one in read if one.input.strip() and one.output.strip()]
    if len(found) < min(number, len(given)):
        fields.changed(f"`{key}` without an input or an output were left out")
    return found[:number]


def _example(given: dict[str, Any]) -> TaskExample:
    output = given.get("output")
    text = output[0] if isinstance(output, list) and output else output
    values = [given.get("input"), text, given.get("explanation", given.get("reason"))]
    return TaskExample(*(value.strip() if isinstance(value, str) else "" for value in values))


def _instance(fields: Fields, number: int, given: Any, require_output: bool) -> tuple[str, list[str]] | None:
    """(input, outputs), None for an instance that cannot be used, with its place among the mistakes."""
    where = f"{fields.row.where}, instance {number}"
    inner = Fields(Row(where, given if isinstance(given, dict) else {}), fields.reading)
    if not isinstance(given, dict):
        inner.bad('is not an object; write {"input": "...", "output": ["..."]}')
        return None
    if "input" not in given:
        inner.bad("`input` is missing; write it, empty where there is none")
    text = inner.text("input", may_be_empty=True)
    outputs = given.get("output")
    listed = outputs if isinstance(outputs, list) else [] if outputs is None else [outputs]
    if not all(isinstance(one, str) for one in listed):
        inner.bad("`output` holds something that is not a text; write texts in quotation marks")
    kept = list(dict.fromkeys(one for one in listed if isinstance(one, str) and one.strip()))
    if require_output and not kept and not inner.num_bad:
        inner.bad("`output` is empty; fill it or remove the instance")
    return None if inner.num_bad else (text, kept or [""])


def _meta(fields: Fields) -> dict[str, Any]:
    """Task, category, language and domain as far as the file names them."""
    place = fields.row.where.rpartition(":")
    meta: dict[str, Any] = {"task": str(fields.get("Name") or Path(place[0] or place[2]).stem)}
    for key, name in (("Categories", "category"), ("Output_language", "language"), ("Domains", "domain")):
        value = fields.get(key)
        first = value[0] if isinstance(value, list) and value else value
        meta |= {name: first} if isinstance(first, str) and first.strip() else {}
    if "language" in meta:
        meta["language"] = language_code(meta["language"])
    fields.used |= {"Contributors", "Source", "URL", "Reasoning", "Input_language", "Instruction_language",
                    "Instance License", "Title", "Prompt"}  # fmt: skip
    return meta


def seed_tasks(records: Iterable[Record]) -> list[SeedTask]:
    """Records of task files as seed tasks: those of one task together, with as many instances."""
    from synth.records import Instance

    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((str(record.meta.get("task") or ""), record.instruction), []).append(record)
    return [
        SeedTask(
            task or f"task_{number}", task or f"task_{number}", instruction,
            tuple(Instance(one.input, one.output) for one in group),
            "classification" in str(group[0].meta.get("category", "")).casefold(),
            group[0].meta.get("category"), _short_code(group[0].meta.get("language")),
        )
        for number, ((task, instruction), group) in enumerate(groups.items())
    ]  # fmt: skip


def _short_code(language: Any) -> str | None:
    return language if isinstance(language, str) and language.isascii() and 2 <= len(language) <= 3 else None


def task_file(records: Sequence[Record], name: str = "synth") -> dict[str, Any]:
    """The JSON object of a task file for records of one and the same instruction; `superni` reads them back.

    The first two records become its positive examples as well, since every published file has some.
    """
    first = records[0]
    language = [language_name(str(first.meta.get("language") or "en"))]
    instances = [
        {"id": f"{name}-{number}", "input": one.input, "output": _outputs(one)} for number, one in enumerate(records)
    ]
    examples = [{"input": one.input, "output": one.output, "explanation": ""} for one in records[:2]]
    return {
        "Contributors": [], "Source": [str(first.meta.get("source") or "synth")], "URL": [],
        "Categories": [str(first.meta.get("category") or "Miscellaneous")], "Reasoning": [],
        "Definition": [first.task()], "Input_language": language, "Output_language": language,
        "Instruction_language": ["English"], "Domains": [str(first.meta.get("domain") or "Miscellaneous")],
        "Positive Examples": examples, "Negative Examples": [], "Instances": instances,
        "Instance License": ["Unknown"],
    }  # fmt: skip


def _outputs(record: Record) -> list[str]:
    right = (one.output for one in record.others if one.grade == AS_GOOD)
    return list(dict.fromkeys([record.output, *right]))
