"""The embedded teacher's own figures: how novel its proposals are, how varied, how fast.

    python benchmarks/teacher.py [--accepted 6500] [--full] [--json]

Proposals are asked for as the stage `bootstrap` asks (prompt `diverse`, attributes drawn, five tasks a request, 3 seed
tasks as examples) and judged by `NoveltyIndex` at ROUGE-L 0.7 on the instruction alone, without its material: data
inside would make any two texts look different. A skeleton is the chain of operations of a task with its further
questions, without arguments and wording. `--full` goes on to 52,000 accepted tasks, as many as Alpaca has.
Times are CPU seconds of this process.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

from synth.checks.novelty import NoveltyIndex
from synth.embedded import Settings, reply
from synth.embedded.draws import Draw
from synth.embedded.generate import Wish, draw_task
from synth.embedded.reader import read
from synth.errors import RequestRefused
from synth.models.base import ChatRequest, Sampling
from synth.parsing import parse_tasks
from synth.prompts import render
from synth.records import Record
from synth.stages.bootstrap.methods import Diverse
from synth.stages.bootstrap.pool import Pool
from synth.stages.bootstrap.settings import BootstrapSettings
from synth.stages.evolve.operators import OPERATORS
from synth.stages.evolve.rewriting import rewriting
from synth.stages.seeds import read_seed_tasks

SEEDS = Path(__file__).resolve().parents[1] / "seed_tasks" / "seed_tasks.jsonl"
MARKS = (500, 1000, 2000, 5000, 6500, 10_000, 20_000, 30_000, 40_000, 52_000)
SETTINGS = Settings()


def proposal(method: Diverse, pool: Pool, number: int) -> ChatRequest:
    """The `number`-th request for five tasks."""
    prompt = method.request(pool, random.Random(number), number).prompt
    return ChatRequest(prompt.messages, Sampling(seed=number))


def curve(target: int) -> list[dict[str, Any]]:
    """Rows of the acceptance curve, the last at `target` accepted tasks."""
    seeds, wanted = read_seed_tasks(SEEDS), BootstrapSettings(tasks_per_request=5)
    method, pool = Diverse(seeds, wanted), Pool(seeds, wanted)
    index, skeletons = NoveltyIndex(0.7), Counter[str]()
    rows: list[dict[str, Any]] = []
    asked = accepted = requests = words = 0
    teaching = judging = 0.0
    while accepted < target:
        request = proposal(method, pool, requests)
        requests += 1
        started = time.process_time()
        text = reply(request, SETTINGS).text
        teaching += time.process_time() - started
        for task in parse_tasks(text):
            asked += 1
            started = time.process_time()
            novel = index.add_if_novel(task.instruction).novel
            judging += time.process_time() - started
            if not novel or accepted == target:
                continue
            accepted += 1
            words += len(task.instruction.split())
            skeletons[read(task.instruction)[0].skeleton] += 1
            if accepted in MARKS or accepted == target:
                row = {"accepted": accepted, "proposed": asked, "acceptance": round(accepted / asked, 4)}
                row |= {"skeletons": len(skeletons), "words": round(words / accepted, 1)}
                row |= {"chains": len({name.partition(" & ")[0] for name in skeletons})}
                row |= {"teacher_s": round(teaching, 1), "novelty_s": round(judging, 1)}
                rows.append(row | {"ms_a_request": round(1000 * teaching / requests, 3)})
    return rows


def prompts_of(number: int) -> dict[str, tuple[dict[str, str], ...]]:
    """A request of every kind about one random task."""
    task = draw_task(Draw("speed", number), Wish())
    record = Record(task.instruction, task.input)
    about = {"instruction": task.instruction, "input": task.input}
    names = ("add_constraint", "deepen", "concretise", "increase_reasoning", "complicate_input")
    deep = {name: rewriting(record, name, OPERATORS[name], OPERATORS[name].prompt, as_json=False)
            for name in (names[number % 5], "breadth")}  # fmt: skip
    deepened, broadened = deep.values()
    prompts = {
        "answer": render("answer", **about),
        "evolve": deepened,
        "breadth": broadened,
        "instances": render("instances", instruction=task.instruction, num_instances=1, examples=[]),
        "classify": render("is_classification", instruction=task.instruction, examples=[]),
        "equal": render("judge_equal", first=record, second=record, talk="", examples=[]),
        "grade": render("grade", **about, answer="12"),
        "rate": render("rate_complexity", **about),
    }
    return {kind: prompt.messages for kind, prompt in prompts.items()}


def speed(count: int) -> dict[str, dict[str, float]]:
    """CPU milliseconds a reply and the share of requests served, by kind of prompt, after 100 tasks of warming up."""
    spent: dict[str, list[float]] = {}
    served: dict[str, list[bool]] = {}
    for number in range(-100, count):
        for kind, messages in prompts_of(number).items():
            request = ChatRequest(messages, Sampling(seed=number))
            started = time.process_time()
            try:
                found = reply(request, SETTINGS).text
            except RequestRefused:
                found = ""
            if number >= 0:
                spent.setdefault(kind, []).append(1000 * (time.process_time() - started))
                served.setdefault(kind, []).append(bool(found))
    spent["all"] = [value for values in spent.values() for value in values]
    served["all"] = [value for values in served.values() for value in values]
    return {kind: {"ms": round(mean(spent[kind]), 3), "served": round(mean(served[kind]), 3)} for kind in spent}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accepted", type=int, default=6500)
    parser.add_argument("--full", action="store_true", help="52,000 accepted tasks")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {"speed": speed(300), "curve": curve(52_000 if options.full else options.accepted)}
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    print("kind        CPU ms a reply   served")
    for kind, row in figures["speed"].items():
        print(f"{kind:<12}{row['ms']:>14.3f}{row['served']:>9.1%}")
    print("\naccepted  proposed  acceptance  skeletons  chains  words  teacher s  novelty s  ms a request (5 tasks)")
    for row in figures["curve"]:
        print(
            f"{row['accepted']:>8}{row['proposed']:>10}{row['acceptance']:>12.1%}{row['skeletons']:>11}{row['chains']:>8}"
            f"{row['words']:>7}{row['teacher_s']:>11}{row['novelty_s']:>11}{row['ms_a_request']:>14}"
        )


if __name__ == "__main__":
    main()
