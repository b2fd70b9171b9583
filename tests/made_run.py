"""A run folder made for tests with the real ledger: all four stages, rejections, requests, a student, hostile texts."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from synth.engine.budget import Reservation
from synth.engine.entries import Entry
from synth.engine.funnel import NOTE, NotedStage, note_stages
from synth.engine.ledger import Ledger, Outcome, Result, results_to_json
from synth.models.base import Completion, Usage
from synth.records import Lineage, Record, Rejection

VERBS = ["Write", "List", "Explain", "Sort", "Translate", "Summarise", "Name", "Describe", "Compose", "Compare"]
NOUNS = ["poem", "reason", "plan", "letter", "recipe", "table", "story", "rule", "list", "question", "map", "song"]
PLACES = ["harbour", "library", "bakery", "school", "station", "garden", "museum", "forest", "market", "office"]
PEOPLE = ["a nurse", "the mayor", "two pupils", "a sailor", "my aunt", "a clerk", "the twins", "a cook", "a guard"]
USUAL = [
    NotedStage("bootstrap", "seeds"), NotedStage("evolve", "children", ("tune",)),
    NotedStage("respond"), NotedStage("select", "checks", ("grade",)),
]  # fmt: skip
OPERATORS = ["add_constraint", "deepen", "concretise", "increase_reasoning", "complicate_input", "breadth"]
REASONS = [("novelty", "too_similar"), ("instruction_length", "too_short"), ("parsing", "no_instruction")]


def sentence(rng: random.Random) -> str:
    """An instruction that is seldom the same twice."""
    start = f"{rng.choice(VERBS)} a {rng.choice(NOUNS)} about the {rng.choice(PLACES)} for {rng.choice(PEOPLE)}"
    end = f"with {rng.randrange(2, 99)} {rng.choice(NOUNS)}s and {rng.choice(PEOPLE)} in {rng.randrange(1800, 2030)}"
    return f"{start} {end}."


def boot(number: int, rng: random.Random, model: str) -> Result:
    """A bootstrapped task, or its rejection; every ninth is rejected."""
    line = Lineage("bootstrap", ("seed-1", "seed-2"), "diverse", 0, model, "diverse@0a1b2c3d", (f"b{number}",))
    meta = {"category": rng.choice(["writing", "extract", "code"]), "language": rng.choice(["en", "en", "en", "de"])}
    meta |= {"nearest": "seed-1", "nearest_score": round(rng.random() * 0.69, 4)}
    record = Record(sentence(rng), "12, 7 and 9" if rng.random() < 0.3 else "", "", lineage=line, meta=meta)
    if number % 9 == 4:
        check, reason = REASONS[number % len(REASONS)]
        return Rejection(record, "bootstrap", check, reason, "ROUGE-L 0.812 to seed-1")
    return record


def evolved(root: Record, rng: random.Random, rounds: int) -> list[Result]:
    """The root and one child or rejection for each round."""
    results: list[Result] = [root]
    current = root
    for generation in range(1, rounds + 1):
        operator = rng.choice(OPERATORS)
        more = f"Also {rng.choice(VERBS).lower()} one {rng.choice(NOUNS)} in the {rng.choice(PLACES)}."
        text = f"{current.instruction} {more}"
        line = Lineage(
            "evolve", (current.id,), operator, generation, current.lineage.model, "evolve_depth@12ab34cd", ("e",)
        )
        before = rng.randrange(2, 6)
        meta = {"words_added": 7, "complexity_before": before, "complexity": before + rng.randrange(0, 4)}
        child = Record(text, current.input, "", lineage=line, meta=root.meta | meta)
        if rng.random() < 0.25:
            results.append(Rejection(child, "evolve", "judge", "no_gain", "both orders said equal"))
        else:
            results.append(child)
            current = child
    return results


def _save(ledger: Ledger, stage: str, item: str, ordinal: int, results: Sequence[Result]) -> None:
    ledger.save_outcome(stage, item, Outcome(ordinal, "", results_to_json(results), True))


async def _fill(folder: Path, roots: int, rounds: int, model: str, extra: Sequence[Record], seed: int) -> list[Record]:
    rng = random.Random(seed)
    ledger = Ledger(folder)
    await ledger.set_meta(NOTE, note_stages(USUAL))
    for stage in ("bootstrap", "evolve", "respond", "select"):
        await ledger.begin_stage(
            stage, f"fingerprint of {stage}", json.dumps({"method": "diverse"} if stage == "bootstrap" else {})
        )
    firsts = [boot(number, rng, model) for number in range(roots)] + list(extra)
    for number in range(0, len(firsts), 4):
        _save(ledger, "bootstrap", f"diverse-{number}", number // 4, firsts[number : number + 4])
    kept = [one for one in firsts if isinstance(one, Record)]
    families = [evolved(root, rng, rounds) for root in kept]
    for number, family in enumerate(families):
        _save(ledger, "evolve", f"{family[0].id if isinstance(family[0], Record) else ''}-{number}", number, family)
    tasks = [one for family in families for one in family if isinstance(one, Record)]
    final = []
    for number, task in enumerate(tasks):
        words = " ".join(rng.choice(NOUNS) for _ in range(rng.randrange(3, 90)))
        answered = replace(task.answered(task.output or f"Here it is: {words}.", f"r{number}"))
        answered = replace(answered, meta=answered.meta | {"grade": rng.randrange(5, 11)})
        verdict: Result = answered
        if number % 11 == 7:
            verdict = Rejection(answered, "select", "refusal", "refuses", "I cannot help with that (also: truncated)")
        _save(ledger, "respond", f"{task.id}-{number}", number, [answered])
        _save(ledger, "select", f"{number}", number, [verdict])
        final += [verdict] if isinstance(verdict, Record) else []
    await _ask(ledger, min(len(tasks), 60), model)
    for stage in ("bootstrap", "evolve", "respond", "select"):
        await ledger.finish_stage(stage, 10**9)
    await ledger.set_meta("run_seed", str(seed))
    await ledger.aclose()
    return final


async def _ask(ledger: Ledger, number: int, model: str) -> None:
    """Some requests, one of them without an answer, and a few 429s."""
    for one in range(number):
        key = f"{one:064x}"
        entry = Entry(key, "respond", str(one), "teacher", model, "test", "{}", 0).planned(Reservation(400, 100, 0.001))
        await ledger.plan(entry)
        ledger.out.left(key)
        if one % 15 == 0:
            ledger.save_event("throttled", 1.5, "429")
            ledger.save_event("concurrency", 8 + one / 15)
        if one != 3:
            answer = Completion("text", usage=Usage(120, 60), model=model, key=key)
            bill, attempts, now = Reservation(120, 60, 0.0004), 1 + (one % 40 == 0), time.time()
            await ledger.save(entry.answered(answer, bill, attempts, now - 0.05, now))
            ledger.out.back(key)
    await ledger.flush()


def make_run(
    folder: Path,
    roots: int = 60,
    rounds: int = 2,
    model: str = "some-model",
    extra: Sequence[Record] = (),
    seed: int = 1,
    files: bool = True,
) -> list[Record]:
    """Make a finished run in `folder`; gives the final records. `extra` joins what bootstrap made."""
    with ThreadPoolExecutor(1) as pool:  # a thread of its own: the caller may have an event loop, as playwright has
        final = pool.submit(asyncio.run, _fill(folder, roots, rounds, model, extra, seed)).result()
    if files:
        seeds = [{"id": f"seed-{n}", "instruction": sentence(random.Random(n))} for n in range(20)]
        (folder / "seeds.jsonl").write_text("".join(json.dumps(seed) + "\n" for seed in seeds))
        (folder / "recipe.yaml").write_text(
            f"name: {folder.name}\nteacher:\n  backend: {model}\nbootstrap:\n  num_tasks: {roots}\n"
        )
        (folder / "timings.json").write_text(
            json.dumps({"bootstrap": 12.5, "evolve": 30.25, "respond": 20.0, "select": 1.5})
        )
        (folder / "evaluation.json").write_text(json.dumps(EVALUATION))
        (folder / "ablation.json").write_text(json.dumps(ABLATION))
        (folder / "student").mkdir(exist_ok=True)
        (folder / "student" / "train.json").write_text(json.dumps({"steps": 200, "loss_first": 5.1, "loss_last": 1.9}))
    return final


def _score(name: str, value: float, low: float, high: float) -> dict[str, Any]:
    return {"student": name, "metric": "correct", "value": value, "low": low, "high": high, "num_items": 252}


def _difference(name: str, value: float, low: float, high: float, verdict: str) -> dict[str, Any]:
    return _score(name, value, low, high) | {"against": "untrained", "verdict": verdict}


EVALUATION: dict[str, Any] = {
    "scores": [
        _score("untrained", 0.0, 0.0, 0.015),
        _score("seeds only", 0.06, 0.037, 0.096),
        _score("bootstrapped and evolved", 0.31, 0.256, 0.37),
    ],
    "differences": [
        _difference("seeds only", 0.06, 0.03, 0.09, "better"),
        _difference("bootstrapped and evolved", 0.31, 0.25, 0.37, "better"),
    ],
    "given_away": {"eval-1": "abc"},
}
ABLATION: dict[str, Any] = {
    "num_items": 252,
    "arms": [
        _score("untrained", 0.0, 0.0, 0.02) | {"name": "untrained", "num_records": 0, "steps": 0, "tokens": 0},
        _score("seeds", 0.05, 0.03, 0.08)
        | {"name": "seeds only", "num_records": 175, "steps": 200.0, "tokens": 81920.0}
        | {"against_last": _difference("seeds only", 0.05, -0.01, 0.1, "no difference is visible")},
    ],
}
