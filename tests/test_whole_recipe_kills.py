"""A whole recipe, training, examination, export and report included, is finished by the same command after any kill."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synth.engine.ledger import LedgerReader
from synth.pipeline.verify import run_problems

pytestmark = [pytest.mark.slow]
pytest.importorskip("torch", reason="the extra [train] is not installed")
HERE = Path(__file__).parent.parent
KILLS = int(os.environ.get("SYNTH_KILLS", "200"))
RECIPE = """
name: whole
seed: 3
teacher: {backend: embedded, operations: [sentiment, topic], max_steps: 1, short: true}
bootstrap: {method: diverse, num_tasks: 12, window: 4, with_outputs: true}
evolve: {rounds: 1}
respond: {}
select: {}
hold_out: {num_inputs: 8}
export: {formats: [alpaca, sharegpt]}
train: {preset: tiny, hidden_size: 16, num_layers: 1, num_heads: 2, max_steps: 12, save_every: 4, num_threads: 1}
evaluate: {arms: [], max_tokens: 8, num_threads: 1}
"""
STAGES = ("bootstrap", "evolve", "respond", "select")


def start(folder: Path) -> subprocess.Popen[bytes]:
    recipe = folder.parent / "whole.yaml"
    recipe.write_text(RECIPE, "utf-8")
    command = [sys.executable, "-m", "synth", "run", str(recipe), "--run", str(folder)]
    return subprocess.Popen(
        command, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(HERE)}
    )


def finished(folder: Path) -> float:
    """Run to the end; how many seconds it took."""
    started = time.monotonic()
    child = start(folder)
    _, words = child.communicate(timeout=900)
    assert child.returncode == 0, words.decode()[-2000:]
    return time.monotonic() - started


def made(folder: Path) -> dict[str, str]:
    """Hashes of the data of all stages, the exported files and the student's weights."""
    reader = LedgerReader(folder)
    found = {stage: repr([result.to_dict() for result in reader.results(stage)]) for stage in STAGES}
    reader.close()
    files = [*(folder / "export").glob("*.json*"), *(folder / "student").glob("*.safetensors")]
    found |= {path.name: path.read_bytes().hex() for path in files if path.name != "manifest.json"}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in found.items()}


def test_random_kills_over_a_whole_recipe_end_with_the_same_data_and_student(tmp_path: Path) -> None:
    """SYNTH_KILLS kills (200), each at a moment drawn over the whole length of a run, several times over."""
    whole = tmp_path / "undisturbed"
    whole.mkdir()
    seconds = finished(whole / "run")
    wanted, rng = made(whole / "run"), random.Random(5)
    done = history = 0
    while done < KILLS:
        folder = tmp_path / f"killed{history}"
        folder.mkdir()
        for _ in range(8):
            started, child = time.monotonic(), start(folder / "run")
            moment = started + rng.uniform(0.1, 1.0) * seconds
            while time.monotonic() < moment and child.poll() is None:
                time.sleep(0.01)
            is_killed = child.poll() is None
            child.send_signal(signal.SIGKILL)
            _, words = child.communicate()
            assert is_killed or child.returncode == 0, words.decode()[-2000:]
            done += is_killed
            if not is_killed or done == KILLS:
                seconds = seconds if is_killed else time.monotonic() - started  # the machine is faster by now
                break
        finished(folder / "run")
        assert made(folder / "run") == wanted, history
        assert run_problems(folder / "run") == [], history
        left = [str(path) for path in (folder / "run").rglob("*") if ".tmp" in path.name or ".saving" in path.name]
        assert left == [], history
        history += 1
