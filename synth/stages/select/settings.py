"""What a recipe can say about selection: which checks, which grades, and whom to keep by them. Nothing is run here."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.checks import build_checks
from synth.errors import UsageError

DEFAULT_CHECKS: tuple[str | dict[str, dict[str, Any]], ...] = (
    "empty_output",
    {"instruction_length": {"min_words": 3, "max_words": 400}},
    "odd_start",
    "needs_media",
    "needs_web",
    "placeholder",
    "no_input_spelling",
    "url_input",
    {"ends_with_colon": {"fields": ["output"]}},
    "control_characters",
    "mojibake",
    "prompt_leak",
    "as_an_ai",
    "self_identity",
    "refusal",
    "asks_back",
    "short_apology",
    "no_content",
    "repeats_instruction",
    "repetition",
    "truncated",
    "broken_fence",
    "broken_json",
    "invented_source",
    "answer_language",
    "contamination",
    "repeated_task",
    "privacy",
)
"""What hardly ever hits a good record in any language. Novelty is not among them: bootstrap applies it to instructions
as they come, and instances of one task, or a task and its evolved form, may be alike here."""

Criterion = Literal["overall", "correctness", "following", "completeness"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EmbeddingSettings(_Section):
    """Where vectors come from: a model2vec folder on this machine, or with `base_url` an OpenAI-compatible server.

    `batch_size`: texts in one request. The key is read from the environment variable `api_key_env`.
    """

    model: str
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    batch_size: int = Field(64, ge=1, le=2048)


class GradeSettings(_Section):
    """A model grades each answer from 1 to 5. It is the recipe's `judge`, the teacher where none is named.

    `num_draws`: independent gradings of each answer; the grade is their mean, which is finer than whole numbers where a
    grader gives nearly everything the same (drawn with `temperature`; a single one with 0). `complexity`: grade the
    task's difficulty too, 1 to 10, where the record has no such grade yet; `keep.by: deita` needs it. `structured`: ask
    by JSON schema where the model is known to keep to one. `prompt_path`: your own .jinja in place of `grade`.
    """

    num_draws: int = Field(1, ge=1, le=20)
    temperature: float = Field(0.7, ge=0)
    complexity: bool = False
    structured: Literal["auto", "json", "sections"] = "auto"
    prompt_path: str | None = None


class IfdSettings(_Section):
    """Instruction-following difficulty by a causal language model in a folder or of the hub; see `ifd.py`."""

    model: str
    template: str | None = None
    max_tokens: int = Field(1024, ge=16)
    num_threads: int | None = None


class KeepSettings(_Section):
    """Whom to keep of the graded records. Grades are read by their order, so a generous grader does no harm.

    `by` is what ranks them: "grade" (mean of the three criteria), "deita" (quality times complexity, Liu et al., arXiv
    2312.15685) or "ifd" (highest first, those of 1 and more out, Li et al., arXiv 2308.12032). `min_grade`: a bound on
    the mean, or on each of several criteria. `share`: the best part, above 0, at most 1. `top_k`: at most so many.
    `min_distance`: pass over a record nearer than this to one picked before it; 1 - cosine with embeddings, else
    1 - ROUGE-L (None: off; 0.1 with "deita"). Ties fall by a hash of the record, the same every time.
    """

    by: Literal["grade", "deita", "ifd"] = "grade"
    min_grade: float | dict[Criterion, float] | None = None
    share: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=1)
    min_distance: float | None = Field(None, gt=0, lt=1)

    @property
    def bounds(self) -> dict[str, float]:
        """The lowest grade by criterion."""
        if isinstance(self.min_grade, dict):
            return {str(criterion): least for criterion, least in self.min_grade.items()}
        return {} if self.min_grade is None else {"overall": self.min_grade}

    @property
    def distance(self) -> float | None:
        """`min_distance` with its default."""
        return 0.1 if self.min_distance is None and self.by == "deita" else self.min_distance


class SelectSettings(_Section):
    """`checks`: names, or a name with options, in the order in which they name a rejection.

    Then, each off unless given: `semantic`, the highest cosine of a record's task to one kept before (needs
    `embeddings`); `grade` and `ifd`, measures of what passed all checks; `keep`, who stays by them.
    """

    checks: list[str | dict[str, dict[str, Any]]] = Field(default_factory=lambda: list(DEFAULT_CHECKS))
    embeddings: EmbeddingSettings | None = None
    semantic: float | None = Field(None, gt=0, lt=1)
    grade: GradeSettings | None = None
    ifd: IfdSettings | None = None
    keep: KeepSettings | None = None

    @field_validator("checks")
    @classmethod
    def _checks_exist(cls, checks: list[str | dict[str, dict[str, Any]]]) -> list[str | dict[str, dict[str, Any]]]:
        try:
            build_checks(checks)
        except UsageError as error:
            raise ValueError(f"{error.message}. {error.hint}") from error
        return checks

    @model_validator(mode="after")
    def _parts_fit(self) -> SelectSettings:
        if self.semantic is not None and self.embeddings is None:
            raise ValueError("semantic needs vectors; name a model under embeddings:")
        return self
