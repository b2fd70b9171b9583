"""Work on Ray against work in one process: speed at equal slots, equal bytes, and kills of workers and of the driver.

    python benchmarks/on_ray.py                       20,000 items at 50 ms, 64 slots, 2 workers; 20 and 5 kills
    python benchmarks/on_ray.py --items 500 --worker-kills 2 --driver-kills 1
    python benchmarks/on_ray.py --latency 0.5 --items 4000      less CPU a second, on a busy machine

Everything is whole processes: `synth run` as typed, against a fault server in a process of its own, which counts. Exit
code 1 where bytes differ, more is asked again than was in flight, or the speed is below --least of the single process.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "engine")]

from runs import FaultServer, made  # noqa: E402

from synth.engine.lock import is_held  # noqa: E402
from synth.engine.shards import FOLDER  # noqa: E402

RECIPE = """name: on-ray
input: tasks.jsonl
respond: {{}}
select: null
report: null
export: {{formats: [messages]}}
teacher: {{backend: openai, model: m, base_url: "{url}", concurrency: {slots}}}
engine: {{workers: {workers}}}
"""
STUCK_S = 3600.0


class Bench:
    """A folder with a recipe, a server, and what is asked of both."""

    def __init__(self, folder: Path, server: FaultServer, items: int, slots: int, workers: int) -> None:
        self.folder, self.server, self.slots, self.workers = folder, server, slots, workers
        rows = (json.dumps({"instruction": f"Describe the number {n} in a few words."}) for n in range(items))
        (folder / "tasks.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
        recipe = RECIPE.format(url=server.url, slots=slots, workers=workers)
        (folder / "recipe.yaml").write_text(recipe, "utf-8")

    def start(self, name: str, *flags: str) -> subprocess.Popen[bytes]:
        """`synth run` in the run folder `name`."""
        command = [sys.executable, "-m", "synth", "run", "recipe.yaml", "--run", name, *flags]
        env = os.environ | {"OPENAI_API_KEY": "none", "PYTHONPATH": str(ROOT)}
        with open(self.folder / f"{name}.log", "ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=env, stdout=log, stderr=log)

    def finish(self, child: subprocess.Popen[bytes], name: str) -> None:
        """Wait for a good end; else show what was said."""
        if child.wait(STUCK_S):
            sys.exit((self.folder / f"{name}.log").read_text("utf-8")[-3000:])

    def whole(self, name: str, *flags: str) -> float:
        """A run from start to end; requests per second from the first request to the last answer."""
        self.server.set_faults()
        started = time.monotonic()
        self.finish(self.start(name, *flags), name)
        seen = self.server.stats()
        rate = seen["requests"] / seen["span_s"]
        print(
            f"{name}: {seen['requests']} requests, {rate:.0f} a second, {time.monotonic() - started:.1f} s in all,"
            f" at most {seen['peak']} in flight, {seen['again']} asked again",
            flush=True,
        )
        return rate

    def seen(self) -> int:
        """Requests so far."""
        return int(self.server.stats().get("requests", 0))

    def wait_for(self, child: subprocess.Popen[bytes], requests: int) -> bool:
        """Wait until so many requests have come; False where the run has ended before."""
        while child.poll() is None and self.seen() < requests:
            time.sleep(0.02)
        return child.poll() is None

    def kill_workers(self, name: str, kills: int, step: int) -> tuple[int, int]:
        """Kill a worker each `step` requests; kills that struck, and requests that were asked again."""
        self.server.set_faults()
        child, struck = self.start(name, "--on", "ray"), 0
        while struck < kills and self.wait_for(child, self.seen() + step):
            held = [path for path in (self.folder / name / FOLDER).glob("*") if is_held(path)]
            if not held:
                continue
            os.kill(json.loads((random.Random(struck).choice(held) / "lock").read_text())["pid"], signal.SIGKILL)
            struck += 1
        self.finish(child, name)
        return struck, self.server.stats()["again"]

    def kill_driver(self, name: str, kills: int, step: int) -> tuple[int, int]:
        """Kill the driver each `step` requests, and start it again; as `kill_workers`."""
        self.server.set_faults()
        struck = 0
        for _ in range(kills):
            child = self.start(name, "--on", "ray")
            if self.wait_for(child, self.seen() + step):
                child.kill()
                struck += 1
            child.wait()
        self.finish(self.start(name, "--on", "ray"), name)
        return struck, self.server.stats()["again"]


def main(
    items: int = 20_000,
    latency: float = 0.05,
    slots: int = 64,
    workers: int = 2,
    worker_kills: int = 20,
    driver_kills: int = 5,
    kill_items: Annotated[int, typer.Option(help="Items of the runs with kills; --items when 0.")] = 0,
    least: Annotated[float, typer.Option(help="Speed that is asked for, as a share of the single process.")] = 0.85,
) -> None:
    """Run all of it and print what was seen."""
    good = True
    with tempfile.TemporaryDirectory() as name, FaultServer("--latency", str(latency)) as server:
        bench = Bench(Path(name), server, items, slots, workers)
        here, away = bench.whole("here"), bench.whole("away", "--on", "ray")
        same = made(bench.folder / "here") == made(bench.folder / "away")
        print(f"speed: {away / here:.3f} of the single process ({least} asked for); same bytes: {same}", flush=True)
        good = same and away >= least * here
    with tempfile.TemporaryDirectory() as name, FaultServer("--latency", str(latency)) as server:
        bench = Bench(Path(name), server, kill_items or items, slots, workers)
        bench.whole("here")
        wanted = made(bench.folder / "here")
        step = (kill_items or items) // (2 * max(worker_kills, driver_kills, 1) + 4)
        counts = (
            ("workers", worker_kills, -(-slots // workers), lambda: bench.kill_workers("workers", worker_kills, step)),
            ("driver", driver_kills, slots, lambda: bench.kill_driver("driver", driver_kills, step)),
        )
        for who, kills, out, kill in counts:
            struck, again = kill()
            same = made(bench.folder / who) == wanted
            print(f"{who}: {struck} kills, {again} asked again, {struck * out} may be; same bytes: {same}", flush=True)
            good = good and same and again <= struck * out and struck == kills
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    typer.run(main)
