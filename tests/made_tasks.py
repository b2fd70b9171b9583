"""Solved tasks of the embedded teacher, and the same with wrong answers planted. Not a test itself."""

from __future__ import annotations

import random
from dataclasses import replace

from served import prompt_for

from synth import embedded
from synth.embedded import defects
from synth.models.base import ChatRequest, Sampling
from synth.records import Record


def solved_tasks(wanted: int) -> list[Record]:
    """So many tasks with the teacher's own answers, always the same."""
    records: list[Record] = []
    asked = prompt_for("diverse", with_outputs=True, num_tasks=10, wanted=["a list of words"] * 10, examples=[])
    for draw in range(wanted):
        if len(records) >= wanted:
            break
        reply = embedded.reply(ChatRequest(asked.messages, Sampling(temperature=1.0, seed=draw)), embedded.Settings())
        for item in defects.read_items(reply.text, "full_tasks"):
            records.append(Record(item["instruction"], item.get("input", ""), item["output"]))
    return records[:wanted]


def with_wrong_answers(records: list[Record]) -> list[Record | None]:
    """Each record with a plausible answer that is not the right one; None where there is no such."""
    items = tuple({"instruction": r.instruction, "input": r.input, "output": r.output} for r in records)
    found: list[Record | None] = []
    for number, (record, item) in enumerate(zip(records, items, strict=True)):
        spoiled = defects.wrong_output(item, defects.Context(random.Random(number), items=items, at=number))
        is_other = spoiled is not None and spoiled["output"] != record.output
        found.append(replace(record, output=spoiled["output"]) if spoiled and is_other else None)
    return found
