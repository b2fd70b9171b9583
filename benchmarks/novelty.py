"""How long the novelty filter takes, beside the published ways, in CPU seconds, all in one run on one machine.

    python benchmarks/novelty.py                 a few minutes
    python benchmarks/novelty.py --full          rapidfuzz over all 52K instructions too, instead of a fit
    python benchmarks/novelty.py --million       the join over 1,000,000 made texts too

The published ways would take hours: their cost per candidate is measured at pools of 1,000, 2,000 and 5,000, a line is
fitted to it, and its integral over the stream is given. CPU seconds of child processes count.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import Pool
from typing import Any

import numpy as np
from made_texts import instructions, synthesised
from rouge_score.rouge_scorer import RougeScorer, _score_lcs

from synth.checks.novelty import NoveltyIndex, novel_subset
from synth.tokens import rouge_tokens

POOLS = (1_000, 2_000, 5_000)
CANDIDATES = 3


def cpu() -> float:
    """CPU seconds of this process and its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and what it gave."""
    start = cpu()
    result = work()
    return cpu() - start, result


# --- the published ways, one candidate against a pool -------------------------------------------------------------


def self_instruct(candidate: str, pool: Sequence[str]) -> None:
    """Self-Instruct: a fresh pool of 4 processes for each candidate, raw texts scored by rouge-score."""
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    with Pool(4) as workers:
        workers.map(partial(scorer.score, candidate), pool)
        workers.close()
        workers.join()


def alpaca(candidate: str, pool: Sequence[list[str]]) -> None:
    """Alpaca: the pool's tokens are kept; a fresh pool of processes for each candidate."""
    with Pool(2) as workers:
        workers.map(partial(_score_lcs, rouge_tokens(candidate)), pool)
        workers.close()
        workers.join()


def one_process(candidate: str, pool: Sequence[list[str]]) -> None:
    """The same without processes."""
    tokens = rouge_tokens(candidate)
    for other in pool:
        _score_lcs(tokens, other)


def fitted(way: Callable[[str, Any], None], texts: Sequence[str], pool: Sequence[Any]) -> tuple[float, float]:
    """Cost of a candidate as `a + b * pool size`, in CPU seconds."""
    sizes, costs = [], []
    for size in POOLS:
        shown = pool[:size]
        for candidate in texts[size : size + CANDIDATES]:
            sizes.append(size)
            costs.append(timed(partial(way, candidate, shown))[0])
    slope, start = np.polyfit(sizes, costs, 1, w=1 / np.array(sizes))
    return max(float(start), 0.0), float(slope)


def integral(line: tuple[float, float], count: int) -> float:
    """CPU seconds of a stream of `count` texts that are all kept."""
    return line[0] * count + line[1] * count**2 / 2


# --- whole streams ------------------------------------------------------------------------------------------------


def rapidfuzz_stream(texts: Sequence[str]) -> int:
    """The fast library used directly: `process.extractOne` with a cutoff over strings of token numbers."""
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import extractOne

    numbers: dict[str, int] = {}
    pool: list[str] = []
    for text in texts:
        code = "".join(chr(numbers.setdefault(token, len(numbers))) for token in rouge_tokens(text))
        if extractOne(code, pool, scorer=Indel.normalized_similarity, score_cutoff=0.7000000001) is None:
            pool.append(code)
    return len(pool)


def our_stream(texts: Sequence[str], floor: float) -> tuple[int, list[float]]:
    """Our index: texts kept, and the CPU seconds of each call."""
    index, calls = NoveltyIndex(tokenizer="rouge", floor=floor), []
    for text in texts:
        start = time.process_time()
        index.add_if_novel(text)
        calls.append(time.process_time() - start)
    return len(index), calls


def joined(texts: Sequence[str]) -> int:
    """Our join over the whole set at once."""
    return len(novel_subset(texts, tokenizer="rouge").kept)


def row(name: str, cells: Sequence[Any]) -> None:
    """One line of the table."""
    print(
        f"{name:<46}" + "".join(f"{cell:>12,.2f}" if isinstance(cell, float) else f"{cell:>12}" for cell in cells),
        flush=True,
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--million", action="store_true")
    wanted = parser.parse_args()
    texts = instructions()
    counts = (1_000, 2_000, 5_000, 10_000, len(texts))
    print(f"CPU seconds; threshold 0.7; * fitted at {', '.join(map(str, POOLS))} and integrated, not run")
    row("way", [f"{count:,}" for count in counts])
    published = published_rows(texts, counts)
    rapid = rapidfuzz_row(texts, counts, wanted.full)
    ours = our_rows(texts, counts)
    print(f"\n52K: {published / ours:,.0f} x Alpaca's way, {rapid / ours:,.1f} x rapidfuzz extractOne (floor 0.4)")
    if wanted.million:
        million(texts)


def published_rows(texts: Sequence[str], counts: Sequence[int]) -> float:
    """The three published ways; CPU seconds of Alpaca's at the last count."""
    tokens = [rouge_tokens(text) for text in texts[: max(POOLS)]]
    lines = {
        "self-instruct: 4 processes a candidate *": fitted(self_instruct, texts, texts[: max(POOLS)]),
        "alpaca: tokens kept, 2 processes a candidate *": fitted(alpaca, texts, tokens),
        "rouge-score, tokens kept, one process *": fitted(one_process, texts, tokens),
    }
    for name, line in lines.items():
        row(name, [integral(line, count) for count in counts])
    return integral(lines["alpaca: tokens kept, 2 processes a candidate *"], counts[-1])


def rapidfuzz_row(texts: Sequence[str], counts: Sequence[int], full: bool) -> float:
    """rapidfuzz by itself; CPU seconds at the last count, by a quadratic through the others unless `full`."""
    run = counts if full else counts[:-1]
    cells = [timed(partial(rapidfuzz_stream, texts[:count]))[0] for count in run]
    if not full:
        slope = cells[-1] / run[-1] ** 2
        cells.append(slope * counts[-1] ** 2)
    row("rapidfuzz extractOne" + ("" if full else " (last *)"), cells)
    return cells[-1]


def our_rows(texts: Sequence[str], counts: Sequence[int]) -> float:
    """Our ways; CPU seconds of the stream with nearest neighbours down to 0.4 at the last count."""
    totals: dict[float, float] = {}
    for floor, name in ((0.7, "ours: stream, verdicts"), (0.4, "ours: stream, nearest down to 0.4")):
        found = [timed(partial(our_stream, texts[:count], floor)) for count in counts]
        row(name, [seconds for seconds, _ in found])
        last = np.array(found[-1][1][1][-2000:]) * 1e3
        p50, p99, worst = (float(value) for value in np.percentile(last, (50, 99, 100)))
        print(f"    at the end, ms a text: median {p50:.3f}, p99 {p99:.3f}, max {worst:.3f}; kept {found[-1][1][0]:,}")
        totals[floor] = found[-1][0]
    row("ours: join of the whole set", [timed(partial(joined, texts[:count]))[0] for count in counts])
    return totals[0.4]


def million(real: list[str]) -> None:
    """The join over made texts up to a million: seconds, memory, exponent of growth."""
    print("\nmade texts, join")
    row("texts", ["kept", "CPU s", "wall s", "peak GB"])
    seconds = {}
    for count in (10_000, 52_000, 200_000, 1_000_000):
        texts = list(itertools.islice(synthesised(real), count))
        start = time.perf_counter()
        seconds[count], kept = timed(partial(joined, texts))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        row(f"{count:,}", [f"{kept:,}", seconds[count], time.perf_counter() - start, peak])
    for low in (10_000, 52_000, 200_000):
        growth = np.log(seconds[1_000_000] / seconds[low]) / np.log(1_000_000 / low)
        print(f"growth exponent from {low:,}: {growth:.2f}")


if __name__ == "__main__":
    main()
