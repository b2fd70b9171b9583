"""Files written whole or not at all: a temporary file beside the target, flushed to disk, then renamed over it.

A reader, a crash or a full disk never sees half a file. It does not lock: two writers of one path both succeed, and the
later one stays.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from synth.errors import StorageError


def atomic_write(path: str | Path, data: str | bytes) -> None:
    """Makes `data` (text becomes UTF-8, line ends untouched) the whole content of the file at `path`.

    Raises StorageError where the disk refuses and UnicodeEncodeError for text with lone surrogates; the old file, or
    its absence, is then as before.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    with atomic_file(path) as file:
        file.write(content)


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSON lines, ASCII only."""
    return "".join(json.dumps(row) + "\n" for row in rows)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """An open binary file that takes the place of `path` when the block ends without an error.

    The folder must exist. A link is followed, so the file it points to is replaced. An existing file keeps its mode.
    Raises StorageError where the disk refuses.
    """
    target = Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".tmp")
    except OSError as error:
        raise _refused(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), _mode(target))
            os.fsync(file.fileno())
        os.replace(name, target)
        sync_folder(target.parent)
    except OSError as error:
        _remove(name)
        raise _refused(path, error) from error
    except BaseException:
        _remove(name)
        raise


def sync_folder(folder: str | Path) -> None:
    """Puts a folder's entries on disk, so that a file just renamed or created survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _mode(target: Path) -> int:
    """The permission bits the new file gets: the old file's, else what the umask leaves of rw-rw-rw-."""
    with suppress(FileNotFoundError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _remove(name: str) -> None:
    with suppress(OSError):
        os.unlink(name)


def _refused(path: str | Path, error: OSError) -> StorageError:
    hint = "Check that the folder exists, that you may write there, and that the disk has space left."
    return StorageError(f"{path} could not be written: {error.strerror or error}", hint)
