"""From answers to numbers with intervals: the worth of each answer and student, and which student is ahead.

Pure functions over lists; no model is asked here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from synth.metrics import bootstrap_interval, exact_match, mean, rouge_l, wilson_interval
from synth.parsing.finals import split_final
from synth.student.items import EvalItem
from synth.student.safety import LOOK_ALIKE, RED_TEAM, safety_marks
from synth.student.superni import superni_marks
from synth.verify import verify
from synth.verify.ifeval import follows

# Metrics of which less is better; of all others more is.
LESS_IS_BETTER = ("held_out_loss", "over_refusal")
TASKS = {"right_answer": "tasks with one right answer", "followed_strict": "tasks with constraints to keep"}
"""Metrics that only some items have, and what these items are."""


@dataclass(frozen=True, slots=True)
class Score:
    """One number about one student: the mean over `num_items` items with its 95 % interval.

    Shares have Wilson's interval, other means the bootstrap's over items.
    """

    student: str
    metric: str
    value: float
    low: float
    high: float
    num_items: int


@dataclass(frozen=True, slots=True)
class Difference:
    """`student` minus `against`, item by item, with the 95 % bootstrap interval of the mean difference."""

    student: str
    against: str
    metric: str
    value: float
    low: float
    high: float
    num_items: int

    @property
    def verdict(self) -> str:
        """ "better" or "worse" only where the interval leaves no doubt about the sign."""
        sign = -1 if self.metric in LESS_IS_BETTER else 1
        low, high = sorted((sign * self.low, sign * self.high))
        return "better" if low > 0 else "worse" if high < 0 else "no difference is visible"


def mark(item: EvalItem, answer: str, *, is_cut: bool = False) -> dict[str, float]:
    """Metric -> what the answer is worth on it, 0 to 1.

    correct: right by the item's check, else equal to a reference (case, spacing, last full stop aside). right_answer:
    the same, for checks other than constraints. Of worked steps that end with "The answer is …" it is that answer which
    is right or not. rouge_l: to the nearest reference, as for Super-NaturalInstructions. followed_...: IFEval's four
    figures, for checks of kind `constraints` (per prompt: all at once; per constraint: the share, see `pooled`). They
    are demands on the whole answer: one that `is_cut` keeps none, or repeating a sentence without end would keep most.
    Prompts about safety have the marks of `synth.student.safety`.
    """
    marks: dict[str, float] = {}
    final = _final(answer)
    if item.check is not None and item.check["kind"] == "constraints":
        marks["correct"] = float(verify(answer, item.check).passed and not is_cut)
    elif item.check is not None:
        marks["correct"] = marks["right_answer"] = float(verify(final, item.check).passed)
    elif item.reference:
        marks["correct"] = float(any(exact_match(final, _final(one)) for one in (item.reference, *item.references)))
    if item.reference:
        marks["rouge_l"] = max(rouge_l(answer, reference) for reference in (item.reference, *item.references))
    if item.reference and item.scoring:
        marks |= superni_marks(answer, (item.reference, *item.references), item.scoring)
    if item.scoring in (RED_TEAM, LOOK_ALIKE):
        marks |= safety_marks(answer, item.scoring)
    if item.check is not None and item.check["kind"] == "constraints":
        for name, is_loose in (("strict", False), ("loose", True)):
            held = [float(not is_cut and follows(answer, one, loose=is_loose)) for one in item.check["constraints"]]
            marks[f"followed_{name}"] = float(all(held))
            marks[f"followed_{name}_each"] = mean(held)
    return marks


def _final(text: str) -> str:
    """The final answer of worked steps; a text without any is one itself."""
    found = split_final(text)
    return found[1] if found else text


def pooled(metric: str, values: Mapping[str, float], items: Mapping[str, EvalItem]) -> list[float]:
    """The values that a mean is taken over: one an item, or, for IFEval's figures by constraint, one a constraint."""
    if not metric.endswith("_each"):
        return list(values.values())
    counts = {name: len((items[name].check or {}).get("constraints", ())) for name in values}
    return [value for name, value in values.items() for _ in range(counts[name])]


def score(student: str, metric: str, values: Sequence[float], seed: int = 0) -> Score:
    """The mean of `values` with its interval."""
    if values and all(value in (0.0, 1.0) for value in values):
        low, high = wilson_interval(round(sum(values)), len(values))
    else:
        low, high = bootstrap_interval(values, seed)
    return Score(student, metric, mean(values) if values else math.nan, low, high, len(values))


def difference(
    metric: str, student: tuple[str, Mapping[str, float]], against: tuple[str, Mapping[str, float]], seed: int = 0
) -> Difference:
    """Two students' (name, item id -> value) compared on the items both have.

    Where no item differs, the interval is as wide as the share of differing items may be (Wilson's upper end).
    """
    shared = [item for item in student[1] if item in against[1]]
    gaps = [student[1][item] - against[1][item] for item in shared]
    low, high = bootstrap_interval(gaps, seed) if any(gaps) else _no_difference(len(gaps))
    return Difference(student[0], against[0], metric, mean(gaps), low, high, len(gaps))


def difference_of_tables(
    student: tuple[str, Sequence[Mapping[str, float]]],
    against: tuple[str, Sequence[Mapping[str, float]]],
    seed: int,
    metric: str = "correct",
) -> Difference:
    """Two arms (name, one row item id -> value for each training) compared, with the interval of `two_level_interval`.

    Equal trainings belong together; a lone one stands against each of the other arm's.
    """
    (name, after), (other, before) = student, against
    pairs = [
        (before[min(i, len(before) - 1)], after[min(i, len(after) - 1)]) for i in range(max(len(before), len(after)))
    ]
    table = [[new[item] - old[item] for item in new] for old, new in pairs]
    is_flat = not any(any(row) for row in table)
    low, high = _no_difference(len(table[0])) if is_flat else two_level_interval(table, seed)
    return Difference(name, other, metric, mean([mean(row) for row in table]), low, high, len(table[0]))


def _no_difference(num_items: int) -> tuple[float, float]:
    high = wilson_interval(0, num_items)[1]
    return -high, high


def by_metric(marks: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Item id -> metric -> value, turned to metric -> item id -> value."""
    turned: dict[str, dict[str, float]] = defaultdict(dict)
    for item, values in marks.items():
        for metric, value in values.items():
            turned[metric][item] = value
    return dict(turned)


def two_level_interval(values: Sequence[Sequence[float]], seed: int, resamples: int = 10_000) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of a table (training seeds by items), rows and columns both redrawn.

    It covers the luck of training and of the choice of items. With three training seeds the former is coarse. Where all
    values are 0, or all 1, redrawing shows no spread: then it is Wilson's interval over the items. An empty table gives
    (nan, nan).
    """
    import numpy as np

    table = np.asarray(values, dtype=np.float64)
    if not table.size:
        return math.nan, math.nan
    if table.min() == table.max() and table.max() in (0.0, 1.0):
        return wilson_interval(int(table.max()) * table.shape[1], table.shape[1])
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    for number in range(resamples):
        rows = generator.integers(0, table.shape[0], size=table.shape[0])
        columns = generator.integers(0, table.shape[1], size=table.shape[1])
        means[number] = table[rows].mean(axis=0)[columns].mean()
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def as_row(one: Score | Difference) -> dict[str, Any]:
    """A JSON object; a difference carries its verdict."""
    return asdict(one) | ({"verdict": one.verdict} if isinstance(one, Difference) else {})
