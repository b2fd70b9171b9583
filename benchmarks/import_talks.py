"""How long `synth import` takes for 20,000 talks in ShareGPT's form, with every kind of cleaning switched on.

    python benchmarks/import_talks.py

The talks are made: 2 to 12 turns, answers in the HTML of a chat page (0.3 to 3 KB each), one in a hundred spoiled in
each of six ways. The process is the command's own, so reading, cleaning, splitting and writing are all in the time.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NUM_TALKS = 20_000
BOUND_S = 20.0
WORDS = (
    "the harbour map of which a small number was drawn by hand and then sold to those who sail there at night with "
    "more care than others have had in years"
).split()


def main() -> None:
    """Make the file, run the command, print what came of it."""
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [talk(rng, number) for number in range(NUM_TALKS)]
        (folder / "talks.json").write_text(json.dumps(rows))
        (folder / "blocked.txt").write_text("acme chat\nlanguage model\nopen bot\n")
        words = [sys.executable, "-m", "synth", "import", "talks.json", "--out", "out.jsonl", "--language", "en"]
        words += ["--blocked", "blocked.txt", "--max-tokens", "2048", "--json"]
        began = time.perf_counter()
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
        seconds, times = time.perf_counter() - began, os.times()
        told = json.loads(done.stdout)
        size = (folder / "talks.json").stat().st_size / 1e6
    print(f"{told['talks']:,} talks ({size:.0f} MB) in {seconds:.1f} s (bound {BOUND_S:.0f} s)")
    print(f"CPU: {times.children_user + times.children_system:.1f} s; {told['records']:,} records")
    print(f"removed: {told['removed']}\nchanged: {told['changed']}")


def talk(rng: random.Random, number: int) -> dict[str, Any]:
    """One talk, now and then a spoiled one."""
    turns = []
    for _ in range(rng.randint(1, 6)):
        turns.append({"from": "human", "value": sentence(rng, rng.randint(6, 40))})
        turns.append({"from": "gpt", "value": page(rng)})
    spoil = rng.randrange(100)
    if spoil < 6:
        at = rng.randrange(len(turns))
        ways: list[Any] = [
            lambda: turns.insert(at, turns[at]),
            lambda: turns[at].update(value=" "),
            lambda: turns[at].update({"from": "tool"}),
            lambda: turns[at].update(value="Das ist nicht der Weg, den wir mit dem Boot und der Karte gehen. " * 40),
            lambda: turns[at].update(value="I am a language model."),
            lambda: turns.clear(),
        ]
        ways[spoil]()
    return {"id": f"t{number}", "conversations": turns}


def page(rng: random.Random) -> str:
    """An answer as the page holds it."""
    parts = [f"<p>{sentence(rng, rng.randint(20, 60))}</p>" for _ in range(rng.randint(1, 5))]
    head = "<span>python</span><button>Copy code</button>"
    code = f"<pre><div>{head}<code>x = {rng.random()}\nprint(x)\n</code></div></pre>"
    items = "".join(f"<li><p>{sentence(rng, 9)}</p></li>" for _ in range(rng.randint(0, 6)))
    return (
        f'<div class="markdown prose w-full">{"".join(parts)}{code if rng.random() < 0.3 else ""}<ol>{items}</ol></div>'
    )


def sentence(rng: random.Random, length: int) -> str:
    """So many words."""
    return " ".join(rng.choices(WORDS, k=length)).capitalize() + "."


if __name__ == "__main__":
    main()
