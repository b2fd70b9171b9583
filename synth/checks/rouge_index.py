"""Exact ROUGE-L novelty: is a text new against everything admitted so far? One text at a time, any number of texts.

The rule is Self-Instruct's (arXiv 2212.10560): refuse a text whose highest ROUGE-L F-measure to the pool passes 0.7.
Score, verdict and nearest text equal those of comparing with every text by rouge-score, in a thousandth of the time:

1. Each text has a signature: every token, and every further use of it, flips one bit. Bits in which two signatures
   differ count tokens that cannot be matched, so `1 - differing / (m + n)` bounds the F-measure of m and n tokens from
   above. Numpy takes this bound over the whole pool.
2. Only texts whose bound reaches the level asked for are compared, by rapidfuzz' bit-parallel LCS.
3. The score is computed from the LCS in rouge-score's own floating-point order, so ties at the threshold agree too.

Whole datasets at once, several times faster: `synth.checks.novelty.novel_subset`. Only words are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.errors import UsageError
from synth.tokens import TOKENIZERS

THRESHOLD = 0.7  # Self-Instruct and Alpaca
FLOOR = 0.4
LONG_FLOOR = 0.6  # long texts share so many function words that below it nearly all of them are neighbours
LONG = 40  # tokens
LEVEL_STEP = 0.1
SLACK = 1e-5  # more than float32 rounds; a bound too high costs a comparison, one too low would cost exactness
SIGNATURE_BITS = 2048
BANDS = ((0, 40, 4), (41, 128, 16), (129, 1 << 62, 32))  # tokens from, to: 64-bit words of signature
FEW = 8  # below this many candidates a loop beats a batch call


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the index says of a text.

    `score`: highest ROUGE-L F-measure to the pool, exact if it reaches the floor, else 0.0. `nearest`: position
    in the pool of the first text with that score, None below the floor. `no_tokens`: nothing could be compared, as for
    Chinese with the "rouge" tokenizer; such a text is never called novel.
    """

    novel: bool
    score: float
    nearest: int | None
    no_tokens: bool = False


class NoveltyIndex:
    """The pool of admitted texts.

    `threshold`: a text scoring above it is not novel; with `strict` one scoring exactly it is refused too (the paper's
    wording; its published code, and our default, keeps the tie). `floor`: how low nearest texts are looked for, never
    above the threshold, and `long_floor` the same for texts of more than 40 tokens; a higher floor is faster.
    `tokenizer`: "unicode" or "rouge".
    """

    def __init__(
        self,
        threshold: float = THRESHOLD,
        *,
        strict: bool = False,
        tokenizer: str = "unicode",
        floor: float = FLOOR,
        long_floor: float = LONG_FLOOR,
    ) -> None:
        if not all(0 < value <= 1 for value in (threshold, floor, long_floor)):
            raise UsageError(f"novelty: threshold {threshold} and floors must lie above 0 and at most at 1")
        if tokenizer not in TOKENIZERS:
            raise UsageError(f'novelty: no tokenizer "{tokenizer}"', f"Take one of {', '.join(TOKENIZERS)}.")
        self.threshold, self.strict = threshold, strict
        self.floor, self.long_floor = min(floor, threshold), min(max(floor, long_floor), threshold)
        self._levels = _levels(threshold, self.floor, self.long_floor)
        self._tokens = TOKENIZERS[tokenizer]
        self._vocabulary: dict[str, tuple[str, int]] = {}
        self._codes: list[str] = []
        self._bands = [_Band(low, high, words, self._levels) for low, high, words in BANDS]

    def __len__(self) -> int:
        return len(self._codes)

    def add_if_novel(self, text: str) -> Verdict:
        """The verdict on `text`; it joins the pool if it is novel."""
        code, signature = self._encode(text)
        verdict = self._verdict(code, signature)
        if verdict.novel:
            self._insert(code, signature)
        return verdict

    def add(self, text: str) -> int:
        """Put `text` into the pool whatever its score (seeds are never filtered); its position."""
        self._insert(*self._encode(text))
        return len(self._codes) - 1

    def score(self, text: str) -> Verdict:
        """The verdict on `text`, which does not join the pool."""
        return self._verdict(*self._encode(text))

    def neighbours(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Positions, ascending, and scores of all texts of the pool that score at least the threshold with `text`."""
        code, signature = self._encode(text)
        found = [(np.empty(0, np.int64), np.empty(0))]
        for band in self._reachable(len(code), self.threshold):
            band.compare(len(code), signature)
            hits, lengths = band.within(0, len(code), -1.0, 1 - self.threshold + SLACK)
            if hits:
                scores = _scores(code, [self._codes[i] for i in hits], lengths)
                found.append((np.array(hits)[scores >= self.threshold], scores[scores >= self.threshold]))
        positions, scores = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.argsort(positions)
        return positions[order], scores[order]

    def all_scores(self, text: str) -> NDArray[np.float64]:
        """Score of `text` to every text of the pool, in its order. About 50 ns each."""
        return _scores(self._encode(text)[0], self._codes, _lengths(self._codes))

    def _encode(self, text: str) -> tuple[str, int]:
        """One character per token (equal tokens, equal characters) and the signature as a number."""
        vocabulary, code, signature = self._vocabulary, [], 0
        for token in self._tokens(text):
            entry = vocabulary.get(token)
            if entry is None:
                entry = vocabulary[token] = _vocabulary_entry(len(vocabulary))
            code.append(entry[0])
            signature ^= entry[1]
        if len(set(code)) < len(code):  # the k-th use of a word flips a bit of its own
            for word, uses in Counter(code).items():
                for k in range(1, uses):
                    signature ^= 1 << _spread(ord(word)) ^ 1 << _spread(ord(word) + (k << 24))
        return "".join(code), signature

    def _insert(self, code: str, signature: int) -> None:
        band = next(band for band in self._bands if len(code) <= band.high)
        band.append(len(self._codes), len(code), signature)
        self._codes.append(code)

    def _verdict(self, code: str, signature: int) -> Verdict:
        if not code:
            return Verdict(novel=False, score=0.0, nearest=None, no_tokens=True)
        score, nearest = self._nearest(code, signature)
        if score < self._floor_of(code):
            return Verdict(novel=True, score=0.0, nearest=None)
        novel = score < self.threshold or (score == self.threshold and not self.strict)
        return Verdict(novel, score, nearest)

    def _reachable(self, length: int, floor: float) -> list[_Band]:
        """The bands whose texts may score `floor` by their lengths: m and n tokens at most 2 min(m, n) / (m + n)."""
        shortest = length * floor / (2 - floor) - SLACK
        longest = length * (2 - floor) / floor + SLACK
        return [band for band in self._bands if band.size and band.high >= shortest and band.low <= longest]

    def _floor_of(self, code: str) -> float:
        return self.floor if len(code) <= LONG else self.long_floor

    def _nearest(self, code: str, signature: int) -> tuple[float, int]:
        """Highest score and the first position with it; level by level, so that a close text spares the far ones."""
        length, floor = len(code), self._floor_of(code)
        bands = self._reachable(length, floor)
        for band in bands:
            band.compare(length, signature)
        best, nearest, seen = 0.0, -1, -1.0
        for rank, level in enumerate(self._levels):
            if level < floor:
                break
            cut = 1 - max(level, best) + SLACK
            for band in bands:
                hits, lengths = band.within(rank, length, seen, cut)
                if hits:
                    scores = _scores(code, [self._codes[i] for i in hits], lengths)
                    top = int(scores.argmax())
                    score, position = float(scores[top]), hits[top]
                    if score > best or (score == best and position < nearest):
                        best, nearest = score, position
            if best >= level:
                break
            seen = cut
        return best, nearest


class _Band:
    """Signatures of all texts of `low` to `high` tokens, as growing numpy columns with room to work beside them.

    `allowed` has a row for each level: in how many bits a text may differ for its own share of the tokens.
    """

    def __init__(self, low: int, high: int, words: int, levels: Sequence[float]) -> None:
        self.low, self.high, self.size, self._words = low, high, 0, words
        self._shares = [1 - level + SLACK for level in levels]
        self._number = np.uint8 if words <= 4 else np.uint16  # 256 differing bits wrap to 0: one comparison too many
        self._bits = np.empty((words, 0), np.uint64)
        self._allowed = np.empty((len(levels), 0), self._number)
        self._lengths = np.empty(0, np.float32)
        self._positions = np.empty(0, np.int64)
        self._grow(1024)

    def _grow(self, capacity: int) -> None:
        def larger(column: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([column, np.empty((*column.shape[:-1], capacity - self.size), column.dtype)], axis=-1)

        self._bits, self._allowed = larger(self._bits), larger(self._allowed)
        self._lengths, self._positions = larger(self._lengths), larger(self._positions)
        self._differing, self._count = np.empty(capacity, np.uint64), np.empty(capacity, np.uint8)
        self._total, self._limit = np.empty(capacity, self._number), np.empty(capacity, self._number)

    def append(self, position: int, length: int, signature: int) -> None:
        if self.size == len(self._lengths):
            self._grow(2 * self.size)
        self._bits[:, self.size] = self._folded(signature)
        self._allowed[:, self.size] = [min(int(length * share), SIGNATURE_BITS) for share in self._shares]
        self._lengths[self.size] = length
        self._positions[self.size] = position
        self.size += 1

    def compare(self, length: int, signature: int) -> None:
        """Count the bits in which each text differs from this one; `within` then picks by that count."""
        size, words = self.size, self._folded(signature)
        differing, count, total = self._differing[:size], self._count[:size], self._total[:size]
        np.bitwise_count(np.bitwise_xor(self._bits[0, :size], words[0], out=differing), out=total)
        for column, word in zip(self._bits[1:, :size], words[1:], strict=True):
            np.bitwise_count(np.bitwise_xor(column, word, out=differing), out=count)
            np.add(total, count, out=total)

    def within(self, rank: int, length: int, seen: float, cut: float) -> tuple[list[int], NDArray[np.float32]]:
        """Positions and lengths of the texts whose share of surely different tokens is above `seen`, at most `cut`."""
        total = self._total[: self.size]
        allowed = int(length * self._shares[rank]) + 1
        if allowed < self._words * 32:
            limit = np.add(self._allowed[rank, : self.size], self._number(allowed), out=self._limit[: self.size])
            rows = np.less_equal(total, limit).nonzero()[0]
        else:  # so long a text may differ in every bit, and the sum might not fit the number
            rows = np.arange(self.size)
        lengths = self._lengths[rows]
        if not len(rows):
            return [], lengths
        gaps = total[rows] / (lengths + np.float32(length))
        wanted = (gaps > seen) & (gaps <= cut)
        return self._positions[rows[wanted]].tolist(), lengths[wanted]

    def _folded(self, signature: int) -> NDArray[np.uint64]:
        """The signature at this band's width: the halves are put over each other by exclusive or."""
        bits = SIGNATURE_BITS
        while bits > self._words * 64:
            bits //= 2
            signature = (signature >> bits) ^ (signature & ((1 << bits) - 1))
        return np.frombuffer(signature.to_bytes(self._words * 8, "little"), np.dtype("<u8"))


def _scores(code: str, others: Sequence[str], lengths: NDArray[Any]) -> NDArray[np.float64]:
    """ROUGE-L F-measure of `code` to each of `others`, bit for bit what rouge-score gives."""
    from rapidfuzz.distance import LCSseq
    from rapidfuzz.process import cdist

    if len(others) < FEW:
        common = np.array([LCSseq.similarity(code, other) for other in others], np.float64)
    else:
        common = cdist([code], others, scorer=LCSseq.similarity, dtype=np.uint32)[0].astype(np.float64)
    return fmeasure(common, float(len(code)), lengths.astype(np.float64))


def _lengths(codes: Sequence[str]) -> NDArray[np.float64]:
    return np.fromiter(map(len, codes), np.float64, len(codes))


def fmeasure(common: Any, length: Any, lengths: Any) -> NDArray[np.float64]:
    """F-measure of an LCS of `common` tokens, in the order of operations of rouge-score; 0 where nothing is common."""
    precision, recall = common / lengths, common / length
    score: NDArray[np.float64] = 2 * precision * recall / np.where(common > 0, precision + recall, 1.0)
    return score


def _levels(threshold: float, floor: float, long_floor: float) -> list[float]:
    """Where to look, one after the other: the threshold, then lower in steps down to the floors."""
    steps = (threshold - LEVEL_STEP * step for step in range(1, int((threshold - floor) / LEVEL_STEP) + 1))
    between = [level for level in steps if min(abs(level - floor), abs(level - long_floor)) > LEVEL_STEP / 4]
    return sorted({threshold, *between, floor, long_floor}, reverse=True)


def _vocabulary_entry(number: int) -> tuple[str, int]:
    """The character of the `number`-th token, and its bit."""
    if number > 0x10FFFF:
        raise UsageError("novelty: more than 1,114,112 different words in one pool", "Use novel_subset for such a set.")
    return chr(number), 1 << _spread(number)


def _spread(number: int) -> int:
    """A bit of the signature for `number`, by Knuth's multiplicative hash."""
    return (number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 53
