"""Run a recipe from Python and look at what came out.  python examples/run_a_recipe.py RUN_FOLDER"""

from __future__ import annotations

import sys
from pathlib import Path

from synth import read_recipe, run
from synth.pipeline import final_records

recipe = read_recipe(Path(__file__).parent / "bootstrap.yaml")
result = run(recipe, Path(sys.argv[1] if len(sys.argv) > 1 else "runs/from-python"))
for record in final_records(result.run_dir)[:3]:
    print(f"- {record.instruction}\n  {record.output[:100]}")
