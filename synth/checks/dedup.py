"""Near duplicates of a whole list of texts, by words or by meaning."""

from __future__ import annotations

from collections.abc import Sequence

from synth.checks.novelty import Subset, novel_subset
from synth.checks.prefix_join import Removed
from synth.checks.rouge_index import THRESHOLD
from synth.checks.semantic import semantic_subset, static_vectors


def dedup(
    texts: Sequence[str],
    *,
    threshold: float = THRESHOLD,
    strict: bool = False,
    tokenizer: str = "unicode",
    semantic: str | None = None,
) -> Subset:
    """Which of `texts` are no near duplicates of one kept before them: `kept` and `removed`, as indices.

    A text is removed when its ROUGE-L to a kept one is above `threshold` (Self-Instruct's 0.7; with `strict` at it,
    too). `tokenizer`: "unicode", or "rouge" for a-z and 0-9 only, as published. `semantic`: the folder of a model2vec
    model; then the cosine of meanings is compared in place of words. Raises UsageError where that cannot be loaded.
    """
    if semantic is None:
        return novel_subset(texts, threshold=threshold, strict=strict, tokenizer=tokenizer)
    verdicts = semantic_subset(texts, static_vectors(semantic), threshold, strict=strict)
    removed = [Removed(index, *verdict) for index, verdict in enumerate(verdicts) if verdict]
    return Subset([index for index, verdict in enumerate(verdicts) if verdict is None], removed)
