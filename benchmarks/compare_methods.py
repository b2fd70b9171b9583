"""The bootstrap methods with one teacher, each in its own run folder, in one table.

    python benchmarks/compare_methods.py --run /tmp/compare --teacher embedded [--num-tasks 200 --markdown]

Every method makes the same number of accepted tasks, and every task gets an answer (alpaca and self_instruct bring
theirs, the others are asked for it), so that tokens can be compared. It measures; it does not judge the answers.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, log, print_json, print_table, say
from synth.cli.progress import drawn
from synth.cli.teacher import Asking
from synth.pipeline import run as run_pipeline
from synth.recipe import build_recipe, load_env
from synth.shipped import SEED_FILE

VARIANTS: dict[str, dict[str, Any]] = {
    "self_instruct": {"method": "self_instruct"},
    "alpaca": {"method": "alpaca"},
    "diverse": {"method": "diverse"},
    "magpie": {"method": "magpie"},
    "diverse, answers too": {"method": "diverse", "with_outputs": True, "tasks_per_request": 20},
}
"""The methods with their defaults, and ours with what Alpaca has: answers in the same reply, 20 tasks in each."""
STEPS = ("tasks", "classification", "instances", "answers")
RESAMPLES = 2_000
BINS = 10
EMBEDDED = "embedded"
CAVEAT = (
    "This is the embedded teacher, a program that writes tasks of a fixed grammar and no language model. Its figures "
    "show that the methods run and what they cost in requests; of how varied a real teacher would be they say nothing."
)


@command("teacher", "base_url", "concurrency")
def compare_methods(
    run: Annotated[Path, typer.Option("--run", help="A folder; each method gets a run folder in it.")],
    num_tasks: Annotated[int, typer.Option(help="Accepted tasks wanted of each method.")] = 200,
    seeds: Annotated[Path | None, typer.Option(help="Seed tasks; the shipped 175 by default.")] = None,
    asking: Asking = Asking(),
    seed: Annotated[int, typer.Option(help="The runs' seed.")] = 0,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    json: Json = False,
) -> None:
    """Compare the bootstrap methods with one teacher. Type it again to go on where it stopped."""
    section = asking.section
    figures = [measure(name, run, section, num_tasks, seeds, seed) for name in VARIANTS]
    name = str(section.get("model") or section["backend"])
    if json:
        print_json({"teacher": name, "methods": [one.to_dict() for one in figures]})
        return
    title = f"Bootstrap methods, {num_tasks} tasks each, teacher {name}" + (
        f" at {asking.base_url}" if asking.base_url else ""
    )
    header, rows = ["", *VARIANTS], table(figures)
    if markdown:
        say(as_markdown(title, header, rows))
    else:
        print_table(title, header, rows)
    if EMBEDDED in (name, section["backend"]):
        say(CAVEAT)


@dataclass(slots=True)
class Figures:
    """What one method came to. `costs`: for each request for tasks, the answered tasks it led to and all its tokens;
    `made`: the accepted tasks and the tokens of bootstrap alone. `ideal`: the requests of a step if nothing were lost:
    the tasks wanted ÷ the tasks asked for at once, and one for each accepted task where a task has its own."""

    method: str
    tasks: int = 0
    answered: int = 0
    records: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    costs: list[tuple[int, int]] = field(default_factory=list)
    made: list[tuple[int, int]] = field(default_factory=list)
    ideal: dict[str, int] = field(default_factory=dict)
    verbs: int = 0
    pairs: int = 0
    verb_coverage: float = 0.0
    entropy: float = 0.0
    category_entropy: float = 0.0
    effective: float = 0.0
    nearest_seed: list[float] = field(default_factory=list)

    @property
    def per_1000(self) -> float:
        """Answered tasks per 1,000 teacher tokens, prompts and answers together."""
        return _ratio(self.costs)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of `per_1000`, over requests for tasks."""
        return _interval(self.costs)

    @property
    def histogram(self) -> list[int]:
        """Tasks by ROUGE-L to the nearest seed, in bins of 0.1."""
        counts = Counter(min(BINS - 1, int(score * BINS)) for score in self.nearest_seed)
        return [counts[number] for number in range(BINS)]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for --json."""
        names = ("method", "tasks", "answered", "records", "prompt_tokens", "completion_tokens", "verbs", "pairs")
        row: dict[str, Any] = {name: getattr(self, name) for name in names}
        row |= {"requests": dict(self.requests), "rejected": dict(self.rejected.most_common())}
        row |= {"verb_coverage": round(self.verb_coverage, 4), "effective_tasks": round(self.effective, 1)}
        row |= {"verb_entropy_bits": round(self.entropy, 3)}
        row |= {"category_entropy_bits": round(self.category_entropy, 3)}
        return row | {
            "answered_per_1000_tokens": self.per_1000,
            "interval": list(self.interval),
            "accepted_per_1000_tokens_of_bootstrap": _ratio(self.made),
            "ideal_requests": self.ideal,
            "nearest_seed_rouge_l": self.histogram,
        }


def measure(
    name: str, run_dir: Path, teacher: dict[str, Any], num_tasks: int, seeds: Path | None, seed: int
) -> Figures:
    """Run one of VARIANTS in its folder, or go on with it, and count."""
    load_env(Path())
    folder = run_dir / re.sub(r"\W+|_", "-", name)
    path = (seeds or SEED_FILE).absolute()
    data = {"name": folder.name, "seed": seed, "teacher": teacher, "seeds": {"path": str(path)}}
    data |= {"bootstrap": VARIANTS[name] | {"num_tasks": num_tasks}, "select": None, "export": None, "report": None}
    log(f"{name}: run folder {folder}")
    recipe = build_recipe(data, "flags")
    run_pipeline(recipe, folder, until="respond", show=drawn)
    figures = count(name, folder, path)
    assert recipe.bootstrap is not None
    figures.ideal = {kind: figures.tasks for kind in STEPS if figures.requests[kind]}
    figures.ideal["tasks"] = -(-num_tasks // recipe.bootstrap.per_request)
    return figures


def entropy(counts: Iterable[int]) -> float:
    """Shannon's entropy of a distribution in bits: 0 where all is of one kind, log2 of n for n kinds alike."""
    found = [count for count in counts if count]
    total = sum(found)
    return -sum(count / total * math.log2(count / total) for count in found) + 0.0


def count(method: str, folder: Path, seeds: Path) -> Figures:
    """The figures of a run folder."""
    from synth.diversity import count_verb_nouns
    from synth.engine.ledger import LedgerReader, results_from_json
    from synth.metrics import vendi_score
    from synth.records import Record

    reader = LedgerReader(folder)
    figures = Figures(method)
    try:
        tokens: Counter[tuple[str, str]] = Counter()
        sql = "SELECT stage, item, request, coalesce(prompt_tokens, 0), coalesce(completion_tokens, 0) FROM requests"
        for stage, item, request, asked, said in reader.rows(sql):
            figures.requests[_kind(stage, request)] += 1
            figures.prompt_tokens += asked
            figures.completion_tokens += said
            tokens[stage, item] += asked + said
        answered = {record.id for record in reader.records("respond")}
        figures.rejected.update(f"{one.check}: {one.reason}" for one in reader.rejections("respond"))
        texts: dict[str, None] = {}
        for item, text in reader.rows("SELECT item, results FROM outcomes WHERE stage='bootstrap' ORDER BY ordinal"):
            results = results_from_json(text)
            kept = [one for one in results if isinstance(one, Record)]
            figures.rejected.update(f"{one.check}: {one.reason}" for one in results if not isinstance(one, Record))
            figures.records += len(kept)
            texts |= dict.fromkeys(record.instruction for record in kept)
            good = {record.instruction for record in kept if record.id in answered}
            figures.answered += len(good)
            spent = tokens["bootstrap", item] + sum(tokens["respond", key] for key in {record.id for record in kept})
            figures.costs.append((len(good), spent))
            figures.made.append((len({record.instruction for record in kept}), tokens["bootstrap", item]))
    finally:
        reader.close()
    found = count_verb_nouns(texts)
    figures.tasks, figures.verbs, figures.pairs = len(texts), len(found.verbs), len(found.pairs)
    figures.verb_coverage = found.verb_coverage
    figures.entropy = entropy(found.verbs.values())
    figures.effective = vendi_score(list(texts), seed=0)
    figures.nearest_seed, categories = _nearest_seeds(list(texts), seeds)
    figures.category_entropy = entropy(Counter(categories).values())
    return figures


def _kind(stage: str, request: str) -> str:
    """What a stored request was for, by the first heading of its prompt."""
    if stage != "bootstrap":
        return "answers"
    steps = {"# Classification": "classification", "# Inputs and outputs": "instances", "# Labels and": "instances"}
    return next((step for heading, step in steps.items() if f'"content":"{heading}' in request), "tasks")


def _nearest_seeds(texts: Sequence[str], seeds: Path) -> tuple[list[float], list[str]]:
    """(ROUGE-L to the nearest seed of each text, the categories of those): tasks made without seeds note none."""
    from synth.checks.novelty import NoveltyIndex
    from synth.stages.seeds import read_seed_tasks

    tasks = read_seed_tasks(seeds)
    index = NoveltyIndex()
    for task in tasks:
        index.add(task.instruction)
    scores = [index.all_scores(text) for text in texts]
    return [float(each.max()) for each in scores], [tasks[int(each.argmax())].category or "" for each in scores]


def _interval(costs: Sequence[tuple[int, int]]) -> tuple[float, float]:
    rng = random.Random(0)
    costs = costs or [(0, 0)]
    drawn = sorted(_ratio(rng.choices(costs, k=len(costs))) for _ in range(RESAMPLES))
    return drawn[int(0.025 * RESAMPLES)], drawn[int(0.975 * RESAMPLES)]


def _ratio(costs: Sequence[tuple[int, int]]) -> float:
    spent = sum(cost for _, cost in costs)
    return 1000 * sum(good for good, _ in costs) / spent if spent else 0.0


def table(figures: Sequence[Figures]) -> list[list[str]]:
    """One row a measure, one column a method."""
    rows = [
        ["accepted tasks", *(f"{one.tasks:,}" for one in figures)],
        ["with an answer", *(f"{one.answered:,}" for one in figures)],
        ["records", *(f"{one.records:,}" for one in figures)],
        ["requests", *(f"{one.requests.total():,}" for one in figures)],
    ]
    for kind in STEPS:
        rows.append([f"  for {kind} (ideal)", *(_of_ideal(one, kind) for one in figures)])
    rows += [
        ["tokens in prompts", *(f"{one.prompt_tokens:,}" for one in figures)],
        ["tokens in replies", *(f"{one.completion_tokens:,}" for one in figures)],
        ["answered tasks per 1,000 tokens", *(f"{one.per_1000:.2f}" for one in figures)],
        ["  95 % interval", *("{:.2f} to {:.2f}".format(*one.interval) for one in figures)],
        ["accepted tasks per 1,000 tokens of bootstrap", *(f"{_ratio(one.made):.2f}" for one in figures)],
        ["  95 % interval", *("{:.2f} to {:.2f}".format(*_interval(one.made)) for one in figures)],
        ["distinct verbs", *(str(one.verbs) for one in figures)],
        ["verb-noun pairs", *(str(one.pairs) for one in figures)],
        ["entropy of the verbs, in bits", *(f"{one.entropy:.2f}" for one in figures)],
        ["entropy of the nearest seeds' categories, in bits", *(f"{one.category_entropy:.2f}" for one in figures)],
        ["instructions with a verb found", *(f"{one.verb_coverage:.0%}" for one in figures)],
        ["different texts in effect (Vendi)", *(f"{one.effective:.1f}" for one in figures)],
        ["thrown away", *(f"{one.rejected.total():,}" for one in figures)],
    ]
    for reason in sorted({reason for one in figures for reason in one.rejected}):
        rows.append([f"  {reason}", *(f"{one.rejected[reason]:,}" for one in figures)])
    rows.append(["ROUGE-L to the nearest seed", *("" for _ in figures)])
    for number in range(BINS):
        counts = [one.histogram[number] for one in figures]
        if any(counts):
            rows.append([f"  {number / BINS:.1f} to {(number + 1) / BINS:.1f}", *map(str, counts)])
    return rows


def _of_ideal(one: Figures, kind: str) -> str:
    return f"{one.requests[kind]:,} ({one.ideal[kind]:,})" if one.requests[kind] and kind in one.ideal else "0"


def as_markdown(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table in Markdown."""
    lines = [f"**{title}**", "", "| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row).replace("  ", "· ") + " |" for row in rows)])


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(compare_methods)
    app()
