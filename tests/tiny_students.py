"""Records and settings of trainings that take a second. Not a test itself.

from tiny_students import records, settings

result = train(records(), tmp_path, settings(save_every=2))
"""

from __future__ import annotations

from typing import Any

from synth.records import Lineage, Record
from synth.stages.train import TrainSettings

TINY: dict[str, Any] = {
    "hidden_size": 16,
    "num_layers": 1,
    "num_heads": 2,
    "max_length": 64,
    "batch_tokens": 64,
    "max_steps": 6,
}
WORDS = "red blue green black white brown grey pink".split()


def records(number: int = 40) -> list[Record]:
    return [
        Record(
            "Repeat the word.",
            f"{WORDS[i % 8]} {WORDS[i // 8]}",
            f"{WORDS[i % 8]} {WORDS[i // 8]}",
            lineage=Lineage("seed"),
        )
        for i in range(number)
    ]


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(**(TINY | changes))


class Killed(BaseException):
    """Stands for SIGKILL: nothing that a program does about errors catches it."""
