"""synth: from a small pool of seed tasks to instruction data and a trained student.

The names below are the public ones; each is imported from its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from synth.version import __version__

if TYPE_CHECKING:
    from synth.api.running import arun, run
    from synth.api.stages import bootstrap, evolve, respond, select
    from synth.api.teacher import Teacher, teacher
    from synth.checks.base import Check, StatefulCheck
    from synth.checks.dedup import dedup
    from synth.checks.novelty import NoveltyIndex, novel_subset
    from synth.engine.progress import RunProgress
    from synth.engine.run import Engine
    from synth.engine.work import Ask
    from synth.errors import SynthError
    from synth.models import Backend
    from synth.models.base import ChatModel, ChatRequest, Completion, Sampling
    from synth.pipeline import RunResult
    from synth.prompts import Prompt
    from synth.recipe import Recipe, build_recipe, read_recipe
    from synth.records import Instance, Lineage, OtherAnswer, Record, Rejection, SeedTask
    from synth.sources import read_records
    from synth.stages.evolve.operators import Operator
    from synth.stages.export.formats import ExportFormat
    from synth.stages.seeds import read_seed_tasks
    from synth.stages.stage import RunFolder, Stage, each_record
    from synth.student.templates import Segment, Template, TurnTemplate

_NAMES = {
    "synth.api.running": "arun run",
    "synth.api.stages": "bootstrap evolve respond select",
    "synth.api.teacher": "Teacher teacher",
    "synth.checks.base": "Check StatefulCheck",
    "synth.checks.dedup": "dedup",
    "synth.checks.novelty": "NoveltyIndex novel_subset",
    "synth.engine.progress": "RunProgress",
    "synth.engine.run": "Engine",
    "synth.engine.work": "Ask",
    "synth.errors": "SynthError",
    "synth.models": "Backend",
    "synth.models.base": "ChatModel ChatRequest Completion Sampling",
    "synth.pipeline": "RunResult",
    "synth.prompts": "Prompt",
    "synth.recipe": "Recipe build_recipe read_recipe",
    "synth.records": "Instance Lineage OtherAnswer Record Rejection SeedTask",
    "synth.sources": "read_records",
    "synth.stages.evolve.operators": "Operator",
    "synth.stages.export.formats": "ExportFormat",
    "synth.stages.seeds": "read_seed_tasks",
    "synth.stages.stage": "RunFolder Stage each_record",
    "synth.student.templates": "Segment Template TurnTemplate",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Ask", "Backend", "ChatModel", "ChatRequest", "Check", "Completion", "Engine", "ExportFormat", "Instance",
    "Lineage", "NoveltyIndex", "Operator", "OtherAnswer", "Prompt", "Recipe", "Record", "Rejection", "RunFolder",
    "RunProgress", "RunResult", "Sampling", "SeedTask", "Segment", "Stage", "StatefulCheck", "SynthError", "Teacher",
    "Template", "TurnTemplate", "__version__", "arun", "bootstrap", "build_recipe", "dedup", "each_record", "evolve",
    "novel_subset", "read_recipe", "read_records", "read_seed_tasks", "respond", "run", "select", "teacher",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synth' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
