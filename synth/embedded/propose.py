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
from synth.embedded.recognise import Prompt, count, examples
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
BY_VALUE = (
    (r"easy|medium|hard", "difficulty"),
    (r"(?:an? )?(?:order|question)|.*scenario.*|.*\bformat", "form"),
    (r"short|long", "length"),
    (r"in \w+", "language"),
)
"""What an attribute without its name says, and which one it is then."""
STEPS = {"easy": 1, "medium": 2, "hard": 3}
_PLAIN = set("the and for small public local school office shop club centre team city own".split())
ENGLISH = ("", "en", "english", "any")
FOREIGN = re.compile(
    r"\bin (?:German|French|Spanish|Italian|Portuguese|Dutch|Polish|Russian|Ukrainian|Turkish|Arabic|Hindi|Chinese|Japanese|Korean|Vietnamese)\b"
)
"""Another language asked for in the sentences of a prompt."""


def propose(prompt: Prompt, draw: Draw, base: Wish, schema: dict[str, Any] | None) -> str:
    """The reply to `# New tasks`: headed sections, or JSON where a schema is asked for."""
    _require_english(prompt)
    shown = _skeletons(prompt)
    topic = prompt.block("topic")
    form = [line.strip().lower() for line in prompt.section("task 1").lines]
    with_output = "### output" in form or _wants_output(schema)
    tasks: list[Task] = []
    worn = _worn_verbs(prompt)
    for line in _wanted(prompt):
        wish = _wish(line, topic, base)
        if wish is None:
            continue
        seen = shown | {task.plan.skeleton for task in tasks}
        avoid = frozenset(seen) if not base.operations else frozenset()
        candidates = (_drawn(draw, wish, base, avoid) for _ in range(3))
        fresh = (task for task in candidates if not worn & set(task.instruction.lower().split()))
        tasks.append(next(fresh, None) or _drawn(draw, wish, base, avoid))
    if not tasks:
        raise RequestRefused("none of the wanted tasks is within the teacher's grammar", "unsupported")
    return _json(tasks, with_output) if schema else _sections(tasks, with_output)


def _require_english(prompt: Prompt) -> None:
    if FOREIGN.search(prompt.preface):
        raise RequestRefused("the embedded teacher writes English only", "unsupported")


def _drawn(draw: Draw, wish: Wish, base: Wish, avoid: frozenset[str]) -> Task:
    try:
        return draw_task(draw, replace(wish, avoid=avoid))
    except Unfit:
        return draw_task(draw, replace(base, avoid=frozenset()))


def _worn_verbs(prompt: Prompt) -> set[str]:
    """The verbs that the prompt asks not to use again."""
    listed = " ".join(prompt.section("verbs").lines).partition(":")[2]
    return set(re.findall(r"[a-z]+", listed.lower()))


def _skeletons(prompt: Prompt) -> set[str]:
    """The skeletons of the examples that are tasks of this grammar."""
    return {plan.skeleton for shown in examples(prompt) for plan in read(shown.instruction)[:1]}


def _wanted(prompt: Prompt) -> list[str]:
    """One line of attributes for each task wanted; empty lines where only a number is given."""
    lines = [line.strip() for line in prompt.section("wanted").lines if line.strip()]
    number = re.fullmatch(r"(\d+) .*", lines[0]) if len(lines) == 1 else None
    if number:
        return [""] * min(int(number[1]), 50)
    return [re.sub(r"^\d+\. ", "", line) for line in lines] or [""] * count(prompt, "tasks", 5)


def _attributes(line: str) -> dict[str, str]:
    """The attributes of a line by name: as it names them itself, the rest by what they say, in the order of the prompt."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip().lower() for part in line.split(";"))):
        name, colon, value = (word.strip() for word in part.partition(":"))
        if not colon:
            value = part.removeprefix("in ")
            known = next((known for pattern, known in BY_VALUE if re.fullmatch(pattern, part)), "")
            name = known or ("domain" if "category" in found else "category")
        found.setdefault(name, value)
    return found


def _wish(line: str, topic: str, base: Wish) -> Wish | None:
    """What a line of attributes comes to; None if it asks for another language."""
    wanted = _attributes(line)
    if wanted.get("language", "") not in ENGLISH:
        return None
    category, form = wanted.get("category", ""), wanted.get("form", "")
    near = [tuple(ops.split()) for pattern, ops in PREFERENCES if re.search(pattern, category)]
    scene = {"short": 0.15, "medium": 0.5, "long": 0.95}.get(wanted.get("length", ""), 0.5)
    return replace(
        base,
        domain=find_domain(wanted.get("domain", "")) or find_domain(topic),
        steps=min(STEPS.get(wanted.get("difficulty", ""), 0), base.max_steps),
        prefer=near[0] if near and not base.operations else (),
        classification="classif" in category,
        style=next((style for style in ("question", "format", "order") if style in form), ""),
        scene=1.0 if "scenario" in form else scene,
    )


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


def _wants_output(schema: dict[str, Any] | None) -> bool:
    return '"output"' in json.dumps(schema) if schema else False


def _sections(tasks: list[Task], with_output: bool) -> str:
    parts = []
    for number, task in enumerate(tasks, 1):
        part = f"## Task {number}\n### Instruction\n{task.instruction}\n### Input\n{task.input or 'No input'}"
        parts.append(part + (f"\n### Output\n{answer(task)}" if with_output else ""))
    return "\n\n".join(parts)


def _json(tasks: list[Task], with_output: bool) -> str:
    rows = [
        {"instruction": task.instruction, "input": task.input} | ({"output": answer(task)} if with_output else {})
        for task in tasks
    ]
    return json.dumps({"tasks": rows}, ensure_ascii=False)


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
    """The reply to `# Inputs and outputs`."""
    wanted = count(prompt, "examples?|instances?|inputs?", 1)
    for plan in plans_of(prompt.block("instruction")):
        try:
            tasks = list(variants(plan, draw, wanted))
        except Unfit:
            continue
        return _examples([("Input", task.input, "Output", answer(task)) for task in tasks])
    raise RequestRefused("the instruction is outside the teacher's grammar", "unsupported")


def labels(prompt: Prompt, draw: Draw) -> str:
    """The reply to `# Labels and inputs`: the labels in turn, each with material to which it applies."""
    wanted = count(prompt, "examples?|instances?|inputs?", 2)
    found = _labelled(prompt.block("instruction"))
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
    shown = (f"### {one}\n{first}\n### {other}\n{second}" for one, first, other, second in rows)
    return "\n\n".join(f"## Example {number}\n{text}" for number, text in enumerate(shown, 1))


def is_classification(prompt: Prompt) -> str:
    """The reply to `# Classification or not`, about the last task named: yes where `labels` can then be asked for."""
    tasks = re.findall(r"^Task: (.+)$", prompt.text, re.MULTILINE)
    if not tasks or not read(tasks[-1]):
        raise RequestRefused("the task is outside the teacher's grammar", "unsupported")
    return "Yes" if _labelled(tasks[-1]) else "No"
