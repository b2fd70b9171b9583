"""What a recipe can say about selection: checks, grades, and which graded records to keep. Nothing is run here."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from synth.checks import build_checks
from synth.engine.batches import BatchSettings
from synth.given import StrictSettings, as_mistake

DEFAULT_CHECKS: tuple[str | dict[str, dict[str, Any]], ...] = (
    "empty_output",
    {"instruction_length": {"min_words": 3, "max_words": 400}},
    "odd_start",
    "needs_media",
    "needs_web",
    "placeholder",
    "no_input_spelling",
    "stand_in",
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


class EmbeddingSettings(StrictSettings):
    """Where vectors come from."""

    model: str = Field(description="A model2vec folder on this machine, or with `base_url` the server's model.")
    base_url: str | None = Field(None, description="URL of an OpenAI-compatible server of vectors.")
    api_key_env: str = Field("OPENAI_API_KEY", description="Environment variable that holds the server's key.")
    batch_size: int = Field(64, ge=1, le=2048, description="Texts in one request.")
    batch: BatchSettings | None = Field(
        None, description="Ask the server's batch API, for half the price and hours later; {} has the usual settings."
    )


class GradeSettings(StrictSettings):
    """A model grades each answer from 1 to 5: the recipe's judge, or the teacher where none is named."""

    num_draws: int = Field(
        1,
        ge=1,
        le=20,
        description=(
            "Independent gradings of each answer. Their mean is the grade, which is finer where a grader gives "
            "nearly everything the same."
        ),
    )
    temperature: float = Field(0.7, ge=0, description="Temperature of several draws; a single one is drawn at 0.")
    complexity: bool = Field(
        False,
        description=(
            "Grade the task's difficulty too, 1 to 10, where the record has no such grade; keep.by: deita needs it."
        ),
    )
    structured: Literal["auto", "json", "sections"] = Field(
        "auto",
        description=(
            "Ask by JSON schema or for headed lines; auto takes the schema where the model is known to keep to one."
        ),
    )
    prompt_path: str | None = Field(None, description="A .jinja file of your own in place of the prompt grade.")


class IfdSettings(StrictSettings):
    """Instruction-following difficulty by a causal language model; see `ifd.py`."""

    model: str = Field(description="A folder, or a name of the hub.")
    template: str | None = Field(
        None,
        description="The form of a conversation; null: the model's own. Those of the published code: alpaca, wizardlm.",
    )
    max_tokens: int = Field(1024, ge=16, description="Longest text measured, in tokens.")
    num_threads: int | None = Field(None, description="Threads of torch on the CPU.")


class ValiditySettings(StrictSettings):
    """A judge's yes or no to Self-Instruct's three questions about each row that passed all checks."""

    min_auc: float = Field(
        0.75,
        ge=0.5,
        le=1,
        description=(
            "How well the judge must order 100 labelled rows (area under the ROC curve) before it may reject; one that"
            " does not is switched off with a warning."
        ),
    )


class KeepSettings(StrictSettings):
    """Which graded records to keep. Grades are read by their order, so a generous grader does no harm; ties fall
    by a hash of the record.
    """

    by: Literal["grade", "deita", "ifd"] = Field(
        "grade",
        description=(
            "What ranks records: grade (mean of the criteria), deita (quality times complexity, arXiv "
            "2312.15685) or ifd (highest first, at most 1, arXiv 2308.12032)."
        ),
    )
    min_grade: float | dict[Criterion, float] | None = Field(
        None, description="Lowest mean grade, or lowest grade by criterion."
    )
    share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Keep this best part of what is graded, above 0 and at most 1; with ifd, of the rows of at most 1.",
    )
    top_k: int | None = Field(None, ge=1, description="Keep this many at most.")
    min_distance: float | None = Field(
        None,
        gt=0,
        lt=1,
        description=(
            "Pass over a record nearer than this to one kept before: 1 - cosine with embeddings, else 1 - "
            "ROUGE-L; null: off (deita 0.1)."
        ),
    )

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


class SelectSettings(StrictSettings):
    """Which records are kept: by checks and, where wanted, by meaning and by grades."""

    checks: list[str | dict[str, dict[str, Any]]] = Field(
        default_factory=lambda: list(DEFAULT_CHECKS),
        description=(
            "Names of checks, or a name with options, in the order in which they name a rejection; your own are"
            " module:name."
        ),
    )
    review_path: str | None = Field(
        None,
        description="A file of verdicts (verdicts.jsonl of a reviewed run folder): edited texts take the place of a"
        " model's, whose answer becomes the worse one of a preference pair, and rejected rows are rejected.",
    )
    embeddings: EmbeddingSettings | None = Field(
        None, description="Where vectors come from, for `semantic` and for distances."
    )
    semantic: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Reject a task with a higher cosine than this to one kept before; needs `embeddings`.",
    )
    grade: GradeSettings | None = Field(None, description="Let a model grade what passed all checks.")
    validity: ValiditySettings | None = Field(
        None, description="Let a judge that has shown that it can tell reject what is no task or has no fitting answer."
    )
    ifd: IfdSettings | None = Field(
        None, description="Measure instruction-following difficulty of what passed all checks."
    )
    keep: KeepSettings | None = Field(None, description="Keep the best of the graded records.")

    @field_validator("checks")
    @classmethod
    def _checks_exist(cls, checks: list[str | dict[str, dict[str, Any]]]) -> list[str | dict[str, dict[str, Any]]]:
        with as_mistake():
            build_checks(checks)
        return checks

    @model_validator(mode="after")
    def _parts_fit(self) -> SelectSettings:
        if self.semantic is not None and self.embeddings is None:
            raise ValueError("semantic needs vectors; name a model under embeddings:")
        return self
