"""Times the export and the report at full size, with their memory: `python benchmarks/export_report.py [--rows N]`.

Goals: a report of 52,000 records in 20 s, 600 MB and 5 MB on disk; a Parquet export of 1,000,000 rows in 60 s. The
texts are made up here (an open vocabulary, Alpaca's lengths); each measurement runs in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from synth.engine.funnel import NOTE, NotedStage, note_stages
from synth.engine.ledger import Ledger, Outcome, Result, results_to_json
from synth.records import Lineage, Record, Rejection
from synth.stages.export import ExportSettings, Splits, export
from synth.stages.report import report

VERBS = ("write", "list", "explain", "sort", "translate", "describe", "compose", "compare", "name", "find", "draft")
STAGES = ("bootstrap", "evolve", "respond", "select")


def words(rng: random.Random, low: int, high: int) -> str:
    """Words of an open vocabulary, frequent ones more often."""
    return " ".join(f"w{int(rng.paretovariate(0.7)) % 20000}" for _ in range(rng.randrange(low, high)))


def records(num: int, seed: int = 1) -> Iterator[Record]:
    """Tasks with answers, a third of them evolved."""
    rng = random.Random(seed)
    last = ""
    for number in range(num):
        meta = {
            "category": f"kind {number % 24}",
            "language": "en",
            "nearest_score": rng.random(),
            "grade": rng.randrange(1, 11),
        }
        line = Lineage(
            "bootstrap", ("seed-1", "seed-2"), "diverse", 0, "model", "diverse@12345678", (f"{number:064x}",)
        )
        if number % 3 == 2:
            line = Lineage("evolve", (last,), "deepen", 1, "model", "evolve_depth@12345678", (f"{number:064x}",))
            meta |= {"words_added": 9, "complexity_before": 3, "complexity": 5}
        text = f"{rng.choice(VERBS).capitalize()} the {words(rng, 6, 18)} number {number}."
        record = Record(
            text, words(rng, 5, 30) if rng.random() < 0.4 else "", words(rng, 10, 80), lineage=line, meta=meta
        )
        last = record.id
        yield record


async def fill(folder: Path, num: int) -> None:
    """A finished run with `num` final records and a fifth as many rejections in bootstrap."""
    ledger = Ledger(folder)
    kinds = {"bootstrap": "seeds", "evolve": "children", "respond": "records", "select": "checks"}
    await ledger.set_meta(NOTE, note_stages(NotedStage(name, kind) for name, kind in kinds.items()))
    for stage in STAGES:
        await ledger.begin_stage(stage, stage, "{}")
    ordinals = dict.fromkeys(STAGES, 0)

    def save(stage: str, results: list[Result]) -> None:
        number = ordinals[stage]
        ordinals[stage] += 1
        ledger.save_outcome(stage, f"{stage}-{number}", Outcome(number, "", results_to_json(results), True))

    family: list[Result] = []
    for number, record in enumerate(records(num)):
        is_child = record.lineage.generation > 0
        if not is_child:
            save(
                "bootstrap",
                [record] if number % 5 else [record, Rejection(record, "bootstrap", "novelty", "too_similar", "0.8")],
            )
            if family:
                save("evolve", family)
            family = []
        family.append(record)
        save("respond", [record])
        save("select", [record])
        if number % 500 == 0:
            await ledger.flush()
    save("evolve", family)
    for stage in STAGES:
        await ledger.finish_stage(stage, 10**9)
    await ledger.aclose()


def measure(job: str, rows: int, folder: Path) -> dict[str, float | str]:
    """Run one job here and say how long it took and how much memory it needed at most."""
    started = time.perf_counter()
    if job == "report":
        size = report(folder).stat().st_size
    else:
        splits = Splits(validation=0.05, test=0.05) if job == "split" else None
        chosen = ExportSettings(formats=["parquet"], splits=splits)
        size = sum(file.num_bytes for file in export(records(rows), folder / job, chosen, {}).files)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"job": job, "rows": rows, "seconds": round(seconds, 1), "cpu": round(time.process_time(), 1),
            "peak_mb": round(peak), "file_mb": round(size / 1e6, 1)}  # fmt: skip


def main() -> None:
    """Measure all, each in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=52_000, help="records of the report")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the export")
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        print(json.dumps(measure(given.job[0], given.rows, Path(given.job[1]))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(fill(folder, given.records))
        seeds = [{"instruction": record.instruction} for record in records(175, seed=2)]
        (folder / "seeds.jsonl").write_text("".join(json.dumps(seed) + "\n" for seed in seeds))
        started = time.perf_counter()
        made = sum(1 for _ in records(given.rows))
        print(f"making {made:,} records alone: {time.perf_counter() - started:.1f} s (part of the export's time)")
        for job, rows in (("report", given.records), ("parquet", given.rows), ("split", given.rows)):
            command = [sys.executable, __file__, "--rows", str(rows), "--job", job, str(folder)]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
