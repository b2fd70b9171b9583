"""One writer per run folder, held by the kernel: the lock is gone the moment its process is."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synth.errors import StorageError


@contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Hold the run folder for writing. Raises StorageError at once, naming the owner, when another process holds it."""
    path = run_dir / "lock"
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        handle = open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644), "r+", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"run folder {run_dir} cannot be written: {error.strerror}", "choose another --run"
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            raise StorageError(
                f"run folder {run_dir} is in use by {_owner(handle.read())}", "wait for it, or stop it"
            ) from error
        except OSError as error:
            raise StorageError(
                f"run folder {run_dir} cannot be locked: {error.strerror}", "choose a --run on a local disk"
            ) from error
        handle.seek(0)
        handle.truncate()
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "started": started}, handle)
        handle.flush()
        yield


def is_held(run_dir: Path) -> bool:
    """Does a process write in the run folder now?"""
    try:
        with open(run_dir / "lock", "rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _owner(text: str) -> str:
    try:
        who = json.loads(text)
        return f"process {who['pid']} on {who['host']}, started {who['started']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
