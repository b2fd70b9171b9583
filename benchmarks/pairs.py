"""Answers with planted faults, ranked: by their check, by an honest judge, and by judges that go by place.

    python benchmarks/pairs.py
    python benchmarks/pairs.py --num-records 100

Each record has four answers of which one to three are right (told apart by a full stop or by capitals); the wrong ones
have another number or other words, or belong to another task. Exit code 1 where the ranking by check is not exact, an
honest judge chooses a wrong answer in more than 3 % of the pairs with one right answer, or a bias is missed.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.embedded.answer import answer
from synth.embedded.defects import Context, wrong_output
from synth.embedded.draws import Draw
from synth.embedded.generate import Wish, draw_task
from synth.engine.ledger import LedgerReader
from synth.errors import StageStopped
from synth.metrics import wilson_interval
from synth.pipeline import run
from synth.ranking import position_leaning
from synth.recipe import build_recipe
from synth.records import OtherAnswer, Record
from synth.stages.report.pairs import PairFacts, collect_pairs

NUM_ANSWERS = 4
LEAST_RIGHT = 0.97


@dataclass(frozen=True, slots=True)
class Planted:
    """A record with its answers in a drawn order, and which of them are right."""

    record: Record
    right: frozenset[str]


def planted(count: int) -> list[Planted]:
    """So many records, always the same."""
    tasks = [draw_task(Draw("pairs", number), Wish()) for number in range(count)]
    items = tuple({"instruction": t.instruction, "input": t.input, "output": answer(t)} for t in tasks)
    found = {}
    for number, item in enumerate(items):
        rng = random.Random(number)
        right = [item["output"], item["output"] + ".", item["output"].upper()]
        right = list(dict.fromkeys(right))[: rng.randint(1, 3)]
        texts = right + _wrong(items, number, rng, NUM_ANSWERS - len(right))
        rng.shuffle(texts)
        others = tuple(OtherAnswer(text) for text in texts[1:])
        check = {"kind": "exact", "answer": item["output"]}
        record = Record(item["instruction"], item["input"], texts[0], others=others, meta={"check": check})
        found[record.id] = Planted(record, frozenset(right))
    return list(found.values())


def _wrong(items: Sequence[dict[str, str]], at: int, rng: random.Random, wanted: int) -> list[str]:
    """Different wrong answers to the item `at`, plausible ones first."""
    right, found = items[at]["output"], dict[str, None]()
    spoiled = [
        wrong_output(items[at], Context(random.Random(f"{at} {n}"), items=tuple(items), at=at)) for n in range(6)
    ]
    strange = [items[rng.randrange(len(items))]["output"] for _ in range(50)]
    for text in [*(one["output"] for one in spoiled if one), *strange]:
        if _plain(text) != _plain(right):
            found.setdefault(text)
    return list(found)[:wanted]


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold().removesuffix(".")


def ranked(
    rows: Sequence[Record], folder: Path, judge: str = "", **settings: Any
) -> tuple[list[Record], int, PairFacts]:
    """(what is kept, requests, counts) of a run of the stage alone; `judge`: the faults of its judge."""
    file = folder.with_suffix(".jsonl")
    file.write_text("".join(json.dumps(row.to_dict()) + "\n" for row in rows))
    data = {"input": str(file), "stages": ["prefer"], "prefer": settings, "teacher": {"backend": "embedded"}}
    result = run(build_recipe(data | {"judge": {"backend": "embedded", "faults": judge}}), folder)
    reader = LedgerReader(folder)
    try:
        return list(reader.records("prefer")), result.progress.requests, collect_pairs(reader, ["prefer"])
    finally:
        reader.close()


def main(num_records: Annotated[int, typer.Option(help="Records of four answers each.")] = 1000) -> None:
    """Rank, count, judge the figures."""
    rows = planted(num_records)
    unchecked = [replace(one.record, meta={}) for one in rows]
    with tempfile.TemporaryDirectory() as folder:
        ok = _by_check(rows, Path(folder) / "check")
        ok &= _by_judge(rows, unchecked, Path(folder) / "judge")
        for share in (0.0, 0.3, 1.0):
            ok &= _by_place(unchecked, Path(folder) / f"place{share}", share)
    sys.exit(0 if ok else 1)


def _by_check(rows: Sequence[Planted], folder: Path) -> bool:
    began = time.monotonic()
    kept, requests, _ = ranked([one.record for one in rows], folder)
    right = {one.record.id: one.right for one in rows}
    exact = sum(
        one.output in right[one.id]
        and all((other.grade == 0.5) is (other.output in right[one.id]) for other in one.others)
        for one in kept
    )
    print(f"by check: {exact:,} of {len(rows):,} exact, {requests} requests, {time.monotonic() - began:.1f} s")
    return exact == len(rows) and requests == 0


def _by_judge(rows: Sequence[Planted], unchecked: Sequence[Record], folder: Path) -> bool:
    kept, requests, facts = ranked(unchecked, folder)
    right = {one.record.id: one.right for one in rows}
    pairs = [(one, one.worse()[-1].output) for one in kept if one.worse()]
    mixed = [(one.output in right[one.id], text in right[one.id]) for one, text in pairs]
    good, total = mixed.count((True, False)), len(mixed) - mixed.count((False, False)) - mixed.count((True, True))
    low, high = wilson_interval(good, total)
    print(
        f"by judge: {len(pairs):,} pairs, {total:,} with one right answer, chosen right in {good / total:.1%} "
        f"({low:.1%} to {high:.1%}), {requests:,} requests; trial: {facts.trial}"
    )
    return good / total >= LEAST_RIGHT and total >= 0.9 * len(rows)


def _by_place(unchecked: Sequence[Record], folder: Path, share: float) -> bool:
    """A judge that says A with this share: found by its counts, and stopped by the trial where it always does."""
    _, _, facts = ranked(unchecked, folder, f"position_bias={share}", calibrate=False)
    found = position_leaning(facts.judged["first"], facts.judged["second"])
    try:
        ranked(unchecked, folder.with_name(f"{folder.name}_tried"), f"position_bias={share}")
        stopped = False
    except StageStopped:
        stopped = True
    told = f"{found.toward:,} to {found.away:,}, p = {found.p_value:.2g}: {'a' if found.is_bias else 'no'} bias"
    print(f"a judge that says A {share:.0%} of the time: {told}; the trial {'stops' if stopped else 'passes'} it")
    return found.is_bias is (share > 0) and (stopped is (share > 0) or 0 < share < 1)


if __name__ == "__main__":
    typer.run(main)
