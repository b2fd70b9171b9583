"""Training in several processes on this machine, by torchrun. The work of each process is `fit.fit`.

`accelerate launch --cpu` and the like are not used: they start one process without a word where they cannot start more.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import synth.errors
from synth.errors import SynthError, TrainingError
from synth.fileio import atomic_write
from synth.records import Record
from synth.student.presets import TrainSettings

JOB = ".job"


def fit_in_processes(records: Sequence[Record], out_dir: Path, settings: TrainSettings) -> dict[str, Any]:
    """`fit.fit` in `settings.num_processes` processes; returns what the first of them reports.

    Raises what the first failing process raised, else TrainingError with the end of the log.
    """
    job = out_dir / JOB
    shutil.rmtree(job, ignore_errors=True)
    job.mkdir(parents=True)
    atomic_write(job / "settings.json", settings.model_dump_json())
    atomic_write(job / "records.jsonl", "".join(json.dumps(record.to_dict()) + "\n" for record in records))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]
    command += [str(settings.num_processes), "-m", "synth.student.launch", str(out_dir)]
    environment = os.environ | {"OMP_NUM_THREADS": str(settings.num_threads or 1), "TOKENIZERS_PARALLELISM": "false"}
    with (job / "log.txt").open("wb") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False).returncode
    if code or not (job / "result.json").exists():
        raise _failure(job, code)
    result: dict[str, Any] = json.loads((job / "result.json").read_text("utf-8"))
    shutil.rmtree(job)
    return result


def _failure(job: Path, code: int) -> SynthError:
    for path in sorted(job.glob("error-*.json")):
        told = json.loads(path.read_text("utf-8"))
        kind = getattr(synth.errors, told["kind"], TrainingError)
        return (
            kind(told["message"], told["hint"])
            if kind is not synth.errors.InputError
            else TrainingError(told["message"])
        )
    tail = "\n  ".join((job / "log.txt").read_text("utf-8", "replace").splitlines()[-15:])
    return TrainingError(
        f"the training processes ended with code {code}:\n  {tail}", f"the whole log: {job / 'log.txt'}"
    )


def work(out_dir: Path) -> None:
    """One process of a job: called by torchrun, with its rank in the environment."""
    from synth.student.fit import fit

    job, rank = out_dir / JOB, os.environ["RANK"]
    settings = TrainSettings.model_validate_json((job / "settings.json").read_text("utf-8"))
    lines = (job / "records.jsonl").read_text("utf-8").splitlines()
    try:
        result = fit([Record.from_dict(json.loads(line)) for line in lines], out_dir, settings)
    except SynthError as error:
        told = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        atomic_write(job / f"error-{rank}.json", json.dumps(told))
        raise SystemExit(1) from error
    if rank == "0":
        atomic_write(job / "result.json", json.dumps(result))


if __name__ == "__main__":
    work(Path(sys.argv[1]))
