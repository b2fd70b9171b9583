"""Draws a run's counters: one live line a stage on a terminal, else a plain one every 30 seconds, if it changed."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from synth.cli.common import log, safe

if TYPE_CHECKING:
    from synth.engine.progress import RunProgress, StageProgress

PLAIN_EVERY_S = 30.0
DRAW_EVERY_S = 0.25
NOTHING_YET = str((0, 0, 0, None))
"""The counts of a stage that has done nothing."""


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
    said: dict[str, str] = {}
    while not stop.wait(PLAIN_EVERY_S):
        told = _tell(progress, told)
        if progress.waiting_for:
            log(f"{time.strftime('%H:%M:%S')} {progress.waiting_for}")
        for line in changed_lines(progress, said):
            log(f"{time.strftime('%H:%M:%S')} {line}")
    _tell(progress, told)


def changed_lines(progress: RunProgress, said: dict[str, str]) -> list[str]:
    """One line for each stage whose counts changed since they were `said` (by stage), which is brought up to date."""
    lines = []
    for stage in progress.ordered():
        counts = str((stage.items, stage.kept, stage.requests, stage.ended))
        if said.get(stage.name, NOTHING_YET) != counts:
            said[stage.name] = counts
            lines.append(describe(stage, progress.total(stage)))
    return lines


def _tell(progress: RunProgress, told: int) -> int:
    """Say the notes that have not been said yet; how many have been by now."""
    for note in progress.notes[told:]:
        log(f"note: {note}")
    return len(progress.notes)


def _bars(progress: RunProgress, stop: threading.Event) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
        live.console.show_cursor(True)  # also where a second Ctrl-C ends the process at once
        while not stop.wait(DRAW_EVERY_S):
            live.update(table(progress))
        live.update(table(progress))
    _tell(progress, 0)


def table(progress: RunProgress) -> Any:
    """The live table: a row for each stage, and the slots below it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("stage", "done", "kept", "rejected", "in flight", "tokens/s", "cost", "left"):
        table.add_column(name, justify="left" if name == "stage" else "right", no_wrap=True)
    for stage in progress.ordered():
        table.add_row(*(Text(safe(cell)) for cell in cells(stage, progress.total(stage))))
    slots = [f"{t.in_flight} of {t.limit} slots, {t.throttled} throttled" for t in progress.throttles[:1]]
    last = Text(", ".join([*slots, *filter(None, [safe(progress.waiting_for)])]))
    return Group(table, last)


class Line:
    """Says how far a long piece of work is: one line, written over on a terminal, else one every 30 seconds."""

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
        shown = f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}" if self._is_terminal else text
        with suppress(OSError):  # the terminal is gone: the work goes on
            print(shown, end=end, file=sys.stderr, flush=True)


def cells(stage: StageProgress, total: int | None) -> list[str]:
    """Name, done of so many, kept, rejected, in flight, tokens/s, cost of how much, time left; empty what is not known.

    A cost and a time are told from the rate of this process, once there is one.
    """
    done = short(stage.done) + (f"/{short(total)}" if total is not None else "")
    speed = f"{stage.tokens_per_s:,.0f}" if stage.tokens_per_s is not None else ""
    left = stage.seconds_left(total) if total is not None and not stage.ended else None
    flies = str(stage.in_flight) if not stage.ended else "done"
    counts = [done, short(stage.kept), short(stage.rejected.total()), flies, speed]
    return [stage.name, *counts, _cost(stage, total), "" if left is None else time_words(left)]


def _cost(stage: StageProgress, total: int | None) -> str:
    if not stage.cost:
        from synth.engine.prices import UNKNOWN

        return UNKNOWN if stage.num_unpriced else ""
    share = stage.share_left(total) if total is not None and not stage.ended else None
    return _money(stage.cost) + (f"/{_money(stage.cost * (1 + share))}" if share is not None else "")


def _money(cost: float) -> str:
    return f"{cost:.{3 if cost < 1 else 2 if cost < 10 else 1}f}"


def short(count: int) -> str:
    """A count in at most five characters, so that a line fits 80 columns."""
    return str(count) if count < 100_000 else f"{count / 1e3:,.0f}k" if count < 10**6 else f"{count / 1e6:,.1f}M"


def time_words(seconds: float) -> str:
    """Seconds in the unit that fits."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def describe(stage: StageProgress, total: int | None) -> str:
    """The same in one line."""
    name, done, kept, rejected, flies, speed, cost, left = cells(stage, total)
    parts = [f"{done} done", f"{kept} kept", f"{rejected} rejected"]
    parts += [] if stage.ended else [f"{flies} in flight"]
    parts += [f"{speed} tokens/s"] if speed else []
    parts += [f"cost {cost}"] if cost else []
    parts += [f"{left} left"] if left else []
    return f"{name}: " + ", ".join(parts)
