"""Lists in, numbers out: overlap, agreement, uncertainty and diversity. Pure functions; nothing here reads or prints.

Every draw comes from a generator made of the `seed` that is passed in, so equal inputs give equal numbers.
"""

from __future__ import annotations

import math
import random
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from synth.tokens import NO_SPACES, unicode_tokens

tokens = unicode_tokens  # the words that all measures here count
_SPACELESS = re.compile(f"[{NO_SPACES}]")


def is_number(value: Any) -> TypeGuard[float]:
    """Is it a finite number, and no truth value?"""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def count_words(text: str) -> int:
    """Words between spaces; in scripts that write no spaces each letter counts as one."""
    letters = len(_SPACELESS.findall(text))
    return letters + len(_SPACELESS.sub(" ", text).split()) if letters else len(text.split())


def rouge_l(one: str, other: str) -> float:
    """ROUGE-L F1 in 0..1 (Lin 2004): shared words in order, against both lengths. The same number either way round."""
    return rouge_l_tokens(tokens(one), tokens(other))


def rouge_l_tokens(one: Sequence[str], other: Sequence[str]) -> float:
    """ROUGE-L F1 of two lists of tokens; 0 where either is empty."""
    from rapidfuzz.distance import LCSseq

    if not one or not other:
        return 0.0
    return 2 * LCSseq.similarity(one, other) / (len(one) + len(other))


def exact_match(answer: str, reference: str) -> bool:
    """Equal but for case, spacing, surrounding quotation marks and closing . ! ? ("-3" is never "3")."""
    return _bare(answer) == _bare(reference)


def _bare(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip("\"'“”‘’ ").rstrip(".!? ")


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean; 0 of an empty list."""
    return math.fsum(values) / len(values) if values else 0.0


def roc_auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The share of pairs of a true and a false one in which the true one scores higher; a tie counts half.

    0.5 where one of the two kinds is missing.
    """
    yes = [score for score, label in zip(scores, labels, strict=True) if label]
    no = [score for score, label in zip(scores, labels, strict=True) if not label]
    if not yes or not no:
        return 0.5
    return sum((a > b) + 0.5 * (a == b) for a in yes for b in no) / (len(yes) * len(no))


def wilson_interval(successes: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval (1927) of a share, `successes` of `total`; (0, 1) where nothing was counted."""
    from statistics import NormalDist

    if total == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, z2 = successes / total, z * z
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = z * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    return low, 1.0 if successes == total else min(1.0, middle + half)


def binomial_p_value(successes: int, total: int, share: float) -> float:
    """The exact two-sided p-value of `successes` in `total` draws that succeed with `share`; 1 where nothing was drawn.

    The probabilities of all results that are no likelier than the one seen are added.
    """
    if not 0 < share < 1:
        return 1.0 if successes == round(total * share) else 0.0
    logs = math.log(share), math.log1p(-share)

    def chance(k: int) -> float:
        ways = math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        return math.exp(ways + k * logs[0] + (total - k) * logs[1])

    limit = chance(successes) * (1 + 1e-9)
    return min(1.0, math.fsum(one for one in map(chance, range(total + 1)) if one <= limit))


def bootstrap_interval(
    values: Sequence[float], seed: int, resamples: int = 10_000, confidence: float = 0.95
) -> tuple[float, float]:
    """The percentile bootstrap interval (Efron 1979) of the mean of `values`.

    For a paired comparison pass the differences. An empty list gives (nan, nan).
    """
    if not values:
        return math.nan, math.nan
    data = np.asarray(values, dtype=np.float64)
    generator = np.random.default_rng(seed)
    block = max(1, 4_000_000 // len(data))  # resamples at a time: about 32 MB of indices
    means = np.concatenate(
        [
            data[generator.integers(0, len(data), size=(min(block, resamples - done), len(data)))].mean(axis=1)
            for done in range(0, resamples, block)
        ]
    )
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All runs of n words, in order."""
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Different n-grams as a share of all n-grams of the texts together (Li et al. 2016); 0 where there are none."""
    all_ngrams = [gram for text in texts for gram in ngrams(tokens(text), n)]
    return len(set(all_ngrams)) / len(all_ngrams) if all_ngrams else 0.0


def self_bleu(texts: Sequence[str], seed: int, sample: int = 200, max_n: int = 4) -> float:
    """How much the texts repeat each other: mean BLEU of each against all others (Zhu et al. 2018), 0..1, high is bad.

    More than `sample` texts are drawn down to that many first, since the cost grows with their square.
    """
    drawn = list(texts) if len(texts) <= sample else random.Random(seed).sample(list(texts), sample)
    if len(drawn) < 2:
        return 0.0
    counts = [[Counter(ngrams(words, n)) for n in range(1, max_n + 1)] for words in map(tokens, drawn)]
    best = [_two_highest([text[n] for text in counts]) for n in range(max_n)]
    return mean([_bleu_against_rest(index, counts, best) for index in range(len(drawn))])


def _two_highest(counts: list[Counter[tuple[str, ...]]]) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """For each n-gram: its highest count in one text, that text's index, and its highest count in any other."""
    best: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for index, grams in enumerate(counts):
        for gram, number in grams.items():
            first, owner, second = best.get(gram, (0, -1, 0))
            best[gram] = (number, index, first) if number > first else (first, owner, max(second, number))
    return best


def _bleu_against_rest(
    index: int,
    counts: list[list[Counter[tuple[str, ...]]]],
    best: list[dict[tuple[str, ...], tuple[int, int, int]]],
) -> float:
    """BLEU with clipped counts, add-one smoothing above single words (Lin and Och 2004), and the brevity penalty."""
    logs = []
    for n, grams in enumerate(counts[index]):
        total, hits = grams.total(), 0
        for gram, number in grams.items():
            first, owner, second = best[n][gram]
            hits += min(number, second if owner == index else first)
        smooth = 1 if n else 0
        if hits + smooth == 0 or total + smooth == 0:
            return 0.0
        logs.append(math.log((hits + smooth) / (total + smooth)))
    length = counts[index][0].total()
    others = [text[0].total() for i, text in enumerate(counts) if i != index]
    closest = min(others, key=lambda other: (abs(other - length), other))
    return math.exp(min(0.0, 1 - closest / length) + mean(logs)) if length else 0.0


def vendi_score(texts: Sequence[str], seed: int, sample: int = 1000, dimensions: int = 4096) -> float:
    """How many different texts there are in effect, 1..len(texts): the Vendi Score (Friedman and Dieng 2023).

    The likeness of two texts is the cosine of their counts of words and word pairs, hashed into `dimensions` places, so
    it sees shared wording and not shared meaning. More than `sample` texts are drawn down to that many first, and the
    score is then the drawn ones'. No texts: 0.
    """
    drawn = list(texts) if len(texts) <= sample else random.Random(seed).sample(list(texts), sample)
    if not drawn:
        return 0.0
    vectors = np.zeros((len(drawn), dimensions))
    for row, words in enumerate(map(tokens, drawn)):
        for gram in ngrams(words, 1) + ngrams(words, 2):
            vectors[row, zlib.crc32(" ".join(gram).encode()) % dimensions] += 1.0
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths == 0, 1.0, lengths)
    eigenvalues = np.linalg.eigvalsh(vectors @ vectors.T / len(drawn))
    positive = eigenvalues[eigenvalues > 1e-12]
    return float(np.exp(-(positive * np.log(positive)).sum()))
