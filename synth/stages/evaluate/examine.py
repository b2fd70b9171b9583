"""Students examined on the same items: numbers with intervals, and no word beyond them.

A student is a folder that `train` made, or any model with the name of a template; the untrained base is one too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from synth.errors import UsageError
from synth.fileio import atomic_write
from synth.given import StrictSettings
from synth.metrics import mean
from synth.records import Record, SeedTask, digest
from synth.stages.stage import Show
from synth.student.items import EvalItem, given_away, items_from
from synth.student.scores import TASKS, Difference, Score, as_row, by_metric, difference, mark, pooled, score

Source = Sequence[SeedTask | Record | EvalItem]
MARKING = 3
"""How answers are read and marked; with another number all are examined anew."""
ONE_TRAINING = (
    "Each student was trained once: the intervals cover the choice of tasks, not the luck of the training, which an"
    " ablation with several seeds shows (synth evaluate --ablation)."
)
Progress = Callable[[str, int, int], None]  # (student, answers so far, of how many)


def examining(show: Show) -> Progress:
    """Shows how many answers of a student are there."""
    return lambda name, done, of: show(f"examining {name}: {done} of {of} answers", done == of)


class EvaluateSettings(StrictSettings):
    """How students are examined."""

    tasks: tuple[Literal["held out", "exam", "safety"], ...] = Field(
        ("held out",), description="held out: the run's held-out inputs, else the 120 held-out tasks; exam: 400 "
        "tasks of five levels, from very easy to very hard; safety: 60 requests to refuse or to help with safely, 60 "
        "harmless ones that look like them.",
    )  # fmt: skip
    max_tasks: int | None = Field(None, ge=1, description="At most so many tasks, the first ones.")
    max_tokens: int = Field(256, ge=1, description="Longest answer, in tokens.")
    rank: bool = Field(
        False, description="Of tasks with labels to choose from take the label that is most probable as the answer, in "
        "place of what the student writes (rank classification, arXiv 2110.08207).",
    )  # fmt: skip
    batch_tokens: int = Field(16_384, ge=64, description="Tokens in memory at a time, answers included.")
    max_length: int = Field(2048, ge=8, description="Longest text, in tokens, whose loss is taken.")
    template: str | None = Field(None, description="None: the one that a student was trained with.")
    num_threads: int | None = Field(None, ge=1, description="CPU threads.")
    judge: bool = Field(
        False, description="Let the judge, once it passed a trial, compare the last student's answers with the others'."
    )
    keep_given_away: bool = Field(False, description="Also examine on tasks that the training data give away.")
    seed: int = Field(0, ge=0, description="Of the bootstrap intervals.")
    seeds: tuple[int, ...] = Field((0, 1, 2), description="Of an ablation's trainings.")
    arms: tuple[Literal["seeds only", "no checks"], ...] = Field(
        ("seeds only",), description="Students trained for comparison, for as long as the run's own: on the seed tasks "
        "alone, or on all that the teacher answered, whatever the checks said.",
    )  # fmt: skip


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
    `by_group`: group -> student -> share correct. `notes`: sentences that belong beside the numbers. `items`: what was
    asked.
    """

    scores: list[Score]
    differences: list[Difference]
    answers: dict[str, list[ItemAnswer]]
    given_away: dict[str, str] = field(default_factory=dict)
    by_group: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    items: list[EvalItem] = field(default_factory=list)

    def verdict(self) -> list[str]:
        """What can be said of the last student against each other one, in plain sentences."""
        found: list[str] = []
        for metric, tasks in TASKS.items():
            for gap in (one for one in self.differences if one.metric == metric):
                own, other = self.score(gap.student, metric), self.score(gap.against, metric)
                if gap.student == list(self.answers)[-1]:
                    found.append(
                        f"Of {gap.num_items} {tasks}, {gap.student} gets {own.value:.1%} right and {gap.against} "
                        f"{other.value:.1%}: {100 * gap.value:+.1f} points ({100 * gap.low:+.1f} to "
                        f"{100 * gap.high:+.1f}), {gap.verdict}."
                    )
        return [*found, ONE_TRAINING] if found else []

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
            "verdict": self.verdict(),
            "items": [
                {"id": one.id, "question": one.question, "right": one.reference, "group": one.group}
                for one in self.items
            ],
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
    store: Path | None = None,
) -> EvalResult:
    """Examine `students` (name -> folder or model) on the items of `source`: the one to beat first, one's own last.

    `held_out`: records whose answers' loss is taken. `training`: what the students were trained on, to find the items
    it gives away. `store`: a folder that keeps each student's answers, so that none is asked twice.
    Raises UsageError where no item is left or a model cannot be loaded.
    """
    settings = settings or EvaluateSettings()
    items, away = chosen_items(source, training, settings)
    if not items and not held_out:
        why = f"no task is left to examine on ({len(away)} were in the training data)" if away else "there are no tasks"
        raise UsageError(why, "give tasks that the training data do not contain")
    answers: dict[str, list[ItemAnswer]] = {}
    values: dict[str, dict[str, dict[str, float]]] = {}
    for name, path in students.items():
        answers[name], losses = examine(name, str(path), items, held_out, settings, progress, store)
        values[name] = by_metric({one.item: one.marks for one in answers[name]})
        values[name] |= {"held_out_loss": losses} if losses else {}
    by_id = {item.id: item for item in items}
    return EvalResult(
        [
            score(name, metric, pooled(metric, own, by_id), settings.seed)
            for name in values
            for metric, own in values[name].items()
        ],
        _differences(values, settings.seed),
        answers,
        away,
        _by_group(items, answers),
        _notes(answers, items, settings),
        items,
    )


def chosen_items(
    source: Source, training: Sequence[Record], settings: EvaluateSettings
) -> tuple[list[EvalItem], dict[str, str]]:
    """The items to examine on, and which the training data give away (item id -> record id)."""
    items = items_from(source)[: settings.max_tasks]
    away = given_away(items, training)
    return items if settings.keep_given_away else [item for item in items if item.id not in away], away


def _notes(
    answers: Mapping[str, Sequence[ItemAnswer]], items: Sequence[EvalItem], settings: EvaluateSettings
) -> list[str]:
    notes = _unmarked(answers), _constant_answer(items), _unfinished(answers, settings.max_tokens)
    return [note for note in notes if note]


def _unfinished(answers: Mapping[str, Sequence[ItemAnswer]], max_tokens: int) -> str:
    """How many of each student's answers had no end."""
    shares = {name: mean([float(one.is_cut) for one in given]) for name, given in answers.items() if given}
    told = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    rule = "they count as keeping none of the constraints"
    return f"Answers without an end after {max_tokens} tokens: {told}; {rule}." if any(shares.values()) else ""


def _unmarked(answers: Mapping[str, Sequence[ItemAnswer]]) -> str:
    """How many tasks say nothing of what is right, if some do not."""
    given = next(iter(answers.values()), [])
    open_tasks = sum(not one.marks for one in given)
    told = f"{open_tasks} of {len(given)} tasks have neither a check nor a right answer: answers to them are not marked"
    return f"{told}, a judge may compare them (evaluate.judge)." if open_tasks else ""


def _constant_answer(items: Sequence[EvalItem]) -> str:
    """What somebody would reach who always gives the same answer, the best there is among the references."""
    common = Counter(item.reference for item in items if item.reference).most_common(20)
    shares = [(mean([mark(item, answer).get("correct", 0.0) for item in items]), answer) for answer, _ in common]
    if not shares:
        return ""
    share, answer = max(shares, key=lambda one: one[0])
    return f"One and the same answer to every item would be correct on {share:.3f} of them at best ({answer[:80]!r})."


def examine(
    name: str,
    path: str,
    items: Sequence[EvalItem],
    held_out: Sequence[Record],
    settings: EvaluateSettings,
    progress: Progress | None,
    store: Path | None = None,
) -> tuple[list[ItemAnswer], dict[str, float]]:
    """One student's answers to `items`, marked, and its loss per token on each record of `held_out`."""
    kept = None if store is None or held_out else store / f"{name.replace(' ', '-')}.json"
    mark_of_all = _examination(path, items, settings) if kept else ""
    if kept is not None and (known := _kept_answers(kept, mark_of_all)) is not None:
        return known, {}
    from synth.student.generate import Student

    student = Student.load(path, settings.template, settings.num_threads)
    ranked = _ranked(student, items) if settings.rank else {}
    asked = [item for item in items if item.id not in ranked]
    written = student.answers(
        [item.conversation for item in asked],
        settings.max_tokens,
        settings.batch_tokens,
        (lambda done, total: progress(name, done, total)) if progress else None,
    )
    by_item = ranked | {item.id: (answer.text, answer.is_cut) for item, answer in zip(asked, written, strict=True)}
    losses = student.losses(held_out, settings.max_length, settings.batch_tokens) if held_out else {}
    said = [(item, *by_item[item.id]) for item in items]
    answers = [ItemAnswer(item.id, text, is_cut, mark(item, text, is_cut=is_cut)) for item, text, is_cut in said]
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(kept, json.dumps({"examination": mark_of_all, "answers": [asdict(one) for one in answers]}))
    return answers, {name: loss.total / loss.num_tokens for name, loss in losses.items()}


def _ranked(student: Any, items: Sequence[EvalItem]) -> dict[str, tuple[str, bool]]:
    """Item → the label that the student finds likeliest, never cut; of items with labels to choose from alone."""
    chosen = [(item, item.check["labels"]) for item in items if item.check and item.check["kind"] == "label"]
    found = student.likeliest([item.conversation for item, _ in chosen], [labels for _, labels in chosen])
    return {item.id: (text, False) for (item, _), text in zip(chosen, found, strict=True)}


def _examination(path: str, items: Sequence[EvalItem], settings: EvaluateSettings) -> str:
    """Equal for equal weights, tasks, precision and ways of asking."""
    from synth.student.memory import has_bfloat16
    from synth.student.weights import weights_sha256

    weights = weights_sha256(Path(path)) if Path(path).is_dir() else path
    asked = [
        (item.id, item.question, item.conversation.system, item.reference, item.references, item.check, item.scoring)
        for item in items
    ]
    return digest(weights, asked, settings.max_tokens, settings.template, settings.rank, has_bfloat16(), MARKING)


def _kept_answers(path: Path, examination: str) -> list[ItemAnswer] | None:
    """The answers that an earlier run kept, if it was the same examination."""
    try:
        kept = json.loads(path.read_text("utf-8"))
        return [ItemAnswer(**one) for one in kept["answers"]] if kept["examination"] == examination else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
            for metric, title in (("correct", group), ("ni_rouge_l", f"{group}, ROUGE-L")):
                marks = [one.marks[metric] for one in given if one.item in members and metric in one.marks]
                if marks:
                    table.setdefault(title, {})[name] = mean(marks)
    return table
