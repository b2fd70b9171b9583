"""Times the review pages at full size in a real browser: `python benchmarks/review.py [--records N] [--rounds N]`.

Goals with 52,000 records: first page, a filter, a search and a row within 300 ms each (95th percentile, from the click
to the loaded page), below 100 KB a page with all it loads, and below 250 MB of memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from export_report import fill

CHROMIUM = os.environ.get("SYNTH_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
WEIGHT = (
    "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
    ".reduce((sum, one) => sum + one.transferSize, 0)"
)
FACETS = ("category=kind+7", "operator=deepen", "stage=respond&generation=1", "least=8&sort=high", "state=rejected")


def visits(url: str, rng: random.Random) -> dict[str, str]:
    """An address of each kind, another one each time."""
    page, stage = rng.randrange(900), rng.choice(("respond", "select"))
    return {
        "first page": url,
        "filter": f"{url}?{rng.choice(FACETS)}&page={rng.randrange(20)}",
        "search": f"{url}?text=w{rng.randrange(400)}+number+{page}",
        "row": f"{url}row/{stage}/{rng.randrange(50_000)}/0",
    }


def measure(url: str, rounds: int) -> None:
    """Open each kind of page `rounds` times and print the 95th percentile and the weight."""
    from playwright.sync_api import sync_playwright

    rng = random.Random(7)
    times: dict[str, list[float]] = {}
    weights: dict[str, list[float]] = {}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page: Any = browser.new_page()
        for _ in range(rounds):
            for name, address in visits(url, rng).items():
                page.goto(address, wait_until="load")
                page.wait_for_function(f"{LOADED} > 0")
                times.setdefault(name, []).append(page.evaluate(LOADED))
                weights.setdefault(name, []).append(page.evaluate(WEIGHT))
        browser.close()
    for name, values in times.items():
        ranked = sorted(values)
        p95 = ranked[-(-95 * len(ranked) // 100) - 1]
        weight = max(weights[name]) / 1000
        print(
            f"{name}: median {ranked[len(ranked) // 2]:.0f} ms, p95 {p95:.0f} ms, {weight:.1f} KB at most", flush=True
        )


def main() -> None:
    """Make a run, serve it and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=52_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--folder", type=Path, help="a run folder that is there already")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        if not given.folder:
            asyncio.run(fill(folder, given.records))
        command = [sys.executable, "-m", "synth", "review", str(folder), "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            url = re.search(r"http\S+", server.stdout.readline() if server.stdout else "")[0]  # type: ignore[index]
            started = time.perf_counter()
            wait_until_read(url)
            print(f"the ledger was read in {time.perf_counter() - started:.1f} s", flush=True)
            measure(url, given.rounds)
            print(f"memory: {psutil.Process(server.pid).memory_info().rss / 1e6:.0f} MB")
            print(f"index: {(folder / 'review.index').stat().st_size / 1e6:.0f} MB")
        finally:
            server.terminate()
            server.wait(30)


def wait_until_read(url: str) -> None:
    """Wait until the counters say that the whole ledger has been read."""
    import json
    from urllib.request import urlopen

    with urlopen(f"{url}events") as stream:
        for line in stream:
            if line.startswith(b"data:") and not json.loads(line[5:])["behind"]:
                return


if __name__ == "__main__":
    main()
