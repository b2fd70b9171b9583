"""A run, simulated on the engine itself (see virtual_engine.py), and a real run beside its simulation.

    python benchmarks/simulation.py --tasks 20000 --slots 256 --latency 2     one run, simulated
    python benchmarks/simulation.py --like runs/mine --tasks 20000            with the latencies and failures of a run
    python benchmarks/simulation.py --agree                                   both: two minutes; fails where they differ

The real run is of the embedded teacher, served with log-normal latencies, errors and 429s. Its latencies, its failures
and what share of its tasks is kept are taken from a smaller run before it, of another seed. Requests sent and seconds
must agree within 10 %.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from virtual_engine import ROOT, Bootstrap, World, simulate

RECIPE = """name: agree
seed: {seed}
bootstrap: {{num_tasks: {tasks}}}
respond: {{}}
select: null
report: null
export: null
engine: {{prices: {{}}}}
teacher: {{backend: openai, model: embedded, base_url: "{url}", concurrency: {slots}}}
"""
SIGMA = 0.6


def serve(latency: float, faults: str) -> None:
    """The embedded teacher on loopback with log-normal latencies and faults, until it is killed; prints its URL."""
    from aiohttp import web

    from synth.embedded import Settings, reply
    from synth.embedded.faults import Faults
    from synth.embedded.server import ServeSettings, TeacherServer

    server = TeacherServer("embedded", lambda one: reply(one, Settings()), Faults(faults), ServeSettings())
    rng = random.Random(1)

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            await asyncio.sleep(latency * rng.lognormvariate(-(SIGMA**2) / 2, SIGMA))
        return await server(request)

    async def forever() -> None:
        runner = web.ServerRunner(web.Server(slow))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
        await asyncio.Event().wait()

    asyncio.run(forever())


def made(folder: Path, latency: float, **about: Any) -> Path:
    """The ledger of a real run."""
    faults = "rate_limited=0.02,server_error=0.03"
    command = [sys.executable, __file__, "--serve", faults, "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            recipe, run_dir = folder / f"recipe-{about['seed']}.yaml", folder / f"run-{about['seed']}"
            recipe.write_text(RECIPE.format(url=server.stdout.readline().strip(), **about), "utf-8")
            env = os.environ | {"OPENAI_API_KEY": "none", "PYTHONPATH": str(ROOT)}
            run = [sys.executable, "-m", "synth", "run", str(recipe), "--run", str(run_dir), "--json"]
            subprocess.run(run, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        finally:
            server.kill()
    return run_dir / "ledger.sqlite"


def queried(ledger: Path, sql: str) -> list[Any]:
    """Rows of a ledger."""
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


def like(ledger: Path, slots: int) -> World:
    """A world with the latencies and failures of a run. Latencies are of requests that were answered at once."""
    rows = queried(ledger, "SELECT answered_at - sent_at FROM requests WHERE state='answered' AND attempts=1")
    found = sorted(float(seconds) for (seconds,) in rows)
    shape = tuple(found[round(part / 100 * (len(found) - 1))] for part in range(101))
    ((attempts, requests),) = queried(ledger, "SELECT sum(attempts), count(*) FROM requests WHERE attempts > 0")
    ((throttled, wish),) = queried(
        ledger, "SELECT count(*), coalesce(avg(value), 0) FROM events WHERE kind='throttled'"
    )
    errors = (attempts - requests - throttled) / attempts
    return World(slots, None, sum(found) / len(found), shape, errors, throttled / attempts, wish)


def acceptance(ledger: Path) -> tuple[int, float]:
    """Tasks of a reply, and the share of them that is kept."""
    rows = queried(ledger, "SELECT results FROM outcomes WHERE stage='bootstrap'")
    results = [one for (text,) in rows for one in json.loads(text)]
    wanted = [one for one in results if one.get("rejected", {}).get("reason") != "surplus"]
    return round(len(results) / len(rows)), sum("kept" in one for one in wanted) / len(wanted)


def agree(tasks: int, slots: int, latency: float) -> int:
    """A real run of `tasks` beside its simulation; the exit code."""
    with tempfile.TemporaryDirectory() as name:
        pilot = made(Path(name), latency, seed=1, tasks=max(40, tasks // 5), slots=slots)
        world, kept = like(pilot, slots), acceptance(pilot)
        real = made(Path(name), latency, seed=2, tasks=tasks, slots=slots)
        ((sent, seconds),) = queried(real, "SELECT sum(attempts), max(answered_at) - min(sent_at) FROM requests")
    found = simulate(world, tasks, Bootstrap(tasks, *kept))
    print(f"{tasks} tasks, bootstrapped and answered; {slots} slots, {world.latency:.2f} s on average")
    rows = [("requests sent", sent, found.attempts), ("seconds", seconds, found.span_s)]
    for what, run, simulated in rows:
        print(f"{what:>14}: run {run:8.1f}   simulated {simulated:8.1f}   {simulated / run - 1:+.1%}")
    return int(any(abs(simulated / run - 1) > 0.10 for _, run, simulated in rows))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agree", action="store_true", help="make a real run and compare")
    parser.add_argument("--like", type=Path, metavar="RUN_DIR", help="take latencies and failures from a run")
    parser.add_argument("--serve", metavar="FAULTS", help=argparse.SUPPRESS)
    parser.add_argument("--tasks", type=int, default=600)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--latency", type=float, default=1.0)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.latency, given.serve)
    if given.agree:
        return agree(given.tasks, given.slots, given.latency)
    world = World(given.slots, latency=given.latency)
    world = like(given.like / "ledger.sqlite", given.slots) if given.like else world
    seen = simulate(world, given.tasks, Bootstrap(given.tasks))
    busy = seen.busy / given.slots / seen.span_s
    print(f"{seen.attempts} requests in {seen.span_s:.1f} s, {busy:.3f} of the slots busy")
    return 0


if __name__ == "__main__":
    sys.exit(main())
