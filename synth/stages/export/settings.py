"""What a recipe may say about the export."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from synth.given import StrictSettings, as_mistake
from synth.stages.export.formats import find_format


class Splits(StrictSettings):
    """Shares of the records, 0 to 1; the rest is for training. Families of tasks stay together."""

    validation: float = Field(0.0, ge=0, lt=1, description="Share for validation.")
    test: float = Field(0.0, ge=0, lt=1, description="Share for testing.")

    @model_validator(mode="after")
    def _leave_something(self) -> Splits:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on; keep their sum below 1")
        return self


class ExportSettings(StrictSettings):
    """Which files are made and what the card says."""

    formats: list[str] = Field(
        default=["alpaca"],
        min_length=1,
        description=(
            "alpaca, alpaca_jsonl, messages, prompt_completion, sharegpt, chatml, orca, parquet, datasets, dolly, "
            "csv; of pairs: preference, preference_messages, preference_implicit, hh, openai_preference, kto, "
            "ultrafeedback; or module:name."
        ),
    )
    splits: Splits | None = Field(None, description="Shares for validation and test; null: one file.")
    provenance: bool = Field(False, description="Add columns that say where each row comes from.")
    licence: str = Field(
        "unknown",
        min_length=1,
        max_length=100,
        description=(
            "Licence of the data, best a name that Hugging Face knows, such as cc-by-4.0; it must fit the "
            "teacher's terms."
        ),
    )
    title: str = Field("", max_length=200, description="Title of the card; the run's name where empty.")
    description: str = Field("", max_length=5000, description="A paragraph of the card about the data.")
    url: str = Field("", max_length=500, description="Where the data can be found.")
    authors: list[str] = Field([], description="Names of those who made the data.")

    @field_validator("formats")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for name in value:
            with as_mistake():
                find_format(name)
        return list(dict.fromkeys(value))
