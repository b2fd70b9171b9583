"""The catalogue's faults of form, planted into replies whose tasks are the seeds: read as if clean, or refused by name.

The texts are hard on purpose: code, tables, lists, several scripts. Neighbours of a spoiled item must not suffer.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from synth.embedded.defects import Context
from synth.embedded.faults import FAULTS
from synth.models.base import Completion
from synth.parsing import parse_instances, parse_numbered, parse_rewrite, parse_tasks
from synth.stages.seeds import read_seed_tasks

SEEDS = read_seed_tasks(Path(__file__).parent.parent / "seed_tasks" / "seed_tasks.jsonl")
REPLIES = 30
Content = tuple[str, str, str]


def contents(kind: str, number: int) -> list[Content]:
    """The tasks of one reply: instruction, input, output, as far as the kind of prompt asks for them."""
    seeds = random.Random(f"{kind} {number}").sample(SEEDS, 1 if kind == "evolve" else 5)
    rows = [
        (" ".join(s.instruction.split()), s.instances[0].input.strip(), s.instances[0].output.strip()) for s in seeds
    ]
    if kind in ("instances", "labels"):
        return [("", given, output) for _, given, output in rows]
    if kind == "list":
        return [(instruction, "", "") for instruction, _, _ in rows]
    return [(a, b, c if kind == "full_tasks" else "") for a, b, c in rows]


def clean_reply(kind: str, rows: list[Content], as_json: bool) -> str:
    """The reply a teacher gives that keeps to the form."""
    if kind == "list":
        return "\n".join(([""] + [f"{n}. " for n in range(10, 99)])[i] + row[0] for i, row in enumerate(rows))
    order = {"labels": ("Label", "Input"), "instances": ("Input", "Output")}.get(
        kind, ("Instruction", "Input", "Output")
    )
    names = {"Instruction": 0, "Input": 1, "Output": 2, "Label": 2}
    order = order[:2] if kind in ("tasks", "evolve") else order
    if as_json:
        objects = [{name.lower(): row[names[name]] for name in order} for row in rows]
        return json.dumps(objects[0] if kind == "evolve" else {"tasks": objects}, ensure_ascii=False)
    word = "Example" if kind in ("labels", "instances") else "Task"
    parts = ["\n".join(f"### {name}\n{row[names[name]] or 'No input'}" for name in order) for row in rows]
    return parts[0] if kind == "evolve" else "\n\n".join(f"## {word} {n}\n{part}" for n, part in enumerate(parts, 1))


def read(kind: str, text: str, cut: bool = False) -> list[tuple[Content, str | None]]:
    """What comes out: content and problem of each item."""
    if kind == "list":
        found = parse_numbered(text, 9, cut=cut)
    elif kind in ("instances", "labels"):
        found = parse_instances(text, cut=cut, wants_label=kind == "labels")
    elif kind == "evolve":
        found = [parse_rewrite(text)]
    else:
        found = parse_tasks(text, cut=cut, wants_output=kind == "full_tasks")
    return [((t.instruction, t.input, t.output), t.problem) for t in found]


def cases(name: str) -> list[tuple[str, list[Content], str]]:
    """Spoiled replies of every kind the fault applies to."""
    fault, found = FAULTS[name], []
    for kind in sorted(fault.kinds & {"list", "tasks", "full_tasks", "instances", "labels", "evolve"}):
        for number in range(REPLIES):
            rows = contents(kind, number)
            as_json = kind != "list" and (name in ("single_quotes", "trailing_comma") or number % 4 == 3)
            if name.startswith("numbering_"):  # it renumbers the lists inside the texts too
                rows = [row for row in rows if not re.search(r"^\d+\.", "\n".join(row), re.MULTILINE)]
            text = clean_reply(kind, rows, as_json)
            spoiled = fault.reply(text, Context(random.Random(number))) if fault.reply else None
            if spoiled is not None:
                found.append((kind, rows, spoiled))
    return found


KINDS = ("list", "tasks", "full_tasks", "instances", "labels", "evolve")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_json", [False, True])
def test_clean_replies_come_back_whole(kind: str, as_json: bool) -> None:
    lost = total = 0
    for number in range(REPLIES):
        rows = contents(kind, number)
        found = [row for row, problem in read(kind, clean_reply(kind, rows, as_json)) if problem is None]
        lost += sum(row not in found for row in rows)
        total += len(rows)
    assert lost <= 0.01 * total


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.stage == "list"])
def test_faults_of_form_are_read_as_if_clean(name: str) -> None:
    planted = cases(name)
    assert len(planted) >= 10
    for kind in {kind for kind, _, _ in planted}:
        rows = [
            (row, [r for r, problem in read(kind, text) if problem is None])
            for k, all_rows, text in planted
            if k == kind
            for row in all_rows
        ]
        recovered = sum(row in found for row, found in rows)
        assert recovered >= 0.95 * len(rows), f"{name} in {kind}: {recovered} of {len(rows)}"


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "evolve"])
def test_a_cut_reply_loses_the_cut_item_only(kind: str, as_json: bool) -> None:
    spoil = FAULTS["cut"].envelope
    assert spoil is not None
    for number in range(REPLIES):
        rows = contents(kind, number)
        text = clean_reply(kind, rows, as_json)
        cut = spoil(Completion(text), random.Random(number)).text
        whole = sum(len(clean_reply(kind, rows[:n], as_json).removesuffix("]}")) <= len(cut) for n in range(1, 6))
        kept = [row for row, problem in read(kind, cut, cut=True) if problem is None]
        assert kept in (rows[:whole], rows[: whole - 1])
