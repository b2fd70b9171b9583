"""Align: the trained student learns which of a record's answers are better, by DPO or KTO. Done once, like `train`.

Pairs are records with worse answers beside their own: made by `prefer`, by people's edits, or read from files of pairs.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from synth.errors import UsageError
from synth.stages.stage import RunFolder, Stage
from synth.stages.train import ALIGNED, STUDENT, told, train
from synth.student.generate import MANIFEST, trained_template
from synth.student.presets import TrainSettings


class AlignSettings(TrainSettings):
    """How the student is aligned: the settings of `train`; presets: dpo-tiny, zephyr-7b, zephyr-7b-qlora, tulu3-8b."""

    has_student: ClassVar[bool] = True

    preset: str = Field("dpo-tiny", description="A name of PRESETS for dpo or kto.")
    model: str | None = Field(None, description="A folder or hub name in place of the run's own student.")
    loss: Literal["dpo", "dpo_norm", "kto"] = Field("dpo", description="dpo, dpo_norm (by token) or kto.")

    @classmethod
    def _usual_preset(cls, given: dict[str, Any]) -> str:
        return "dpo-tiny"


def run(folder: RunFolder, settings: AlignSettings) -> bool:
    """The stage: the run's student, trained further on the pairs of the finished records."""
    out_dir = folder.path / ALIGNED
    folder.paths.append(out_dir)
    training = folder.recipe.train
    if settings.model is None and training is None:
        raise UsageError(f"{folder.path} trains no student", "add a train: section to its recipe, or set align.model")
    if settings.preset == "dpo-tiny" and (settings.model or training.model):
        raise UsageError("the preset dpo-tiny is for tiny students", "set align.preset, for example to zephyr-7b-qlora")
    model = settings.model or str(folder.path / STUDENT)
    template = settings.template if settings.template != "auto" else trained_template(model) or "auto"
    records, _ = folder.records()
    changed = settings.model_copy(update={"model": model, "template": template})
    done = train(records, out_dir, changed, told(folder.show, "the aligned student"))
    return (done.path / MANIFEST).stat().st_mtime >= folder.started


ALIGN = Stage("align", AlignSettings, run, "folder", asks=False, files=(ALIGNED,))
