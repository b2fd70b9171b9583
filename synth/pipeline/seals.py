"""The files that stages made in a run folder, with their hashes, so that `synth verify` sees what was changed since."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synth.engine.ledger import FILE_NAME
from synth.engine.lock import run_lock
from synth.errors import StorageError, UsageError
from synth.fileio import atomic_write
from synth.given import read_text
from synth.records import digest

SEALS = "seals.json"


def seal(run_dir: Path, stage: str, names: Iterable[str]) -> None:
    """Note the files that `stage` made: `names` are files and folders in the run folder."""
    noted = read_seals(run_dir)
    found = {str(path.relative_to(run_dir)): _sha256(path) for path in _files(run_dir, names)}
    stages = noted | {stage: found}
    atomic_write(run_dir / SEALS, json.dumps({"stages": stages, "digest": digest(stages)}, indent=1))


@contextmanager
def made_anew(run_dir: Path, name: str) -> Iterator[None]:
    """Around a command that makes the file or folder `name` of a run again.

    Leftovers go before, unless a run is at work there; afterwards it is noted for the stage that made it first.
    """
    if (run_dir / FILE_NAME).is_file():
        with suppress(StorageError), run_lock(run_dir):
            tidy(run_dir)
    yield
    _reseal(run_dir, name)


def _reseal(run_dir: Path, name: str) -> None:
    for stage, files in read_seals(run_dir).items():
        if any(path == name or path.startswith(f"{name}/") for path in files):
            kept = {path.split("/")[0] for path in files}
            seal(run_dir, stage, sorted(kept))


def read_seals(run_dir: Path) -> dict[str, dict[str, str]]:
    """Stage → path → SHA-256; empty where nothing is noted. Raises StorageError where the note itself is damaged."""
    try:
        noted: Any = json.loads(read_text(run_dir / SEALS, 100_000_000))
        if noted["digest"] != digest(noted["stages"]):
            raise ValueError("it was changed")
        return dict(noted["stages"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        raise StorageError(
            f"{run_dir / SEALS} is damaged: {error}", "remove it; the next run notes all files anew"
        ) from None


def seal_problems(run_dir: Path, made: Iterable[str]) -> list[str]:
    """One line for each file that is missing or not as it was; `made`: the stages whose files must be noted."""
    try:
        noted = read_seals(run_dir)
    except StorageError as error:
        return [error.message]
    problems = [f"{stage}: its files are not noted in {SEALS}" for stage in made if stage not in noted]
    for stage, files in noted.items():
        for name, sha256 in files.items():
            path = run_dir / name
            if not path.is_file():
                problems.append(f"{stage}: {name} is missing")
            elif _sha256(path) != sha256:
                problems.append(f"{stage}: {name} is not as it was made")
    return problems


def made_since(run_dir: Path, names: Iterable[str], since: float) -> bool:
    """Was any of the files and folders `names` written after `since` (seconds since 1970)?"""
    return any(path.stat().st_mtime >= since for path in _files(run_dir, names))


def _files(run_dir: Path, names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        path = run_dir / name
        found = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
        yield from (one for one in found if not one.name.endswith(".tmp"))


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tidy(run_dir: Path) -> None:
    """Before a run writes: remove what a killed process left half written, and refuse links, which lead elsewhere.

    Raises UsageError for a symbolic link in the folder.
    """
    for folder, folders, files in os.walk(run_dir):
        for name in [*folders, *files]:
            path = Path(folder, name)
            if path.is_symlink():
                raise UsageError(
                    f"{path} is a symbolic link", "a run folder holds its own files: put the file itself there"
                )
            if name.startswith(".") and name.endswith(".tmp"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
