"""The work of each stage in actors of a real Ray: what they make, and what is asked, is the same as in one process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from runs import made

from synth.engine.audit import ledger_problems
from synth.engine.ledger import LedgerReader
from synth.pipeline import run
from synth.recipe import Recipe, read_recipe

pytest.importorskip("ray", reason="RAY IS NOT INSTALLED: the stages are not tested in its actors")
pytestmark = pytest.mark.slow
RECIPE = """name: stages
bootstrap: {num_tasks: 8, window: 4}
evolve: {rounds: 1}
annotate:
  sources: {visits: {path: visits.jsonl, kind: sentiment, columns: {text: review}, options: ["no", "yes"]}}
respond: {}
converse: {num_turns: 2}
revise: {}
select: {grade: {}}
prefer: {num_answers: 3}
export: {formats: [messages, preference]}
report: null
teacher: {backend: embedded, concurrency: 16}
judge: {backend: embedded, concurrency: 8}
"""


def asked(run_dir: Path) -> list[tuple[str, str, str]]:
    reader = LedgerReader(run_dir)
    try:
        return sorted(reader.query("SELECT stage, key, state FROM requests"))
    finally:
        reader.close()


def recipe_in(folder: Path, *overrides: str) -> Recipe:
    rows = [{"review": f"Visit {n} was {('dreadful', 'lovely')[n % 2]}.", "label": n % 2} for n in range(6)]
    (folder / "visits.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "recipe.yaml").write_text(RECIPE)
    return read_recipe(folder / "recipe.yaml", overrides)


def test_every_stage_makes_the_same_bytes_on_ray_and_asks_the_same(tmp_path: Path) -> None:
    run(recipe_in(tmp_path), tmp_path / "here")
    run(recipe_in(tmp_path, "engine.on=ray"), tmp_path / "away")
    assert made(tmp_path / "away") == made(tmp_path / "here")
    wanted = asked(tmp_path / "here")
    assert asked(tmp_path / "away") == wanted
    assert {stage for stage, *_ in wanted} >= {"evolve", "respond", "converse", "revise", "grade", "prefer"}
    assert ledger_problems(tmp_path / "away") == []
