"""Evolve: Evol-Instruct (Xu et al., arXiv 2304.12244), in depth and in breadth, over several generations."""

from __future__ import annotations

from synth.stages.evolve.evolver import EvolveSettings, TuneSettings
from synth.stages.evolve.operators import OPERATOR_SETS, OPERATORS, Operator
from synth.stages.evolve.stage import evolve
from synth.stages.evolve.tune import Tuned, tune

__all__ = ["OPERATORS", "OPERATOR_SETS", "EvolveSettings", "Operator", "TuneSettings", "Tuned", "evolve", "tune"]
