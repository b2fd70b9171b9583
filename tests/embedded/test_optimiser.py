"""The teacher as optimiser: failed steps are counted, and a method with remedies fails less often."""

from __future__ import annotations

import json
from pathlib import Path

from embedded.asking import ask
from typer.testing import CliRunner

from synth.cli.app import app
from synth.embedded.optimiser import REMEDIES, advice
from synth.prompts import render
from synth.recipe import build_recipe
from synth.stages.evolve.tune import FIRST_METHOD

SORT = "Round the number to the nearest ten.\n\n1234"
LONGER = SORT.replace(".", ". It will be used for the opening speech.", 1)


def faults(*steps: tuple[str, str]) -> str:
    trajectory = [{"text": text, "reason": reason} for text, reason in steps]
    return ask(render("evolve_analyse", method=FIRST_METHOD, trajectories=[trajectory]))


def test_steps_that_were_thrown_away_are_counted() -> None:
    thrown = faults((SORT, ""), (SORT, "unsupported"), (SORT, "no_gain"), (LONGER, ""))
    assert thrown == "- 2 of 3 steps were thrown away."
    assert faults((SORT, "")) == faults((SORT, ""), (LONGER, "")) == "- No fault found."


def test_a_better_method_holds_remedies_once_and_without_faults_stays_as_it_is() -> None:
    said = faults((SORT, ""), (SORT, "unsupported"))
    better = ask(render("evolve_improve", method=FIRST_METHOD, faults=said))
    assert better.startswith(FIRST_METHOD.split("\n")[0]) and len(better.split()) > len(FIRST_METHOD.split())
    last = ask(render("evolve_improve", method=" ".join([FIRST_METHOD, *REMEDIES]), faults=said))
    assert len(last.split()) <= 150 and all(last.count(remedy) == 1 for remedy in REMEDIES)
    assert ask(render("evolve_improve", method=better, faults="- No fault found.")) == better


def test_a_method_is_read_for_its_ways_and_what_it_forbids() -> None:
    assert set(advice(FIRST_METHOD).ways) == {"add_constraint", "deepen", "concretise", "increase_reasoning", "complicate_input"}  # fmt: skip
    assert not advice(FIRST_METHOD).tries_others
    assert advice("Add a constraint.").ways == ("add_constraint",)
    told = advice(" ".join([FIRST_METHOD, *REMEDIES]))
    assert told.tries_others and told.is_bounded and not {"concretise", "complicate_input"} & set(told.ways)


def test_tuning_with_the_embedded_teacher_keeps_the_best_method_and_finds_the_same_one_again(tmp_path: Path) -> None:
    made = CliRunner().invoke(
        app, ["bootstrap", "--teacher", "embedded", "--num-tasks", "60", "--run", str(tmp_path / "made"), "--json"]
    )
    assert made.exit_code == 0, made.output
    flags = [
        "evolve",
        "tune",
        "--teacher",
        "embedded",
        "--from",
        str(tasks_of(tmp_path / "made")),
        "--num-held-out",
        "40",
        "--num-sample",
        "20",
    ]
    results = []
    for name in ("one", "other"):
        out = tmp_path / f"{name}.txt"
        done = CliRunner().invoke(app, [*flags, "--run", str(tmp_path / name), "--out", str(out), "--json"])
        assert done.exit_code == 0, done.output
        results.append((json.loads(done.stdout)["history"], out.read_text()))
    assert results[0] == results[1]
    history, text = results[0]
    kept = [row["failure_rate"] for row in history if row.get("kept")]
    assert kept[-1] == min(row["failure_rate"] for row in history) <= 0.1
    settings = build_recipe({"evolve": {"method_path": str(tmp_path / "one.txt")}}).evolve
    assert settings is not None and settings.chosen_operators()["auto"].method == text.strip()


def tasks_of(run: Path) -> Path:
    from synth.engine.ledger import LedgerReader

    path, reader = run / "tasks.jsonl", LedgerReader(run)
    rows = [{"instruction": one.instruction, "input": one.input} for one in reader.records("bootstrap")]
    reader.close()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
