"""Our held-out tasks as a local task of lm-evaluation-harness, and the harness itself where it is installed.

The harness may live in an environment of its own; nothing of it is imported here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synth.errors import SynthError, UsageError
from synth.fileio import atomic_write
from synth.student.items import EvalItem
from synth.student.templates import Template

TASK = "synth_held_out"


def write_task(items: Sequence[EvalItem], out_dir: Path, template: Template, max_tokens: int = 256) -> Path:
    """Write the items with a reference as a generate_until task (exact match): a YAML file and its JSON lines.

    Prompts are written out with the student's template, so the harness adds nothing to them. Raises UsageError where no
    item has a reference.
    """
    import yaml

    rows = [
        {"prompt": "".join(part.text for part in template.prompt(item.conversation)), "answer": item.reference}
        for item in items
        if item.reference
    ]
    if not rows:
        raise UsageError("no item has a reference answer", "the harness task compares answers with references")
    out_dir.mkdir(parents=True, exist_ok=True)
    data = out_dir / f"{TASK}.jsonl"
    atomic_write(data, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    task = {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.resolve())}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n\n###"], "max_gen_toks": max_tokens, "do_sample": False},
        "filter_list": [
            {"name": "stripped", "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}]},
        ],
        "metric_list": [
            {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True},
        ],
        "metadata": {"version": 1.0},
    }
    path = out_dir / f"{TASK}.yaml"
    atomic_write(path, yaml.safe_dump(task, sort_keys=False))
    return path


def harness_command(model: str, tasks: Sequence[str], out_dir: Path, executable: str = "lm_eval") -> list[str]:
    """The command line that examines `model` on `tasks`, our own among them found in `out_dir`."""
    arguments = [
        "run",
        "--model",
        "hf",
        "--model_args",
        f"pretrained={model},dtype=float32",
        "--tasks",
        ",".join(tasks),
    ]
    return [executable, *arguments, "--include_path", str(out_dir), "--output_path", str(out_dir / "results")]


def run_harness(model: str, tasks: Sequence[str], out_dir: Path, executable: str = "lm_eval") -> dict[str, Any]:
    """Run the harness and read its results: task -> metric -> value.

    Raises UsageError where it is not installed, SynthError with the end of its output where it fails.
    """
    if shutil.which(executable) is None:
        raise UsageError(
            f"{executable} is not installed",
            'pip install "lm-eval[hf]" (in an environment of its own if you like: name its lm_eval in SYNTH_LM_EVAL)',
        )
    command = harness_command(model, tasks, out_dir, executable)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SynthError(f"{executable} ended with code {done.returncode}: {done.stderr[-1000:]}", " ".join(command))
    newest = max((out_dir / "results").rglob("results_*.json"), key=lambda path: path.stat().st_mtime_ns)
    results: dict[str, Any] = json.loads(newest.read_text("utf-8"))["results"]
    return results
