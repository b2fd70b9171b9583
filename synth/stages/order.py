"""The stages in their usual order. Recipes, the order of a run, status, funnel, report and commands read this tuple."""

from __future__ import annotations

from synth.errors import UsageError
from synth.plugins import find
from synth.stages.align import ALIGN
from synth.stages.annotate import ANNOTATE
from synth.stages.bootstrap.stage import BOOTSTRAP
from synth.stages.constrain import CONSTRAIN
from synth.stages.converse import CONVERSE
from synth.stages.evaluate.stage import EVALUATE
from synth.stages.evolve.stage import EVOLVE
from synth.stages.export.stage import EXPORT
from synth.stages.mix import MIX
from synth.stages.prefer import PREFER
from synth.stages.rephrase import REPHRASE
from synth.stages.report.stage import REPORT
from synth.stages.respond import RESPOND
from synth.stages.revise import REVISE
from synth.stages.select.stage import SELECT
from synth.stages.stage import Stage
from synth.stages.train import TRAIN

STAGES: tuple[Stage, ...] = (
    BOOTSTRAP, EVOLVE, ANNOTATE, RESPOND, REPHRASE, CONVERSE, REVISE, CONSTRAIN, SELECT, MIX, PREFER, EXPORT,
    TRAIN, ALIGN, EVALUATE, REPORT,
)  # fmt: skip


def find_stage(name: str) -> Stage:
    """A stage of STAGES, or the one that `module:name` names. Raises UsageError where there is none."""
    stage = find({stage.name: stage for stage in STAGES}, name, "stage")
    if not isinstance(stage, Stage):
        raise UsageError(f"stage {name}: it is no synth.Stage", "see examples/plugins/stage.py")
    return stage
