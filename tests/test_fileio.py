"""Files are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from synth.errors import StorageError
from synth.fileio import atomic_file, atomic_write


def test_text_is_written_as_utf8_with_its_line_ends(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a.txt", "ä\r\n\u2028\n")
    assert (tmp_path / "a.txt").read_bytes() == "ä\r\n\u2028\n".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_while_writing_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    atomic_write(target, "old")
    with pytest.raises(RuntimeError), atomic_file(target) as file:
        file.write(b"half of the ne")
        raise RuntimeError
    with pytest.raises(UnicodeEncodeError):
        atomic_write(target, "\ud800")
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    atomic_write(target, "old")
    code = (
        "import os, signal, sys\nfrom synth.fileio import atomic_file\n"
        "with atomic_file(sys.argv[1]) as file:\n"
        "    file.write(b'x' * 1_000_000); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "old"


def test_a_refusing_disk_is_a_storage_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        atomic_write(tmp_path / "missing" / "a.txt", "x")
    assert caught.value.exit_code == 5 and caught.value.hint
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError):
        atomic_write(tmp_path / "folder", "x")
    assert sorted(os.listdir(tmp_path)) == ["folder"]


def test_links_are_followed_and_modes_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    atomic_write(real, "1")
    assert real.stat().st_mode & 0o777 == 0o666 & ~_umask()
    real.chmod(0o640)
    link.symlink_to(real)
    atomic_write(link, "2")
    assert link.is_symlink() and real.read_text() == "2" and real.stat().st_mode & 0o777 == 0o640


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
