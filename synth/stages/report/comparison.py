"""Two runs held against each other: only what differs, from the recipe to the rows that one of them has alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from synth.engine.funnel import final_records
from synth.engine.ledger import LedgerReader
from synth.errors import UsageError
from synth.given import flat, parse_yaml
from synth.metrics import mean
from synth.records import Record, digest
from synth.stages.report.blocks import Block, Cell, Note, Rows, Section, Table, show
from synth.stages.report.facts import NUM_ROWS, RunFacts, collect
from synth.stages.report.opening import row_texts

MAX_LINES = 60


def differences(one: Path, other: Path) -> tuple[list[str], list[Section]]:
    """(the names of the runs, the parts of the page). Raises StorageError where a folder holds no ledger."""
    runs = [collect(one), collect(other)]
    names = [facts.name for facts in runs] if runs[0].name != runs[1].name else [str(one), str(other)]
    shown = [show(name, 60) for name in names]
    parts = [
        Section(title.lower(), title, _table(caption, key, [read(facts) for facts in runs], shown))
        for title, caption, key, read in PARTS
    ]
    return names, [*parts, Section("rows", "Rows", _rows(one, other, shown))]


def _table(caption: str, name: str, facts: Sequence[Mapping[str, Cell]], names: list[str]) -> list[Block]:
    """The lines in which two mappings differ, the largest changes first."""
    one, other = facts
    missing: Cell = "" if any(isinstance(cell, str) for cell in (*one.values(), *other.values())) else 0
    pairs = [(key, one.get(key, missing), other.get(key, missing)) for key in dict.fromkeys([*one, *other])]
    changed = sorted((pair for pair in pairs if pair[1] != pair[2]), key=lambda pair: -_gap(*pair[1:]))[:MAX_LINES]
    rows = [(show(key, 100), before, after, _change(before, after)) for key, before, after in changed]
    return [Table(f"{caption} that differ", (name, *names, "change"), rows)] if rows else [Note("No difference.")]


def _gap(one: Cell, other: Cell) -> float:
    return 0.0 if isinstance(one, str) or isinstance(other, str) else abs(other - one)


def _change(one: Cell, other: Cell) -> str:
    if isinstance(one, str) or isinstance(other, str):
        return ""
    return f"{other - one:+,}" if isinstance(one, int) and isinstance(other, int) else f"{other - one:+.3f}"


def _recipe(facts: RunFacts) -> dict[str, Cell]:
    try:
        data, _ = parse_yaml(facts.recipe, "recipe")
    except UsageError:
        return {"recipe": show(facts.recipe, 200)}
    return {key: show(str(value), 200) for key, value in flat(data if isinstance(data, dict) else {}).items()}


def _counts(facts: RunFacts) -> dict[str, Cell]:
    counts: dict[str, Cell] = {}
    for stage in facts.funnel.stages:
        counts[f"{stage.stage}: kept"] = stage.kept
        counts[f"{stage.stage}: rejected"] = stage.rejected
    counts["held out"] = facts.held_out
    return counts | ({"exported": facts.exported} if facts.exported is not None else {})


def _reasons(facts: RunFacts) -> dict[str, Cell]:
    return {
        f"{stage.stage}, {check}: {reason}": count
        for stage in facts.funnel.stages
        for (check, reason), count in stage.reasons.items()
    }


def _grades(facts: RunFacts) -> dict[str, Cell]:
    names = sorted(facts.quality.kept)
    return {name: round(mean(list(facts.quality.kept[name].elements())), 3) for name in names}


def _scores(facts: RunFacts) -> dict[str, Cell]:
    rows = facts.evaluation.get("scores")
    found: dict[str, Cell] = {}
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("value"), int | float):
            found[f"{row.get('student', '?')}, {row.get('metric', '?')}"] = round(float(row["value"]), 4)
    return found


PARTS: tuple[tuple[str, str, str, Callable[[RunFacts], Mapping[str, Cell]]], ...] = (
    ("Recipe", "Settings", "key", _recipe),
    ("Counts", "Rows by stage", "stage", _counts),
    ("Reasons", "Rejections by reason", "reason", _reasons),
    ("Grades", "Mean grades", "grade", _grades),
    ("Students", "Scores", "student", _scores),
)
"""Title, what the lines are, the name of the first column, and where they come from."""


def _rows(one: Path, other: Path, names: list[str]) -> list[Block]:
    """How many final rows both have, and some that one of them has alone."""
    keys = [{record.id: digest(record.output)[:16] for record in _final(path)} for path in (one, other)]
    both = keys[0].keys() & keys[1].keys()
    changed = sum(keys[0][key] != keys[1][key] for key in both)
    blocks: list[Block] = [Note(f"{len(both):,} tasks are in both; {changed:,} of them have another answer.")]
    for path, own, others, name in zip((one, other), keys, keys[::-1], names, strict=True):
        alone = own.keys() - others.keys()
        blocks.append(Note(f"{len(alone):,} tasks are in {name} alone" + (", some of them:" if alone else ".")))
        blocks += [Rows(_drawn(_final(path), alone))] if alone else []
    return blocks


def _final(path: Path) -> Iterator[Record]:
    with LedgerReader(path) as ledger:
        yield from final_records(ledger)


def _drawn(records: Iterable[Record], wanted: set[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Some of the wanted records, in their order, always the same ones."""
    chosen = set(random.Random(0).sample(sorted(wanted), min(NUM_ROWS, len(wanted))))
    return [(record.id, row_texts(record)) for record in records if record.id in chosen]
