"""Which requests are out: a line as each one leaves, and a line as it comes back, in a small file beside the ledger.

A line is appended without waiting for the disk, since it must not hold up the request: it outlives a killed process,
but not a power cut. After a kill it tells the requests that really left from those that were only planned. The ledger
takes the count over when it is opened next, and the file starts anew; its first line names it, so none counts twice.
"""

from __future__ import annotations

import os
import uuid
from collections import Counter
from pathlib import Path

from synth.errors import StorageError

SUFFIX = ".out"


class OutLog:
    """The writing side, beside the ledger at `path`. Anything left by an earlier process must have been read before."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + SUFFIX)
        self._out: Counter[str] = Counter()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_NOFOLLOW
        try:
            self._file = os.open(self.path, flags, 0o644)
        except OSError as error:
            raise self._refused(error) from error
        self._write(f"# {uuid.uuid4().hex}\n")

    def left(self, key: str) -> None:
        """A request leaves now. Raises StorageError where that cannot be noted; then it must not leave."""
        self._write(f"+{key}\n")
        self._out[key] += 1

    def back(self, key: str, times: int = 1) -> None:
        """It came back, and what it cost is in the ledger or nothing."""
        if times:
            self._write(f"-{key}\n" * times)
            self._out[key] -= times

    def close(self) -> None:
        """Close the file; it goes where nothing is out."""
        os.close(self._file)
        if not +self._out:
            self.path.unlink(missing_ok=True)

    def _write(self, line: str) -> None:
        try:
            os.write(self._file, line.encode())
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self.path} cannot be written ({error.strerror}); every answer acknowledged so far is kept",
            "free some disk space, then type the same command again",
        )


def read_out(path: Path) -> tuple[str, Counter[str]]:
    """The name of the file beside the ledger at `path` and the keys of the requests that are out; ("", {}) if none."""
    try:
        text = path.with_name(path.name + SUFFIX).read_text("ascii", "replace")
    except OSError:
        return "", Counter()
    lines = text.split("\n")[:-1]  # the last one may be cut where the process was killed
    out: Counter[str] = Counter()
    for line in lines:
        out[line[1:]] += {"+": 1, "-": -1}.get(line[:1], 0)
    name = lines[0] if lines and lines[0].startswith("# ") else ""
    return name, +out
