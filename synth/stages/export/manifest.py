"""The manifest of an export: every file with its rows, bytes, hash and columns, so that any change can be found.

It is written last: an export without one is not finished. It describes files; it does not read what is in them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from synth.errors import StorageError
from synth.fileio import atomic_write
from synth.records import digest

FILE_NAME = "manifest.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file, its path relative to the export folder. `format`, `split`, `rows` and `columns` only for data files."""

    path: str
    num_bytes: int
    sha256: str
    format: str | None = None
    split: str | None = None
    rows: int | None = None
    columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """An export. `records`: how many were written; `left_out`: reason -> how many were not; `notes`: for the reader."""

    files: list[FileEntry]
    records: int
    left_out: dict[str, int]
    recipe_hash: str
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of manifest.json; `sha256` is over all the rest."""
        body = {"version": VERSION, **asdict(self)}
        return body | {"sha256": digest(body)}

    def write(self, folder: Path) -> None:
        """Store it as manifest.json."""
        atomic_write(folder / FILE_NAME, json.dumps(self.to_dict(), indent=1) + "\n")


def describe_file(folder: Path, path: str, **about: Any) -> FileEntry:
    """The entry of the file at `path`, relative to `folder`."""
    with (folder / path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(path, (folder / path).stat().st_size, sha256, **about)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The stored manifest; None where there is none. Raises StorageError where it is damaged."""
    path = folder / FILE_NAME
    hint = "Export again to make it anew."
    try:
        stored = json.loads(path.read_text("utf-8"))
        body = {key: value for key, value in stored.items() if key != "sha256"}
        if stored["sha256"] != digest(body):
            raise StorageError(f"{path} was changed after it was written", hint)
        for entry in stored["files"]:
            if not _is_inside(entry["path"]):
                raise StorageError(f"{path} names a file outside of its folder: {entry['path']!r}", hint)
        return dict(stored)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}", hint) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StorageError(f"{path} is damaged: {error}", hint) from error


def verify_manifest(out_dir: Path) -> list[str]:
    """One line for each file of an export that is missing or changed; empty when all is as it was written."""
    try:
        stored = read_manifest(out_dir)
    except StorageError as error:
        return [f"export: {error.message}"]
    if stored is None:
        return [f"export: {out_dir / FILE_NAME} is missing, so the export was never finished"]
    return [problem for entry in stored["files"] for problem in _file_problems(out_dir, entry)]


def _file_problems(folder: Path, entry: Mapping[str, Any]) -> list[str]:
    path = entry["path"]
    try:
        now = describe_file(folder, path)
    except FileNotFoundError:
        return [f"export: {path} is missing"]
    except OSError as error:
        return [f"export: {path} cannot be read: {error.strerror}"]
    if now.num_bytes != entry["num_bytes"]:
        return [f"export: {path} has {now.num_bytes} bytes, {entry['num_bytes']} were written"]
    return [] if now.sha256 == entry["sha256"] else [f"export: {path} was changed after it was written"]


def remove_stale(folder: Path, before: Mapping[str, Any] | None, kept: set[str]) -> None:
    """Remove the files an earlier export made and this one does not, unless someone has changed them since."""
    for entry in before["files"] if before else ():
        path = folder / entry["path"]
        if entry["path"] not in kept and path.is_file() and not _file_problems(folder, entry):
            path.unlink()


def _is_inside(path: Any) -> bool:
    pure = PurePosixPath(path)
    return isinstance(path, str) and not pure.is_absolute() and ".." not in pure.parts and "\x00" not in path
