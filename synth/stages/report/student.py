"""The student's results as blocks of the page. Reads dictionaries of foreign files with care."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from synth.metrics import is_number
from synth.stages.report import charts
from synth.stages.report.blocks import Block, Cell, Figure, Note, Samples, Table, show

MAX_ROWS = 60


def student_blocks(
    evaluation: Mapping[str, Any], ablation: Mapping[str, Any], trained: Mapping[str, Mapping[str, Any]]
) -> list[Block]:
    """Scores with intervals, what the data did, the evaluation's notes and the facts of each training."""
    blocks: list[Block] = []
    scores = [
        row | {"name": row.get("student", "?"), "n": row.get("num_items", "")}
        for row in _rows(evaluation.get("scores"))
    ]
    scores += _rows(evaluation.get("arms"))
    for metric in dict.fromkeys(str(row.get("metric", "value")) for row in scores):
        blocks.append(_metric(metric, [row for row in scores if str(row.get("metric", "value")) == metric]))
    blocks += _differences(_rows(evaluation.get("differences")))
    if isinstance(away := evaluation.get("given_away"), dict) and away:
        blocks.append(Note(f"{len(away)} held-out items were given away by the training data and are not counted."))
    blocks += _ablation(ablation)
    blocks += [Note(show(str(note), 1000)) for note in _list(evaluation.get("notes"))[:MAX_ROWS]]
    blocks += _side_by_side(evaluation)
    for key in CURVES:
        blocks += _curve(key, trained)
    for path, facts in trained.items():
        rows = [
            (show(str(key), 60), _cell(value)) for key, value in facts.items() if isinstance(value, str | int | float)
        ]
        if rows:
            blocks.append(Table(f"Training: {show(path, 100)}", ("fact", "value"), rows[:MAX_ROWS]))
        blocks += [Note(show(str(note), 1000)) for note in _list(facts.get("notes"))[:MAX_ROWS]]
    return blocks or [Note("No student was trained or evaluated in this run.")]


def verdict(evaluation: Mapping[str, Any], ablation: Mapping[str, Any]) -> str:
    """What the run's data did for the student, in plain sentences; "" where nothing was examined.

    An ablation speaks first: it has several trainings of each arm.
    """
    leading = ablation if _list(ablation.get("verdict")) else evaluation
    told = [str(sentence) for sentence in _list(leading.get("verdict"))[:MAX_ROWS]]
    scores = [row for row in _rows(evaluation.get("scores")) if row.get("metric") == "correct"]
    shares = [f"{row.get('student')} {row['value']:.1%} ({' to '.join(_three(row, '.1%')[1:])})" for row in scores]
    right = f"Share of held-out tasks that each student gets right: {', '.join(shares)}." if shares else ""
    return show(" ".join(told) or right, 2000)


def _side_by_side(evaluation: Mapping[str, Any]) -> list[Block]:
    """Each student's answer beside the right one, first where they differ in being right."""
    students = evaluation.get("answers")
    items = [one for one in _list(evaluation.get("items")) if isinstance(one, dict)]
    if not isinstance(students, dict) or not items:
        return []
    answers = {
        str(name): {str(one.get("item")): one for one in _list(given) if isinstance(one, dict)}
        for name, given in students.items()
    }
    samples = []
    for item in items:
        given = {name: of.get(str(item.get("id")), {}) for name, of in answers.items()}
        right = {name: _is_right(one) for name, one in given.items()}
        body = [f"The right answer: {item.get('right') or '(any that keeps to the constraints)'}"]
        body += [
            f"{name} ({'right' if right[name] else 'wrong'}): {one.get('text', '')}" for name, one in given.items()
        ]
        heading = f"{item.get('group', '')}: {item.get('question', '')}"
        samples.append((len(set(right.values())) == 1, show(heading, 200), show("\n\n".join(body), 3000)))
    samples.sort(key=lambda sample: sample[0])
    shown = [(heading, body) for _, heading, body in samples[:MAX_ROWS]]
    return [Samples(f"{len(shown)} of {len(samples)} tasks with every student's answer", shown)]


def _is_right(answer: Mapping[str, Any]) -> bool:
    marks = answer.get("marks")
    return isinstance(marks, dict) and marks.get("correct") == 1


CURVES = {
    "losses": ("Training loss", "by step: nats per learned token, or the loss of a preference"),
    "reward_accuracy": ("Reward accuracy", "by step: share of pairs whose better answer gained more"),
    "reward_margin": ("Reward margin", "by step: beta times by how much more it gained"),
}


def _curve(key: str, trained: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    series = {
        show(path.removesuffix("/train.json"), 60): [float(v) for v in _list(facts.get(key)) if is_number(v)]
        for path, facts in trained.items()
    }
    series = {name: values for name, values in series.items() if len(values) > 1}
    if not series:
        return []
    name, about = CURVES[key]
    title = f"{name} {about}"
    rows: list[tuple[Cell, ...]] = [
        (name, len(values), *(f"{values[round(share * (len(values) - 1))]:.3f}" for share in (0, 0.25, 0.5, 0.75, 1)))
        for name, values in series.items()
    ]
    header = ("student", "steps", "first", "a quarter", "half", "three quarters", "last")
    chart = charts.lines(title, series, ("first step", "last step"))
    return [Figure(name, chart, Table(title, header, rows))]


def _differences(rows: list[dict[str, Any]]) -> list[Block]:
    header = ("student", "against", "measure", "difference", "low", "high", "verdict")
    cells = [
        (
            *(show(str(row.get(key, "?")), 80) for key in ("student", "against", "metric")),
            *_three(row, "+.3f"),
            _verdict(row),
        )
        for row in rows[:MAX_ROWS]
    ]
    return [Table("Differences item by item, with 95 % intervals", header, cells)] if cells else []


def _ablation(ablation: Mapping[str, Any]) -> list[Block]:
    arms = _rows(ablation.get("arms"))
    if not arms:
        return []
    items = _cell(ablation.get("num_items", "?"))
    figure = _metric("What the data did: share correct by arm", [arm | {"n": items} for arm in arms])
    header = ("arm", "records", "steps", "tokens", "against the arm before", "low", "high", "verdict")
    cells = []
    for arm in arms[:MAX_ROWS]:
        gap = arm.get("against_last")
        told = (*_three(gap, "+.3f"), _verdict(gap)) if isinstance(gap, dict) else ("", "", "", "")
        counts = (_cell(arm.get(key, "")) for key in ("num_records", "steps", "tokens"))
        cells.append((show(str(arm.get("name", "?")), 80), *counts, *told))
    table = Table("Each arm against the one before, trained for equal steps and tokens", header, cells)
    notes = [Note(show(str(sentence), 300)) for sentence in _list(ablation.get("verdict"))[:MAX_ROWS]]
    return [figure, *notes, table, *_contamination(ablation.get("contamination"))]


def _contamination(sets: Any) -> list[Block]:
    """How many items of each evaluation set the arms' data give away."""
    rows = [
        (show(str(name), 80), show(str(arm), 80), _cell(count))
        for name, arms in (sets.items() if isinstance(sets, dict) else ())
        for arm, count in (arms.items() if isinstance(arms, dict) else ())
    ]
    if not rows:
        return []
    header = ("evaluation set", "training data of", "items given away")
    return [Table("Contamination between training data and evaluation sets", header, rows[:MAX_ROWS])]


def _three(row: Mapping[str, Any], form: str) -> tuple[str, str, str]:
    value, low, high = (format(row[key], form) if is_number(row.get(key)) else "" for key in ("value", "low", "high"))
    return value, low, high


def _verdict(row: Mapping[str, Any]) -> str:
    return show(str(row.get("verdict", "")), 80)


def _rows(value: Any) -> list[dict[str, Any]]:
    """The objects of a list that carry a number."""
    return [row for row in _list(value) if isinstance(row, dict) and is_number(row.get("value"))]


def _metric(metric: str, arms: list[dict[str, Any]]) -> Figure:
    rows = []
    for arm in arms[:MAX_ROWS]:
        value = float(arm["value"])
        low = float(arm["low"]) if is_number(arm.get("low")) else value
        high = float(arm["high"]) if is_number(arm.get("high")) else value
        rows.append((str(arm.get("name", "?")), value, low, high))
    is_share = all(low >= 0 and high <= 1 for _, _, low, high in rows)
    form = ".3f" if is_share else ".4g"
    highest = max(high for *_, high in rows)
    bottom = 0.0 if is_share else min(low for *_, low, _ in rows)
    top = min(1.0, math.ceil(highest * 11) / 10) if is_share else highest
    table = Table(
        f"{show(metric, 80)}, with 95 % intervals",
        ("arm", "value", "low", "high", "n"),
        [
            (show(name, 80), *(format(number, form) for number in (value, low, high)), _cell(arm.get("n", "")))
            for (name, value, low, high), arm in zip(rows, arms, strict=False)
        ],
    )
    title = show(metric, 80)
    return Figure(
        title, charts.intervals(title, rows, bottom, top), table, "Dots are values, lines their 95 % intervals."
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _cell(value: Any) -> Cell:
    return value if isinstance(value, int) else f"{value:.5g}" if isinstance(value, float) else show(str(value), 120)
