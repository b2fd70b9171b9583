"""The stage that examines students: the same items for all, numbers with intervals, and no word beyond them.

A student is a folder that `train` made, or any model with the name of a template; the untrained base is one too. Which
records an arm of an ablation has is the caller's choice, and so is how an arm is trained (`fit`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from synth.errors import UsageError
from synth.fileio import atomic_write
from synth.metrics import mean
from synth.records import Record, SeedTask
from synth.student.items import EvalItem, given_away, items_from
from synth.student.presets import TrainSettings
from synth.student.scores import (
    Difference,
    Score,
    as_row,
    by_metric,
    difference,
    difference_of_tables,
    mark,
    score,
    two_level_interval,
)

Source = Sequence[SeedTask | Record | EvalItem]
Progress = Callable[[str, int, int], None]  # (student, answers so far, of how many)


class EvaluateSettings(BaseModel):
    """How students are examined.

    `max_tasks`: the first so many items (None: all). `max_tokens`: of an answer. `batch_tokens`: in memory at a time.
    `max_length`: longest text, in tokens, whose loss is taken. `template`: None takes the one a student was trained
    with.
    `keep_given_away`: also examine on items that the training data give away. `seeds`: of an ablation's trainings.
    `arms`: students that a run trains for comparison, for as many steps and tokens as its own: on the seed tasks alone,
    or on all that the teacher answered, whatever the checks said ("no checks").
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_tasks: int | None = Field(default=None, ge=1)
    max_tokens: int = Field(default=256, ge=1)
    batch_tokens: int = Field(default=16_384, ge=64)
    max_length: int = Field(default=2048, ge=8)
    template: str | None = None
    num_threads: int | None = Field(default=None, ge=1)
    keep_given_away: bool = False
    seed: int = Field(default=0, ge=0)
    seeds: tuple[int, ...] = (0, 1, 2)
    arms: tuple[Literal["seeds only", "no checks"], ...] = ("seeds only",)


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """What a student answered to an item, and what that is worth by metric."""

    item: str
    text: str
    is_cut: bool
    marks: dict[str, float]


@dataclass(frozen=True, slots=True)
class EvalResult:
    """All that came of an examination.

    `differences` are against the first student, and of the last against those between. `given_away`: item id -> the
    training record that gave it away; those items are left out of every number unless the settings keep them.
    `by_group`: group -> student -> share correct. `notes`: sentences that belong beside the numbers.
    """

    scores: list[Score]
    differences: list[Difference]
    answers: dict[str, list[ItemAnswer]]
    given_away: dict[str, str] = field(default_factory=dict)
    by_group: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def rows(self) -> list[list[str]]:
        """A table: student, metric, value, 95 % interval, number of items."""
        return [
            [one.student, one.metric, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}", str(one.num_items)]
            for one in self.scores
        ]

    def score(self, student: str, metric: str = "correct") -> Score:
        """One of the scores. Raises KeyError where it was not taken."""
        for one in self.scores:
            if (one.student, one.metric) == (student, metric):
                return one
        raise KeyError((student, metric))

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "scores": [as_row(one) for one in self.scores],
            "differences": [as_row(one) for one in self.differences],
            "given_away": self.given_away,
            "by_group": self.by_group,
            "notes": self.notes,
            "answers": {name: [asdict(one) for one in answers] for name, answers in self.answers.items()},
        }


def evaluate(
    students: Mapping[str, str | Path],
    source: Source,
    settings: EvaluateSettings | None = None,
    *,
    held_out: Sequence[Record] = (),
    training: Sequence[Record] = (),
    progress: Progress | None = None,
) -> EvalResult:
    """Examine `students` (name -> folder or model) on the items of `source`: the one to beat first, one's own last.

    `held_out`: records whose answers' loss is taken. `training`: what the students were trained on, to find the items
    it gives away. Raises UsageError where no item is left or a model cannot be loaded.
    """
    settings = settings or EvaluateSettings()
    items = items_from(source)[: settings.max_tasks]
    away = given_away(items, training)
    if not settings.keep_given_away:
        items = [item for item in items if item.id not in away]
    if not items and not held_out:
        raise UsageError(
            f"no task is left to examine on ({len(away)} were in the training data)" if away else "there are no tasks",
            "give tasks that the training data do not contain",
        )
    answers: dict[str, list[ItemAnswer]] = {}
    values: dict[str, dict[str, dict[str, float]]] = {}
    for name, path in students.items():
        answers[name], losses = _examine(name, str(path), items, held_out, settings, progress)
        values[name] = by_metric({one.item: one.marks for one in answers[name]})
        values[name] |= {"held_out_loss": losses} if losses else {}
    return EvalResult(
        [score(name, metric, list(v.values()), settings.seed) for name in values for metric, v in values[name].items()],
        _differences(values, settings.seed),
        answers,
        away,
        _by_group(items, answers),
        [note for note in (_constant_answer(items),) if note],
    )


def _constant_answer(items: Sequence[EvalItem]) -> str:
    """What somebody would reach who always gives the same answer, the best there is among the references."""
    common = Counter(item.reference for item in items if item.reference).most_common(20)
    shares = [(mean([mark(item, answer).get("correct", 0.0) for item in items]), answer) for answer, _ in common]
    if not shares:
        return ""
    share, answer = max(shares, key=lambda one: one[0])
    return f"One and the same answer to every item would be correct on {share:.3f} of them at best ({answer[:80]!r})."


def _examine(
    name: str,
    path: str,
    items: Sequence[EvalItem],
    held_out: Sequence[Record],
    settings: EvaluateSettings,
    progress: Progress | None,
) -> tuple[list[ItemAnswer], dict[str, float]]:
    from synth.student.generate import Student

    student = Student.load(path, settings.template, settings.num_threads)
    written = student.answers(
        [item.conversation for item in items],
        settings.max_tokens,
        settings.batch_tokens,
        (lambda done, total: progress(name, done, total)) if progress else None,
    )
    losses = student.losses(held_out, settings.max_length, settings.batch_tokens) if held_out else {}
    answers = [
        ItemAnswer(item.id, answer.text, answer.is_cut, mark(item, answer.text))
        for item, answer in zip(items, written, strict=True)
    ]
    return answers, {name: loss.total / loss.num_tokens for name, loss in losses.items()}


def _differences(values: Mapping[str, Mapping[str, Mapping[str, float]]], seed: int) -> list[Difference]:
    first, *others = values
    pairs = [(name, first) for name in others] + [(others[-1], name) for name in others[:-1]]
    return [
        difference(metric, (name, values[name][metric]), (against, values[against][metric]), seed)
        for name, against in pairs
        for metric in values[name]
        if metric in values[against]
    ]


def _by_group(items: Sequence[EvalItem], answers: Mapping[str, Sequence[ItemAnswer]]) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for group in sorted({item.group for item in items}):
        members = {item.id for item in items if item.group == group}
        for name, given in answers.items():
            marks = [one.marks["correct"] for one in given if one.item in members and "correct" in one.marks]
            if marks:
                table.setdefault(group, {})[name] = mean(marks)
    return table


def save_result(result: EvalResult | AblationResult, path: Path) -> None:
    """Write a result as JSON, whole or not at all."""
    atomic_write(path, json.dumps(result.to_dict(), indent=1, sort_keys=True) + "\n")


# --- what did the data do? -------------------------------------------------------------------------------------------


class Trained(Protocol):
    """What an ablation needs to know of a trained student (a `TrainResult` is one)."""

    @property
    def path(self) -> Path: ...
    @property
    def steps(self) -> int: ...
    @property
    def tokens(self) -> int: ...


Fit = Callable[[Sequence[Record], Path, TrainSettings], Trained]


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of an ablation. `values`: the share correct of each training; `low`, `high`: over trainings and items.

    `steps` and `tokens` are means over the trainings. `against_first` and `against_last`: the differences to the first
    arm and to the arm before, with intervals over trainings and items.
    """

    name: str
    num_records: int
    steps: float
    tokens: float
    value: float
    low: float
    high: float
    values: list[float]
    against_first: Difference | None
    against_last: Difference | None


@dataclass(frozen=True, slots=True)
class AblationResult:
    """The arms in their order, and how far their tokens lie apart (largest over smallest, the untrained base aside).

    `given_away`: items that some arm's data gave away, left out for all arms. `contamination`: evaluation set -> arm ->
    items given away, for every set at hand.
    """

    arms: list[Arm]
    num_items: int
    token_ratio: float
    given_away: dict[str, str]
    contamination: dict[str, dict[str, int]] = field(default_factory=dict)

    def rows(self) -> list[list[str]]:
        """A table: arm, records, steps, tokens, correct, 95 % interval, each training, against the arm before."""
        table = []
        for arm in self.arms:
            gap = arm.against_last
            told = f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}): {gap.verdict}" if gap else ""
            each = " ".join(f"{value:.3f}" for value in arm.values)
            interval = f"{arm.low:.3f} to {arm.high:.3f}"
            numbers = [str(arm.num_records), f"{arm.steps:.0f}", f"{arm.tokens:.0f}", f"{arm.value:.3f}"]
            table.append([arm.name, *numbers, interval, each, told])
        return table

    def contamination_rows(self) -> list[list[str]]:
        """A table: evaluation set, then for each arm with records how many items its data give away."""
        return [[name, *(str(count) for count in counts.values())] for name, counts in self.contamination.items()]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        arms = [
            asdict(arm)
            | {
                "against_first": as_row(arm.against_first) if arm.against_first else None,
                "against_last": as_row(arm.against_last) if arm.against_last else None,
            }
            for arm in self.arms
        ]
        rest = {"num_items": self.num_items, "token_ratio": self.token_ratio, "given_away": self.given_away}
        return {"arms": arms, **rest, "contamination": self.contamination}


def ablation(
    arms: Mapping[str, Sequence[Record]],
    source: Source,
    out_dir: Path,
    fit: Fit,
    training: TrainSettings,
    settings: EvaluateSettings | None = None,
    progress: Progress | None = None,
) -> AblationResult:
    """Train every arm from one and the same base, for equal steps and tokens, with each of the seeds, and compare.

    `arms`: name -> records, in the order in which each adds to the one before; an arm without records is the base
    itself. `fit` trains (`stages.train.train`). Items that any arm's data give away are left out for all. Raises
    UsageError unless `training` fixes max_steps and batch_tokens, without which the arms would not be equal.
    """
    settings = settings or EvaluateSettings()
    if training.max_steps is None or training.batch_tokens is None or training.packing is False:
        raise UsageError(
            "the arms of an ablation must see equal steps and tokens",
            "set train.max_steps and train.batch_tokens, and leave packing on",
        )
    everything = [record for records in arms.values() for record in records]
    items = items_from(source)[: settings.max_tasks]
    away = given_away(items, everything)
    items = [item for item in items if item.id not in away]
    base = _shared_base(everything, out_dir, training)
    trained: dict[str, list[Trained]] = {}
    tables: dict[str, list[dict[str, float]]] = {}
    for name, records in arms.items():
        folders: list[tuple[str, Path | str]] = [(f"{name}, base", base)] if not records else []
        for seed in settings.seeds if records else ():
            changed = training.model_copy(update={"model": base, "seed": seed, "packing": True})
            result = fit(records, out_dir / name / f"seed-{seed}", changed)
            trained.setdefault(name, []).append(result)
            folders.append((f"{name}, seed {seed}", result.path))
        template = settings.model_copy(update={"template": settings.template or training.template})
        tables[name] = [_correct(label, path, items, template, progress) for label, path in folders]
    tokens = [mean([one.tokens for one in results]) for results in trained.values()]
    made = _arms(arms, trained, tables, settings.seed)
    return AblationResult(made, len(items), max(tokens) / min(tokens) if tokens else 1.0, away)


def _shared_base(everything: Sequence[Record], out_dir: Path, training: TrainSettings) -> str:
    if training.model is not None:
        return training.model
    from synth.student.fit import make_base
    from synth.student.weights import quiet

    with quiet():
        return str(make_base(everything, out_dir / "base", training))


def _correct(
    label: str, path: Path | str, items: Sequence[EvalItem], settings: EvaluateSettings, progress: Progress | None
) -> dict[str, float]:
    answers, _ = _examine(label, str(path), items, (), settings, progress)
    return {one.item: one.marks["correct"] for one in answers if "correct" in one.marks}


def _arms(
    arms: Mapping[str, Sequence[Record]],
    trained: Mapping[str, Sequence[Trained]],
    tables: Mapping[str, list[dict[str, float]]],
    seed: int,
) -> list[Arm]:
    made: list[Arm] = []
    names = list(arms)
    for number, name in enumerate(names):
        table = [list(row.values()) for row in tables[name]]
        values = [mean(row) for row in table]
        results = trained.get(name, ())
        gaps = [
            difference_of_tables((name, tables[name]), (other, tables[other]), seed)
            for other in ([names[0], names[number - 1]] * (number > 0))
        ]
        made.append(
            Arm(
                name,
                len(arms[name]),
                mean([one.steps for one in results]),
                mean([one.tokens for one in results]),
                mean(values),
                *two_level_interval(table, seed),
                values,
                gaps[0] if gaps else None,
                gaps[1] if gaps else None,
            )
        )
    return made
