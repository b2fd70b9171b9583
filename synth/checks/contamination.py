"""Decontamination: does a record repeat an item of a test set? Exactly, by long runs of words, or nearly.

Against every benchmark file named, and always against our own held-out tasks:
  exact    same words of instruction and input
  8-gram   a run of 8 words of the item's task in the record's task       (short tasks)
  13-gram  a run of 13 words of anything in the item in anything of the record  (texts; GPT-3, appendix C, used 8 to 13)
  rouge-l  ROUGE-L of the tasks at least 0.7                              (edited copies)
Paraphrases and translations are not found. A file is JSON, JSON lines (the usual fields) or one text per line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from synth.checks.base import Check, full_text
from synth.checks.novelty import NoveltyIndex
from synth.errors import InputError, UsageError
from synth.given import MAX_DATA_BYTES, read_named
from synth.records import Record
from synth.shipped import EVAL_FILE
from synth.sources.evaluation import question_of
from synth.tokens import unicode_tokens

TASK_FIELDS = ("instruction", "prompt", "question", "problem", "query", "input", "context", "text")
ANSWER_FIELDS = ("output", "response", "answer", "solution", "completion", "target")
TASK_RUN, TEXT_RUN = 8, 13


@dataclass(frozen=True, slots=True)
class Item:
    """One task of a benchmark: where it stands (`name#number` from 1), what is asked, and all of its text."""

    place: str
    task: str
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that repeats an item. `span`: the words they share; `kind`: exact, 8-gram, 13-gram or rouge-l."""

    kind: str
    place: str
    span: str
    score: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """A JSON object."""
        return {"kind": self.kind, "place": self.place, "span": self.span, "score": round(self.score, 6)}


class Contamination:
    """The benchmark items, indexed when the first record comes. A check that refuses a record at its first hit."""

    def __init__(self, items: Iterable[Item], *, task_run: int, text_run: int, rouge_l: float) -> None:
        self._items = list(items)
        self._task_run, self._text_run = task_run, text_run
        self._index = NoveltyIndex(rouge_l, strict=True, floor=rouge_l)
        self._exact: dict[tuple[str, ...], int] = {}
        self._task_grams: dict[tuple[str, ...], int] = {}
        self._text_grams: dict[tuple[str, ...], int] = {}

    def _read(self) -> None:
        for number, item in enumerate(self._items):
            words = unicode_tokens(item.task)
            self._index.add(item.task)
            self._exact.setdefault(tuple(words), number)
            for gram in _grams(words, self._task_run):
                self._task_grams.setdefault(gram, number)
            for gram in _grams(unicode_tokens(item.text), self._text_run):
                self._text_grams.setdefault(gram, number)

    def __call__(self, record: Record) -> str | None:
        hits = self.hits(record)
        return f"contaminated: {hits[0].kind} {hits[0].place} {hits[0].span[:120]}" if hits else None

    def hits(self, record: Record) -> list[Hit]:
        """All ways in which the record repeats an item, the surest first; each question of a talk
        is compared, of each kind with the first or closest item."""
        if not self._exact:
            self._read()
        tasks = [f"{one.instruction}\n{one.input}".strip() for one in record.exchanges()]
        words = [unicode_tokens(task) for task in tasks]
        found = [*map(self._same, words), *(self._run(one, self._task_grams, self._task_run) for one in words)]
        found.append(self._run(unicode_tokens(full_text(record)), self._text_grams, self._text_run))
        found += map(self._near, tasks)
        return [hit for hit in found if hit]

    def _same(self, words: list[str]) -> Hit | None:
        number = self._exact.get(tuple(words)) if words else None
        return None if number is None else Hit("exact", self._items[number].place, " ".join(words))

    def _near(self, task: str) -> Hit | None:
        verdict = self._index.score(task)
        if verdict.nearest is None or verdict.novel:
            return None
        item = self._items[verdict.nearest]
        return Hit("rouge-l", item.place, " ".join(unicode_tokens(item.task)), verdict.score)

    def _run(self, words: list[str], grams: dict[tuple[str, ...], int], length: int) -> Hit | None:
        """The first run of words, as long as it goes on, an item has too; two Chinese characters make a word."""
        known = [gram in grams for gram in _grams(words, length)]
        start = 0
        for whole, stretch in groupby(known):
            end = start + len(list(stretch))
            span = words[start : end + length - 1]
            if whole and sum(_weight(word) for word in span) >= length:
                item = self._items[grams[tuple(span[:length])]]
                return Hit(f"{length}-gram", item.place, " ".join(span))
            start = end
        return None


def _weight(word: str) -> float:
    return 0.5 if len(word) == 1 and not word.isascii() else 1.0


def contamination(
    files: Sequence[str] = (),
    own_tasks: bool = True,
    task_run: int = TASK_RUN,
    text_run: int = TEXT_RUN,
    rouge_l: float = 0.7,
) -> Contamination:
    """Refuses records that repeat an item of these benchmark `files`, or of our held-out tasks (`own_tasks`)."""
    paths = ([EVAL_FILE] if own_tasks else []) + [Path(file) for file in files]
    items = (item for path in paths for item in read_items(path))
    return Contamination(items, task_run=task_run, text_run=text_run, rouge_l=rouge_l)


def read_items(path: Path) -> Iterator[Item]:
    """The items of a benchmark file. Raises UsageError if it cannot be read, InputError for lines without a task."""
    text = read_named(path, "Name a JSON, JSON lines or text file.", f"contamination: {path}", MAX_DATA_BYTES)
    rows = list(_rows(path, text))
    bad = [f"{path.name}:{number}: no task in it" for number, row in enumerate(rows, 1) if not _texts(row, TASK_FIELDS)]
    if bad:
        fields = ", ".join(TASK_FIELDS)
        raise InputError(
            f"contamination: {path} has items without a task", bad, f"Give each one of the fields {fields}."
        )
    for number, row in enumerate(rows, 1):
        task = _texts(row, TASK_FIELDS)
        yield Item(f"{path.name}#{number}", "\n".join(task), "\n".join(task + _texts(row, ANSWER_FIELDS)))


def _rows(path: Path, text: str) -> Iterator[dict[str, Any]]:
    if path.suffix == ".txt":
        yield from ({"text": line} for line in text.splitlines() if line.strip())
        return
    try:
        whole = text.lstrip()[:1] == "["
        rows = json.loads(text) if whole else [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"contamination: {path} is not JSON: {error}", "Name a JSON, JSON lines or .txt file."
        ) from error
    for row in rows:
        yield row if isinstance(row, dict) else {"text": row} if isinstance(row, str) else {}


def _texts(row: dict[str, Any], fields: Sequence[str]) -> list[str]:
    """The texts of these fields, of a published form, of a seed task's first instance, or of the turns of one side."""
    published = question_of(row)
    if published is not None:
        return list(published.questions if fields is TASK_FIELDS else published.choices or published.answers)
    texts = [row[field] for field in fields if isinstance(row.get(field), str) and row[field].strip()]
    for instance in (row.get("instances") or [])[:1] if isinstance(row.get("instances"), list) else []:
        texts += _texts(instance, fields) if isinstance(instance, dict) else []
    turns = row.get("messages") if isinstance(row.get("messages"), list) else []
    wanted = "user" if fields is TASK_FIELDS else "assistant"
    said = [t.get("content") for t in turns or [] if isinstance(t, dict) and t.get("role") == wanted]
    return texts + [content for content in said if isinstance(content, str)]


def _grams(words: list[str], length: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(length)), strict=False)


CHECKS: dict[str, Callable[..., Check]] = {"contamination": contamination}
