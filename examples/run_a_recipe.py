"""Run a recipe from Python and look at what came out.  python examples/run_a_recipe.py RUN_FOLDER"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import synth

folder = sys.argv[1] if len(sys.argv) > 1 else "runs/from-python"
result = synth.run(Path(__file__).parent / "bootstrap.yaml", folder, progress="bar")
for record in result.records()[:3]:
    print(f"- {record.instruction}\n  {record.output[:100]}")
print(Counter(f"{one.check}: {one.reason}" for one in result.rejected()))
