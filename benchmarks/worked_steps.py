"""Do answers with worked steps help a student? Chains of sums, half of the rows with their steps or none of them.

    python benchmarks/worked_steps.py DIR
    python benchmarks/worked_steps.py DIR --seeds 1 --steps 500

Both students learn from the same number of rows about the same 4,000 problems, for the same steps and tokens, with each
seed: in the one mixture every row has its answer alone, in the other half of the rows have worked steps before it. All
stages are those of a run: annotate, mix, export, train. The problems of the examination are new to both, and asked in
both ways: for the answer, and for steps that end with it. Exit code 1 where the interval of the difference is not above
0, or the student without steps is at the floor (what one constant answer would reach).
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.pipeline import run
from synth.recipe import build_recipe
from synth.records import Record
from synth.sources.annotated import AnnotatedSource, annotated
from synth.stages.evaluate import EvaluateSettings
from synth.stages.evaluate.examine import examine
from synth.stages.train import read_result
from synth.student.items import EvalItem, items_from
from synth.student.scores import difference_of_tables, two_level_interval

PROBLEMS, UNSEEN = 4000, 300
TERMS, LARGEST_TERM, LARGEST = 5, 3, 9
"""Numbers of a chain, the largest after the first, and the largest result on the way; none is below 0."""
ARMS = {"answers alone": {"plain": 1}, "half with steps": {"plain": 1, "worked": 1}}
WAYS = {"asked for the answer": "plain", "asked for steps": "worked"}
TRAINING = {"preset": "tiny", "batch_tokens": 512, "learning_rate": 3e-3}
Table = list[dict[str, float]]


def problem(draws: random.Random) -> dict[str, Any]:
    """A chain such as 7 + 2 - 3 + 1 - 2, its steps and its answer."""
    total = draws.randint(1, 9)
    chain, steps = str(total), []
    for _ in range(TERMS - 1):
        terms = [n for n in range(-LARGEST_TERM, LARGEST_TERM + 1) if n and 0 <= total + n <= LARGEST]
        term = draws.choice(terms)
        told = f"{'+' if term > 0 else '-'} {abs(term)}"
        steps.append(f"{total} {told} = {total + term}")
        chain, total = f"{chain} {told}", total + term
    return {"question": f"What is {chain}?", "answer": str(total), "steps": ". ".join(steps) + "."}


def sources(folder: Path) -> dict[str, dict[str, Any]]:
    """The problems to learn from and the unseen ones, each with and without steps, as sections of a recipe."""
    draws, rows = random.Random(0), dict[str, dict[str, Any]]()
    while len(rows) < PROBLEMS + UNSEEN:
        one = problem(draws)
        rows[one["question"]] = one
    every = list(rows.values())
    found = {}
    for name, part in {"": every[:PROBLEMS], "unseen ": every[PROBLEMS:]}.items():
        path = folder / f"{name.strip() or 'problems'}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in part), "utf-8")
        plain = {"path": str(path), "kind": "question", "turned": False}
        found |= {f"{name}plain": plain, f"{name}worked": plain | {"columns": {"rationale": "steps"}}}
    return found


def trained(folder: Path, arm: str, seed: int, steps: int) -> Path:
    """The student of an arm: annotate, mix, export and train in a run folder, or that of an earlier call."""
    run_dir = folder / f"{arm.replace(' ', '-')}-{seed}"
    given = {name: one for name, one in sources(folder).items() if name in ARMS[arm]}
    data: dict[str, Any] = {"seed": seed, "annotate": {"sources": given}, "respond": None, "select": None}
    data |= {"mix": {"shares": ARMS[arm], "num_records": PROBLEMS}, "export": {}, "report": None}
    data |= {"train": TRAINING | {"max_steps": steps, "seed": seed}}
    run(build_recipe(data), run_dir)
    student = read_result(run_dir / "student")
    assert student is not None
    print(
        f"{arm}, seed {seed}: {student.steps} steps, {student.tokens:,} tokens, loss {student.loss_last:.3f}",
        flush=True,
    )
    return student.path


def unseen(folder: Path, way: str) -> list[EvalItem]:
    """The problems of the examination, asked in one way; both ways have the same names."""
    found = annotated("unseen", AnnotatedSource(**sources(folder)[f"unseen {way}"]), 0)
    items = items_from(one for one in found if isinstance(one, Record))
    return [EvalItem(str(n), item.conversation, item.reference) for n, item in enumerate(items)]


def correct(name: str, path: Path, items: list[EvalItem]) -> dict[str, float]:
    """Item → 1 where the student's final answer is right."""
    answers, _ = examine(name, str(path), items, (), EvaluateSettings(max_tokens=64, num_threads=1), None)
    return {one.item: one.marks["correct"] for one in answers}


def main(
    folder: Annotated[Path, typer.Argument(help="Run folders and problems are kept in it.")],
    seeds: Annotated[int, typer.Option(help="Trainings of each arm.")] = 3,
    steps: Annotated[int, typer.Option(help="Optimizer steps of each training.")] = 1200,
) -> None:
    """Train, examine, compare."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[tuple[str, str], Table] = {(arm, way): [] for arm in ARMS for way in WAYS}
    for seed in range(seeds):
        for arm in ARMS:
            path = trained(folder, arm, seed, steps)
            for way, source in WAYS.items():
                tables[arm, way].append(correct(f"{arm}, {way}", path, unseen(folder, source)))
    for (arm, way), table in tables.items():
        each = [sum(one.values()) / len(one) for one in table]
        low, high = two_level_interval([list(one.values()) for one in table], 0)
        told = ", ".join(f"{value:.3f}" for value in each)
        print(f"{arm}, {way}: {sum(each) / len(each):.3f} ({low:.3f} to {high:.3f}); by seed {told}")
    sys.exit(0 if compared(tables, folder) else 1)


def compared(tables: dict[tuple[str, str], Table], folder: Path) -> bool:
    """Tell the difference of the arms, each asked as taught: is it above 0, and the weaker arm above the floor?"""
    plain, worked = (tables[pair] for pair in zip(ARMS, WAYS, strict=True))
    gap = difference_of_tables(("half with steps", worked), ("answers alone", plain), 0)
    common = Counter(item.reference for item in unseen(folder, "plain")).most_common(1)[0]
    floor, (low, _) = common[1] / UNSEEN, two_level_interval([list(one.values()) for one in plain], 0)
    print(f"difference {gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}), {gap.verdict}")
    print(f"the answer {common[0]} to everything: {floor:.3f}")
    return gap.low > 0 and low > floor


if __name__ == "__main__":
    typer.run(main)
