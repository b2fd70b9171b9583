"""What a million rows and more cost: the tables of docs/scale.md, from measured constants and simulated rates.

    python benchmarks/scale.py              the tables, at once
    python benchmarks/scale.py --simulate   the rates once more by benchmarks/simulation.py, beside those used: a minute

All is arithmetic on the constants below; each says where it was measured. Put in yours and print again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from virtual_engine import Bootstrap, World, simulate

ROWS = (1_000_000, 10_000_000, 100_000_000)
SLOTS = (64, 256, 1024, 2048)


@dataclass(frozen=True)
class Stage:
    """What one row that is kept costs in a stage: requests, tokens of a request, characters sent and received for it.

    `outcomes`: results stored.
    """

    name: str
    requests: float = 0.0
    prompt: float = 0.0
    reply: float = 0.0
    characters: float = 0.0
    outcomes: float = 1.0


STAGES = (
    Stage("bootstrap", 184 / 150, 445, 47, 2461, 184 / 150),
    Stage("evolve", 99 / 91, 350, 31, 1500, 99 / 91),
    Stage("respond", 153 / 150, 60, 175, 942),
    Stage("select"),
)
"""Of 150 rows by Qwen2.5-Coder-1.5B (`diverse`, answers), and of 91 rows that it evolved once without a judge, of which
the prompt's length is that of `synth estimate`."""
ENVELOPE = 1000
"""Bytes of HTTP and JSON around a request and its reply, at most."""
REQUEST_BYTES, OUTCOME_BYTES = 3030, 1500
"""Of the ledger, in the same runs, keys and indexes included: 337 requests took 1.02 MB, 484 outcomes 0.73 MB."""
EXPORT_BYTES = 1000
"""A row in one format: instruction, input, answer and lineage."""
CPU_MS = 1.8
"""Of a request, from the command to the export: 6,000 answers against 1,000, on a core that others used too."""
MEMORY_BYTES = 2700
"""Of a row while a run lasts, in the same measure."""
AGAIN_MS, REPORT_MS, VERIFY_MS = 0.13, 0.22, 0.13
"""CPU of a row when a finished run is started again, in `synth report` and in `synth verify`."""
DEDUP_MS, DEDUP_BYTES = 0.19, 400
"""Of a text in `synth dedup --work-folder`: 5 million made texts of 13 words on a core that others used too (wall time,
making them included), and the files while it works."""
WRITER_ROWS = 1585
"""Rows a second that the ledger's one writer put on disk, in 256 waiting at a time, on the same busy machine."""
NOVELTY_S = (7.3 / 52_002**2, 61.4 / 60_000**2)
"""CPU seconds of the pool's check, by the square of its size: Alpaca's instructions, and 60,000 texts of
benchmarks/dedup_corpus.py, which are longer and of one length."""
PRICES = {"small hosted model": (0.4, 1.6), "large hosted model": (2.0, 8.0)}
"""Dollars for a million tokens of prompt and of reply."""
RATES = {
    ("records", 64): 31.5,
    ("records", 256): 127.6,
    ("records", 1024): 510.1,
    ("records", 2048): 550.9,
    ("window 256", 64): 25.9,
    ("window 256", 256): 26.7,
    ("window 256", 1024): 26.7,
    ("window 256", 2048): 26.7,
    ("window 8192", 64): 30.9,
    ("window 8192", 256): 117.8,
    ("window 8192", 1024): 305.6,
    ("window 8192", 2048): 427.9,
}
"""Requests a second at a mean latency of 2 s, simulated: of stages that take records one by one, and of bootstrap."""

TROUBLE = {
    "5 % of 429s that ask for 2 s, 64 slots": World(64, throttled=0.05, retry_after=2.0),
    "5 % of 429s that ask for 2 s, 256 slots": World(256, throttled=0.05, retry_after=2.0),
    "5 % of 429s that ask for 2 s, auto": World(None, throttled=0.05, retry_after=2.0),
    "a server of 256 places, 1,024 slots": World(1024, seats=256),
    "a server of 256 places, auto": World(None, seats=256),
}
"""Teachers that the page speaks of, simulated with 4,000 requests."""


def simulated(kind: str, slots: int) -> float:
    """One of the rates."""
    world = World(slots)
    if kind == "records":
        return simulate(world, max(1500, 6 * slots)).rate
    window = int(kind.split()[1])
    tasks = 3000 + 6 * min(slots, window)  # past the start, where few requests are allowed
    return simulate(world, tasks, Bootstrap(tasks, accepted=150 / 184, window=window), answers=0).rate


# -- tables ------------------------------------------------------------------------------------------------------------


def table(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    """A table in Markdown; the first column is words."""
    yield f"| {' | '.join(header)} |"
    yield f"|---|{'--:|' * (len(header) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def short(value: float) -> str:
    """A number with three digits at most, and its unit."""
    for size, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds in words."""
    for size, unit in ((86_400 * 365, "years"), (86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s"


def by_stage(rows: int) -> Iterator[str]:
    """What each stage asks and leaves behind."""
    header = [f"{short(rows)} rows", "requests", "prompt tokens", "reply tokens", "network", "disk", "CPU"]
    lines = []
    for stage in STAGES:
        asked = rows * stage.requests
        ledger = asked * REQUEST_BYTES + rows * stage.outcomes * OUTCOME_BYTES
        network = asked * (stage.characters + ENVELOPE)
        cells = [asked, asked * stage.prompt, asked * stage.reply, network]
        told = [short(cell) + "B" * (cell is network) if asked else "" for cell in cells]
        lines.append([stage.name, *told, f"{short(ledger)}B", _cpu(asked, rows)])
    join = [duration(rows * DEDUP_MS / 1000), f"{short(rows * DEDUP_BYTES)}B"]
    lines.append(["dedup through files", "", "", "", "", join[1], join[0]])
    lines.append(["export, one format", "", "", "", "", f"{short(rows * EXPORT_BYTES)}B", ""])
    lines.append(["report", "", "", "", "", "", duration(rows * REPORT_MS / 1000)])
    yield from table(header, lines)


def _cpu(requests: float, rows: int) -> str:
    return duration(requests * CPU_MS / 1000) if requests else duration(rows * AGAIN_MS / 1000)


def rates() -> Iterator[str]:
    """Requests a second of one process."""
    kinds = list(dict.fromkeys(kind for kind, _ in RATES))
    rows = [[str(slots), *(f"{RATES[kind, slots]:.0f}" for kind in kinds)] for slots in SLOTS]
    names = {"records": "respond, evolve"} | {kind: f"bootstrap, {kind}" for kind in kinds[1:]}
    yield from table(["slots", *(names[kind] for kind in kinds)], rows)


def times() -> Iterator[str]:
    """How long asking takes by stage: requests over the rate."""
    ways = (("256 slots, window 256", "window 256", 256, 1), ("2,048 slots, window 8,192", "window 8192", 2048, 1))
    ways += (("8 such processes", "window 8192", 2048, 8),)
    for name, window, slots, processes in ways:
        rows = []
        for stage in STAGES[:-1]:
            rate = processes * RATES["records" if stage.name != "bootstrap" else window, slots]
            rows.append([stage.name, *(duration(count * stage.requests / rate) for count in ROWS)])
        yield f"**{name}**"
        yield ""
        yield from table(["", *(f"{short(count)} rows" for count in ROWS)], rows)
        yield ""


def money() -> Iterator[str]:
    """Dollars by price."""
    prompt = sum(stage.requests * stage.prompt for stage in STAGES)
    reply = sum(stage.requests * stage.reply for stage in STAGES)
    rows = []
    for name, (asked, given) in PRICES.items():
        each = (prompt * asked + reply * given) / 1e6
        rows.append([f"{name}, {asked:g} and {given:g}", *(f"{short(count * each)}" for count in ROWS)])
    yield from table(["dollars", *(f"{short(count)} rows" for count in ROWS)], rows)


def limits() -> Iterator[str]:
    """What grows with the number of rows in one run folder."""
    ledger = sum(s.requests * REQUEST_BYTES + s.outcomes * OUTCOME_BYTES for s in STAGES)
    requests = sum(stage.requests for stage in STAGES)
    kinds = {
        "memory of the run": [f"{short(count * MEMORY_BYTES)}B" for count in ROWS],
        "ledger, one file": [f"{short(count * ledger)}B" for count in ROWS],
        "its writer, two rows a request and one an outcome": [
            duration(count * (2 * requests + sum(s.outcomes for s in STAGES)) / WRITER_ROWS) for count in ROWS
        ],
        "the event loop": [duration(count * requests * CPU_MS / 1000) for count in ROWS],
        "novelty of the pool, plain short texts": [duration(count**2 * NOVELTY_S[0]) for count in ROWS],
        "novelty of the pool, long and alike": [duration(count**2 * NOVELTY_S[1]) for count in ROWS],
        "starting again where it stopped": [duration(count * AGAIN_MS / 1000) for count in ROWS],
        "`synth verify`": [duration(count * VERIFY_MS / 1000) for count in ROWS],
        "`synth report`": [duration(count * REPORT_MS / 1000) for count in ROWS],
    }
    yield from table(["", *(f"{short(count)} rows" for count in ROWS)], [[name, *row] for name, row in kinds.items()])


def page() -> Iterator[str]:
    """All tables, with their titles."""
    for rows in ROWS:
        yield from by_stage(rows)
        yield ""
    for part in (rates, times, money, limits):
        yield from part()
        yield ""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulate", action="store_true")
    if not parser.parse_args().simulate:
        print("\n".join(page()))
        return
    for (kind, slots), used in RATES.items():
        print(f"{kind:>12} {slots:>5} slots: simulated {simulated(kind, slots):6.1f}, used {used:6.1f}", flush=True)
    for name, world in TROUBLE.items():
        print(f"{name}: {simulate(world, 4000).rate:.0f}", flush=True)


if __name__ == "__main__":
    main()
