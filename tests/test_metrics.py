"""The numbers agree with the packages and formulas they come from."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from synth.metrics import (
    bootstrap_interval,
    count_words,
    distinct_n,
    exact_match,
    mean,
    rouge_l,
    self_bleu,
    tokens,
    vendi_score,
    wilson_interval,
)

SENTENCES = st.lists(st.sampled_from(["a", "b", "ab", "c1", "Don't", "x_y", "End.", "12,5"]), max_size=12).map(" ".join)


@given(one=st.text(st.characters(max_codepoint=127)) | SENTENCES, other=SENTENCES)
@settings(max_examples=300, deadline=None)
def test_rouge_l_is_that_of_rouge_score_on_ascii(one: str, other: str) -> None:
    wanted = RougeScorer(["rougeL"]).score(one, other)["rougeL"].fmeasure
    assert rouge_l(one, other) == pytest.approx(wanted, abs=1e-12)
    assert rouge_l(one, other) == rouge_l(other, one)


@pytest.mark.parametrize(
    "text", ["写一首关于海的诗", "Напиши стих о море", "海の詩を書いて", "اكتب قصيدة عن البحر", "समुद्र पर कविता"]
)
def test_rouge_l_sees_every_script(text: str) -> None:
    assert rouge_l(text, text) == 1.0 and rouge_l(text, "Write a poem") == 0.0 and len(tokens(text)) >= 3


def test_words_are_counted_with_and_without_spaces() -> None:
    assert [count_words(text) for text in ("", "two words", "写诗 now", "電車が")] == [0, 2, 3, 3]


def test_exact_match_forgives_form_and_not_content() -> None:
    assert exact_match(' "Lima." ', "lima") and not exact_match("-3", "3") and not exact_match("Lima, Peru", "Lima")


def test_wilson_gives_the_textbook_interval() -> None:
    low, high = wilson_interval(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson_interval(0, 0) == (0.0, 1.0) and wilson_interval(0, 5)[0] == 0.0 and wilson_interval(5, 5)[1] == 1.0


@settings(deadline=None)
@given(total=st.integers(1, 500), data=st.data())
def test_wilson_holds_the_share(total: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, total))
    low, high = wilson_interval(successes, total)
    assert 0 <= low <= successes / total <= high <= 1


def test_bootstrap_is_deterministic_and_near_the_normal_interval() -> None:
    values = [float(number % 7) for number in range(400)]
    interval = bootstrap_interval(values, seed=3)
    assert interval == bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)
    spread = math.sqrt(mean([(value - mean(values)) ** 2 for value in values]) / len(values))
    assert interval == (
        pytest.approx(mean(values) - 1.96 * spread, abs=0.02),
        pytest.approx(mean(values) + 1.96 * spread, abs=0.02),
    )
    assert bootstrap_interval([2.0], seed=0) == (2.0, 2.0) and math.isnan(bootstrap_interval([], seed=0)[0])


def test_diversity_is_least_for_copies_and_most_for_strangers() -> None:
    copies = ["the same old words again"] * 6
    strangers = [" ".join(f"w{row}x{column}" for column in range(5)) for row in range(6)]
    assert self_bleu(copies, seed=1) == pytest.approx(1.0) and self_bleu(strangers, seed=1) == 0.0
    assert vendi_score(copies, seed=1) == pytest.approx(1.0)
    assert vendi_score(strangers, seed=1) == pytest.approx(6.0, rel=0.05)
    assert distinct_n(copies, 2) == pytest.approx(1 / 6) and distinct_n(strangers, 2) == 1.0
    assert self_bleu([], seed=1) == vendi_score([], seed=1) == distinct_n([], 1) == 0.0


def test_samples_are_drawn_with_the_seed() -> None:
    texts = [f"text number {number} of {number % 5} kinds" for number in range(60)]
    assert self_bleu(texts, seed=1, sample=20) == self_bleu(texts, seed=1, sample=20)
    assert vendi_score(texts, seed=2, sample=20) == vendi_score(texts, seed=2, sample=20) <= 20
