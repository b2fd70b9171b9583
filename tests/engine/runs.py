"""Runs of the real command line against the fault server, each in processes of their own. Not a test itself."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from commands import PLAIN, Command

from synth.__main__ import main
from synth.engine.ledger import LedgerReader

HERE = Path(__file__).parent
KEY = {"OPENAI_API_KEY": "sk-canary-0123456789"}
STAGES = ("bootstrap", "evolve", "annotate", "respond", "converse", "revise", "select", "prefer")


class FaultServer:
    """The fault server in its own process: `url`, and what it counted."""

    def __init__(self, *flags: str, host: str = "127.0.0.1") -> None:
        command = [sys.executable, str(HERE / "fault_server.py"), "--host", host, *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.root = f"http://{host}:{self.process.stdout.readline().strip()}"
        self.url = f"{self.root}/v1"

    def __enter__(self) -> FaultServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stats(self) -> dict[str, Any]:
        """What was asked so far."""
        with urllib.request.urlopen(f"{self.root}/stats", timeout=10) as reply:
            return dict(json.load(reply))

    def set_faults(self, faults: str = "") -> None:
        """Misbehave so from now on, and count anew."""
        urllib.request.urlopen(f"{self.root}/faults", data=faults.encode(), timeout=10).close()


def write_recipe(folder: Path, url: str, *, num_tasks: int = 12, concurrency: int = 16, more: str = "") -> Path:
    """A small chain of all data stages, with an export."""
    path = folder / f"recipe-{concurrency}.yaml"
    path.write_text(
        f"""name: small
bootstrap: {{num_tasks: {num_tasks}, window: 4, tasks_per_request: 3}}
evolve: {{rounds: 1}}
respond: {{}}
select: {{checks: [empty_output]}}
report: null
teacher: {{backend: openai, model: m, base_url: "{url}", concurrency: {concurrency}}}
{more}
""",
        "utf-8",
    )
    return path


def start(recipe: Path, run_dir: Path, *flags: str, env: dict[str, str] | None = None) -> Command:
    """`synth run` as a process of its own."""
    return Command("run", recipe, "--run", run_dir, *flags, env=KEY | (env or {}))


def finish(child: Command) -> tuple[int, str]:
    """Exit code and all that was printed."""
    return child.wait(), child.stdout + child.stderr


def run(recipe: Path, run_dir: Path, *flags: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """`synth run` to its end."""
    return finish(start(recipe, run_dir, *flags, env=env))


def on_a_small_disk() -> None:
    """`synth` where no file may be longer than 200 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    main()


def start_without_a_terminal(recipe: Path, run_dir: Path) -> subprocess.Popen[bytes]:
    """`synth run` in an interpreter of its own whose stderr nobody reads any more."""
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "synth", "run", str(recipe), "--run", str(run_dir)]
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=write, env={**os.environ, **PLAIN, **KEY})
    os.close(write)
    return child


def kill_when(
    child: Command | subprocess.Popen[bytes], server: FaultServer, requests: int, number: int = signal.SIGKILL
) -> bool:
    """Send a signal once the server has seen so many requests; whether the child was still running."""
    while child.poll() is None and server.stats().get("requests", 0) < requests:
        time.sleep(0.005)
    if child.poll() is not None:
        return False
    child.send_signal(number)
    return True


def made(run_dir: Path) -> dict[str, str]:
    """A hash of each exported file and of each stage's results in the ledger."""
    out = {}
    for path in sorted((run_dir / "export").rglob("*")):
        if path.is_file():
            out[str(path.relative_to(run_dir))] = hashlib.sha256(path.read_bytes()).hexdigest()
    reader = LedgerReader(run_dir)
    for stage in STAGES:
        lines = [json.dumps(result.to_dict()) for result in reader.results(stage)]
        out[stage] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    reader.close()
    return out
