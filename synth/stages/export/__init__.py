"""Export: the final records as files that other tools read as they are, with a card that says how they were made.

It chooses no records (that is `synth.stages.select`) and uploads nothing (that is the command line's choice).
"""

from __future__ import annotations

from synth.stages.export.facts import run_facts
from synth.stages.export.formats import FORMATS
from synth.stages.export.manifest import Manifest, verify_manifest
from synth.stages.export.settings import ExportSettings, Splits
from synth.stages.export.spoiled import spoiled_facts
from synth.stages.export.stage import export

__all__ = ["FORMATS", "ExportSettings", "Manifest", "Splits", "export", "run_facts", "spoiled_facts", "verify_manifest"]
