"""What somebody sees of a run started from Python: bars, or calls of their own function."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from synth.engine.progress import RunProgress

Progress = Callable[[RunProgress], None] | Literal["bar"] | None
"""A function of the counters, called about four times a second and at the end; "bar" for bars; None for silence."""
EVERY_S = 0.25


class Watch:
    """Shows the counters of a run while it goes, and can stop it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._counters: RunProgress | None = None
        self._is_stopped = False
        self._line: Callable[[str, bool], None] | None = None

    @contextmanager
    def __call__(self, counters: RunProgress) -> Iterator[None]:
        """Around the stages that make records."""
        self._counters = counters
        if self._is_stopped:
            counters.stop()
        with self._shown(counters):
            yield

    def work(self, text: str, is_over: bool) -> None:
        """How far training and examining are: a line where bars are wanted."""
        if self._progress != "bar":
            return
        if self._line is None:
            from synth.cli.progress import Line

            self._line = Line()
        self._line(text, is_over)

    def _shown(self, counters: RunProgress) -> AbstractContextManager[None]:
        if self._progress == "bar":
            from synth.cli.progress import drawn

            return drawn(counters)
        return _called(counters, self._progress or (lambda _counters: None))

    def stop(self) -> None:
        """End the run as Ctrl-C does; safe from any thread and at any time."""
        self._is_stopped = True
        if self._counters is not None:
            self._counters.stop()


@contextmanager
def _called(counters: RunProgress, call: Callable[[RunProgress], None]) -> Iterator[None]:
    """Call `call` from a thread while the block runs, and once after it. An error in it stops the run and is raised."""
    done = threading.Event()
    failed: list[Exception] = []

    def work() -> None:
        while not done.wait(EVERY_S):
            try:
                call(counters)
            except Exception as error:
                failed.append(error)
                counters.stop()
                return

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if failed:
            raise failed[0]
        call(counters)
