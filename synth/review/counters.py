"""The counters of a run as it goes: rows by stage, what still waits, requests, tokens and cost."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import Any

from synth.errors import SynthError
from synth.pipeline import read_run_recipe
from synth.review.desk import Desk


def progress(desk: Desk) -> dict[str, Any]:
    """The counters as JSON values. `waiting` of a running stage: the records it has still to take, or to make."""
    states = desk.source.states()
    stages = [_rows(desk, name, states.get(name, "")) for name in desk.source.stages()]
    for before, stage in pairwise(stages):
        if stage["state"] == "running":
            stage["waiting"] = max(0, before["kept"] - stage["items"])
    if stages and stages[0]["state"] == "running":
        stages[0]["waiting"] = max(0, _target(desk, stages[0]["stage"]) - stages[0]["kept"])
    with desk.columns() as table:
        rows = len(table.ids)
    flags = {"running": desk.source.is_running(), "behind": desk.behind}
    return {"rows": rows, "stages": stages, **flags, **desk.source.traffic()}


def _rows(desk: Desk, stage: str, state: str) -> dict[str, Any]:
    """Kept, rejected and items of a stage."""
    with desk.columns() as table:
        of_stage = table.code("stage") == table.number_of(stage)
        kept = int((of_stage & (table.code("state") == table.number_of("kept"))).sum())
        rejected = int(of_stage.sum()) - kept
        sql = "SELECT count(*) FROM items WHERE stage=?"
        items = desk.execute(sql, table.number_of(stage))[0][0]
    return {"stage": stage, "state": state, "kept": kept, "rejected": rejected, "items": items, "waiting": 0}


def _target(desk: Desk, stage: str) -> int:
    """How many records a stage that makes its own is to make, by the recipe; 0 where it does not say."""
    with suppress(SynthError):
        return int(getattr(getattr(read_run_recipe(desk.run_dir), stage, None), "num_tasks", 0))
    return 0
