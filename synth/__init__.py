"""synth: from a small pool of seed tasks to instruction data and a trained student.

The names below are the public ones; each is imported from its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from synth.version import __version__

if TYPE_CHECKING:
    from synth.api.running import arun as arun
    from synth.api.running import run as run
    from synth.api.stages import bootstrap as bootstrap
    from synth.api.stages import evolve as evolve
    from synth.api.stages import respond as respond
    from synth.api.stages import select as select
    from synth.api.teacher import Teacher as Teacher
    from synth.api.teacher import teacher as teacher
    from synth.checks.base import Check as Check
    from synth.checks.base import StatefulCheck as StatefulCheck
    from synth.checks.dedup import dedup as dedup
    from synth.checks.novelty import NoveltyIndex as NoveltyIndex
    from synth.checks.novelty import novel_subset as novel_subset
    from synth.engine.progress import RunProgress as RunProgress
    from synth.engine.run import Engine as Engine
    from synth.engine.work import Ask as Ask
    from synth.errors import SynthError as SynthError
    from synth.models import Backend as Backend
    from synth.models.base import ChatModel as ChatModel
    from synth.models.base import ChatRequest as ChatRequest
    from synth.models.base import Completion as Completion
    from synth.models.base import Sampling as Sampling
    from synth.pipeline import RunResult as RunResult
    from synth.prompts import Prompt as Prompt
    from synth.recipe import Recipe as Recipe
    from synth.recipe import build_recipe as build_recipe
    from synth.recipe import read_recipe as read_recipe
    from synth.records import Instance as Instance
    from synth.records import Lineage as Lineage
    from synth.records import OtherAnswer as OtherAnswer
    from synth.records import Record as Record
    from synth.records import Rejection as Rejection
    from synth.records import SeedTask as SeedTask
    from synth.sources import read_records as read_records
    from synth.stages.evolve.operators import Operator as Operator
    from synth.stages.export.formats import ExportFormat as ExportFormat
    from synth.stages.seeds import read_seed_tasks as read_seed_tasks
    from synth.stages.stage import RunFolder as RunFolder
    from synth.stages.stage import Stage as Stage
    from synth.stages.stage import each_record as each_record
    from synth.student.templates import Segment as Segment
    from synth.student.templates import Template as Template
    from synth.student.templates import TurnTemplate as TurnTemplate

_HOMES = {
    "Ask": "synth.engine.work",
    "Backend": "synth.models",
    "ChatModel": "synth.models.base",
    "ChatRequest": "synth.models.base",
    "Check": "synth.checks.base",
    "Completion": "synth.models.base",
    "Engine": "synth.engine.run",
    "ExportFormat": "synth.stages.export.formats",
    "Instance": "synth.records",
    "Lineage": "synth.records",
    "NoveltyIndex": "synth.checks.novelty",
    "Operator": "synth.stages.evolve.operators",
    "OtherAnswer": "synth.records",
    "Prompt": "synth.prompts",
    "Recipe": "synth.recipe",
    "Record": "synth.records",
    "Rejection": "synth.records",
    "RunFolder": "synth.stages.stage",
    "RunProgress": "synth.engine.progress",
    "RunResult": "synth.pipeline",
    "Sampling": "synth.models.base",
    "SeedTask": "synth.records",
    "Segment": "synth.student.templates",
    "Stage": "synth.stages.stage",
    "StatefulCheck": "synth.checks.base",
    "SynthError": "synth.errors",
    "Teacher": "synth.api.teacher",
    "Template": "synth.student.templates",
    "TurnTemplate": "synth.student.templates",
    "arun": "synth.api.running",
    "bootstrap": "synth.api.stages",
    "build_recipe": "synth.recipe",
    "dedup": "synth.checks.dedup",
    "each_record": "synth.stages.stage",
    "evolve": "synth.api.stages",
    "novel_subset": "synth.checks.novelty",
    "read_recipe": "synth.recipe",
    "read_records": "synth.sources",
    "read_seed_tasks": "synth.stages.seeds",
    "respond": "synth.api.stages",
    "run": "synth.api.running",
    "select": "synth.api.stages",
    "teacher": "synth.api.teacher",
}

__all__ = [
    "Ask",
    "Backend",
    "ChatModel",
    "ChatRequest",
    "Check",
    "Completion",
    "Engine",
    "ExportFormat",
    "Instance",
    "Lineage",
    "NoveltyIndex",
    "Operator",
    "OtherAnswer",
    "Prompt",
    "Recipe",
    "Record",
    "Rejection",
    "RunFolder",
    "RunProgress",
    "RunResult",
    "Sampling",
    "SeedTask",
    "Segment",
    "Stage",
    "StatefulCheck",
    "SynthError",
    "Teacher",
    "Template",
    "TurnTemplate",
    "__version__",
    "arun",
    "bootstrap",
    "build_recipe",
    "dedup",
    "each_record",
    "evolve",
    "novel_subset",
    "read_recipe",
    "read_records",
    "read_seed_tasks",
    "respond",
    "run",
    "select",
    "teacher",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synth' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
