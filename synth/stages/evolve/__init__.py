"""Evolve: Evol-Instruct (Xu et al., arXiv 2304.12244), in depth and in breadth, over several generations.

What this stage leaves to others: the final mix is drawn by `train.shares` (parts of "seed", "bootstrap",
"generation_1", ...); near-duplicates across generations are refused by the check `novelty` in `select.checks`. A child
has most of its parent's words, so that check needs a high threshold there (0.95): 0.7, as for new tasks, would refuse
two of five.
"""

from __future__ import annotations

from synth.stages.evolve.evolver import EvolveSettings, TuneSettings
from synth.stages.evolve.operators import OPERATOR_SETS, OPERATORS, Operator
from synth.stages.evolve.stage import evolve
from synth.stages.evolve.tune import Tuned, tune

MAX_WORDS = 5_000
"""Words of a task that is evolved: about 7,000 tokens, so that a judge's two tasks fit in a context of 16,384."""

__all__ = [
    "MAX_WORDS",
    "OPERATORS",
    "OPERATOR_SETS",
    "EvolveSettings",
    "Operator",
    "TuneSettings",
    "Tuned",
    "evolve",
    "tune",
]
