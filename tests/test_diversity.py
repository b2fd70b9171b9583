"""The verb-noun engine against a list labelled by hand, and on texts that try to break it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.diversity import count_verb_nouns, verb_noun
from synth.word_forms import singular

GOLD = Path(__file__).parent / "data" / "verb_noun_gold.tsv"
SEEDS = Path(__file__).parents[1] / ".." / "shared" / "data" / "self_instruct_seed_tasks.jsonl"


def test_nine_of_ten_verbs_and_nouns_of_the_gold_list_are_right() -> None:
    with GOLD.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found = [(row, verb_noun(row["instruction"])) for row in rows]
    verbs = sum((verb or "") == row["verb"] for row, (verb, _) in found)
    nouns = sum((noun or "") == row["noun"] for row, (_, noun) in found)
    assert len(rows) == 200
    assert verbs >= 180, verbs
    assert nouns >= 180, nouns


def test_the_seeds_of_self_instruct_are_covered() -> None:
    if not SEEDS.is_file():
        pytest.skip(f"{SEEDS} is not here")
    with SEEDS.open(encoding="utf-8") as file:
        counts = count_verb_nouns(json.loads(line)["instruction"] for line in file)
    assert counts.total == 175
    assert counts.verb_coverage >= 0.9
    assert counts.pair_coverage >= 0.7


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("Compare and contrast the two plans.", ("compare", "plan")),
        ("Re-write the note.", ("rewrite", "note")),
        ("Given two numbers, return the larger one.", ("return", "one")),
        ("Write a story, a poem and a song.", ("write", "story")),
        ("", (None, None)),
        ("写一首关于秋天的诗。", (None, None)),
    ],
)
def test_the_request_is_found_where_it_stands(instruction: str, expected: tuple[str | None, str | None]) -> None:
    assert verb_noun(instruction) == expected


def test_counts_keep_totals_and_rank_by_frequency() -> None:
    counts = count_verb_nouns(["Write a poem.", "Write a poem.", "Write a letter.", "Draw a cat.", "Pfui!"])
    assert (counts.total, counts.verbs["write"], counts.pairs["write", "poem"]) == (5, 3, 2)
    assert counts.verb_coverage == counts.pair_coverage == 0.8
    assert counts.top(1, 1) == [("write", [("poem", 2)])]


def test_nouns_are_singular() -> None:
    assert [singular(word) for word in ("cities", "boxes", "glass", "cats", "men", "bus", "cases")] == [
        "city", "box", "glass", "cat", "man", "bus", "case",
    ]  # fmt: skip


@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    verb, noun = verb_noun(text)
    assert noun is None or verb is not None
