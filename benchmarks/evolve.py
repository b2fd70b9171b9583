"""What evolution did, as Markdown tables: per generation and operator, the losses, growth, difficulty; three lineages.

    python benchmarks/evolve.py --run /tmp/evolved [--num-tasks 1000] [--rounds 4]     with the embedded teacher
    python benchmarks/evolve.py --run runs/mine                                        of a run folder that exists

With the embedded teacher every answer is verified: the task is read anew from its text, each step of its plan is
worked out by the operation's second, independent derivation, and the answer that results is compared with the one kept.
Its tasks are tidy, so its losses say nothing about a language model's; those need a run folder of one.
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from synth.embedded.answer import is_right
from synth.embedded.operations import OPERATIONS
from synth.embedded.plan import prove
from synth.embedded.task import understand
from synth.engine.ledger import LedgerReader
from synth.pipeline import RECIPE_FILE, read_run_recipe, run
from synth.recipe import build_recipe
from synth.records import Record, Rejection

Result = Record | Rejection
CHI_SQUARE_P001 = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 6: 22.46, 7: 24.32}
"""Degrees of freedom -> the value passed by chance once in a thousand times."""


def make(folder: Path, num_tasks: int, rounds: int, seed: int, faults: str = "") -> None:
    """A run folder of bootstrapped and evolved tasks, difficulty rated; `faults` is a profile of the teacher's."""
    data = {"name": "evolve-bench", "seed": seed, "bootstrap": {"num_tasks": num_tasks}, "teacher": {"faults": faults}}
    off = dict.fromkeys(("respond", "select", "export", "report"))
    run(build_recipe(data | off | {"evolve": {"rounds": rounds, "rate_complexity": True}}), folder, until="evolve")


def table(tried: Sequence[Result]) -> Iterator[str]:
    """One row per generation and operator, one per generation, one for all."""
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in tried:
        line = _record(result).lineage
        for key in ((str(line.generation), line.operator or ""), (str(line.generation), "all"), ("all", "all")):
            groups[key].append(result)
    yield "| generation | operator | tried | kept | eliminated, by reason | words added | difficulty before → after |"
    yield "|---|---|--:|--:|---|--:|--:|"
    for (generation, operator), results in sorted(groups.items(), key=lambda item: item[0]):
        kept = [result for result in results if isinstance(result, Record)]
        lost = Counter(f"{r.check}: {r.reason}" for r in results if isinstance(r, Rejection)).most_common()
        why = ", ".join(f"{reason} {count}" for reason, count in lost) or "none"
        grades = f"{_mean(kept, 'complexity_before')} → {_mean(kept, 'complexity')}"
        cells = (generation, operator, len(results), len(kept), why, _mean(kept, "words_added"), grades)
        yield "| " + " | ".join(map(str, cells)) + " |"


def _record(result: Result) -> Record:
    return result.record if isinstance(result, Rejection) else result


def _mean(records: Sequence[Record], name: str) -> str:
    values = [float(record.meta[name]) for record in records if record.meta.get(name) is not None]
    return f"{statistics.mean(values):.1f}" if values else "–"


def shares(tried: Sequence[Result]) -> str:
    """Are the operators drawn alike? Pearson's chi-square against equal shares."""
    counts = Counter(_record(result).lineage.operator for result in tried)
    expected, freedom = len(tried) / len(counts), len(counts) - 1
    value = sum((count - expected) ** 2 / expected for count in counts.values())
    limit = CHI_SQUARE_P001.get(freedom)
    drawn = ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=str))
    return f"operators drawn: {drawn}; chi-square {value:.2f}, {freedom} degrees of freedom, p = 0.001 at {limit}"


def verified(kept: Sequence[Record]) -> str:
    """How many answers of evolved tasks are right, by a second derivation of each step."""
    verdicts: Counter[str] = Counter()
    for record in kept:
        task = understand(record.instruction, record.input)
        if not record.output:
            verdicts["without an answer"] += 1
        elif task is None:
            verdicts["outside the grammar"] += 1
        elif not prove(task.plan, task.material, OPERATIONS):
            verdicts["derivations differ"] += 1
        else:
            verdicts["right" if is_right(task, record.output) else "wrong"] += 1
    share = verdicts["right"] / max(1, len(kept))
    return f"answers of {len(kept)} evolved tasks verified: {share:.2%} right; {dict(verdicts.most_common())}"


def lineages(families: Sequence[Sequence[Record]], count: int) -> Iterator[str]:
    """The longest ways, whole."""
    for number, family in enumerate(sorted(families, key=len, reverse=True)[:count], 1):
        yield f"\n### Lineage {number}"
        for record in family:
            line = record.lineage
            yield f"\n**generation {line.generation}, {line.operator or 'as given'}** `{record.id}`\n"
            for name, text in (("", record.instruction), ("Input", record.input), ("Answer", record.output)):
                if text:
                    yield "\n".join(f"> {one}" for one in [*([f"{name}:"] if name else []), *text.split("\n")]) + "\n"


def families_of(results: Sequence[Result]) -> list[list[Record]]:
    """The records of each task from the first to its last generation."""
    families: list[list[Record]] = []
    for result in results:
        if isinstance(result, Record) and not result.lineage.generation:
            families.append([result])
        elif isinstance(result, Record):
            families[-1].append(result)
    return families


def main(options: argparse.Namespace) -> None:
    """Make the run folder if there is none, then print."""
    if not (options.run / RECIPE_FILE).is_file():
        make(options.run, options.num_tasks, options.rounds, options.seed, options.faults)
    reader = LedgerReader(options.run)
    results = list(reader.results("evolve"))
    reader.close()
    tried = [result for result in results if _record(result).lineage.generation]
    kept = [result for result in tried if isinstance(result, Record)]
    print(f"{len(results) - len(tried)} tasks, {len(tried)} evolutions tried, {len(kept)} kept\n")
    print("\n".join(table(tried)), shares(tried), sep="\n\n")
    if read_run_recipe(options.run).teacher.options.get("model", "embedded") == "embedded":
        print(f"\n{verified(kept)}")
    print("\n".join(lineages(families_of(results), options.lineages)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="a run folder; made when it is not there")
    parser.add_argument("--num-tasks", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", default="", help="faults of the teacher, such as grows=0.05,unchanged=0.05")
    parser.add_argument("--lineages", type=int, default=3)
    main(parser.parse_args())
