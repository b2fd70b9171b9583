"""The engine against a bare client: throughput, CPU per request, memory, first request, restart. Prints tables.

Every figure is of whole processes: `synth run` as a user types it, and `bare_client.py`, which sends the same requests
with nothing around them, one after the other against one fault server in a process of its own.

    python benchmarks/engine.py            the chain at 200 ms and at 2 s, memory at 5,000 items: about 6 minutes
    python benchmarks/engine.py --large    1,000 items at 2 s (10 minutes), 52,000 with restarts (6 minutes)
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "engine")]

from runs import FaultServer  # noqa: E402

SLOTS = 64
CHAIN = """name: chain
bootstrap: {{num_tasks: {items}, window: 256}}
evolve: {{rounds: 2}}
respond: {{}}
select: {{}}
report: null
teacher: {{backend: openai, model: m, base_url: "{url}", concurrency: {slots}}}
"""
ANSWERS = """name: answers
input: {input}
respond: {{}}
select: null
report: null
export: {{formats: [messages]}}
teacher: {{backend: openai, model: m, base_url: "{url}", concurrency: {slots}}}
"""
POOL = """name: pool
bootstrap: {{num_tasks: {items}, window: 256}}
respond: {{}}
select: {{}}
report: null
export: {{formats: [messages]}}
teacher: {{backend: openai, model: m, base_url: "{url}", concurrency: {slots}}}
"""


@dataclass
class Measured:
    """A process and what the server saw of it. Seconds, MB; `span_s` from its first request to its last answer."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    first_s: float
    span_s: float
    requests: int
    busy_s: float
    code: int

    @property
    def rate(self) -> float:
        """Requests per second while requests were made."""
        return self.requests / self.span_s

    @property
    def filled(self) -> float:
        """Share of the slots' time that the server was thinking."""
        return self.busy_s / SLOTS / self.span_s

    @property
    def cpu_ms(self) -> float:
        """CPU per request, start and imports included."""
        return 1000 * self.cpu_s / max(1, self.requests)


def measure(server: FaultServer, command: list[str], kill_at: int = 0) -> Measured:
    """Run a command to its end, or kill it once the server has seen so many requests."""
    server.set_faults()
    started = time.monotonic()
    env, nowhere = os.environ | {"OPENAI_API_KEY": "none"}, subprocess.DEVNULL
    child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=nowhere, stderr=nowhere)
    if kill_at:
        threading.Thread(target=_kill, args=(child, server, kill_at), daemon=True).start()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - started
    seen = server.stats()
    return Measured(
        wall,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        seen["first"] - started,
        max(seen["span_s"], 1e-9),
        seen.get("requests", 0),
        seen["busy_s"],
        child.returncode,
    )


def _kill(child: subprocess.Popen[bytes], server: FaultServer, requests: int) -> None:
    while child.returncode is None and server.stats().get("requests", 0) < requests:
        time.sleep(0.2)
    os.kill(child.pid, signal.SIGKILL)


def synth(recipe: Path, run_dir: Path) -> list[str]:
    """The command as typed."""
    return [sys.executable, "-m", "synth", "run", str(recipe), "--run", str(run_dir)]


def bare(run_dir: Path, server: FaultServer) -> list[str]:
    """The bare client over the same requests."""
    script = ROOT / "benchmarks" / "bare_client.py"
    return [sys.executable, str(script), str(run_dir), server.url, str(SLOTS)]


def write(folder: Path, template: str, **about: Any) -> Path:
    """A recipe file."""
    path = folder / "recipe.yaml"
    path.write_text(template.format(slots=SLOTS, **about), "utf-8")
    return path


def chain(latency: float, items: int) -> list[str]:
    """The chain and the bare loop over the same requests: a row of the table."""
    with tempfile.TemporaryDirectory() as name, FaultServer("--latency", str(latency), "--spread", "0.2") as server:
        folder = Path(name)
        ours = measure(server, synth(write(folder, CHAIN, items=items, url=server.url), folder / "run"))
        assert ours.code == 0
        plain = measure(server, bare(folder / "run", server))
    assert abs(plain.requests - ours.requests) < 0.01 * ours.requests, (plain, ours)
    row = [f"{latency:g} s", f"{ours.requests}", f"{ours.rate:.1f}", f"{plain.rate:.1f}"]
    row += [
        f"{ours.rate / plain.rate:.3f}",
        f"{ours.filled:.3f}",
        f"{plain.filled:.3f}",
        f"{ours.cpu_ms:.2f}",
        f"{plain.cpu_ms:.2f}",
    ]
    return [*row, f"{ours.cpu_ms / plain.cpu_ms:.2f}", f"{ours.peak_mb:.0f}", f"{ours.first_s:.2f}"]


def to_the_end(about: str, template: str, items: int, latency: float, kill_at: int = 0) -> list[list[str]]:
    """A run, and the same command again; with `kill_at` stopped hard after so many requests and started once more."""
    rows = []
    with tempfile.TemporaryDirectory() as name, FaultServer("--latency", str(latency), "--spread", "0.2") as server:
        folder = Path(name)
        tasks = folder / "tasks.jsonl"
        with tasks.open("w") as out:
            for number in range(items):
                text = f"Explain point {number} of the plan to a new colleague, in two or three plain sentences."
                out.write(json.dumps({"instruction": text, "input": "", "output": ""}) + "\n")
        command = synth(write(folder, template, items=items, input=tasks, url=server.url), folder / "run")
        if kill_at:
            rows.append(_row(f"{about}, killed at 90 %", measure(server, command, kill_at)))
        rows.append(_row(f"{about}, restarted" if kill_at else about, measure(server, command)))
        rows.append(_row(f"{about}, finished, again", measure(server, command)))
    return rows


def _row(name: str, one: Measured) -> list[str]:
    first = f"{one.first_s:.2f}" if one.requests else "-"
    rate = f"{one.rate:.0f}" if one.requests else "-"
    each = f"{one.cpu_ms:.2f}" if one.requests else "-"
    return [name, f"{one.requests}", rate, each, f"{one.peak_mb:.0f}", first, f"{one.wall_s:.1f}"]


def table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """A plain table."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}")
    for row in [header, *rows]:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true")
    large = parser.parse_args().large
    header = ["latency", "requests", "req/s", "bare", "ratio", "filled", "bare", "CPU ms/req", "bare", "ratio"]
    rows = [chain(0.2, 1000), chain(2.0, 1000 if large else 400)]
    title = f"bootstrap, evolve x2 with judge and answers, respond, select; {SLOTS} slots"
    table(title, [*header, "peak MB", "first request s"], rows)
    header = ["", "requests", "req/s", "CPU ms/req", "peak MB", "first request s", "wall s"]
    rows = to_the_end("answer 5,000", ANSWERS, 5_000, 0.1)
    if large:
        rows += to_the_end("answer 52,000", ANSWERS, 52_000, 0.02, kill_at=46_800)
        rows += to_the_end("bootstrap, answer, check 52,000", POOL, 52_000, 0.02, kill_at=52_600)
    table("Memory and restart", header, rows)


if __name__ == "__main__":
    main()
