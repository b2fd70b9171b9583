"""Tokens a second through synth (engine, ledger, client) against `vllm bench serve`, on one server with one load.

    python benchmarks/vllm_throughput.py            # the small teacher of `make test-vllm`
    python benchmarks/vllm_throughput.py --model Qwen/Qwen3-8B --executable .venv-vllm --dtype bfloat16 \\
        --num-prompts 4000 --output-len 256 --concurrency 256 --max-model-len 8192 \\
        --option gpu_memory_utilization=0.92 --option enable_prefix_caching=true       # one GPU with 24 GB
    python benchmarks/vllm_throughput.py --model Qwen/Qwen3-32B --option tensor_parallel_size=2 ...

--option sets any setting of the vllm backend, by its name in a recipe. Both sides send the same chat prompts and let
every answer run to --output-len tokens, by turns, after a round that warms the server up: once with --concurrency
requests in flight, and once as many as they like: the bench sends all at once, synth (concurrency: auto, as recipes do
by default) follows the server's load. The claim: synth reaches at least 0.95 of the bench's rate in both. The bench
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

import yaml

from synth.engine.budget import Budget
from synth.engine.ledger import Ledger
from synth.engine.progress import RunProgress
from synth.engine.run import Ask, Engine, Item, RoleModel, StagePlan
from synth.engine.throttle import Throttle
from synth.models import check_options, connect
from synth.models.base import Sampling
from synth.models.vllm import Settings, VllmModel
from synth.models.vllm.server import Server, start
from synth.models.vllm.settings import check_machine, find_executable
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
) -> tuple[float, float, int]:
    """Tokens a second of a stage that asks all of `texts`, CPU in ms a request, and the most that were in flight."""

    async def work(text: str, ask: Ask, _rng: Random) -> list[Any]:
        answer = await ask(
            Prompt(({"role": "user", "content": text},), "bench@0"),
            Sampling(max_tokens=length, temperature=1.0),
            keep_cut=True,
        )
        return [Record(text, "", answer.text or " ")]

    async def items() -> AsyncIterator[Item]:
        for number, text in enumerate(texts):
            yield Item(str(number), text)

    with tempfile.TemporaryDirectory() as folder:
        model = connect("vllm", options | {"extra_body": {"ignore_eos": True}})
        assert isinstance(model, VllmModel)
        ledger = Ledger(Path(folder))
        budget = Budget({}, (model.name,), None, None)
        who = RoleModel(model, Throttle(concurrency, [model]))
        engine = Engine(ledger, {"teacher": who}, budget, RunProgress())

        async def drive() -> None:
            async for _ in engine.map(StagePlan("bench", "0", {}), items(), work):
                pass

        await model.facts()
        started, cpu = time.monotonic(), time.process_time()
        await engine.drive(drive())
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        await model.close()
        tokens = ledger.query("SELECT sum(completion_tokens) FROM requests")[0][0]
        await ledger.aclose()
    return float(tokens) / seconds, 1000 * cpu / len(texts), who.throttle.peak


def through_bench(server: Server, executable: str, texts: list[str], length: int, concurrency: int | None) -> float:
    """The output tokens a second that `vllm bench serve` reports for the same requests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
        command = [
            str(find_executable(executable)), "bench", "serve", "--backend", "openai-chat",
            "--base-url", server.url.removesuffix("/v1"), "--endpoint", "/v1/chat/completions",
            "--model", server.trace.model, "--dataset-name", "custom", "--dataset-path", str(folder / "prompts.jsonl"),
            "--skip-chat-template", "--disable-shuffle", "--custom-output-len", str(length), "--ignore-eos",
            "--num-prompts", str(len(texts)), "--temperature", "1.0",
            "--save-result", "--result-dir", name, "--result-filename", "result.json", "--disable-tqdm",
        ]  # fmt: skip
        command += ["--max-concurrency", str(concurrency)] if concurrency else []
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
    rates: dict[str, list[float]] = {}
    cpu, peaks = [], []
    for _ in range(arguments.rounds):
        for concurrency, load in ((slots, f"{slots} in flight"), (None, "as many as it takes")):
            rate = await asyncio.to_thread(through_bench, server, arguments.executable, texts, length, concurrency)
            rates.setdefault(f"vllm bench serve, {load}", []).append(rate)
            rate, milliseconds, peak = await through_synth(options, texts, length, concurrency)
            rates.setdefault(f"synth, {load}", []).append(rate)
            cpu.append(milliseconds)
            peaks.append(peak)
    print(f"{len(texts)} prompts, {length} tokens each, median of {arguments.rounds} by turns, {os.cpu_count()} cores")
    print(f"synth used {median(cpu):.1f} ms of CPU a request, and by itself had at most {max(peaks)} in flight")
    ratios, base = [], 1.0
    for name, found in rates.items():
        base = median(found) if name.startswith("vllm") else base
        ratios.append(median(found) / base)
        every = ", ".join(f"{rate:,.0f}" for rate in found)
        print(f"{name:38} {median(found):9,.0f} tokens/s   x{ratios[-1]:.2f}   ({every})")
    return min(ratios) >= WANTED


def read_settings(arguments: argparse.Namespace) -> Settings:
    """The server's settings from the flags, checked as those of a recipe are."""
    given = {"model": arguments.model, "executable": arguments.executable, "max_model_len": arguments.max_model_len}
    given |= {"dtype": arguments.dtype} if arguments.dtype else {}
    for option in arguments.option:
        name, _, value = option.partition("=")
        given[name] = yaml.safe_load(value)
    found = check_options("vllm", given)
    assert isinstance(found, Settings)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    small = sorted(ROOT.glob(".venv-vllm/models/*[0-9a-f]/config.json"))
    parser.add_argument("--model", default=str(small[-1].parent) if small else None)
    parser.add_argument("--executable", default=str(ROOT / ".venv-vllm"), help="the environment vLLM is in")
    parser.add_argument("--dtype", help="for example bfloat16")
    parser.add_argument("--max-model-len", type=int, default=2048)
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--num-prompts", type=int, default=256)
    parser.add_argument("--output-len", type=int, default=128)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.model is None:
        print("SKIPPED: there is no vLLM here; `make test-vllm` sets one up, or name --model and --executable")
        return
    settings = read_settings(arguments)
    check_machine(settings)
    server = asyncio.run(start(settings))
    try:
        is_fast = asyncio.run(measure(arguments, server))
    finally:
        asyncio.run(server.end())
    sys.exit(0 if is_fast else 1)


if __name__ == "__main__":
    main()
