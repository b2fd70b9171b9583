"""Tokens a second through synth (engine, ledger, client) against `vllm bench serve`, on one server with one load.

    python benchmarks/vllm_throughput.py            # the small teacher of `make test-vllm`
    python benchmarks/vllm_throughput.py --model Qwen/Qwen3-8B --num-prompts 2000 --output-len 256 --concurrency 256

Both send the same chat prompts, keep the same number in flight and let every answer run to --output-len tokens, by
turns, after a round that warms the server up. The claim: synth reaches at least 0.95 of the bench's rate. The bench
streams its answers and counts their tokens; synth asks for whole answers and stores each on disk. Exit code 1 where the
claim does not hold; 0 with a loud line where there is no vLLM.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from synth.engine.budget import Budget
from synth.engine.ledger import Ledger
from synth.engine.progress import RunProgress
from synth.engine.run import Ask, Engine, Item, RoleModel, StagePlan
from synth.engine.throttle import Throttle
from synth.models import connect
from synth.models.base import Sampling
from synth.models.vllm import Settings, VllmModel
from synth.models.vllm.server import Server, start
from synth.models.vllm.settings import find_executable
from synth.prompts import Prompt
from synth.records import Record
from synth.stages.seeds import read_seed_tasks

ROOT = Path(__file__).parent.parent
WANTED = 0.95


def prompts(count: int) -> list[str]:
    """`count` different prompts from the seed tasks."""
    seeds = read_seed_tasks(ROOT / "seed_tasks" / "seed_tasks.jsonl")
    texts = [f"{seed.instruction}\n\n{seed.instances[0].input}"[:600].strip() for seed in seeds]
    return [f"Task {n}. {texts[n % len(texts)]}" for n in range(count)]


async def through_synth(
    options: dict[str, Any], texts: list[str], length: int, concurrency: int | None
) -> tuple[float, float]:
    """Tokens a second of a stage that asks all of `texts`, ledger on disk included, and its CPU in ms a request."""

    async def work(text: str, ask: Ask, _rng: Random) -> list[Any]:
        answer = await ask(Prompt(text, "bench@0"), Sampling(max_tokens=length, temperature=1.0), keep_cut=True)
        return [Record(text, "", answer.text or " ")]

    async def items() -> AsyncIterator[Item]:
        for number, text in enumerate(texts):
            yield Item(str(number), text)

    with tempfile.TemporaryDirectory() as folder:
        model = connect("vllm", options)
        assert isinstance(model, VllmModel)
        ledger = Ledger(Path(folder))
        budget = Budget({}, (model.name,), None, None)
        who = RoleModel(model, Throttle(concurrency), extra_body={"ignore_eos": True})
        engine = Engine(ledger, {"teacher": who}, budget, RunProgress())

        async def drive() -> None:
            async for _ in engine.stage(StagePlan("bench", "0", {}), items(), work):
                pass

        await model.facts()
        started, cpu = time.monotonic(), time.process_time()
        await engine.drive(drive())
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        await model.close()
        tokens = ledger.query("SELECT sum(completion_tokens) FROM requests")[0][0]
        await ledger.aclose()
    return float(tokens) / seconds, 1000 * cpu / len(texts)


def through_bench(server: Server, executable: str, texts: list[str], length: int, concurrency: int) -> float:
    """The output tokens a second that `vllm bench serve` reports for the same requests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
        command = [
            str(find_executable(executable)), "bench", "serve", "--backend", "openai-chat",
            "--base-url", server.url.removesuffix("/v1"), "--endpoint", "/v1/chat/completions",
            "--model", server.trace.model, "--dataset-name", "custom", "--dataset-path", str(folder / "prompts.jsonl"),
            "--skip-chat-template", "--disable-shuffle", "--custom-output-len", str(length), "--ignore-eos",
            "--num-prompts", str(len(texts)), "--max-concurrency", str(concurrency), "--temperature", "1.0",
            "--save-result", "--result-dir", name, "--result-filename", "result.json", "--disable-tqdm",
        ]  # fmt: skip
        environment = os.environ | {"OPENAI_API_KEY": server.key}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            sys.exit(f"vllm bench serve failed:\n{done.stderr[-3000:]}")
        result = json.loads((folder / "result.json").read_text())
    if result["completed"] != len(texts):
        sys.exit(f"vllm bench serve completed {result['completed']} of {len(texts)} requests")
    return float(result["output_throughput"])


async def measure(arguments: argparse.Namespace, server: Server) -> bool:
    """Print the table; True where synth is fast enough."""
    os.environ["VLLM_API_KEY"] = server.key
    options = {"model": arguments.model, "base_url": server.url}
    texts, length, slots = prompts(arguments.num_prompts), arguments.output_len, arguments.concurrency
    await through_synth(options, texts, length, slots)
    rates: dict[str, list[float]] = {"bench": [], "synth": [], "auto": []}
    cpu: list[float] = []
    for _ in range(arguments.rounds):
        bench = await asyncio.to_thread(through_bench, server, arguments.executable, texts, length, slots)
        rates["bench"].append(bench)
        for name, concurrency in (("synth", slots), ("auto", None)):
            rate, milliseconds = await through_synth(options, texts, length, concurrency)
            rates[name].append(rate)
            cpu.append(milliseconds)
    base = median(rates["bench"])
    print(f"{len(texts)} prompts, {length} tokens each, {slots} in flight, median of {arguments.rounds} by turns")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; synth used {median(cpu):.1f} ms of CPU a request")
    names = {"bench": "vllm bench serve", "synth": f"synth, concurrency {slots}", "auto": "synth, concurrency auto"}
    for name, found in rates.items():
        every = ", ".join(f"{rate:,.0f}" for rate in found)
        print(f"{names[name]:26} {median(found):9,.0f} tokens/s   x{median(found) / base:.2f}   ({every})")
    return median(rates["synth"]) >= WANTED * base


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    small = sorted(ROOT.glob(".venv-vllm/models/*[0-9a-f]/config.json"))
    parser.add_argument("--model", default=str(small[-1].parent) if small else None)
    parser.add_argument("--executable", default=str(ROOT / ".venv-vllm"))
    parser.add_argument("--num-prompts", type=int, default=256)
    parser.add_argument("--output-len", type=int, default=128)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-model-len", type=int, default=2048)
    arguments = parser.parse_args()
    if arguments.model is None:
        print("SKIPPED: there is no vLLM here; `make test-vllm` sets one up, or name --model and --executable")
        return
    settings = Settings(arguments.model, arguments.executable, max_model_len=arguments.max_model_len)
    server = asyncio.run(start(settings))
    try:
        is_fast = asyncio.run(measure(arguments, server))
    finally:
        asyncio.run(server.end())
    sys.exit(0 if is_fast else 1)


if __name__ == "__main__":
    main()
