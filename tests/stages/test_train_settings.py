"""Settings of a training: those that cannot work are refused, and presets survive being written out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from synth.stages.train import PRESETS, TrainSettings


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"preset": "huge"}, "choose one of: tiny, alpaca-7b"),
        ({"preset": "alpaca-7b"}, "set `model`"),
        ({"early_stop": 2}, "set held_out"),
        ({"hidden_size": 10, "num_heads": 4}, "multiple of"),
        ({"shares": {"seed": 0.0}}, "at least one"),
        ({"learningrate": 1}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_remedy(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TrainSettings(**wrong)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_being_written_out_and_read_back(name: str) -> None:
    one = TrainSettings(preset=name, model=None if name == "tiny" else "some/model")
    assert TrainSettings(**json.loads(one.model_dump_json())) == one
    assert all(getattr(one, key) == value for key, value in PRESETS[name].items())


def test_the_preset_for_students_from_scratch_ruins_no_trained_model() -> None:
    with pytest.raises(ValidationError, match="leave the preset out"):
        TrainSettings(preset="tiny", model="some/model")
    assert TrainSettings(preset="tiny", model="some/model", learning_rate=1e-4).learning_rate == 1e-4
