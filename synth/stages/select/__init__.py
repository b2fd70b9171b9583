"""Select: runs the checks of a recipe over records, grades what passes where that is wanted, and keeps the best.

What comes out is a Record or a Rejection for each record that went in, and nothing is lost. `stage.py` is the whole in
its order; `checking`, `grading`, `ifd` and `keep` are its parts; `explain` answers what would happen, at no calls.
"""

from synth.stages.select.checking import STAGE, apply_checks
from synth.stages.select.explain import (
    CheckSummary,
    Explanation,
    explain,
    graded_values,
    stored_grades,
    stored_vectors,
    what_if,
    what_if_kept,
)
from synth.stages.select.settings import (
    DEFAULT_CHECKS,
    EmbeddingSettings,
    GradeSettings,
    IfdSettings,
    KeepSettings,
    SelectSettings,
)
from synth.stages.select.stage import EMBEDDER, embedding_model, select, wants_complexity

__all__ = [
    "DEFAULT_CHECKS",
    "EMBEDDER",
    "STAGE",
    "CheckSummary",
    "EmbeddingSettings",
    "Explanation",
    "GradeSettings",
    "IfdSettings",
    "KeepSettings",
    "SelectSettings",
    "apply_checks",
    "embedding_model",
    "explain",
    "graded_values",
    "select",
    "stored_grades",
    "stored_vectors",
    "wants_complexity",
    "what_if",
    "what_if_kept",
]
