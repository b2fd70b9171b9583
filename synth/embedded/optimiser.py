"""The embedded teacher as optimiser of an evolving method: it reads trajectories, names faults, rewrites the method.

A method is free text. What the teacher's own rewriting takes from it is read here by a few words: which ways of making a
task harder it names, and what it forbids or falls back on. So a better method really fails less often. No language
model: the faults are counted, the remedies are sentences of a list.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from synth.embedded.answer import answer, plain
from synth.embedded.draws import Draw
from synth.embedded.recognise import Prompt, Section, split_task
from synth.embedded.task import understand

MOST_FAULTS = 8
MOST_WORDS, FEWEST_WORDS = 20, 10
"""Words that a rewriting may add, as the depth prompt has it."""
_STEP = re.compile(r"Step \d+(?: \(thrown away: (?P<reason>.*)\))?:")


@dataclass(frozen=True, slots=True)
class Fault:
    """`said`: how the analysis names it, found again in its text. `remedy`: the sentence that ends it. `reasons`: what
    reasons of elimination that come of it say."""

    said: str
    remedy: str
    reasons: str = "$^"


FAULTS: dict[str, Fault] = {
    "unfit": Fault(
        "the way chosen does not fit the task, and no other is tried",
        "Where the first way you think of does not fit the task, take another.",
        "unsupported|cannot|declin",
    ),
    "equal": Fault(
        "nothing is gained by the change",
        "Change what a right answer is: leave out mere scenery.",
        "no_gain|equal|unchanged|near_copy|too_similar",
    ),
    "long": Fault(f"more than {MOST_WORDS} words are added", "Stay under 20 more words.", "grew|too_long|words"),
    "short": Fault(f"fewer than {FEWEST_WORDS} words are added", "Add at least 10 words."),
    "same": Fault("the right answer stays what it was", "Change what a right answer is: leave out mere scenery."),
    "lost": Fault(
        "material of the task is lost or changed", "Leave everything under Input as it is.", "input|payload|material"
    ),
    "other": Fault("the result is thrown away", "Check that the result is one sensible task.", ""),
}
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
    """A method in free words, read."""
    text = method.lower()
    named = [way for pattern, way in WAYS if re.search(pattern, text)] or [way for _, way in WAYS]
    dropped = {"concretise"} if "scenery" in text else set()
    dropped |= {"complicate_input"} if "under input as it is" in text else set()
    ways = tuple(way for way in named if way not in dropped) or tuple(named)
    return Advice(ways, bool(re.search(r"\banother\b", text)), bool(re.search(r"at least 10|under 20", text)))


def find_faults(prompt: Prompt) -> str:
    """The reply to `# Find faults of a rewriting method`: what went wrong, the commonest first."""
    counts: Counter[str] = Counter()
    steps = 0
    for section in prompt.sections:
        if section.title.lower().startswith("task "):
            found = list(_faults_of(section))
            steps += max(0, len(section.blocks) - 1)
            counts.update(found)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_FAULTS]
    lines = [f"- {counts[name]} of {steps} steps: {FAULTS[name].said}." for name in ranked]
    return "\n".join(lines) or "- No fault found."


def _faults_of(section: Section) -> Iterator[str]:
    """The faults of one trajectory, step by step; a step that was thrown away leaves the task as it was."""
    before = section.blocks[0].text if section.blocks else ""
    for block in section.blocks[1:]:
        reason = (found := _STEP.fullmatch(block.label)) and found["reason"]
        if reason:
            yield next(name for name, fault in FAULTS.items() if re.search(fault.reasons, reason))
            continue
        (old, material), (new, changed) = split_task(before), split_task(block.text)
        added = len(new.split()) - len(old.split())
        if added > MOST_WORDS or added < FEWEST_WORDS:
            yield "long" if added > MOST_WORDS else "short"
        tasks = understand(old, material), understand(new, changed)
        if tasks[0] and tasks[1] and plain(answer(tasks[0])) == plain(answer(tasks[1])):
            yield "same"
        before = block.text


def improve(prompt: Prompt, draw: Draw) -> str:
    """The reply to `# Improve a rewriting method`: the method with remedies for some of the faults, drawn."""
    method = " ".join(prompt.block("method").split())
    said = prompt.block("faults")
    remedies = dict.fromkeys(fault.remedy for fault in FAULTS.values() if fault.said in said)
    open_to = [remedy for remedy in remedies if remedy not in method]
    chosen = draw.some(open_to, draw.between(1, len(open_to))) if open_to else []
    return " ".join([method, *(remedy for remedy in open_to if remedy in chosen)])
