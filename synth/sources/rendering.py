"""Foreign templates rendered over rows, in a process of its own with bounds on time and memory (see `render_worker`).

Nothing that a template does can hurt the caller: what fails is a fault of its row, with a reason.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from synth.errors import SynthError
from synth.sources.templates import Template

MAX_ROW_CHARS = 10_000_000
BATCH = 50
"""Rows handed over at a time."""
SLOW = 4
"""A processor second may last so many on a busy machine."""
_WORKER = Path(__file__).with_name("render_worker.py")
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL")
"""All of the environment that the process gets: no keys."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a template over one row: processor seconds, bytes of memory, characters of its text.

    `wall_s`: seconds that a process may be silent beyond the time of its rows; then it is killed, whatever it does.
    """

    seconds: float = 1.0
    memory: int = 512_000_000
    most_chars: int = 1_000_000
    wall_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """A row to be rendered by the template with the id `template`; `seed` is for what the template draws."""

    template: str
    row: Mapping[str, Any]
    seed: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The parts that a template gave (input and target), and its answer choices where it has any."""

    parts: tuple[str, ...]
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row could not be rendered: a short code and a sentence."""

    reason: str
    detail: str


class Renderer:
    """Renders with `templates`; a context manager. `faults`: template id → why it cannot be compiled."""

    def __init__(self, templates: Sequence[Template], limits: Limits = Limits()) -> None:
        self._sources = {one.id: {"jinja": one.jinja, "choices": one.answer_choices} for one in templates}
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self.faults: dict[str, Fault] = {}

    def __enter__(self) -> Renderer:
        self.faults = {name: Fault(**one) for name, one in self._start().items()}
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._stop()

    def render(self, jobs: Sequence[Job]) -> list[Rendered | Fault]:
        """A result for each job, in order."""
        results: list[Rendered | Fault | None] = []
        texts: list[str] = []
        for job in jobs:
            fault = self.faults.get(job.template)
            is_huge = sum(len(one) for one in job.row.values() if isinstance(one, str)) > MAX_ROW_CHARS
            text = "" if fault or is_huge else json.dumps([job.template, dict(job.row), job.seed], default=str)
            if is_huge or len(text) > 2 * MAX_ROW_CHARS:
                fault = Fault("too_long", f"the row has more than {MAX_ROW_CHARS:,} characters")
            results.append(fault)
            texts += [] if fault else [text]
        batches = (texts[at : at + BATCH] for at in range(0, len(texts), BATCH))
        made = (one for batch in batches for one in self._rendered(batch))
        return [next(made) if result is None else result for result in results]

    def _rendered(self, texts: Sequence[str]) -> list[Rendered | Fault]:
        """Where the process dies or does not answer, the halves are tried by themselves."""
        if not texts:
            return []
        if self._process is None:
            self._start()
        found = self._ask(f"[{','.join(texts)}]", SLOW * self._limits.seconds * len(texts))
        if found is not None:
            return [
                Fault(**one) if "reason" in one else Rendered(tuple(one["parts"]), _tuple(one["choices"]))
                for one in found
            ]
        self._stop()
        if len(texts) == 1:
            return [Fault("template_time", "it did not end within the time allowed, or its process died")]
        half = len(texts) // 2
        return self._rendered(texts[:half]) + self._rendered(texts[half:])

    def _start(self) -> dict[str, Any]:
        environment = {name: value for name in _KEPT if (value := os.environ.get(name)) is not None}
        command = [sys.executable, "-P", str(_WORKER)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        limits = {"seconds": self._limits.seconds, "memory": self._limits.memory}
        start = {"templates": self._sources, "most_chars": self._limits.most_chars} | limits
        told = self._ask(json.dumps(start), SLOW * self._limits.seconds * len(self._sources))
        if not isinstance(told, dict):
            raise SynthError("the process that renders templates could not be started", "is jinja2 installed?")
        return told

    def _ask(self, line: str, seconds: float) -> Any:
        """The answer to a line; None where the process is gone, or silent for `wall_s` longer than `seconds`."""
        assert self._process is not None and self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
            ready, _, _ = select.select([self._process.stdout], [], [], self._limits.wall_s + seconds)
            said = self._process.stdout.readline() if ready else b""
        except OSError:
            return None
        return json.loads(said) if said.endswith(b"\n") else None

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
