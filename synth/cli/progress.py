"""Draws a run's counters: bars on a terminal, else a plain line every 10 seconds. All text is made safe for it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from synth.cli.common import log, safe
from synth.engine.progress import RunProgress, StageProgress

PLAIN_EVERY_S = 10.0
DRAW_EVERY_S = 0.25


@contextmanager
def drawn(progress: RunProgress) -> Iterator[None]:
    """Show `progress` on stderr while the block runs."""
    stop = threading.Event()
    thread = threading.Thread(target=_bars if _can_redraw() else _lines, args=(progress, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5)


def _can_redraw() -> bool:
    """A terminal or a notebook's cell, where what was drawn can be drawn over."""
    from rich.console import Console

    return sys.stderr.isatty() or Console(stderr=True).is_jupyter


def _lines(progress: RunProgress, stop: threading.Event) -> None:
    told = 0
    while not stop.wait(PLAIN_EVERY_S):
        told = _tell(progress, told)
        if progress.waiting_for:
            log(f"{time.strftime('%H:%M:%S')} {progress.waiting_for}")
        for stage in list(progress.stages.values()):
            if stage.ended is None:
                log(f"{time.strftime('%H:%M:%S')} {describe(stage)}")
    _tell(progress, told)


def _tell(progress: RunProgress, told: int) -> int:
    """Say the notes that have not been said yet; how many have been by now."""
    for note in progress.notes[told:]:
        log(f"note: {note}")
    return len(progress.notes)


def _bars(progress: RunProgress, stop: threading.Event) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
        while not stop.wait(DRAW_EVERY_S):
            live.update(_table(progress))
        live.update(_table(progress))
    _tell(progress, 0)


def _table(progress: RunProgress) -> Any:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for stage in list(progress.stages.values()):
        done = stage.items if stage.expected is None else stage.kept
        bar = ProgressBar(
            total=stage.expected, completed=done, width=24, pulse=stage.expected is None and not stage.ended
        )
        table.add_row(Text(f"{stage.name:<10}"), bar, Text(describe(stage).partition(": ")[2]))
    slots = [f"{t.in_flight} of {t.limit} slots, {t.throttled} throttled" for t in progress.throttles[:1]]
    table.add_row(Text(""), Text(""), Text(", ".join([*slots, *filter(None, [safe(progress.waiting_for)])])))
    return table


class Line:
    """Says how far a long piece of work is: one line, written over on a terminal, else one every 10 seconds."""

    def __init__(self) -> None:
        self._last = -PLAIN_EVERY_S
        self._is_terminal = sys.stderr.isatty()

    def __call__(self, text: str, is_over: bool) -> None:
        """Shows `text`, which holds nothing that a model wrote, unless the last one was shown just now."""
        every = DRAW_EVERY_S if self._is_terminal else PLAIN_EVERY_S
        if time.monotonic() - self._last < every and not is_over:
            return
        self._last = -PLAIN_EVERY_S if is_over else time.monotonic()
        end = "\n" if is_over or not self._is_terminal else ""
        print(f"\r\x1b[K{text}" if self._is_terminal else text, end=end, file=sys.stderr, flush=True)


def describe(stage: StageProgress) -> str:
    """One line: what is done, how fast, what it cost, how long it will take."""
    seconds = max(stage.seconds, 1e-6)
    done = stage.items if stage.expected is None else stage.kept
    of = f" of {stage.expected}" if stage.expected else ""
    parts = [f"{done}{of} done", f"{stage.kept} kept", f"{stage.rejected.total()} rejected"]
    parts.append(f"{stage.requests} requests ({stage.requests / seconds:.1f}/s)")
    parts.append(f"{stage.prompt_tokens + stage.completion_tokens:,} tokens")
    if stage.cost:
        parts.append(f"cost {stage.cost:.4f}")
    if stage.expected and 0 < done < stage.expected and stage.requests:
        parts.append(f"about {seconds / done * (stage.expected - done):.0f} s left")
    return f"{stage.name}: " + ", ".join(parts)
