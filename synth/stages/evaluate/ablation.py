"""What did the data do? Students trained on more and more of it, alike in all else, and compared.

Which records an arm has is the caller's choice, and so is how an arm is trained (`fit`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from synth.errors import UsageError
from synth.metrics import mean
from synth.records import Record
from synth.stages.evaluate.examine import EvaluateSettings, Progress, Source, chosen_items, examine, examining
from synth.stages.stage import Show
from synth.stages.train import told
from synth.student.items import EvalItem
from synth.student.presets import TrainSettings
from synth.student.scores import TASKS, Difference, as_row, by_metric, difference_of_tables, mark, two_level_interval

if TYPE_CHECKING:
    from synth.student.trainer import Told


class Trained(Protocol):
    """What an ablation needs to know of a trained student (a `TrainResult` is one)."""

    @property
    def path(self) -> Path: ...
    @property
    def steps(self) -> int: ...
    @property
    def tokens(self) -> int: ...


Marks = dict[str, dict[str, float]]
"""Metric to item to what the answer is worth."""
Fit = Callable[[Sequence[Record], Path, TrainSettings, "Told"], Trained]


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of an ablation. `values`: the share correct of each training; `low`, `high`: over trainings and items.

    `steps` and `tokens` are means over the trainings. `against_first` and `against_last`: the differences to the first
    arm and to the arm before, with intervals over trainings and items. `num_items`: how many items have `metric`.
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
    metric: str = "correct"
    num_items: int = 0


@dataclass(frozen=True, slots=True)
class AblationResult:
    """The arms in their order, and how far their tokens lie apart (largest over smallest, the untrained base aside).

    `parts`: the same arms by the kinds of tasks, where there are several. `given_away`: items that some arm's data gave
    away, left out for all arms. `whole`: metric -> the last arm against the first and the second, where the arm before
    it is neither. `contamination`: evaluation set -> arm -> items given away, for every set at hand.
    """

    arms: list[Arm]
    num_items: int
    token_ratio: float
    given_away: dict[str, str]
    contamination: dict[str, dict[str, int]] = field(default_factory=dict)
    parts: dict[str, list[Arm]] = field(default_factory=dict)
    whole: dict[str, list[Difference]] = field(default_factory=dict)

    def verdict(self) -> list[str]:
        """What all of the data did, and each arm beyond the one before, by kind of task, in plain sentences."""
        each = list(self.parts.values())
        if sum(arms[0].num_items for arms in each) < self.num_items:
            each.insert(0, self.arms)
        told = [_sentence(arms[-1], gap) for arms in each for gap in self.whole.get(arms[-1].metric, ())]
        return told + [
            _sentence(arm, arm.against_last) for arms in each for arm in arms if arm.against_last is not None
        ]

    def rows(self, metric: str = "correct") -> list[list[str]]:
        """A table: arm, records, steps, tokens, correct, 95 % interval, each training, against the arm before."""
        table = []
        for arm in self.parts.get(metric, self.arms):
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
        return {
            "arms": [_as_json(arm) for arm in self.arms],
            "parts": {metric: [_as_json(arm) for arm in arms] for metric, arms in self.parts.items()},
            "whole": {metric: [as_row(gap) for gap in gaps] for metric, gaps in self.whole.items()},
            "verdict": self.verdict(),
            "num_items": self.num_items,
            "token_ratio": self.token_ratio,
            "given_away": self.given_away,
            "contamination": self.contamination,
        }


def _sentence(arm: Arm, gap: Difference) -> str:
    points = f"{100 * gap.value:+.1f} points ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"
    told = f"{arm.name} gets {arm.value:.1%} right: {points} against {gap.against}, {gap.verdict}."
    return f"Of {arm.num_items} {TASKS.get(arm.metric, 'tasks')}, {told}"


def _as_json(arm: Arm) -> dict[str, Any]:
    gaps = {"against_first": arm.against_first, "against_last": arm.against_last}
    return asdict(arm) | {name: as_row(gap) if gap else None for name, gap in gaps.items()}


def ablation(
    arms: Mapping[str, Sequence[Record]],
    source: Source,
    out_dir: Path,
    fit: Fit,
    training: TrainSettings,
    settings: EvaluateSettings | None = None,
    show: Show = lambda _text, _is_over: None,
) -> AblationResult:
    """Train every arm from one and the same base, for equal steps and tokens, with each of the seeds, and compare.

    `arms`: name -> records, in the order in which each adds to the one before; an arm without records is the base
    itself. `fit` trains (`stages.train.train`). Items that any arm's data give away are left out for all, unless the
    settings keep them. Raises UsageError where no item can be right or wrong, and unless `training` fixes max_steps and
    batch_tokens, without which the arms would not be equal.
    """
    settings = settings or EvaluateSettings()
    _refuse_unequal(training)
    everything = [record for records in arms.values() for record in records]
    items, away = chosen_items(source, everything, settings)
    if not any("correct" in mark(item, "") for item in items):
        raise UsageError(
            f"no task that can be right or wrong is left to examine on ({len(away)} were in the training data)",
            "give tasks with a check or a right answer that the training data do not contain",
        )
    base = _shared_base(everything, out_dir, training)
    examined = settings.model_copy(update={"template": settings.template or training.template})
    trained: dict[str, list[Trained]] = {name: [] for name in arms}
    tables: dict[str, list[Marks]] = {}
    count = len(settings.seeds) * sum(bool(records) for records in arms.values())
    for name, records in arms.items():
        folders: dict[str, Path | str] = {f"{name}, base": base} if not records else {}
        for seed in settings.seeds if records else ():
            label = f"{name}, seed {seed}"
            so_far = told(show, f"training {sum(map(len, trained.values())) + 1} of {count}, {label}")
            changed = training.model_copy(update={"model": base, "seed": seed, "packing": True})
            trained[name].append(fit(records, out_dir / name / f"seed-{seed}", changed, so_far))
            folders[label] = trained[name][-1].path
        progress = examining(show)
        tables[name] = [_marks(label, path, items, examined, out_dir, progress) for label, path in folders.items()]
    return _compared(arms, trained, tables, away, settings.seed)


def _refuse_unequal(training: TrainSettings) -> None:
    if training.max_steps is None or training.batch_tokens is None or training.packing is False:
        raise UsageError(
            "the arms of an ablation must see equal steps and tokens",
            "set train.max_steps and train.batch_tokens, and leave packing on",
        )


def _compared(
    arms: Mapping[str, Sequence[Record]],
    trained: Mapping[str, Sequence[Trained]],
    tables: Mapping[str, list[Marks]],
    away: dict[str, str],
    seed: int,
) -> AblationResult:
    """The arms over all items, and by the kinds of tasks where there are several."""
    first = next(iter(tables.values()))[0]
    made: dict[str, list[Arm]] = {}
    whole: dict[str, list[Difference]] = {}
    *before, last = arms
    for metric in (metric for metric in ("correct", *TASKS) if metric in first):
        of_metric = {name: [one[metric] for one in each] for name, each in tables.items()}
        made[metric] = _arms(arms, trained, of_metric, metric, seed)
        whole[metric] = [
            difference_of_tables((last, of_metric[last]), (other, of_metric[other]), seed, metric)
            for other in before[:-1][:2]
        ]
    parts = {metric: made[metric] for metric in TASKS if metric in made}
    tokens = [mean([one.tokens for one in results]) for results in trained.values() if results]
    ratio = max(tokens) / min(tokens) if tokens else 1.0
    parts = parts if len(parts) > 1 else {}
    return AblationResult(made["correct"], len(first["correct"]), ratio, away, parts=parts, whole=whole)


def _shared_base(everything: Sequence[Record], out_dir: Path, training: TrainSettings) -> str:
    if training.model is not None:
        return training.model
    from synth.student.fit import make_base
    from synth.student.weights import quiet

    with quiet():
        return str(make_base(everything, out_dir / "base", training))


def _marks(
    label: str,
    path: Path | str,
    items: Sequence[EvalItem],
    settings: EvaluateSettings,
    place: Path,
    progress: Progress,
) -> Marks:
    answers, _ = examine(label, str(path), items, (), settings, progress, place / "examination")
    return by_metric({one.item: one.marks for one in answers})


def _arms(
    arms: Mapping[str, Sequence[Record]],
    trained: Mapping[str, Sequence[Trained]],
    tables: Mapping[str, list[dict[str, float]]],
    metric: str,
    seed: int,
) -> list[Arm]:
    made: list[Arm] = []
    names = list(arms)
    for number, name in enumerate(names):
        table = [list(row.values()) for row in tables[name]]
        values = [mean(row) for row in table]
        results = trained.get(name, ())
        gaps = [
            difference_of_tables((name, tables[name]), (other, tables[other]), seed, metric)
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
                metric,
                len(table[0]),
            )
        )
    return made
