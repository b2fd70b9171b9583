"""The examination of Super-NaturalInstructions (arXiv 2204.07705): task files as items, ROUGE-L and exact match.

As its published script has it: of several right outputs the nearest counts; ROUGE-L is rouge_score's, with stems in
English and words between spaces elsewhere; exact match ignores case, punctuation and spacing; 100 instances of a task.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from synth.sources import read_source
from synth.sources.superni import Shown
from synth.student.items import EvalItem, items_from

ENGLISH, OTHER = "superni", "superni, not English"
"""Values of `EvalItem.scoring`."""
MAX_INSTANCES = 100
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def is_task_file(path: Path) -> bool:
    """Is it a task file, or a folder of them?"""
    if path.is_dir():
        return any(path.glob("*.json"))
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"{") and (b'"Definition"' in start or b'"Contributors"' in start)


def superni_items(path: Path, shown: Shown = Shown()) -> list[EvalItem]:
    """The items of a task file or of a folder of them: at most MAX_INSTANCES of each task; the group is its category.

    `shown`: the examples in the prompt. Raises InputError with every mistake of a file.
    """
    items: list[EvalItem] = []
    for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        records = read_source(file, "superni", strict=True, shown=shown).records[:MAX_INSTANCES]
        for number, (record, item) in enumerate(zip(records, items_from(records), strict=True), 1):
            scoring = ENGLISH if record.meta.get("language", "en") == "en" else OTHER
            items.append(replace(item, id=f"{record.meta['task']}-{number}", scoring=scoring))
    return items


def superni_marks(answer: str, references: Sequence[str], scoring: str) -> dict[str, float]:
    """ROUGE-L and exact match against the nearest of the references, 0 to 1."""
    scorer = _scorer(scoring == ENGLISH)
    rouge = max(scorer.score(target=right, prediction=answer)["rougeL"].fmeasure for right in references)
    exact = any(_normal(answer) == _normal(right) for right in references)
    return {"ni_rouge_l": float(rouge), "ni_exact_match": float(exact)}


def _normal(text: str) -> str:
    return " ".join(text.lower().translate(_NO_PUNCTUATION).split())


class _Words:
    """A tokenizer as rouge_score wants one."""

    def tokenize(self, text: str) -> list[str]:
        """Words between spaces."""
        return text.split()


@functools.cache
def _scorer(is_english: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=True) if is_english else RougeScorer(["rougeL"], tokenizer=_Words())
