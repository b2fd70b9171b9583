"""Training in several processes, here or on several hosts, by torchrun. The work of each process is `fit.fit`.

`accelerate launch --cpu` and the like are not used: they start one process without a word where they cannot start more.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import synth.errors
from synth.errors import SynthError, TrainingError
from synth.fileio import atomic_write
from synth.records import Record
from synth.student.hosts import torchrun_arguments
from synth.student.presets import TrainSettings

if TYPE_CHECKING:
    from synth.student.trainer import Progress, Told

JOB, PROGRESS = ".job", "progress.json"
EVERY_S = 1.0


def fit_in_processes(
    records: Sequence[Record], out_dir: Path, settings: TrainSettings, told: Told | None = None
) -> dict[str, Any]:
    """`fit.fit` in `settings.num_processes` processes here; returns what the first of them reports.

    `told` hears once a second how far that one is.

    With several hosts each of them does this, and all see `out_dir`. Raises what the first failing process raised, else
    TrainingError with the end of the log.
    """
    job = out_dir / (f"{JOB}-{settings.host_rank}" if settings.num_hosts > 1 else JOB)
    shutil.rmtree(job, ignore_errors=True)
    job.mkdir(parents=True)
    if settings.model is None:  # made once: the processes would write over each other's
        from synth.student.fit import make_base

        settings = settings.model_copy(update={"model": str(make_base(records, out_dir / "base", settings))})
    atomic_write(job / "settings.json", settings.model_dump_json())
    atomic_write(job / "records.jsonl", "".join(json.dumps(record.to_dict()) + "\n" for record in records))
    command = [sys.executable, "-m", "torch.distributed.run", *torchrun_arguments(settings)]
    command += ["-m", "synth.student.launch", str(out_dir), str(job)]
    environment = os.environ | {"OMP_NUM_THREADS": str(settings.num_threads or 1), "TOKENIZERS_PARALLELISM": "false"}
    with (job / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        code = _watched(process, job / PROGRESS, told)
    if code or not (job / "result.json").exists():
        raise _failure(job, code)
    result: dict[str, Any] = json.loads((job / "result.json").read_text("utf-8"))
    shutil.rmtree(job)
    return result


def _watched(process: subprocess.Popen[bytes], progress: Path, told: Told | None) -> int:
    """The exit code of the process, which is ended with this one; `told` hears what it writes to `progress`."""
    from synth.student.trainer import Progress

    before = ""
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=EVERY_S)
            now = progress.read_text("ascii") if told and progress.exists() else ""
            if told and now != before:
                told(Progress(**json.loads(now)))
            before = now
            if process.returncode is not None:
                return process.returncode
    finally:
        if process.returncode is None:
            process.terminate()
            process.wait()


def _noted(progress: Path) -> Told:
    """Writes how far a training is to a file, once a second and at its end."""
    last = 0.0

    def told(now: Progress) -> None:
        nonlocal last
        if now.is_over or time.monotonic() - last >= EVERY_S:
            last = time.monotonic()
            atomic_write(progress, json.dumps(asdict(now)))

    return told


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


def work(out_dir: Path, job: Path) -> None:
    """One process of a job: called by torchrun, with its rank in the environment."""
    from synth.student.fit import fit

    rank = os.environ["RANK"]
    settings = TrainSettings.model_validate_json((job / "settings.json").read_text("utf-8"))
    lines = (job / "records.jsonl").read_text("utf-8").splitlines()
    try:
        told = _noted(job / PROGRESS) if os.environ["LOCAL_RANK"] == "0" else None
        result = fit([Record.from_dict(json.loads(line)) for line in lines], out_dir, settings, told)
    except SynthError as error:
        mistake = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        atomic_write(job / f"error-{rank}.json", json.dumps(mistake))
        raise SystemExit(1) from error
    if os.environ["LOCAL_RANK"] == "0":
        atomic_write(job / "result.json", json.dumps(result))


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]))
