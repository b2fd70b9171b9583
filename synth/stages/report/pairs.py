"""The page's part on pairs: how they came about, margins, how the judge judged and what it leans to, pairs to read."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from synth.engine.ledger import LedgerReader
from synth.metrics import count_words, wilson_interval
from synth.ranking import Leaning, length_leaning, position_leaning
from synth.records import Record, Rejection
from synth.stages.report.blocks import Block, Cell, Note, Rows, Table, show

NUM_ROWS = 10
MOST_MARGINS = 100_000
BY = {
    "verify": "the task's own check, at no calls",
    "pairs": "a judge that saw every two answers in both orders",
    "grades": "a judge's grades",
    "given": "scores that the data came with",
}


@dataclass(slots=True)
class PairFacts:
    """Counts over records with answers to compare. `judged`, `audit`: see `synth.stages.prefer.ranking`.

    `teachers`, `principles`: name → chosen and rejected answers; `margins`: way → margins; `words`: of chosen and
    rejected answers.
    """

    made: Counter[str] = field(default_factory=Counter)
    none: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    audit: Counter[str] = field(default_factory=Counter)
    teachers: dict[str, Counter[str]] = field(default_factory=dict)
    principles: dict[str, Counter[str]] = field(default_factory=dict)
    margins: dict[str, list[float]] = field(default_factory=dict)
    words: list[int] = field(default_factory=lambda: [0, 0])
    rows: list[Record] = field(default_factory=list)
    trial: str = ""

    def add(self, record: Record, rng: random.Random) -> None:
        """Count one record."""
        note = record.meta.get("prefer")
        note = note if isinstance(note, dict) else {}
        worse = record.worse()
        if not worse:
            self.none.update([str(note["none"])[:40]] if "none" in note else [])
        for name in ("left_out", "judged", "audit"):
            getattr(self, name).update(_counts(note.get(name)))
        if not worse:
            return
        by = str(note.get("by", ""))
        self.made[by if by in BY else "other"] += 1
        self._draw(record, rng)
        for place, text in enumerate((record.output, worse[-1].output)):
            self.words[place] += count_words(text)
        if by in BY and (margin := _margin(note)) is not None:
            found = self.margins.setdefault(by, [])
            found += [margin] * (len(found) < MOST_MARGINS)
        self._count_drawn(note.get("drawn"))

    def _draw(self, record: Record, rng: random.Random) -> None:
        if len(self.rows) < NUM_ROWS:
            self.rows.append(record)
        elif (place := rng.randrange(self.made.total())) < NUM_ROWS:
            self.rows[place] = record

    def _count_drawn(self, drawn: Any) -> None:
        """Teachers and principles of the chosen answer and of the worst one."""
        ends = [drawn[0], drawn[-1]] if isinstance(drawn, list) and len(drawn) > 1 else []
        for kind, one in zip(("chosen", "rejected"), ends, strict=False):
            if isinstance(one, list) and len(one) == 3:
                self.teachers.setdefault(str(one[0]), Counter())[kind] += 1
                self.principles.setdefault(str(one[2]) or "(none)", Counter())[kind] += 1


def _margin(note: Mapping[str, Any]) -> float | None:
    """Between the chosen answer and the worst one."""
    margins = note.get("margins")
    last = margins[-1] if isinstance(margins, list) and margins else None
    return float(last) if isinstance(last, int | float) else None


def _counts(found: Any) -> dict[str, int]:
    return {str(k): n for k, n in found.items() if isinstance(n, int)} if isinstance(found, Mapping) else {}


def pair_stages(ledger: LedgerReader) -> list[str]:
    """The names in this run of stages that rank answers."""
    return [name for name, stage in ledger.stages().items() if "judge_by" in stage["settings"]]


def collect_pairs(ledger: LedgerReader, names: list[str]) -> PairFacts:
    """What the stages `names` made of their records, those that they rejected included."""
    facts, rng = PairFacts(trial=ledger.get_meta("trial of the judge") or ""), random.Random(0)
    for name in names:
        for result in ledger.results(name):
            if isinstance(result, Record):
                facts.add(result, rng)
            elif isinstance(result, Rejection) and result.check == "pairs":
                facts.add(result.record, rng)
    return facts


# --- drawing ---------------------------------------------------------------------------------------------------------


def pair_blocks(facts: PairFacts) -> list[Block]:
    """The part of the page; nothing where no record has answers to compare."""
    if not facts.made and not facts.none:
        return []
    rows = [(f"by {what}", facts.made[by]) for by, what in BY.items() if facts.made[by]]
    rows += [("by people or ranks in the data, or not compared", facts.made["other"])] if facts.made["other"] else []
    blocks: list[Block] = [Table("How pairs came about", ("which answer is better", "records"), rows)]
    for what, found in (("records", facts.none), ("answers", facts.left_out)):
        reasons = [(show(reason, 60), count) for reason, count in found.most_common()]
        blocks += [Table(f"Left out of pairs: {what}", ("reason", what), reasons)] if reasons else []
    blocks += [_spread(facts)] if facts.margins else []
    blocks += _teachers("teacher", facts.teachers) + _teachers("principle", facts.principles)
    blocks += _judge(facts) if facts.judged else []
    return blocks + ([Rows([_pair(record) for record in facts.rows])] if facts.rows else [])


def _spread(facts: PairFacts) -> Table:
    """Quartiles of the margins; each way has its own unit."""
    units = {
        "verify": "right 1, wrong 0",
        "pairs": "log-odds",
        "grades": "grades, 1 to 5",
        "given": "the data's scores",
    }
    rows: list[tuple[Cell, ...]] = []
    for by, found in facts.margins.items():
        low, middle, high = quantiles(found, n=4) if len(found) > 1 else found * 3
        rows.append((by, units[by], *(round(value, 2) for value in (min(found), low, middle, high, max(found)))))
    header = ("way", "unit", "least", "lower quartile", "median", "upper quartile", "most")
    return Table("Margins between chosen and rejected", header, rows)


def _teachers(what: str, found: Mapping[str, Counter[str]]) -> list[Block]:
    """How often each was chosen and rejected, if there were several."""
    if len(found) < 2:
        return []
    rows = [
        (show(name, 60), counts["chosen"], counts["rejected"], f"{counts['chosen'] / counts.total():.0%}")
        for name, counts in sorted(found.items())
    ]
    return [Table(f"Pairs by {what}", (what, "chosen", "rejected", "share chosen"), rows)]


def _judge(facts: PairFacts) -> list[Block]:
    """How the judge judged, and what it leans to."""
    judged, audit = facts.judged, facts.audit
    read = judged["pairs"] - judged["unreadable"]
    rows = [
        ("planted pairs, before", facts.trial or "no trial"),
        ("pairs judged", f"{judged['pairs']:,}"),
        ("of them without a verdict that can be read", _share(judged["unreadable"], judged["pairs"])),
        ("ties", _share(judged["ties"], read)),
        ("the same verdict in both orders", _share(read - judged["flips"], read)),
        ("two judges say the same", _share(judged["agree"], judged["agree"] + judged["differ"])),
    ]
    truth = sum(audit[f"{size}_wrong"] for size in ("long", "short", "even"))
    wrong = sum(audit[f"{size}_errors"] for size in ("long", "short", "even"))
    rows.append(("the judge agrees with the task's check", _share(truth - wrong - audit["undecided"], truth)))
    blocks: list[Block] = [Table("How the judge judged", ("", "share and 95 % interval"), rows)]
    place = position_leaning(judged["first"], judged["second"])
    length = length_leaning(*(audit[f"{size}_{what}"] for size in ("long", "short") for what in ("wrong", "errors")))
    leanings = [
        _leaning("takes the first place where the order decides", place),
        ("takes the longer answer (it may be the better one)", judged["longer"], judged["shorter"],
         _share(judged["longer"], judged["longer"] + judged["shorter"]), "", ""),
        _leaning("errs towards the longer answer, where the truth is known", length),
    ]  # fmt: skip
    header = ("the judge", "so", "otherwise", "share and 95 % interval", "without a bias", "")
    blocks.append(Table("Biases of the judge", header, leanings))
    chosen, rejected = (words / max(1, facts.made.total()) for words in facts.words)
    blocks.append(Note(f"Mean words: {chosen:.1f} in chosen answers, {rejected:.1f} in rejected ones."))
    if place.is_bias or length.is_bias:
        which = " and ".join(n for n, found in (("place", place), ("length", length)) if found.is_bias)
        blocks.append(Note(f"The judge goes by {which}: beyond chance, p < 0.00001.", True))
    return blocks


def _leaning(what: str, found: Leaning) -> tuple[str, int, int, str, str, str]:
    share = _share(found.toward, found.total)
    if not found.total:
        return what, 0, 0, share, "", ""
    told = "a bias" if found.is_bias else "no bias found"
    return what, found.toward, found.away, share, f"{found.expected:.0%}", f"{told}, p = {found.p_value:.2g}"


def _share(count: int, total: int) -> str:
    if not total:
        return "none to count"
    low, high = wilson_interval(count, total)
    return f"{count / total:.1%} of {total:,} ({low:.1%} to {high:.1%})"


def _pair(record: Record) -> tuple[str, list[tuple[str, str]]]:
    note = record.meta.get("prefer")
    margin = _margin(note if isinstance(note, dict) else {})
    told = "" if margin is None else f"margin {margin:g}"
    worse = record.worse()[-1]
    texts = [("before", record.talk), ("question", record.question)]
    texts += [("chosen", record.output), ("rejected", worse.output)]
    return told, [(name, show(text)) for name, text in texts if text]
