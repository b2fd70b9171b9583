"""Conversations of a real model as teacher: makes them, prints some whole to be read, and what the prefix cache served.

    python benchmarks/real_talks.py FILE --base-url http://127.0.0.1:8000/v1 --model NAME --run /tmp/talks

FILE holds answered tasks in any known format. A talk is sound where each message of the user could be a person's next
one, and each answer is one to it; whether its facts are right is another question. Typed again it asks nothing.
"""

from __future__ import annotations

import json
import random
import re
import urllib.request
from pathlib import Path
from typing import Annotated

import typer

from synth.cli.command import command
from synth.cli.common import say
from synth.engine.ledger import LedgerReader
from synth.pipeline import run as run_pipeline
from synth.recipe import build_recipe
from synth.records import Record
from synth.sources import read_source


@command()
def main(
    file: Annotated[Path, typer.Argument(help="Answered tasks.")],
    model: Annotated[str, typer.Option(help="The model's name at the server.")],
    base_url: Annotated[str, typer.Option(help="An OpenAI-compatible server.")],
    run: Annotated[Path, typer.Option("--run", help="The run folder.")],
    num_talks: Annotated[int, typer.Option(help="Tasks to take from the file.")] = 60,
    num_shown: Annotated[int, typer.Option(help="Talks printed whole.")] = 20,
    concurrency: Annotated[int, typer.Option(help="Requests in flight.")] = 4,
) -> None:
    """Make the talks, print some of them, count."""
    records = read_source(file).records
    some = random.Random(0).sample(records, min(num_talks, len(records)))
    tasks = run.with_name(f"{run.name}_tasks.jsonl")
    tasks.parent.mkdir(parents=True, exist_ok=True)
    tasks.write_text("".join(json.dumps(record.to_dict()) + "\n" for record in some))
    teacher = {"backend": "openai", "model": model, "base_url": base_url, "concurrency": concurrency}
    data = {"name": "talks", "input": str(tasks), "teacher": teacher | {"timeout_s": 400.0}}
    data |= {"converse": {"num_turns": 2, "min_turns": 2}, "stages": ["converse"]}
    before = _cache(base_url)
    run_pipeline(build_recipe(data, "flags"), run)
    after = _cache(base_url)
    reader = LedgerReader(run)
    found = list(reader.results("converse"))
    reader.close()
    kept = [one for one in found if isinstance(one, Record)]
    for number, talk in enumerate(random.Random(1).sample(kept, min(num_shown, len(kept))), 1):
        turns = "\n".join(f"[{turn['role']}] {turn['content']}" for turn in talk.messages())
        say(f"=== {number}: {', '.join(talk.meta['turns'])}\n{turns}\n")
    say(f"{len(found)} talks, {len(kept)} kept")
    if before and after and after[0] > before[0]:
        say(f"prompt tokens from the prefix cache: {(after[1] - before[1]) / (after[0] - before[0]):.1%}")


def _cache(base_url: str) -> tuple[float, float] | None:
    """(tokens asked of the prefix cache, tokens it had) of a vLLM server so far; None for any other."""
    try:
        with urllib.request.urlopen(f"{base_url.removesuffix('/v1')}/metrics", timeout=10) as reply:
            text = reply.read().decode()
    except OSError:
        return None
    values = [re.findall(rf"^vllm:prefix_cache_{name}_total\S* (\S+)", text, re.M) for name in ("queries", "hits")]
    return (sum(map(float, values[0])), sum(map(float, values[1]))) if all(values) else None


if __name__ == "__main__":
    typer.run(main)
