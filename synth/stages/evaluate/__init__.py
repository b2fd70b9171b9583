"""The stage that examines students (`evaluate`), and the comparison of what each part of the data did (`ablation`)."""

from __future__ import annotations

import json
from pathlib import Path

from synth.fileio import atomic_write
from synth.stages.evaluate.ablation import AblationResult, Arm, ablation
from synth.stages.evaluate.examine import EvalResult, EvaluateSettings, ItemAnswer, evaluate

__all__ = [
    "AblationResult",
    "Arm",
    "EvalResult",
    "EvaluateSettings",
    "ItemAnswer",
    "ablation",
    "evaluate",
    "save_result",
]


def save_result(result: EvalResult | AblationResult, path: Path) -> None:
    """Write a result as JSON, whole or not at all."""
    atomic_write(path, json.dumps(result.to_dict(), indent=1, sort_keys=True) + "\n")
