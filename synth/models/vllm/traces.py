"""Which server processes of ours exist: a small file for each, so that a run killed with -9 leaves no orphan for good.

The files lie in the temporary folder of this user on this machine. A process is told from a later one with the same
number by its start time. No key is in a file: the key of a server worth using again is read from its environment.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from synth.errors import StorageError
from synth.fileio import atomic_write

TERM_S, GROUP_S = 20.0, 3.0
"""Seconds a server gets to end by itself, and its remaining processes after it, before SIGKILL."""
KEEP_LOG_S = 7 * 86400.0
"""Logs of failed servers nobody has written to for so long are removed."""
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Trace:
    """A server process (leader of its own group), who started it, and where it listens and logs."""

    pid: int
    identity: str
    owner: int
    owner_identity: str
    port: int
    fingerprint: str
    model: str
    log_path: str

    @property
    def path(self) -> Path:
        """The file of this trace."""
        return folder() / f"{self.pid}.json"


def folder() -> Path:
    """The folder of traces and logs, for this user only. Raises StorageError where another user has it."""
    path = Path(tempfile.gettempdir()) / f"synth-{os.getuid()}" / "vllm"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        owner = path.parent.stat().st_uid
    except OSError as error:
        raise StorageError(f"{path} cannot be made: {error.strerror}", "set TMPDIR to a folder of yours") from error
    if owner != os.getuid():
        raise StorageError(f"{path.parent} belongs to another user", "set TMPDIR to a folder of yours")
    return path


def leave(pid: int, port: int, fingerprint: str, model: str, log_path: Path) -> Trace:
    """Write down that this process started server `pid`."""
    own = os.getpid()
    trace = Trace(pid, identity(pid) or "", own, identity(own) or "", port, fingerprint, model, str(log_path))
    atomic_write(trace.path, json.dumps(asdict(trace), indent=1))
    return trace


def remove(trace: Trace) -> None:
    """Forget a server that has ended."""
    trace.path.unlink(missing_ok=True)


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the folder, so that two runs that start at once do not take the same orphan."""
    with open(folder() / "lock", "a+", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def orphans() -> list[Trace]:
    """Servers still running whose starter is gone. What is left of servers that are gone too is removed."""
    found = []
    for log in folder().glob("*.log"):
        if time.time() - log.stat().st_mtime > KEEP_LOG_S:
            log.unlink(missing_ok=True)
    for path in sorted(folder().glob("*.json")):
        try:
            trace = Trace(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            path.unlink(missing_ok=True)
            continue
        if identity(trace.owner) == trace.owner_identity:
            continue
        if is_running(trace):
            found.append(trace)
        else:
            path.unlink(missing_ok=True)
            Path(trace.log_path).unlink(missing_ok=True)
    return found


def adopt(trace: Trace) -> Trace:
    """The orphan as ours from now on."""
    return leave(trace.pid, trace.port, trace.fingerprint, trace.model, Path(trace.log_path))


# -- processes -----------------------------------------------------------------------------------------------------


def identity(pid: int) -> str | None:
    """What tells a process from any other with the same number (boot and start time); None when it has ended."""
    if not (_PROC / "self" / "stat").exists():
        return _identity_by_ps(pid)
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    return f"{_boot_id()} {fields[19]}"


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on (proc(5): state is number 3, group 5, start time 22)."""
    try:
        return (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None


def _boot_id() -> str:
    with suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return ""


def _identity_by_ps(pid: int) -> str | None:
    done = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return " ".join(words[1:]) if words and not words[0].startswith("Z") else None


def is_running(trace: Trace) -> bool:
    """Is any process of this server left? The leader counts by its start time, the rest by group and variables."""
    if identity(trace.pid) == trace.identity:
        return True
    if _stat(trace.pid) is not None and identity(trace.pid) is not None:
        return False  # the number went to another process
    return any(b"VLLM_API_KEY=" in _environment(pid) for pid in group(trace.pid))


def _environment(pid: int) -> bytes:
    with suppress(OSError):
        return (_PROC / str(pid) / "environ").read_bytes()
    return b""


def key_of(trace: Trace) -> str | None:
    """The API key a server was started with, read from its process (Linux); None where that cannot be done."""
    for line in _environment(trace.pid).split(b"\0"):
        if line.startswith(b"VLLM_API_KEY="):
            return line.partition(b"=")[2].decode("utf-8", "replace")
    return None


def group(pgid: int) -> list[int]:
    """The living processes of a group (Linux; elsewhere the leader alone)."""
    if not (_PROC / "self" / "stat").exists():
        return [pgid] if identity(pgid) else []
    numbers = [int(path.name) for path in _PROC.iterdir() if path.name.isdigit()]
    stats = {pid: _stat(pid) for pid in numbers}
    return [pid for pid, found in stats.items() if found and found[0] not in "ZX" and found[2] == str(pgid)]


def end(trace: Trace, term_s: float = TERM_S) -> None:
    """End a server and its whole group: a request to the leader first, then SIGKILL to what is left. Blocks."""
    is_ours = is_running(trace)
    if identity(trace.pid) == trace.identity:
        with suppress(ProcessLookupError):
            os.kill(trace.pid, signal.SIGTERM)
        _wait(term_s, lambda: identity(trace.pid) != trace.identity)
    if is_ours:
        _wait(GROUP_S if identity(trace.pid) != trace.identity else 0.0, lambda: not group(trace.pid))
        if group(trace.pid):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(trace.pid, signal.SIGKILL)
            _wait(GROUP_S, lambda: not group(trace.pid))
    remove(trace)


def _wait(seconds: float, is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not is_done():
        time.sleep(0.05)
