"""The page's part on the mixture: what was asked of each group, and what it got."""

from __future__ import annotations

import json

from synth.stages.report.blocks import Block, Cell, Table, show
from synth.stages.report.facts import RunFacts

KEY = "mixture"


def mixture_blocks(facts: RunFacts) -> list[Block]:
    """Shares asked and got; nothing where nothing was mixed."""
    try:
        rows = [_cells(*row) for row in json.loads(facts.meta.get(KEY, "[]"))]
    except (ValueError, TypeError):
        rows = []
    header = ("group", "records there were", "share asked", "records taken", "share got")
    return [Table("The mixture: asked and got, by group", header, rows)] if rows else []


def _cells(name: str, there: int, asked: float, taken: int, got: float) -> list[Cell]:
    return [show(str(name), 200), int(there), f"{asked:.2%}", int(taken), f"{got:.2%}"]
