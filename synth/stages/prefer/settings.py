"""What a recipe may say about preferences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.engine.batches import BatchSettings
from synth.given import StrictSettings, as_mistake
from synth.models import check_options, connect
from synth.models.base import ChatModel
from synth.prompts.systems import PRINCIPLES
from synth.records import digest


class PoolModel(BaseModel):
    """One model of a pool: a backend with that backend's own settings beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    backend: str | None = Field(None, description="Its backend; null: the recipe's own teacher (or judge).")
    api: Literal["chat", "batch"] = Field(
        "chat", description="batch: its requests go in files that a provider answers within a day for half the price."
    )
    batch: BatchSettings = Field(BatchSettings(), description="With `api: batch`: how files are filled and waited for.")

    @property
    def options(self) -> dict[str, Any]:
        """What goes to the backend."""
        return dict(self.__pydantic_extra__ or {})

    @model_validator(mode="after")
    def _backend_knows_its_options(self) -> PoolModel:
        if self.backend is None and self.options:
            raise ValueError(f"{', '.join(self.options)}: name the backend that these settings belong to")
        if self.api == "batch" and self.backend is None:
            raise ValueError("`api: batch` goes with a backend of its own; the recipe's own teacher has its api")
        with as_mistake():
            check_options(self.backend or "embedded", self.options)
        return self

    def role(self, name: str, usual: str) -> str:
        """The role it has in the run under the name `name`; `usual` where it has no backend of its own."""
        return usual if self.backend is None else f"{name}@{digest(self.backend, self.options)[:4]}"


class PoolTeacher(PoolModel):
    """A teacher of the pool: how often it is drawn, and how it answers."""

    weight: float = Field(1.0, gt=0, description="How often it is drawn, against the weights of the others.")
    temperatures: list[float] = Field(
        [0.7, 1.0], min_length=1, description="Temperatures; one is drawn for each answer."
    )
    max_tokens: int = Field(2048, ge=1, description="Longest answer in tokens.")


class PreferSettings(StrictSettings):
    """How answers to one record are drawn and ranked; the best becomes its own, the others make pairs with it."""

    num_answers: int = Field(
        0, ge=0, le=16, description="Answers that a record is to have; those it lacks are drawn. 0: those it came with."
    )
    teachers: dict[str, PoolTeacher] = Field(
        default_factory=dict, description="Teachers by name; one is drawn for each answer. None: the recipe's teacher."
    )
    principles: list[str] | None = Field(
        None,
        description=(
            "Aims, one of which is put before each question as a system message (the way of UltraFeedback, "
            f"arXiv 2310.01377). An empty list stands for all: {', '.join(PRINCIPLES)}. The record does not keep it."
        ),
    )
    verify: bool = Field(
        True, description="Rank by the record's check, where it has one: right before wrong, without a judge."
    )
    audit: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the records ranked by their check that the judge ranks too, to measure it.",
    )
    judge_by: Literal["pairs", "grades"] = Field(
        "pairs",
        description=(
            "pairs: every two answers in both orders, put in order by Bradley and Terry's model; grades: each answer "
            "by three criteria."
        ),
    )
    judges: dict[str, PoolModel] = Field(
        default_factory=dict, description="Judges by name, all of which are asked. None: the recipe's judge."
    )
    num_draws: int = Field(1, ge=1, le=16, description="Grades drawn of each answer; their mean counts.")
    min_margin: float = Field(
        0.0,
        ge=0,
        description=(
            "Answers no further apart than this are tied: log-odds for pairs, grades of 1 to 5 for grades, 1 between "
            "right and wrong."
        ),
    )
    calibrate: bool = Field(
        True,
        description=(
            "Try the judge first, in the same way, on answers of the first records beside those of other records, half "
            "of them longer. Where it cannot tell them apart, the stage stops."
        ),
    )
    only_pairs: bool = Field(False, description="Reject records of which no answer is better than another.")

    @field_validator("principles")
    @classmethod
    def _principles_exist(cls, value: list[str] | None) -> list[str] | None:
        if unknown := sorted(set(value or ()) - set(PRINCIPLES)):
            raise ValueError(f"there is no principle {unknown[0]!r}; there are {', '.join(PRINCIPLES)}")
        return value

    @model_validator(mode="after")
    def _draws_what_is_asked_for(self) -> PreferSettings:
        if self.num_answers == 0 and (self.teachers or self.principles is not None):
            raise ValueError("teachers and principles are for answers that are drawn: set num_answers to 2 or more")
        return self

    @property
    def judge_roles(self) -> list[str]:
        """The roles that judge."""
        return [judge.role(name, "judge") for name, judge in self.judges.items()] or ["judge"]


def pool_roles(settings: PreferSettings) -> Mapping[str, ChatModel]:
    """The models of both pools that are not the recipe's own, by role."""
    pools = (("teacher", settings.teachers), ("judge", settings.judges))
    return {
        model.role(name, usual): _connected(model.backend, model)
        for usual, pool in pools
        for name, model in pool.items()
        if model.backend is not None
    }


def _connected(backend: str, model: PoolModel) -> ChatModel:
    found: Any = connect(backend, model.options)
    if model.api == "batch":
        found.batches = model.batch
    return cast(ChatModel, found)
