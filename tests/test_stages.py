"""A stage from outside, and one stage twice: recipe, order, funnel, status, report and commands know them by the recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import synth

from synth.engine.funnel import count_funnel
from synth.engine.ledger import LedgerReader
from synth.errors import UsageError
from synth.recipe import build_recipe, recipe_model
from synth.stages.order import STAGES
from synth.stages.stage import Stage

TOY = """
from dataclasses import replace
from pydantic import BaseModel
from synth import Rejection, Stage, each_record

class LoudSettings(BaseModel):
    mark: str = "!"

async def loud(engine, records, settings):
    async def work(record, ask, rng):
        if len(record.instruction) % 3 == 0:
            return [Rejection(record, "loud", "length", "by_three")]
        return [replace(record, output=record.output + settings.mark)]
    async for results in each_record(engine, "loud", records, settings, work):
        yield results

def note(folder, settings):
    path = folder.path / folder.name
    folder.paths.append(path)
    path.write_text(f"{len(folder.records()[0])} records")
    return True

LOUD = Stage("loud", LoudSettings, loud)
NOTE = Stage("note.txt", LoudSettings, note, "folder", files=("note.txt",))
"""

RECIPE: dict[str, Any] = {
    "name": "toys", "teacher": {"backend": "embedded"}, "bootstrap": {"num_tasks": 12, "window": 4},
    "stages": ["bootstrap", "respond", "toy_stages:LOUD", "louder", "again", "select", "export", "note", "report"],
    "loud": {"mark": "?"}, "louder": {"kind": "toy_stages:LOUD", "mark": "!!"},
    "again": {"kind": "respond", "reanswer": True}, "note": {"kind": "toy_stages:NOTE"},
    "export": {"formats": ["alpaca"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("toys")
    (place / "toy_stages.py").write_text(TOY)
    (place / "recipe.yaml").write_text(json.dumps(RECIPE))
    code, printed, words = synth("run", "recipe.yaml", "--run", "run", "--json", cwd=place)
    assert code == 0, words
    (place / "summary.json").write_text(printed)
    return place


def results_of(folder: Path, stage: str) -> list[Any]:
    reader = LedgerReader(folder / "run")
    try:
        return list(reader.results(stage))
    finally:
        reader.close()


def test_a_stage_from_outside_runs_where_the_recipe_puts_it(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    assert list(summary["stages"]) == ["bootstrap", "respond", "loud", "louder", "again", "select"]
    came = results_of(folder, "respond")
    loud = results_of(folder, "loud")
    assert len(loud) == len(came) and all(not hasattr(r, "output") or r.output.endswith("?") for r in loud)
    assert summary["stages"]["loud"]["rejected"].keys() <= {"length: by_three"}


def test_a_stage_held_twice_keeps_its_results_and_its_settings_apart(folder: Path) -> None:
    louder = results_of(folder, "louder")
    assert louder and all(r.output.endswith("?!!") for r in louder)  # those that it would reject went before
    again = results_of(folder, "again")
    assert len(again) == len(louder) and all(r.others[0].output.endswith("?!!") for r in again)


def test_the_funnel_adds_up_over_foreign_stages_and_names_them(folder: Path) -> None:
    reader = LedgerReader(folder / "run")
    funnel = count_funnel(reader)
    reader.close()
    assert funnel.problems == [] and funnel.candidates == funnel.kept + funnel.rejected
    assert [stage.stage for stage in funnel.stages] == ["bootstrap", "respond", "loud", "louder", "again", "select"]
    page = (folder / "run" / "report.html").read_text()
    assert "louder" in page and "again" in page


def test_a_foreign_stage_may_make_files_of_the_finished_records(folder: Path) -> None:
    rows = json.loads((folder / "run" / "export" / "alpaca.json").read_text())
    assert (folder / "run" / "note").read_text() == f"{len(rows)} records"
    assert str(Path("run") / "note") in json.loads((folder / "summary.json").read_text())["made"]


def test_rejections_bear_the_name_that_the_stage_has_in_the_run(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Name the sea."}\n' * 2)
    checks = {"checks": [{"instruction_length": {"min_words": 9}}]}
    data = {
        "input": "rows.jsonl",
        "stages": ["first", "last"],
        "first": {"kind": "select", **checks},
        "last": {"kind": "select"},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(data | {"teacher": {"backend": "embedded"}}))
    code, _, words = synth("run", "recipe.yaml", "--run", "run", cwd=tmp_path)
    assert code == 0, words
    assert [r.stage for r in results_of(tmp_path, "first")] == ["first", "first"]


def test_a_second_run_asks_nothing_and_status_knows_the_stages(folder: Path) -> None:
    code, printed, words = synth("run", "recipe.yaml", "--run", "run", "--json", cwd=folder)
    assert code == 0 and json.loads(printed)["requests"] == 0, words
    code, printed, _ = synth("status", "run", "--json", cwd=folder)
    assert code == 0 and {"loud", "louder", "again"} <= set(json.loads(printed)["stages"])
    code, printed, _ = synth("validate", "recipe.yaml", cwd=folder)
    assert code == 0 and "loud, louder, again" in printed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stages": ["respnd"]}, "did you mean 'respond'"),
        ({"stages": ["no_such_module:X"]}, "cannot be imported"),
        ({"stages": ["json:loads"]}, "no synth.Stage"),
        ({"stages": ["seeds"]}, "cannot be the name"),
        ({"stages": ["teacher"], "teacher": {"kind": "respond"}}, "cannot be the name"),
    ],
)
def test_a_wrong_stage_is_named_before_anything_runs(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        build_recipe(change)
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_a_section_of_a_foreign_stage_is_checked_like_any_other(folder: Path) -> None:
    (folder / "wrong.yaml").write_text(json.dumps(RECIPE | {"again": {"kind": "respond", "reanser": True}}, indent=1))
    code, _, words = synth("validate", "wrong.yaml", cwd=folder)
    assert code == 2 and "again.reanser" in words and "did you mean 'reanswer'" in words


def test_recipe_keys_come_from_the_tuple() -> None:
    assert [name for name in recipe_model().model_fields if name in {stage.name for stage in STAGES}] == [
        s.name for s in STAGES
    ]
    assert all(isinstance(stage, Stage) for stage in STAGES)


@pytest.mark.parametrize("place", ["engine", "pipeline"])
def test_engine_and_pipeline_name_no_stage(place: str) -> None:
    import synth as package

    names = {f'"{stage.name}"' for stage in STAGES}
    for path in (Path(package.__file__).parent / place).glob("*.py"):
        if path.name != "forecast.py":  # a pilot's ledger is read by the name of the stage that grows
            assert not [name for name in names if name in path.read_text("utf-8")], path
