"""The stage that trains the student: records in, a model folder out, done once.

A student's folder is finished when its last file, train.json, is there; with the same data and settings it is then
left as it is. What a training run does is in `synth.student`; judging the student is the next stage.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.errors import StorageError
from synth.fileio import atomic_write
from synth.records import Record, digest
from synth.stages.stage import RunFolder, Show, Stage
from synth.student.generate import MANIFEST
from synth.student.presets import PRESETS, TrainSettings

if TYPE_CHECKING:
    from synth.student.trainer import Told

__all__ = ["PRESETS", "TrainResult", "TrainSettings", "train", "with_base"]

STUDENT, BASE, ALIGNED = "student", "base", "student-aligned"
"""In the run folder: the student, the untrained model that it starts from where the recipe names none, and the student
after the stage `align`."""
MADE_OF = "made_of.txt"

# Settings that change nothing in the weights.
_WITHOUT_EFFECT = ("report_to", "ignore_memory", "save_every", "num_hosts", "host_rank", "rendezvous")


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A trained student and what is to be told about it.

    `loss_first` and `loss_last` are the training losses of the first step and of the last 2 % of steps (nats per
    learned token). `tokens`: seen in training, over all steps. `truncated`: ids of records that lost their end;
    `unlearnable`: of those left out because no part of an answer fitted. `details` has the rest of the manifest.
    """

    path: Path
    steps: int
    loss_first: float
    loss_last: float
    tokens: int
    truncated: tuple[str, ...]
    unlearnable: tuple[str, ...]
    seconds: float
    weights_sha256: str
    details: dict[str, Any]


def train(
    records: Sequence[Record],
    out_dir: Path,
    settings: TrainSettings,
    progress: Told | None = None,
) -> TrainResult:
    """Train a student on `records` into `out_dir`, or read the result where that was done before.

    An interrupted run goes on from its last checkpoint, to the same bytes. `progress` is told after every micro batch
    how far it is; with several processes once a second. Of several hosts, which all see `out_dir`, host 0 writes; the
    others return without the weights' hash. Raises UsageError for data or settings that cannot work,
    TrainingError where training fails, StorageError where the disk does; the last good checkpoint stays.
    """
    fingerprint = _fingerprint(records, settings)
    done = read_result(out_dir)
    if done is not None and done.details["fingerprint"] == fingerprint:
        shutil.rmtree(out_dir / "checkpoints", ignore_errors=True)  # of a run that was killed after its last file
        return done
    if settings.host_rank > 0:  # the folder is that of host 0
        return _result(out_dir, _run(records, out_dir, settings, progress) | {"weights_sha256": "", "base": ""})
    from synth.student.weights import refuse_unusable, weights_sha256

    if settings.model is not None:
        refuse_unusable(settings.model)  # a finished student stays one
    _begin(out_dir, fingerprint)
    told = _run(records, out_dir, settings, progress)
    told |= {"fingerprint": fingerprint, "settings": settings.model_dump(mode="json")}
    told["weights_sha256"] = weights_sha256(out_dir)
    told["base"] = "base" if settings.model is None else settings.model
    atomic_write(out_dir / MANIFEST, json.dumps(told, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(out_dir / "checkpoints", ignore_errors=True)
    return _result(out_dir, told)


def read_result(out_dir: Path) -> TrainResult | None:
    """What the manifest of a finished student says; None where there is none that can be read."""
    try:
        return _result(out_dir, json.loads((out_dir / MANIFEST).read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _run(records: Sequence[Record], out_dir: Path, settings: TrainSettings, progress: Any) -> dict[str, Any]:
    if settings.world_size > 1:
        from synth.student.launch import fit_in_processes

        return fit_in_processes(records, out_dir, settings, progress)
    from synth.student.fit import fit

    return fit(records, out_dir, settings, progress)


def _fingerprint(records: Sequence[Record], settings: TrainSettings) -> str:
    """Equal for equal data (in any order), settings and base weights."""
    from synth.student.weights import weights_sha256

    base = Path(settings.model) if settings.model else None
    weights = weights_sha256(base) if base and base.is_dir() else ""
    shaping = settings.model_dump(mode="json", exclude=set(_WITHOUT_EFFECT)) | {"num_processes": settings.world_size}
    if weights:  # they count for what they are, wherever the folder lies
        shaping["model"] = None
    return digest(sorted(digest(record.to_dict()) for record in records), shaping, weights)


def _begin(out_dir: Path, fingerprint: str) -> None:
    """Make the folder this run's own: what other data or settings left there is no checkpoint of it."""
    mark = out_dir / "checkpoints" / "fingerprint"
    try:
        (out_dir / MANIFEST).unlink(missing_ok=True)
        if not mark.exists() or mark.read_text("ascii") != fingerprint:
            shutil.rmtree(out_dir / "checkpoints", ignore_errors=True)
            mark.parent.mkdir(parents=True)
            atomic_write(mark, fingerprint)
    except OSError as error:
        raise StorageError(
            f"{out_dir} cannot be written: {error.strerror}", "choose a folder you may write to"
        ) from error


def _result(out_dir: Path, told: dict[str, Any]) -> TrainResult:
    return TrainResult(
        out_dir,
        told["steps"],
        told["loss_first"],
        told["loss_last"],
        told["tokens"],
        tuple(told["truncated"]),
        tuple(told["unlearnable"]),
        told["seconds"],
        told["weights_sha256"],
        told,
    )


def run(folder: RunFolder, settings: TrainSettings) -> bool:
    """The stage: a student of the run's finished records."""
    out_dir = folder.path / STUDENT
    folder.paths.append(out_dir)
    records, _ = folder.records()
    trained = train(records, out_dir, with_base(folder, settings, records), told(folder.show, "training the student"))
    return (trained.path / MANIFEST).stat().st_mtime >= folder.started


def told(show: Show, name: str) -> Told:
    """Shows how far the training of the student `name` is."""
    return lambda now: show(f"{name}: {now}", now.is_over)


def with_base(folder: RunFolder, settings: TrainSettings, records: Sequence[Record]) -> TrainSettings:
    """The settings, naming the untrained model that a run's students start from; it is made where none is named.

    With other records or settings it is made again.
    """
    if settings.model is not None:
        return settings
    base, made_of = folder.path / BASE, _fingerprint([*records, *folder.seeds()], settings)
    names = ("config.json", "model.safetensors", "tokenizer.json")
    if not all((base / name).is_file() for name in names) or _text(base / MADE_OF) != made_of:
        from synth.student.fit import make_base

        new = base.with_name(f".{BASE}.tmp")
        shutil.rmtree(new, ignore_errors=True)
        make_base([*records, *folder.seeds()], new, settings)
        atomic_write(new / MADE_OF, made_of)
        shutil.rmtree(base, ignore_errors=True)  # half of one, of an older synth that was killed here
        os.replace(new, base)
    return settings.model_copy(update={"model": str(base)})


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return ""


TRAIN = Stage("train", TrainSettings, run, "folder", files=(STUDENT, BASE))
