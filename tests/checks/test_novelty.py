"""The novelty index against its oracles: rouge-score, all pairs, and itself in bulk."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer, _score_lcs
from rouge_score.tokenize import tokenize

from synth.checks import build_checks
from synth.checks.novelty import NoveltyIndex, Verdict, novel_subset
from synth.errors import UsageError
from synth.records import Record
from synth.tokens import rouge_tokens, unicode_tokens

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
THRESHOLDS = (0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0)
ODD = ["\ud800", "\x00", "\u0130", "\u212a", "é", "汉", "ß", "_", "-", "'"]


def stream(rng: random.Random, count: int, longest: int) -> list[str]:
    """Texts that try hard: few words, repeats, edits of earlier texts, empty ones, odd characters, band edges."""
    words = [f"w{n}" for n in range(rng.choice((2, 4, 8, 30)))]
    texts: list[str] = []
    for _ in range(count):
        if texts and rng.random() < 0.6:
            text = rng.choice(texts).split()
            for _ in range(rng.randint(0, 3)):
                at = rng.randrange(len(text) + 1)
                text[at : at + rng.randint(0, 2)] = rng.choices(words, k=rng.randint(0, 2))
        else:
            length = rng.choice((rng.randint(0, 12), rng.randint(0, longest), rng.choice((40, 41, 48, 64, 128, 129))))
            text = rng.choices(words, k=min(length, longest))
        if rng.random() < 0.1:
            text.insert(0, rng.choice(ODD))
        texts.append(" ".join(text))
    return texts


def expected(tokens: list[str], pool: list[list[str]], threshold: float, strict: bool, floor: float) -> Verdict:
    """What comparing with all of the pool by rouge-score says."""
    if not tokens:
        return Verdict(False, 0.0, None, no_tokens=True)
    scores = [_score_lcs(tokens, other).fmeasure for other in pool]
    best = max(scores, default=0.0)
    if best < floor:
        return Verdict(True, 0.0, None)
    novel = best < threshold or (best == threshold and not strict)
    return Verdict(novel, best, scores.index(best))


def agrees_with_rouge_score(texts: list[str], threshold: float, strict: bool, floor: float) -> int:
    """Stream the texts through index and oracle; the number of pairs compared."""
    index = NoveltyIndex(threshold, strict=strict, tokenizer="rouge", floor=floor, long_floor=0.6)
    pool, pairs = [], 0
    for text in texts:
        tokens = tokenize(text, None)
        verdict = index.add_if_novel(text)
        lowest = min(threshold, floor if len(tokens) <= 40 else max(0.6, floor))
        assert verdict == expected(tokens, pool, threshold, strict, lowest), text
        pairs += len(pool)
        if verdict.novel:
            pool.append(tokens)
    return pairs


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(THRESHOLDS), st.booleans(), st.sampled_from((0.05, 0.4, 1.0)))
def test_verdict_score_and_nearest_equal_those_of_rouge_score(
    seed: int, threshold: float, strict: bool, floor: float
) -> None:
    agrees_with_rouge_score(stream(random.Random(seed), 40, 60), threshold, strict, floor)


@pytest.mark.slow
def test_a_hundred_thousand_adversarial_pairs_equal_rouge_score() -> None:
    rng, pairs = random.Random(8), 0
    while pairs < 120_000:
        texts = stream(rng, rng.choice((30, 80, 150)), rng.choice((8, 30, 160)))
        floor = rng.choice((0.05, 0.2, 0.4, 1.0))
        pairs += agrees_with_rouge_score(texts, rng.choice(THRESHOLDS), rng.random() < 0.5, floor)


@given(st.text())
def test_rouge_tokens_are_those_of_rouge_score(text: str) -> None:
    assert rouge_tokens(text) == tokenize(text, None)


def test_ties_at_the_threshold_are_decided_in_rouge_scores_own_floats() -> None:
    for common, m, n in ((7, 7, 13), (21, 23, 37), (7, 10, 10), (14, 20, 20), (35, 50, 50)):
        one = [f"s{i}" for i in range(common)] + [f"a{i}" for i in range(m - common)]
        other = [f"s{i}" for i in range(common)] + [f"b{i}" for i in range(n - common)]
        for strict in (False, True):
            agrees_with_rouge_score([" ".join(one), " ".join(other)], 0.7, strict, 0.4)


def test_public_scorer_gives_the_same_number() -> None:
    one, other = "Describe the structure of an atom.", "Describe the structure of a molecule, briefly."
    index = NoveltyIndex(tokenizer="rouge")
    index.add(one)
    assert index.score(other).score == RougeScorer(["rougeL"]).score(one, other)["rougeL"].fmeasure


def test_text_without_tokens_is_reported_and_never_admitted() -> None:
    index = NoveltyIndex(tokenizer="rouge")
    assert index.add_if_novel("给出三个保持健康的提示。") == Verdict(False, 0.0, None, no_tokens=True)
    assert index.add_if_novel("") == Verdict(False, 0.0, None, no_tokens=True)
    assert len(index) == 0


@pytest.mark.parametrize(
    "text",
    [
        "给出三个保持健康的提示。",
        "Дай три совета о здоровье.",
        "健康を保つ方法を三つ。",
        "اذكر ثلاث نصائح للصحة",
        "स्वस्थ रहने के तीन उपाय बताइए",
    ],
)
def test_repeats_are_caught_in_every_script(text: str) -> None:
    index = NoveltyIndex()
    assert index.add_if_novel(text).novel
    assert index.add_if_novel(f"  {text}!") == Verdict(False, 1.0, 0)


def test_unicode_tokens_keep_words_and_marks_whole() -> None:
    assert unicode_tokens("Décrivez ＡＢＣ, straße!") == ["décrivez", "abc", "strasse"]
    assert unicode_tokens("हिन्दी में") == ["हिन्दी", "में"]
    assert unicode_tokens("三原色x2") == ["三", "原", "色", "x2"]
    assert unicode_tokens("Name three_things, 2nd!") == rouge_tokens("Name three_things, 2nd!")


def test_scoring_does_not_admit_and_adding_does_not_ask() -> None:
    index = NoveltyIndex()
    assert index.add("Name three fruits that grow on trees.") == 0
    assert index.add("Name three fruits that grow on trees.") == 1
    assert index.score("Name three fruits that grow on trees.").nearest == 0
    assert len(index) == 2


def test_all_scores_and_neighbours_agree() -> None:
    index = NoveltyIndex(0.5)
    for text in ("a b c d", "a b x y", "q r s t"):
        index.add(text)
    assert index.all_scores("a b c d").tolist() == [1.0, 0.5, 0.0]
    positions, scores = index.neighbours("a b c d")
    assert (positions.tolist(), scores.tolist()) == ([0, 1], [1.0, 0.5])


@pytest.mark.parametrize("bad", [{"threshold": 0}, {"threshold": 1.5}, {"floor": 0}, {"tokenizer": "bpe"}])
def test_settings_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        NoveltyIndex(**bad)  # type: ignore[arg-type]


def test_only_kept_records_enter_the_pool_of_the_check() -> None:
    ((_, check),) = build_checks([{"novelty": {"pool": [["seed_1", "Name three fruits that grow on tall trees."]]}}])
    near = Record("Name four fruits that grow on tall trees.")
    assert check(near) == "too_similar: 0.875 to seed_1"
    far = Record("Name three birds that sing in tall trees.")
    assert check(far) is None
    kept = check.admitted(far)  # type: ignore[attr-defined]
    assert kept.meta["most_similar"] == {"id": "seed_1", "score": 0.625}
    assert check(far) == f"too_similar: 1.000 to {far.id}"


def same_as_streamed(texts: list[str], threshold: float, strict: bool, tokenizer: str) -> None:
    index, kept, removed = NoveltyIndex(threshold, strict=strict, tokenizer=tokenizer), [], []
    for number, text in enumerate(texts):
        verdict = index.add_if_novel(text)
        if verdict.novel:
            kept.append(number)
        else:
            nearest = None if verdict.nearest is None else kept[verdict.nearest]
            removed.append((number, nearest, verdict.score))
    found = novel_subset(texts, threshold=threshold, strict=strict, tokenizer=tokenizer)
    assert found.kept == kept
    assert [(r.index, r.nearest, r.score) for r in found.removed] == removed


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(THRESHOLDS), st.booleans())
def test_the_join_keeps_and_removes_exactly_what_the_stream_does(seed: int, threshold: float, strict: bool) -> None:
    same_as_streamed(stream(random.Random(seed), 120, 90), threshold, strict, "rouge")


def test_the_join_is_the_same_in_many_passes_and_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from synth.checks import prefix_join

    monkeypatch.setattr(prefix_join, "TEXTS_PER_PASS", 20)
    monkeypatch.setattr(prefix_join, "BLOCK", 7)
    monkeypatch.setattr(prefix_join, "CHUNK", 3)
    same_as_streamed(stream(random.Random(11), 150, 40), 0.6, True, "rouge")


def test_sets_of_one_template_are_settled_as_the_stream_does() -> None:
    filled = [f"Classify the mood of review {n} and explain the choice in {n % 7} words." for n in range(3000)]
    same_as_streamed(filled, 0.95, False, "unicode")
    assert novel_subset(filled).kept == [0]


@pytest.mark.parametrize("texts", [[], [""], ["", "a", "a", "!"], ["a b c"] * 3])
def test_the_join_takes_sets_that_are_hardly_there(texts: list[str]) -> None:
    same_as_streamed(texts, 0.7, False, "unicode")


def real(name: str) -> list[str]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return [json.loads(line)["instruction"] for line in gzip.open(path, "rt", encoding="utf-8")]


def test_the_join_equals_the_stream_on_real_chinese_and_english() -> None:
    chinese, english = real("alpaca_zh_instructions.jsonl.gz"), real("alpaca_52k_instructions.jsonl.gz")
    same_as_streamed(chinese[:3000] + english[:3000], 0.6, True, "unicode")


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
def test_all_52k_alpaca_instructions_agree_with_all_pairs(strict: bool) -> None:
    """Every pair of the stream by rapidfuzz: 1.35 thousand million LCS lengths, scored in rouge-score's floats."""
    import numpy as np
    from rapidfuzz.distance import LCSseq
    from rapidfuzz.process import cdist

    from synth.checks.novelty import fmeasure

    texts = real("alpaca_52k_instructions.jsonl.gz")
    index = NoveltyIndex(strict=strict, tokenizer="rouge")
    codes: list[str] = []
    numbers: dict[str, int] = {}
    rejected = 0
    for start in range(0, len(texts), 400):
        block = [
            "".join(chr(numbers.setdefault(t, len(numbers))) for t in rouge_tokens(x))
            for x in texts[start : start + 400]
        ]
        common = cdist(block, codes + block, scorer=LCSseq.similarity, dtype=np.uint8)
        lengths = np.array([len(c) for c in codes + block], np.float64)
        admitted = np.arange(len(codes))
        for row, (code, text) in enumerate(zip(block, texts[start : start + 400], strict=True)):
            scores = fmeasure(common[row, admitted].astype(np.float64), float(len(code)), lengths[admitted])
            verdict = index.add_if_novel(text)
            best, floor = int(scores.argmax()) if len(scores) else 0, 0.4 if len(code) <= 40 else 0.6
            score = float(scores[best]) if len(scores) else 0.0
            assert (verdict.score, verdict.nearest) == ((score, best) if score >= floor else (0.0, None)), text
            assert verdict.novel == (score < 0.7 or (score == 0.7 and not strict))
            rejected += not verdict.novel
            if verdict.novel:
                admitted = np.append(admitted, len(codes) + row)
        codes += [block[a - len(codes)] for a in admitted[len(codes) :].tolist()]
    assert rejected == (805 if strict else 0)
