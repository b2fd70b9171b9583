"""The work of a stage can be sent elsewhere: what comes back from a copy made over bytes is the same."""

from __future__ import annotations

import asyncio
import pickle
import random
from typing import Any

import pytest

from synth.models.base import Completion
from synth.records import Record
from synth.stages.constrain import Constraining, ConstrainSettings
from synth.stages.converse import ConverseSettings, Conversing
from synth.stages.evolve.evolver import Evolver, EvolveSettings, TuneSettings
from synth.stages.evolve.stage import Evolving
from synth.stages.evolve.tune import Tuning
from synth.stages.prefer.answers import Answers
from synth.stages.prefer.ranking import Judging
from synth.stages.prefer.settings import PreferSettings
from synth.stages.prefer.stage import Preferring
from synth.stages.prefer.trial import Trial
from synth.stages.rephrase import RephraseSettings, Rewording
from synth.stages.respond import Answering, RespondSettings
from synth.stages.revise import ReviseSettings, Revising
from synth.stages.select.grading import Grading
from synth.stages.select.settings import GradeSettings, SelectSettings

TASK = Record("Name three rivers and say where each of them begins.")
ANSWERED = Record("Name a river.", output="The Rhine.")
PROSE = Record("Name a river.", output="The Rhine is a river that is known to many people in Europe and beyond.")
CHECKED = Record("2 + 2?", output="4", meta={"check": {"kind": "numeric", "answer": 4}})
TUNE = TuneSettings(steps=1, num_candidates=1, rounds=1, num_sample=1, num_held_out=1)
PREFER = PreferSettings(num_answers=2, audit=0)
PREFERRING = (PREFER, Answers(PREFER, 3), Judging(PREFER))
WORKS: dict[str, tuple[Any, Any]] = {
    "respond": (Answering(RespondSettings()), TASK),
    "evolve": (Evolving(Evolver(EvolveSettings(rounds=2), 3)), (TASK, True)),
    "tune": (Tuning(Evolver(EvolveSettings(rounds=1), 3), TUNE, (TASK,), (TASK,)), None),
    "grade": (Grading(SelectSettings(grade=GradeSettings()), True, False, None), ANSWERED),
    "converse": (Conversing(ConverseSettings()), ANSWERED),
    "prefer": (Preferring(*PREFERRING, Trial(None, (), *PREFERRING[1:])), CHECKED),
    "rephrase": (Rewording(RephraseSettings()), ANSWERED),
    "constrain": (Constraining(ConstrainSettings(share=1.0)), PROSE),
    "revise": (Revising(ReviseSettings(), {"short": "Be short."}), ANSWERED),
}


async def ask(prompt: Any, *_: Any, **more: Any) -> Completion:
    """A teacher that says the same to the same words."""
    said = (
        f"Difficulty: 4\nHelpfulness: 4\nVerdict: different\n### Instruction\n{len(prompt.text)} {more.get('draw', 0)}"
    )
    return Completion(said, key=str(len(prompt.text)))


@pytest.mark.parametrize("name", WORKS)
def test_a_copy_of_the_work_gives_the_same_results(name: str) -> None:
    work, value = WORKS[name]
    copy = pickle.loads(pickle.dumps(work))
    one, other = (asyncio.run(each(value, ask, random.Random(1))) for each in (work, copy))
    assert one == other and one
