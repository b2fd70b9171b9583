"""One row's whole way: the seeds, each step with its difference in words, the prompts and replies, its neighbours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from synth.errors import SynthError
from synth.metrics import rouge_l_tokens
from synth.pipeline import read_run_recipe
from synth.records import Record, SeedTask
from synth.review.desk import Desk, Row
from synth.review.index import spaced
from synth.stages.report.blocks import Piece, show
from synth.stages.report.evolution import word_difference
from synth.stages.seeds import read_seed_tasks
from synth.tokens import unicode_tokens

MAX_STEPS = 30
NEIGHBOURS, CANDIDATES = 5, 150
MAX_REACH = 3_000
"""Texts with the rare words by which neighbours are looked for."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request as it was sent and what came back."""

    key: str
    role: str
    model: str
    prompt: str
    reply: str
    reasoning: str


@dataclass(frozen=True, slots=True)
class Step:
    """A record on the way: what was done, the text in pieces, what was asked for it, rejected tries."""

    label: str
    pieces: Sequence[Piece]
    exchanges: Sequence[Exchange]
    rejected: Sequence[Row]


def way(desk: Desk, row: Row) -> list[Step]:
    """The steps from the first record to `row`, one for each record and one for the answer."""
    walked = chain(desk, row)
    steps, text, seen = [], "", set[str]()
    for one in walked:
        record = one.record
        start: list[Piece] = [("same", show(record.asked(), 3000))]
        pieces = word_difference(text, record.asked()) if text else start
        keys = [key for key in record.lineage.completion_keys if key not in seen]
        seen |= set(keys)
        others = [] if one is walked[0] else [other for other in desk.family(one) if _is_alternative(other, record)]
        steps.append(Step(_label(record), pieces, [*_exchanges(desk, keys)], others))
        text = record.asked()
    if row.record.output:
        keys = [key for key in row.record.lineage.completion_keys if key not in seen]
        steps.append(Step("answer", [("added", show(row.record.output, 3000))], [*_exchanges(desk, keys)], []))
    return steps


def _label(record: Record) -> str:
    line = record.lineage
    names = [line.origin, line.operator or "", f"generation {line.generation}" if line.generation else ""]
    return show(", ".join(name for name in (*names, line.prompt or "", line.model or "") if name), 200)


def chain(desk: Desk, row: Row) -> list[Row]:
    """The records from the first ancestor to the row as its task was first kept."""
    walked, known = [_first(desk, row)], set[str]()
    while len(walked) < MAX_STEPS and walked[-1].record.lineage.origin == "evolve":
        parents = walked[-1].record.lineage.parents
        found = desk.rows_of("record", parents[0]) if parents and parents[0] not in known else []
        if not found:
            break
        known.add(parents[0])
        walked.append(found[0])
    return walked[::-1]


def _first(desk: Desk, row: Row) -> Row:
    """The row of the same task in the earliest stage that has it."""
    same = [
        one for one in desk.rows_of("record", row.record.id) if one.record.lineage.parents == row.record.lineage.parents
    ]
    return same[0] if same else row


def _is_alternative(other: Row, record: Record) -> bool:
    """Was `other` another try from the same parent, and rejected?"""
    return other.rejection is not None and other.record.lineage.parents[:1] == record.lineage.parents[:1]


def _exchanges(desk: Desk, keys: Sequence[str]) -> list[Exchange]:
    found = []
    for key in keys[:20]:
        entry = desk.source.request(key)
        if entry is not None:
            texts = (prompt_text(entry.request), entry.text or entry.error or "", entry.reasoning or "")
            found.append(Exchange(key, entry.role, entry.answered_by or entry.model, *texts))
    return found


def prompt_text(request: str) -> str:
    """The messages of a stored request as one text."""
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        return "\n\n".join(f"[{one['role']}]\n{one['content']}" for one in json.loads(request)["messages"])
    return request


def stages_of(desk: Desk, row: Row) -> list[Row]:
    """What became of the same task in each stage."""
    return desk.rows_of("record", row.record.id)


def seeds_of(desk: Desk, chain_start: Record) -> list[SeedTask]:
    """The seed tasks that were shown to make the first record, where the run's seed file can still be read."""
    with suppress(SynthError, OSError):
        path = read_run_recipe(desk.run_dir).seeds.path
        wanted = set(chain_start.lineage.parents)
        return [seed for seed in read_seed_tasks(path) if seed.id in wanted] if path.is_file() else []
    return []


def neighbours(desk: Desk, row: Row) -> list[tuple[float, Row]]:
    """The rows nearest by ROUGE-L of the task, among those that share its rarest words; each task once."""
    words = unicode_tokens(row.record.task())
    if not words:
        return []
    own, best = row.record.task(), dict[str, tuple[float, Row]]()
    for number in _candidates(desk, sorted(set(unicode_tokens(spaced(own))))[:400]):
        other = desk.numbered(number)
        task = other.record.task() if other is not None else own
        if other is not None and task != own and task not in best:
            best[task] = (rouge_l_tokens(words, unicode_tokens(task)), other)
    return sorted(best.values(), key=lambda pair: -pair[0])[:NEIGHBOURS]


def _candidates(desk: Desk, words: list[str]) -> list[int]:
    """The numbers of rows that hold some of the rarest `words`, those with most of them first."""
    marks = ", ".join("?" * len(words))
    counts: list[tuple[Any, ...]] = desk.execute(f"SELECT term, doc FROM words WHERE term IN ({marks})", *words)
    rare: list[str] = []
    reach = 0
    for count, term in sorted((count, term) for term, count in counts if count > 1):
        reach += count
        if rare and reach > MAX_REACH:
            break
        rare.append(term)
    if not rare:
        return []
    asked = " OR ".join(f'"{word}"' for word in rare)
    sql = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?"
    return [number for (number,) in desk.execute(sql, asked, CANDIDATES)]


def student_answers(desk: Desk, record: Record) -> dict[str, Any] | None:
    """Each student's answer to this row beside the right one, where it was an item of the evaluation."""
    found = desk.evaluation()
    items = [
        one for one in found.get("items") or [] if isinstance(one, dict) and one.get("question") == record.question
    ]
    if not items or not isinstance(found.get("answers"), dict):
        return None
    given = {
        str(name): next((one for one in answers if isinstance(one, dict) and one.get("item") == items[0].get("id")), {})
        for name, answers in found["answers"].items()
        if isinstance(answers, list)
    }
    return {"right": items[0].get("right") or "", "given": given}
