"""The arms of a comparison, from a real run with a teacher that is wrong half of the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synth.embedded.answer import is_right
from synth.embedded.task import understand
from synth.pipeline import RunFolder, final_records, run
from synth.recipe import Recipe, build_recipe
from synth.records import Lineage, Record
from synth.stages.evaluate.stage import comparison_arms
from synth.student.arms import NO_CHECKS, SEEDS_ONLY, answered_records, arms_of_ablation, contamination
from synth.student.items import items_from

TEACHER = {"operations": ["sentiment", "topic", "mentions"], "max_steps": 1, "short": True}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    recipe = build_recipe(
        {
            "teacher": TEACHER | {"faults": "wrong_output=0.5,loops=0.05"},
            "bootstrap": {"num_tasks": 12, "window": 8, "instances_per_task": 8, "with_outputs": True},
            "evolve": {"rounds": 1},
            "respond": {"confirm": True, "num_draws": 2, "min_agreement": 1},
            "hold_out": {"num_inputs": 5},
            "evaluate": {"arms": [SEEDS_ONLY, NO_CHECKS]},
        }
    )
    place = tmp_path_factory.mktemp("run")
    run(recipe, place, until="select")
    return recipe, place


def share_wrong(records: list[Record]) -> float:
    tasks = [(understand(record.instruction, record.input), record.output) for record in records]
    marks = [is_right(task, output) for task, output in tasks if task is not None]
    return 1 - sum(marks) / len(marks)


def test_all_that_was_answered_is_there_and_the_checks_catch_nearly_all_that_is_wrong(
    faulty: tuple[Recipe, Path],
) -> None:
    before, kept = answered_records(faulty[1]), final_records(faulty[1])
    assert share_wrong(before) > 0.15 and share_wrong(kept) < 0.08
    assert {record.id for record in kept} < {record.id for record in before}


def test_no_arm_learns_a_held_out_input(faulty: tuple[Recipe, Path]) -> None:
    recipe, place = faulty
    folder = RunFolder(place, recipe)
    kept, held_out = folder.records()
    gone = {record.id for record in held_out}
    assert len(gone) == 5
    arms = arms_of_ablation([], answered_records(place), kept, held_out)
    assert list(arms) == ["untrained", "+ bootstrap", "+ evolution", "+ checks"]  # no seeds were given
    assert len(arms["+ bootstrap"]) < len(arms["+ evolution"]) > len(arms["+ checks"])
    assert not any(record.id in gone for records in arms.values() for record in records)
    beside = comparison_arms(folder, recipe.evaluate, held_out)
    assert [where for where, _ in beside.values()] == ["students/seeds-only", "students/no-checks"]
    assert beside[NO_CHECKS][1] == arms["+ evolution"]


def test_each_arm_has_what_those_before_it_have_and_exported_seeds_are_in_all() -> None:
    def made(name: str, origin: Any, operator: str | None = None) -> Record:
        return Record(f"Task {name}.", "", "answer", lineage=Lineage(origin, operator=operator))

    seed, new, deeper, held = (
        made("a", "seed"),
        made("b", "bootstrap"),
        made("c", "evolve", "deepen"),
        made("d", "evolve"),
    )
    demand = made("e", "evolve", "constrain")
    arms = arms_of_ablation([seed], [new, deeper, held, demand], [seed, new, demand], [held])
    assert arms == {
        "untrained": [],
        "seeds only": [seed],
        "+ bootstrap": [seed, new],
        "+ evolution": [seed, new, deeper],
        "+ demands": [seed, new, deeper, demand],
        "+ checks": [seed, new, demand],
    }
    unseeded = arms_of_ablation([seed], [new], [new], [])
    assert unseeded == {"untrained": [], "seeds only": [seed], "+ bootstrap": [new], "+ checks": [new]}


def test_contamination_is_counted_for_every_arm_and_every_set() -> None:
    own = [Record("Name the colour.", "a red hat", "red"), Record("Name the colour.", "a blue hat", "blue")]
    found = contamination({"base": [], "one": own[:1], "both": own}, {"mine": items_from(own), "none": []})
    assert found == {"mine": {"one": 1, "both": 2}, "none": {"one": 0, "both": 0}}
