"""Magpie: the header of a user's turn alone makes an aligned model write one; what is no task is refused."""

from __future__ import annotations

import json
from pathlib import Path

from scripted import Scripted, collect

from synth.engine.ledger import LedgerReader
from synth.models.base import Completion
from synth.pipeline import run
from synth.recipe import build_recipe
from synth.records import Record, Rejection
from synth.stages.bootstrap.settings import BootstrapSettings
from synth.stages.bootstrap.stage import bootstrap

HEADER = "<|start|>user\n"
TASKS = [
    "Name three rivers of Spain, please.", "Why does bread rise in the oven?", "Write a toast for my sister's wedding.",
    "How do I fold a paper crane?",
]  # fmt: skip
BAD = {
    1: ("go on and on " * 30, "repetition"),
    3: ("Wie backe ich ein Brot und was brauche ich für den Teig mit der Hefe?", "wrong_language"),
    4: ("Name three rivers of Spain, please!", "too_similar"),
    6: (Completion("Tell me all about the sea and", "length"), "cut_off"),
    7: ("Hm.", "too_short"),
}


def test_the_header_alone_is_sent_to_the_completions_endpoint_and_the_turns_are_filtered(tmp_path: Path) -> None:
    made: dict[int, str | Completion] = {number: text for number, (text, _) in BAD.items()}
    made |= dict(zip((0, 2, 5, 8), TASKS, strict=True))
    model = Scripted(lambda request: made[request.draw])
    chosen = BootstrapSettings(
        method="magpie", num_tasks=4, header=HEADER, header_end="<|end|>", language=["en"], window=1
    )
    batches = collect(tmp_path, model, lambda engine: bootstrap(engine, [], chosen))
    found = [one for batch in batches for one in batch]
    assert [one.instruction for one in found if isinstance(one, Record)] == TASKS
    assert sorted(one.reason for one in found if isinstance(one, Rejection)) == sorted(why for _, why in BAD.values())
    for request in model.requests:
        assert (request.kind, request.text, request.sampling.stop) == ("completion", HEADER, ("<|end|>",))


def test_tasks_made_so_are_answered_by_chat_in_the_same_run(tmp_path: Path) -> None:
    recipe = build_recipe(
        {"name": "m", "bootstrap": {"method": "magpie", "num_tasks": 20}, "stages": ["bootstrap", "respond", "export"]}
    )
    run(recipe, tmp_path / "run")
    rows = json.loads((tmp_path / "run" / "export" / "alpaca.json").read_text())
    assert len(rows) == 20 and all(row["output"] for row in rows)
    reader = LedgerReader(tmp_path / "run")
    assert all(one.lineage.parents == () for one in reader.results("bootstrap") if isinstance(one, Record))
    reader.close()
