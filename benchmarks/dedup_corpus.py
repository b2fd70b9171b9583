"""Near duplicates of a corpus beyond memory: seconds, memory, planted copies found, the same answer as in memory.

    python benchmarks/dedup_corpus.py                                        200,000 texts: about a minute
    python benchmarks/dedup_corpus.py --texts 5000000 --sample 1000000       on one core about an hour

The texts are templates filled with words of a vocabulary without end, and one in ten is a copy of an earlier one with a
word changed, added or left out (one in ten of them of a text that a copy replaced: these have no near text). Each
measure is of a process of its own; `peak GB` is of that process and its workers, pages of mapped files included. The
first `--sample` texts are also joined in memory, and every verdict is compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from synth.checks.corpus_join import in_processes, novel_in_corpus  # noqa: E402
from synth.checks.novelty import novel_subset  # noqa: E402

TEMPLATES = (
    "{verb} the {adjective} {noun} of {name} to a {adjective} {noun} from {name} by {noun}",
    "{verb} a {noun} to {name} about {adjective} {noun} and {adjective} {noun} near {name}",
    "{verb} {adjective} {noun} in {adjective} {noun} that {name} and {name} {verb}",
    "How does {noun} {verb} {adjective} {noun} for {name} when {adjective} {noun} {verb}",
    "Given {adjective} {noun} of {name}, {verb} the {noun} of {name} in {adjective} {noun}",
    "Which {noun} would {name} {verb} under {adjective} {noun} {adjective} {noun} and why",
    "{verb} {noun} {noun} of {name} with {adjective} {noun} of {name} in a {adjective} {noun}",
    "What did {name} {verb} on {adjective} {noun} after {noun} of {adjective} {noun} in {name}",
)
SIZES = {"verb": 2_000, "adjective": 20_000, "noun": 100_000, "name": 1_000_000}
PARTS = [a + b for a in "b d f g k l m n p r s t v z br st tr pl".split() for b in "a e i o u ai or en".split()]
COPIES, BACK = 0.1, 100_000


def word(rng: random.Random, kind: str) -> str:
    """A word of a kind; the commonest of n words is one in the root of n."""
    number = int(SIZES[kind] * rng.random() ** 2)
    made = kind[0]
    while number or len(made) == 1:
        number, part = divmod(number, len(PARTS))
        made += PARTS[part]
    return made


def original(number: int) -> list[str]:
    """The words of a text that is no copy."""
    rng = random.Random(number)
    words = rng.choice(TEMPLATES).split()
    return [word(rng, one[1 : one.index("}")]) if one[0] == "{" else one for one in words]


def text(number: int) -> tuple[str, bool]:
    """A text of the corpus, and whether it is a planted copy."""
    rng = random.Random(-1 - number)
    if number == 0 or rng.random() >= COPIES:
        return " ".join(original(number)), False
    words = original(number - rng.randint(1, min(number, BACK)))
    at, change = rng.randrange(len(words)), rng.random()
    words[at : at + (change < 0.7)] = [word(rng, "noun")] if change < 0.4 or change >= 0.7 else []
    return " ".join(words), True


def corpus(count: int) -> Iterator[str]:
    """The first texts."""
    return (text(number)[0] for number in range(count))


def measured(way: str, count: int, folder: Path, processes: int) -> dict[str, Any]:
    """One way over the first texts, in this process: seconds, texts kept, a hash of all verdicts, copies found."""
    started, seen = time.perf_counter(), hashlib.sha256()
    kept = copies = found = 0
    with in_processes(processes) as run:
        if way == "memory":
            result = novel_subset(list(corpus(count)))
            removed = {one.index: one for one in result.removed}
            verdicts: Any = (removed.get(number) for number in range(count))
        else:
            verdicts = novel_in_corpus(corpus(count), folder, run=run)
        for number, verdict in enumerate(verdicts):
            kept += verdict is None
            seen.update(repr(verdict and (verdict.nearest, verdict.score)).encode())
            if number % 100 == 0 and text(number)[1]:
                copies, found = copies + 1, found + (verdict is not None)
    row = {"way": way, "texts": count, "seconds": round(time.perf_counter() - started), "kept": kept}
    return row | {"copies": copies, "found": found, "verdicts": seen.hexdigest()}


def row(way: str, count: int, folder: str, processes: int) -> dict[str, Any]:
    """The same in a process of its own, with its peak of memory and its CPU seconds."""
    command = [sys.executable, __file__, "--way", way, "--texts", str(count), "--folder", folder]
    with subprocess.Popen([*command, "--processes", str(processes)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = json.loads(child.stdout.read())
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return told | {"cpu_s": round(usage.ru_utime + usage.ru_stime)}


def main() -> int:
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=200_000)
    parser.add_argument("--sample", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the files of the join go")
    parser.add_argument("--way", choices=("memory", "files"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        told = measured(given.way, given.texts, Path(given.folder), given.processes)
        both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        own, children = (resource.getrusage(who).ru_maxrss / 2**20 for who in both)
        print(json.dumps(told | {"peak_gb": round(own + children * given.processes * (given.processes > 1), 2)}))
        return 0
    sample = min(given.sample, given.texts)
    wanted = [("memory", sample), ("files", sample)] + [("files", given.texts)] * (given.texts > sample)
    rows = [row(way, count, given.folder, given.processes) for way, count in wanted]
    print(f"{'way':<8}{'texts':>12}{'kept':>12}{'seconds':>10}{'CPU s':>8}{'peak GB':>9}{'copies found, of 1 %':>26}")
    for one in rows:
        head = f"{one['way']:<8}{one['texts']:>12,}{one['kept']:>12,}{one['seconds']:>10}{one['cpu_s']:>8}"
        print(f"{head}{one['peak_gb']:>9}{one['found']:>16} of {one['copies']}")
    equal = rows[0]["verdicts"] == rows[1]["verdicts"]
    print(f"verdicts over the first {sample:,}: {'equal' if equal else 'DIFFERENT'}")
    return int(not equal)


if __name__ == "__main__":
    sys.exit(main())
