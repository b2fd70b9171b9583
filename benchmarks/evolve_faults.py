"""Are bad evolutions eliminated, and sound ones kept? Each class is planted in replies of the embedded teacher.

    python benchmarks/evolve_faults.py --run /tmp/evolved [--plants 200] [--class NAME]

The tasks are those of a run folder (see benchmarks/evolve.py), evolved once. First as they are: what is eliminated
then, other than by the teacher declining, is sound work lost. Then with one class planted in every reply. Caught: the
child was eliminated by the comparison, the judge or the checks of its answer, or the damage was undone (a lost input
put back). Not caught: kept, or declined by the embedded teacher where a language model would have gone on.

The planted texts are few and of our own wording, so a share here is an upper bound of what is caught in real replies.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synth.embedded import EmbeddedTeacher, Settings
from synth.embedded.draws import Draw
from synth.embedded.evolve import domain_of
from synth.embedded.faults import Faults, FaultyModel, prompt_kind
from synth.embedded.generate import told
from synth.embedded.task import understand
from synth.embedded.values import Unfit
from synth.engine.ledger import LedgerReader
from synth.errors import RequestRefused
from synth.models.base import ChatModel, ChatRequest, Completion, Sampling
from synth.parsing import parse_rewrite
from synth.prompts import Prompt
from synth.records import Record, Rejection
from synth.stages.evolve import EvolveSettings
from synth.stages.evolve.evolver import Evolver, Result

IN_REWRITES = ("leaks_marker", "speaks_of_rewriting", "unchanged", "answers_instead", "loses_input", "drifts", "grows")
IN_ANSWERS = ("short_sorry", "only_punctuation", "only_stop_words")
QUESTIONS = (
    "Could you please provide more details about what is wanted here?",
    "Please share the text that you would like me to work on.",
    "I need more information before I can make this harder.",
    "Thank you for the task! Let me know if it should be harder still.",
)
Plant = Callable[[Record, Record], Record | None]
"""(parent, its sound child) -> the damaged child; None where this one cannot be damaged so."""


def asks_back(_parent: Record, child: Record) -> Record:
    """A question to the user in place of the task."""
    return replace(child, instruction=random.Random(child.id).choice(QUESTIONS))


def merged(parent: Record, child: Record) -> Record:
    """The old task and the new one, one after the other."""
    return replace(child, instruction=f"Task 1: {parent.instruction}\nTask 2: {child.instruction}")


def reworded(parent: Record, child: Record) -> Record | None:
    """The parent's task in quite other words: the same plan written anew. Only a judge can tell."""
    task = understand(parent.instruction, parent.input)
    if task is None:
        return None
    try:
        text = told(task.plan, task.material, domain_of(task), Draw("reworded", parent.id)).instruction
    except Unfit:
        return None
    if text == parent.instruction or understand(text, parent.input) is None:
        return None
    return replace(child, instruction=text, input=parent.input)


OWN: dict[str, Plant] = {"asks_back": asks_back, "merged": merged, "no_gain": reworded}
DEPTH_ONLY = ("loses_input", "drifts")
"""A task in breadth is another task with material of its own: there neither can be told from a sound one."""
CLASSES = (*IN_REWRITES, *OWN, *IN_ANSWERS)


class Planting:
    """The embedded teacher with one of the OWN classes in its rewrites of `parent`."""

    name = endpoint = "embedded"

    def __init__(self, model: ChatModel, plant: Plant) -> None:
        self.model, self.plant = model, plant
        self.parent: Record | None = None
        self.planted = 0

    async def complete(self, request: ChatRequest) -> Completion:
        """The reply, damaged where it is a rewrite."""
        answer = await self.model.complete(request)
        if prompt_kind(request.messages) != "evolve" or self.parent is None:
            return answer
        sound = parse_rewrite(answer.text)
        child = self.plant(self.parent, Record(sound.instruction, sound.input))
        if child is None:
            return answer
        self.planted += 1
        return replace(answer, text=f"### Instruction\n{child.instruction}\n### Input\n{child.input or 'No input'}")

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class Score:
    """What became of the children that one class was planted in. `by_operator`: those that got through, or would
    have if the teacher had not declined."""

    planted: int = 0
    caught: int = 0
    declined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    by_operator: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Caught, of all planted: what the teacher declined is not counted as caught."""
        return self.caught / max(1, self.planted)


def asker(model: ChatModel) -> Any:
    """What the engine hands to a stage, without ledger and retries."""

    async def ask(prompt: Prompt, sampling: Sampling = Sampling(), *, draw: int = 0, **_: Any) -> Completion:
        return await model.complete(ChatRequest(prompt.messages, sampling, None, draw))

    return ask


async def evolved(parent: Record, model: ChatModel) -> Result:
    """The child or the rejection of one generation."""
    return (await Evolver(EvolveSettings(rounds=1), 0).generations(parent, asker(model)))[1]


def is_declined(result: Result) -> bool:
    """Did the teacher decline a request?"""
    return isinstance(result, Rejection) and result.check == "request"


async def sound_children(parents: Sequence[Record], wanted: int) -> tuple[dict[str, Record], Counter[str]]:
    """(parent's id -> its child, as many as are wanted; reasons of those eliminated all the same)."""
    teacher = EmbeddedTeacher(Settings())
    found: dict[str, Record] = {}
    lost: Counter[str] = Counter()
    for parent in parents:
        if len(found) == wanted:
            break
        result = await evolved(parent, teacher)
        if isinstance(result, Record):
            found[parent.id] = result
        elif not is_declined(result):
            lost[f"{result.check}: {result.reason}"] += 1
    return found, lost


async def score(name: str, parents: Sequence[Record], sound: dict[str, Record], wanted: int) -> Score:
    """The class planted in the children of `parents` until `wanted` are."""
    found = Score()
    for parent in parents:
        if found.planted >= wanted:
            break
        if parent.id in sound:
            await _plant(name, parent, sound[parent.id], found)
    return found


async def _plant(name: str, parent: Record, sound: Record, found: Score) -> None:
    if name in DEPTH_ONLY and _operator(sound) == "breadth":
        return
    teacher = EmbeddedTeacher(Settings())
    own = Planting(teacher, OWN[name]) if name in OWN else None
    faults = None if own else Faults(f"{name}=1")
    if own:
        own.parent = parent
    try:
        result = await evolved(parent, own or FaultyModel(teacher, faults or Faults("")))
    except RequestRefused as error:  # not from the evolver: it makes rejections of them
        raise AssertionError(name) from error
    if not (own.planted if own else faults and faults.counts[name]):
        return
    found.planted += 1
    healed = isinstance(result, Record) and result.id == sound.id and result.output == sound.output
    if is_declined(result):
        found.declined += 1
        found.by_operator[f"{_operator(result)} (declined)"] += 1
    elif healed or isinstance(result, Rejection):
        found.caught += 1
    else:
        found.by_operator[_operator(result)] += 1
    found.reasons[
        "healed" if healed else f"{result.check}: {result.reason}" if isinstance(result, Rejection) else "kept"
    ] += 1


def _operator(result: Result) -> str:
    record = result.record if isinstance(result, Rejection) else result
    return record.lineage.operator or ""


def rows(scores: dict[str, Score]) -> Iterator[str]:
    """A Markdown table of the scores."""
    yield "| class | planted | declined | caught | share | what became of them | got through, by operator |"
    yield "|---|--:|--:|--:|--:|---|---|"
    for name, one in scores.items():
        became = ", ".join(f"{reason} {count}" for reason, count in one.reasons.most_common())
        through = ", ".join(f"{operator} {count}" for operator, count in one.by_operator.most_common()) or "none"
        yield f"| {name} | {one.planted} | {one.declined} | {one.caught} | {one.share:.1%} | {became} | {through} |"


async def main(options: argparse.Namespace) -> None:
    """Measure and print."""
    reader = LedgerReader(options.run)
    parents = [record for record in reader.records("evolve") if not record.lineage.generation]
    reader.close()
    sound, lost = await sound_children(parents, 10 * options.plants)
    print(f"sound evolutions: {len(sound)} kept, {lost.total()} lost {dict(lost)}\n")
    names = [options.only] if options.only else CLASSES
    scores = {name: await score(name, parents, sound, options.plants) for name in names}
    print("\n".join(rows(scores)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="a run folder with tasks of the embedded teacher")
    parser.add_argument("--plants", type=int, default=200, help="children damaged, for each class")
    parser.add_argument("--class", dest="only", choices=CLASSES)
    asyncio.run(main(parser.parse_args()))
