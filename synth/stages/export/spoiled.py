"""How many answers of a teacher that was spoiled on purpose are not what it gives without its faults."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from synth.errors import RequestFailed
from synth.models import connect
from synth.models.base import ChatModel, ChatRequest, Sampling
from synth.prompts.answering import answering
from synth.records import Record

REFERENCE = "embedded"
"""The only teacher that can be spoiled, and that can say at no cost what it would have answered."""


def spoiled_facts(recipe: Any, records: Iterable[Record]) -> dict[str, Any]:
    """The fact `spoiled` of the card: the faults, the records and how many differ; nothing for any other teacher.

    `recipe`: a `synth.recipe.Recipe`.
    """
    options = recipe.teacher.options
    if recipe.teacher.backend != REFERENCE or not options.get("faults"):
        return {}
    clean = connect(REFERENCE, options | {"faults": "", "latency_ms": 0})
    prompt = recipe.respond.prompt if recipe.respond else "answer"
    same = asyncio.run(_same(clean, prompt, [record for record in records if record.output.strip()]))
    return {"spoiled": {"faults": options["faults"], "records": len(same), "differ": same.count(False)}}


async def _same(clean: ChatModel, prompt: str, records: list[Record]) -> list[bool]:
    """For each record that the teacher can answer, whether that is its answer."""
    same = []
    for record in records:
        try:
            answer = await clean.complete(ChatRequest(answering(record, prompt).messages, Sampling()))
        except RequestFailed:
            continue
        same.append(answer.text.strip() == record.output.strip())
    return same
