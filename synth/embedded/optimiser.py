"""The embedded teacher as optimiser of an evolving method: it counts the steps that failed and adds remedies.

A method is free text. What the teacher's own rewriting takes from it is read here by a few words: which ways of making a
task harder it names, what it forbids, and whether another way may be tried. So a better method really fails less often.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from synth.embedded.draws import Draw
from synth.embedded.recognise import Prompt

REMEDIES = (
    "Where the first way you think of does not fit the task, take another.",
    "Change what a right answer is: leave out mere scenery.",
    "Leave everything under Input as it is.",
    "Add at least 10 words and stay under 20 more.",
)
WAYS = (
    (r"constraint|requirement|condition", "add_constraint"),
    (r"depth|deeper|deepen|further question", "deepen"),
    (r"concrete|specific|detail", "concretise"),
    (r"reasoning|steps? of", "increase_reasoning"),
    (r"richer|more material|complicate", "complicate_input"),
)
"""Words of a method to the abilities that they call for."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a method says to the teacher's rewriting: the abilities to use, whether to try another, bounds on words."""

    ways: tuple[str, ...]
    tries_others: bool
    is_bounded: bool


def advice(method: str) -> Advice:
    text = method.lower()
    named = [way for pattern, way in WAYS if re.search(pattern, text)] or [way for _, way in WAYS]
    dropped = {"concretise"} if "scenery" in text else set()
    dropped |= {"complicate_input"} if "under input as it is" in text else set()
    ways = tuple(way for way in named if way not in dropped) or tuple(named)
    return Advice(ways, bool(re.search(r"\banother\b", text)), bool(re.search(r"at least 10|under 20", text)))


def find_faults(prompt: Prompt) -> str:
    """The reply to `# Find faults of a rewriting method`."""
    steps = re.findall(r"^Step [1-9]\d*( \(thrown away)?", prompt.text, re.MULTILINE)
    failed = len([step for step in steps if step])
    return f"- {failed} of {len(steps)} steps were thrown away." if failed else "- No fault found."


def improve(prompt: Prompt, draw: Draw) -> str:
    """The reply to `# Improve a rewriting method`: where steps failed, the method with some of the remedies, drawn."""
    method = " ".join(prompt.block("method").split())
    open_to = [remedy for remedy in REMEDIES if remedy not in method] if "thrown away" in prompt.block("faults") else []
    chosen = draw.some(open_to, draw.between(1, len(open_to))) if open_to else []
    return " ".join([method, *(remedy for remedy in open_to if remedy in chosen)])
