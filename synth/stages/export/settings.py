"""What a recipe may say about the export."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.errors import UsageError
from synth.stages.export.formats import find_format


class Splits(BaseModel):
    """Shares of the records, 0 to 1; the rest is for training. Families of tasks stay together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    validation: float = Field(0.0, ge=0, lt=1)
    test: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _leave_something(self) -> Splits:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on; keep their sum below 1")
        return self


class ExportSettings(BaseModel):
    """Which files are made and what the card says.

    `formats`: names of FORMATS, or `module:name`. `splits`: shares for validation and test, or nothing for one file.
    `provenance`: columns that say where each row comes from. `licence`: of the data, best a name that Hugging Face
    knows, such as cc-by-4.0; it must fit the terms of the teacher. The rest is for the card.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    formats: list[str] = Field(default=["alpaca"], min_length=1)
    splits: Splits | None = None
    provenance: bool = False
    licence: str = Field("unknown", min_length=1, max_length=100)
    title: str = Field("", max_length=200)
    description: str = Field("", max_length=5000)
    url: str = Field("", max_length=500)
    authors: list[str] = []

    @field_validator("formats")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for name in value:
            try:
                find_format(name)
            except UsageError as error:
                raise ValueError(f"{error.message}; {error.hint}") from error
        return list(dict.fromkeys(value))
