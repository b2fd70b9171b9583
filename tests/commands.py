"""`synth` as its own process, started in a tenth of the time that a new interpreter takes. Not a test itself.

A server that has imported the package forks for each command: the process has its own pid, folder, environment,
signals and exit code, and runs `main()` as `python -m synth` does. Use `subprocess` where the interpreter itself
matters: its hash seed, locale, limits, or what it imports.

from commands import Command, fresh, synth

done = synth("run", "recipe.yaml", "--run", "run", cwd=tmp_path)
done.returncode, done.stdout, done.stderr
child = Command("run", "recipe.yaml", "--run", "run", cwd=tmp_path, env={"SYNTH_CRASH_AT": "sent:9"})
child.send_signal(signal.SIGINT), child.wait()
"""

from __future__ import annotations

import atexit
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from synth.__main__ import main as synth_main

ROOT = Path(__file__).parent.parent
PLAIN = {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "300"}
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["commands", "warm"])


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Command:
    """A running `synth`. Its standard input is empty; what it prints goes to files, so it never waits for a reader."""

    _running: set[Command] = set()  # noqa: RUF012

    def __init__(
        self,
        *words: str | Path,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        main: Callable[[], None] = synth_main,
    ) -> None:
        self._out, self._err = tempfile.NamedTemporaryFile(), tempfile.NamedTemporaryFile()
        environment = {**os.environ, **PLAIN, **(env or {})}
        start_server()
        given = (main, list(map(str, words)), str(cwd), environment, self._out.name, self._err.name)
        self._process = CONTEXT.Process(target=_run, args=given)
        self._process.start()
        self._running.add(self)
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, the signal that ended it as a negative number, or None while it runs."""
        return self._process.exitcode

    poll = returncode.fget
    stdout = property(lambda self: _text(self._out))
    stderr = property(lambda self: _text(self._err))

    def wait(self, timeout: float = 600) -> int:
        """Its exit code; one that does not end in time is killed."""
        self._process.join(timeout)
        if self.returncode is None:
            self.kill()
            raise AssertionError(f"still running after {timeout} s:\n{self.stdout}\n{self.stderr}")
        self._running.discard(self)
        return self.returncode

    def until(self, is_so: Callable[[str], Any], timeout: float = 600) -> Any:
        """What `is_so` makes of the standard output, once that is true."""
        end = time.monotonic() + timeout
        while not (found := is_so(self.stdout)):
            assert self.returncode is None and time.monotonic() < end, f"{self.returncode}: {self.stdout}{self.stderr}"
            time.sleep(0.005)
        return found

    def send_signal(self, number: int) -> None:
        """Send a signal; one that has ended gets none."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send_signal(signal.SIGKILL)
        self._process.join()
        self._running.discard(self)


def synth(*words: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, timeout: float = 600) -> Done:
    """Run a command to its end."""
    child = Command(*words, cwd=cwd, env=env)
    code = child.wait(timeout)
    return Done(code, child.stdout, child.stderr)


def fresh(*words: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Done:
    """The same in an interpreter of its own: its hash seed, its limits, its first imports."""
    command = [sys.executable, "-m", "synth", *map(str, words)]
    environment = {**os.environ, **PLAIN, **(env or {})}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)
    return Done(done.returncode, done.stdout, done.stderr)


def start_server() -> None:
    """Start the server that forks, where it does not run yet: its imports come from this tree."""
    with mock.patch.dict(os.environ, {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}):
        forkserver.ensure_running()


def _text(file: Any) -> str:
    return Path(file.name).read_text("utf-8", "replace")


def _run(main: Callable[[], None], words: list[str], cwd: str, environment: dict[str, str], out: str, err: str) -> None:
    """In the new process: become `python -m synth` with these words."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    sys.argv, sys.path[0:0], tempfile.tempdir = ["synth", *words], [cwd], None  # that of the environment
    importlib.reload(sys.modules["synth.engine.crash"])  # it reads the environment when it is imported
    main()


@atexit.register
def _end_all() -> None:
    for child in list(Command._running):
        child.kill()
