"""What people said of the rows: how far they agree with each other, with the checks and with the grades."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from synth.engine.funnel import begun_stages
from synth.engine.ledger import LedgerReader
from synth.metrics import bootstrap_interval, mean, wilson_interval
from synth.records import Rejection, record_of
from synth.stages.report import charts
from synth.stages.report.blocks import Block, Cell, Figure, Note, Table, show
from synth.stages.report.quality import grades_of
from synth.verdicts import FILE_NAME, QUESTIONS, Verdict, alpha, current, decisions, read_verdicts, row_key

ALL_THREE = ("All three fields are valid", 0.54)
_OTHERS = re.compile(r"\(also: ([^()]*)\)$")


@dataclass(slots=True)
class PeopleFacts:
    """`decided`: row → the verdict that stands. `right`, `wrong`: check → judged rows it rejected, by what people said.

    `seen`: rows that people reject among those that the checking stages saw; `found`: check → how many of them it
    rejected. `grades`: name of a grade → (of accepted rows, of rejected rows).
    """

    verdicts: list[Verdict] = field(default_factory=list)
    alpha: float | None = None
    decided: dict[str, Verdict] = field(default_factory=dict)
    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    seen: int = 0
    grades: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)


def collect_people(ledger: LedgerReader, run_dir: Path) -> PeopleFacts:
    """Read the verdicts of a run folder and hold them against what the stages decided."""
    verdicts = read_verdicts(run_dir / FILE_NAME)
    facts = PeopleFacts(verdicts, alpha(verdicts), decisions(verdicts))
    for stage in begun_stages(ledger) if facts.decided else ():
        for result in ledger.results(stage.name):
            record = record_of(result)
            verdict = facts.decided.get(row_key(record))
            if verdict is None:
                continue
            is_bad = verdict.kind == "reject"
            checks = checks_of(result) if isinstance(result, Rejection) else []
            (facts.right if is_bad else facts.wrong).update(checks)
            if stage.kind == "checks":
                facts.seen += is_bad
                facts.found.update(checks if is_bad else ())
                for name, grade in grades_of(record.meta).items():
                    facts.grades.setdefault(name, ([], []))[is_bad].append(grade)
    return facts


def checks_of(rejection: Rejection) -> list[str]:
    """All checks that rejected a record."""
    others = _OTHERS.search(rejection.detail)
    return [rejection.check, *(others[1].split(", ") if others else ())]


def people_blocks(facts: PeopleFacts) -> list[Block]:
    """Reviewers and their agreement, Self-Instruct's questions, checks and grades against people."""
    if not facts.decided:
        return [Note("No person has judged a row of this run yet (“synth review” shows them).")]
    reviewers = Counter(by for said in current(facts.verdicts).values() for by in said)
    names = ", ".join(f"{show(by, 60)} ({count:,})" for by, count in reviewers.most_common(20))
    rejected = sum(one.kind == "reject" for one in facts.decided.values())
    agreement = "" if facts.alpha is None else f" Krippendorff's alpha of the reviewers is {facts.alpha:.3f}."
    told = f"{len(facts.decided):,} rows were judged, {rejected:,} of them rejected, by {names}.{agreement}"
    return [Note(told), *_questions(facts.verdicts), *_checks(facts), *_grades(facts)]


def _questions(verdicts: list[Verdict]) -> list[Block]:
    """The rates of the three questions beside the published ones."""
    said = [one.answers for rows in current(verdicts).values() for one in rows.values() if one.answers]
    if not said:
        return []
    asked = [
        (text, published, [one[name] for one in said if name in one]) for name, (text, published) in QUESTIONS.items()
    ]
    asked.append((*ALL_THREE, [all(one.values()) for one in said if len(one) == len(QUESTIONS)]))
    rows, cells = [], list[tuple[Cell, ...]]()
    for text, published, answers in asked:
        yes, total = sum(answers), len(answers)
        low, high = wilson_interval(yes, total)
        rate = yes / total if total else 0.0
        rows.append((text, rate, low, high))
        cells.append((text, f"{rate:.1%}", f"{low:.1%}", f"{high:.1%}", total, f"{published:.0%}"))
    table = Table("Answers of people: share of yes, with 95 % intervals",
                  ("question", "this run", "low", "high", "answered", "Self-Instruct"), cells)  # fmt: skip
    note = "The published rates are one expert's on 200 instructions of Self-Instruct (arXiv 2212.10560, section 4.2)."
    return [Figure("Three questions to people", charts.intervals("Three questions", rows, 0.0, 1.0), table, note)]


def _checks(facts: PeopleFacts) -> list[Block]:
    """Precision and recall of each check that rejected a judged row."""
    rows: list[tuple[Cell, ...]] = []
    for check in sorted(facts.right | facts.wrong):
        judged = facts.right[check] + facts.wrong[check]
        recall = _share(facts.found[check], facts.seen)
        rows.append((show(check, 60), judged, *_share(facts.right[check], judged), *recall))
    if not rows:
        return []
    header = ("check", "judged rejections", "precision", "95 % interval", "recall", "95 % interval of recall")
    note = (
        "Precision: of the rejected rows that people judged, the share that they reject too. Recall: of the "
        f"{facts.seen:,} judged rows that people reject, the share that the check rejects. Both speak of judged rows."
    )
    return [Table("Checks against people", header, rows), Note(note)]


def _share(part: int, whole: int) -> tuple[str, str]:
    low, high = wilson_interval(part, whole)
    return (f"{part / whole:.1%}", f"{low:.1%} to {high:.1%}") if whole else ("", "")


def _grades(facts: PeopleFacts) -> list[Block]:
    """Mean grades of rows that people accept and reject, and how often an accepted one has the higher grade."""
    rows = []
    for name, (good, bad) in sorted(facts.grades.items()):
        if good and bad:
            wins = mean([(one > other) + 0.5 * (one == other) for one in good for other in bad])
            rows.append((show(name, 60), *_mean(good), *_mean(bad), f"{wins:.3f}"))
    header = (
        "grade",
        "accepted rows",
        "95 % interval",
        "rejected rows",
        "95 % interval of these",
        "accepted is higher",
    )
    return [Table("Grades of rows that people accept and reject", header, rows)] if rows else []


def _mean(values: list[float]) -> tuple[str, str]:
    low, high = bootstrap_interval(values, 0, 1000)
    return f"{mean(values):.2f}", f"{low:.2f} to {high:.2f}"
