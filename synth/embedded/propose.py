"""New tasks: drawn under the wanted attributes, away from what the prompt shows. And material for a given instruction."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import replace
from typing import Any

from synth.embedded.answer import answer, labels_for
from synth.embedded.domains import Domain, domains
from synth.embedded.draws import Draw
from synth.embedded.generate import Task, Wish, draw_task
from synth.embedded.plan import Plan
from synth.embedded.reader import read
from synth.embedded.recognise import Prompt, count, examples, wants_answers
from synth.embedded.task import new_material, plans_of, variants
from synth.embedded.values import Unfit
from synth.errors import RequestRefused

PREFERENCES: tuple[tuple[str, str], ...] = (
    (r"arithmetic|math|word problem", "multiply total mean count_rows"),
    (r"unit|date|time", "convert_unit round_to"),
    (r"sort|rank|compar|order", "sort_rows extreme_row compare_with"),
    (r"extract|json", "lookup to_json"),
    (r"table|csv|transform|sql", "to_json sort_rows keep_by_category keep_by_number"),
    (r"passage|closed|summar", "lookup mentions count_words extreme_row"),
    (r"logic|puzzle", "parity compare_with mentions"),
)
"""Words of a category to the operations that come closest to it."""
_PLAIN = set("the and for small public local school office shop club centre team city own".split())
_WANTED = re.compile(
    r"task(?: with its answer)?(?: about (?P<topic>.+?))?: the assistant is to (?P<category>[^.]+)\."
    r"(?: Language: (?P<language>\w+)\.)?",
    re.IGNORECASE,
)
ENGLISH = ("", "en", "english", "any")
FOREIGN = re.compile(
    r"(?:\bin |\bLanguage: )(?:German|French|Spanish|Italian|Portuguese|Dutch|Polish|Russian|Ukrainian|Turkish|Arabic|Hindi|Chinese|Japanese|Korean|Vietnamese)\b"
)
"""Another language asked for in the sentences of a prompt."""


def propose(prompt: Prompt, draw: Draw, base: Wish, schema: dict[str, Any] | None) -> str:
    """The reply to `# New tasks`: headed sections, or JSON where a schema is asked for."""
    if not _WANTED.search(prompt.text):
        _require_english(prompt)
    shown = _skeletons(prompt)
    topic = prompt.block("topic")
    with_output = wants_answers(prompt) or '"output"' in json.dumps(schema)
    tasks: list[Task] = []
    lines = [line for line in prompt.text.split("\n") if _WANTED.search(line)]
    for line in lines or [""] * count(prompt, "tasks?", 5):
        wish = _wish(line, topic, base)
        if wish is None:
            continue
        avoid = frozenset() if base.operations else frozenset(shown | {task.plan.skeleton for task in tasks})
        tasks.append(_drawn(draw, wish, base, avoid))
    if not tasks:
        raise RequestRefused("none of the wanted tasks is within the teacher's grammar", "unsupported")
    return _json(tasks, with_output, schema) if schema else _sections(tasks, with_output)


def _require_english(prompt: Prompt) -> None:
    if FOREIGN.search(prompt.preface):
        raise RequestRefused("the embedded teacher writes English only", "unsupported")


def _drawn(draw: Draw, wish: Wish, base: Wish, avoid: frozenset[str]) -> Task:
    try:
        return draw_task(draw, replace(wish, avoid=avoid))
    except Unfit:
        return draw_task(draw, replace(base, avoid=frozenset()))


def _skeletons(prompt: Prompt) -> set[str]:
    return {plan.skeleton for shown in examples(prompt) for plan in read(shown)[:1]}


def _wish(line: str, topic: str, base: Wish) -> Wish | None:
    """What a line such as "about a ferry: the assistant is to summarise a text." asks for; None in another language."""
    said = _WANTED.search(line.lower())
    wanted = said.groupdict("") if said else {"category": "", "topic": "", "language": ""}
    if wanted["language"] not in ENGLISH:
        return None
    category = wanted["category"]
    found = next((names.split() for pattern, names in PREFERENCES if re.search(pattern, category)), [])
    domain = find_domain(wanted["topic"]) or find_domain(topic)
    prefer = () if base.operations else tuple(found)
    return replace(base, domain=domain, prefer=prefer, classification="classes" in category)


@functools.lru_cache(maxsize=256)
def find_domain(text: str) -> Domain | None:
    """The domain that is named so, or that shares most words with a description; None if there is none."""
    wanted = text.lower().strip().removeprefix("a ").removeprefix("an ")
    named = [domain for domain in domains() if wanted in (domain.key, domain.place.partition(" ")[2])]
    if named or not wanted:
        return named[0] if named else None
    stems = _stems(wanted)
    scored = [
        (len(stems & _stems(f"{d.key} {d.place} {d.role} {d.noun}")), -place, d) for place, d in enumerate(domains())
    ]
    best = max(scored, key=lambda entry: entry[:2])
    return best[2] if best[0] else None


def _stems(text: str) -> set[str]:
    """The first six letters of the words that say something."""
    return {word[:6].rstrip("s") for word in re.findall(r"[a-z]{3,}", text.lower())} - _PLAIN


def _sections(tasks: list[Task], with_output: bool) -> str:
    parts = []
    for task in tasks:
        part = f"### Instruction\n{task.instruction}\n### Input\n{task.input or 'None'}"
        parts.append(part + (f"\n### Output\n{answer(task)}" if with_output else ""))
    return _numbered("Task", parts)


def _numbered(name: str, parts: list[str]) -> str:
    """One part by itself; several under a heading each."""
    return parts[0] if len(parts) == 1 else "\n\n".join(f"## {name} {n}\n{part}" for n, part in enumerate(parts, 1))


def _json(tasks: list[Task], with_output: bool, schema: dict[str, Any]) -> str:
    rows = [
        {"instruction": task.instruction, "input": task.input} | ({"output": answer(task)} if with_output else {})
        for task in tasks
    ]
    is_list = "tasks" in schema.get("properties", {})
    return json.dumps({"tasks": rows} if is_list else rows[0], ensure_ascii=False)


def go_on(prompt: Prompt, draw: Draw, base: Wish, *, as_chat: bool) -> str:
    """The reply to `# More tasks`: the list goes on where it stopped. A completion starts behind the open number."""
    _require_english(prompt)
    shown = examples(prompt)
    wish = replace(
        base, classification="classification" in prompt.preface.lower(), domain=find_domain(prompt.block("topic"))
    )
    avoid = _skeletons(prompt) if not base.operations else set()
    lines = []
    for number in range(len(shown) + 1, len(shown) + 1 + count(prompt, "more|new|further", 8)):
        task = _drawn(draw, wish, wish, frozenset(avoid))
        avoid |= {task.plan.skeleton} if not base.operations and not wish.classification else set()
        lines.append(f"{number}. {task.instruction}")
    return "\n".join(lines) if as_chat else "\n".join(lines).partition(".")[2]


def instances(prompt: Prompt, draw: Draw) -> str:
    wanted = count(prompt, "examples?|instances?|inputs?", 1)
    for plan in plans_of(_task_named(prompt)):
        try:
            tasks = list(variants(plan, draw, wanted))
        except Unfit:
            continue
        return _examples([("Input", task.input, "Output", answer(task)) for task in tasks])
    raise RequestRefused("the instruction is outside the teacher's grammar", "unsupported")


def labels(prompt: Prompt, draw: Draw) -> str:
    """The reply to `# Labels and inputs`: the labels in turn, each with material to which it applies."""
    wanted = count(prompt, "examples?|instances?|inputs?", 1)
    found = _labelled(_task_named(prompt))
    if found is None:
        raise RequestRefused("the instruction is no classification within the teacher's grammar", "unsupported")
    plan, names = found
    order = draw.shuffled(names)
    tasks = [new_material(plan, draw, label=order[turn % len(order)]) for turn in range(wanted)]
    return _examples([("Label", answer(task), "Input", task.input) for task in tasks])


@functools.lru_cache(maxsize=4096)
def _labelled(instruction: str) -> tuple[Plan, tuple[str, ...]] | None:
    """The plan of a classification and those of its labels to which material can be found; None if there are not two.

    A further question makes an answer more than one of a few labels.
    """
    for plan in plans_of(instruction):
        names = labels_for(plan.steps[-1].op, plan.steps[-1].args)
        if not names or plan.also:
            continue
        found = tuple(name for name in names if _has_material(plan, name))
        if len(found) > 1:
            return plan, found
    return None


def _has_material(plan: Plan, label: str) -> bool:
    try:
        new_material(plan, Draw("label", label), label=label)
    except Unfit:
        return False
    return True


def _examples(rows: list[tuple[str, str, str, str]]) -> str:
    return _numbered("Example", [f"### {one}\n{first}\n### {other}\n{second}" for one, first, other, second in rows])


def _task_named(prompt: Prompt) -> str:
    return prompt.text.partition("Task: ")[2].strip()


def is_classification(prompt: Prompt) -> str:
    """The reply to `# Classification or not`, about the last task named: yes where `labels` can then be asked for."""
    task = _task_named(prompt)
    if not read(task):
        raise RequestRefused("the task is outside the teacher's grammar", "unsupported")
    return "Yes" if _labelled(task) else "No"
