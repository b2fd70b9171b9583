"""synth: from a small pool of seed tasks to instruction data and a trained student.

The names below are the public ones; each is imported from its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Instance": "synth.records",
    "Lineage": "synth.records",
    "NoveltyIndex": "synth.checks.novelty",
    "Record": "synth.records",
    "Rejection": "synth.records",
    "SeedTask": "synth.records",
    "SynthError": "synth.errors",
    "novel_subset": "synth.checks.novelty",
    "read_recipe": "synth.recipe",
    "read_records": "synth.stages.formats",
    "read_seed_tasks": "synth.stages.seeds",
    "run": "synth.pipeline",
}

__all__ = [
    "Instance",
    "Lineage",
    "NoveltyIndex",
    "Record",
    "Rejection",
    "SeedTask",
    "SynthError",
    "__version__",
    "novel_subset",
    "read_recipe",
    "read_records",
    "read_seed_tasks",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synth' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
