"""Novelty of a whole dataset at once: an exact prefix join in numpy, in as many passes as memory asks for.

The join finds every pair of texts that may reach the threshold, rapidfuzz scores them, and one pass in order keeps what
`NoveltyIndex` would have kept.

Texts of m and n tokens with a longest common subsequence of L tokens score 2L / (m + n), so a pair at the threshold
shares at least `need` = ceil(threshold (m + n) / 2) tokens in order. Order the tokens of each text from rare to common:
the two rarest shared ones lie among the m - need + 2 rarest of one text and the n - need + 2 rarest of the other, and
stand in the same order in both. (This is the prefix filter of AllPairs and PPJoin, in ordered pairs.) So a text is
filed under the ordered pairs of its rare tokens, and only texts under one key meet. Of these, three bounds discard most
before any LCS: the lengths, what can be matched before, between and after the two tokens, and a signature of 64 bits.
Long texts have too many pairs of tokens; `NoveltyIndex` finds their neighbours. It also takes over a set of mostly
long texts, and one in which nearly all are alike (one template filled many times): there pairs of texts would be
without number, but few texts are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.checks.rouge_index import NoveltyIndex, fmeasure
from synth.tokens import TOKENIZERS

Edges = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
Table = dict[str, NDArray[Any]]

LONG = 48  # tokens; pairs of tokens grow with the square
CHUNK = 500_000  # pairs scored at a time
TEXTS_PER_PASS = 2_000_000  # about 1 KB of working memory each
BLOCK = 200_000  # rows joined at a time: they fit the cache
MEETINGS_PER_TEXT, PAIRS_PER_TEXT = 10_000, 100  # more, and the set is not joined; 1,000 and 5 in a varied million


@dataclass(frozen=True, slots=True)
class Removed:
    """A text that is not novel: its index, and the kept text it is closest to (None: it has no tokens)."""

    index: int
    nearest: int | None
    score: float


@dataclass(frozen=True, slots=True)
class Subset:
    """Indices of the texts kept, ascending, and what was removed. Together they are all texts."""

    kept: list[int]
    removed: list[Removed]


def subset(texts: Sequence[str], *, threshold: float, strict: bool, tokenizer: str) -> Subset:
    """See `synth.checks.novelty.novel_subset`."""
    index = NoveltyIndex(threshold, strict=strict, tokenizer=tokenizer, floor=threshold)
    corpus = _Corpus(texts, TOKENIZERS[tokenizer])
    if 2 * (corpus.lengths > LONG).sum() > len(corpus.lengths):
        return _subset(streamed(texts, index))
    try:
        pairs = [_short_pairs(corpus, threshold), *long_pairs(corpus, threshold)]
    except TooDense:
        return _subset(streamed(texts, index))
    return _subset(settle(corpus.unique, corpus.first, close(pairs, threshold, strict), strict or threshold < 1))


class TooDense(Exception):
    """Too many pairs to hold."""


def _subset(verdicts: Iterable[Removed | None]) -> Subset:
    """The verdicts of all texts, in order, as two lists."""
    result = Subset([], [])
    for index, verdict in enumerate(verdicts):
        if verdict is None:
            result.kept.append(index)
        else:
            result.removed.append(verdict)
    return result


def streamed(texts: Iterable[str], index: NoveltyIndex) -> Iterator[Removed | None]:
    """The verdict on each text, None where it is kept, one at a time."""
    kept: list[int] = []
    for number, text in enumerate(texts):
        verdict = index.add_if_novel(text)
        if verdict.novel:
            kept.append(number)
            yield None
        else:
            yield Removed(number, None if verdict.nearest is None else kept[verdict.nearest], verdict.score)


class Sequences:
    """Token sequences as one flat array of token ranks: 0 is the rarest, and `num_single` ranks occur once."""

    def __init__(self, lengths: NDArray[np.int64], flat: NDArray[Any], num_single: int) -> None:
        self.lengths, self.flat, self.num_single = lengths, flat, num_single
        self.starts = np.concatenate([[0], np.cumsum(lengths)])

    def text(self, number: int) -> str:
        """A text with the words of a sequence, each told by its rank."""
        return " ".join(map(str, self.flat[self.starts[number] : self.starts[number + 1]].tolist()))

    def signatures(self) -> NDArray[np.uint64]:
        """For each sequence, 64 bits of which each token flips one."""
        spread = (self.flat.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(58)
        return np.bitwise_xor.reduceat(np.uint64(1) << spread, self.starts[:-1])

    def codes(self) -> Callable[[NDArray[np.int64]], list[Any]]:
        """A function from numbers of sequences to what rapidfuzz compares: tokens that occur once are left out."""
        repeated = self.flat >= self.num_single
        starts = np.concatenate([[0], np.cumsum(repeated)])[self.starts].tolist()
        flat = self.flat[repeated] - self.num_single
        if len(flat) and flat.max() > 0x10FFFF:  # more words than characters: lists of numbers, slower
            whole: Any = flat.tolist()
        else:
            whole = flat.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
        return lambda numbers: [whole[starts[n] : starts[n + 1]] for n in numbers.tolist()]


class _Corpus(Sequences):
    """The distinct sequences of the texts.

    `unique[i]` is the number of text i's sequence, -1 without tokens; `first[u]` the first text that has sequence u.
    """

    def __init__(self, texts: Sequence[str], tokenize: Callable[[str], list[str]]) -> None:
        vocabulary: dict[str, int] = {}
        seen: dict[tuple[int, ...], int] = {}
        self.unique = [-1] * len(texts)
        self.first: list[int] = []
        for index, text in enumerate(texts):
            sequence = tuple([vocabulary.setdefault(token, len(vocabulary)) for token in tokenize(text)])
            if sequence:
                self.unique[index] = number = seen.setdefault(sequence, len(seen))
                if number == len(self.first):
                    self.first.append(index)
        lengths = np.fromiter(map(len, seen), np.int64, len(seen))
        flat = np.fromiter((t for sequence in seen for t in sequence), np.int64, int(lengths.sum()))
        uses = np.bincount(flat, minlength=len(vocabulary))
        super().__init__(lengths, ranks(uses)[flat], int((uses == 1).sum()))


def ranks(uses: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rank of each token by how often it is used, the rarest first."""
    rank = np.empty(len(uses), np.int64)
    rank[np.argsort(uses, kind="stable")] = np.arange(len(uses))
    return rank


def _need(threshold: float, m: Any, n: Any) -> Any:
    """At most the number of shared tokens at which m and n tokens reach the threshold."""
    return np.ceil(threshold * (m + n) / 2 - 1e-9)


def keys(corpus: Sequences, threshold: float) -> Iterator[Table]:
    """The rows of the join: for each text and each ordered pair of its rare tokens, where they stand (`a`, `b`).

    `room` is how many tokens may be shared from this key on.
    """
    for length in range(1, LONG + 1):
        numbers = np.flatnonzero(corpus.lengths == length)
        tokens = corpus.flat[corpus.starts[numbers][:, None] + np.arange(length)]
        by_rarity = np.argsort(tokens, axis=1, kind="stable")
        shortest = np.ceil(threshold * length / (2 - threshold) - 1e-9)
        prefix = min(length, length - int(_need(threshold, length, shortest)) + 2)
        for rank in range(1, prefix):
            rows = _rows(corpus, tokens, by_rarity[:, :rank], by_rarity[:, rank : rank + 1])
            yield _filled(rows, numbers, length - rank + 1)
        if length + 1 <= 2 / threshold + 1e-9:  # one shared token may be enough: file under single tokens too
            for place in range(length):
                at = np.full((len(numbers), 1), place)
                rows = _rows(corpus, tokens, at, at)
                rows["key"] |= np.uint64(1 << 63)
                yield _filled(rows, numbers, length)


def _rows(corpus: Sequences, tokens: NDArray[np.int64], rarer: NDArray[np.int64], place: NDArray[np.int64]) -> Table:
    """Keys of the tokens at `place` with each of the `rarer` ones of the same text; `id` is the row in `tokens`."""
    one, two = np.minimum(rarer, place), np.maximum(rarer, place)
    rows = np.arange(len(tokens))[:, None]
    earlier, later = tokens[rows, one], tokens[rows, two]
    useful = (earlier >= corpus.num_single) & (later >= corpus.num_single)
    key = earlier[useful].astype(np.uint64) << np.uint64(31) | later[useful].astype(np.uint64)
    owner = np.broadcast_to(rows, useful.shape)[useful]
    return {"key": key, "id": owner, "a": one[useful].astype(np.uint8), "b": two[useful].astype(np.uint8)}


def _filled(rows: Table, numbers: NDArray[np.int64], room: int) -> Table:
    """The rows with the numbers of their sequences."""
    owner = numbers[rows["id"]].astype(np.int32)
    return rows | {"id": owner, "room": np.full(len(owner), room, np.uint8)}


def _short_pairs(corpus: _Corpus, threshold: float) -> Edges:
    """All pairs of short sequences that reach the threshold, scored."""
    parts, size, signatures = [np.empty(0, np.uint64)], 0, corpus.signatures()
    passes = 1 + len(corpus.lengths) // TEXTS_PER_PASS
    for number in range(passes):
        table = _sorted_table(corpus, threshold, number, passes)
        for pairs in meetings(table, corpus.lengths, signatures, threshold):
            parts.append(pairs)
            size += len(pairs)
            if size > PAIRS_PER_TEXT * len(corpus.lengths):
                raise TooDense
    pairs = np.unique(np.concatenate(parts))
    return score(corpus, pairs & np.uint64(0xFFFFFFFF), pairs >> np.uint64(32), threshold)


def _sorted_table(corpus: _Corpus, threshold: float, number: int, passes: int) -> Table:
    """The rows of the join whose key falls to this pass, sorted."""
    columns: dict[str, list[NDArray[Any]]] = {}
    for rows in keys(corpus, threshold):
        mine = rows["key"] % np.uint64(passes) == number
        for name, column in rows.items():
            columns.setdefault(name, []).append(column[mine] if passes > 1 else column)
    table, met = shared_keys({name: np.concatenate(columns.pop(name)) for name in list(columns)})
    if met > MEETINGS_PER_TEXT * len(corpus.lengths):
        raise TooDense
    return table


def shared_keys(rows: Table) -> tuple[Table, float]:
    """The rows sorted by key, without those whose key no other row has; and about how many pairs of rows share one."""
    order = np.argsort(rows["key"], kind="stable")
    key = rows["key"][order]
    heads = np.append(True, key[1:] != key[:-1])[: len(key)]
    order = order[~(heads & np.append(heads[1:], True)[: len(key)])]
    uses = np.diff(np.append(np.flatnonzero(heads), len(key)))
    return {name: column[order] for name, column in rows.items()}, float((uses.astype(np.float64) ** 2).sum() / 2)


def meetings(
    table: Table, lengths: NDArray[Any], signatures: NDArray[np.uint64], threshold: float
) -> Iterator[NDArray[np.uint64]]:
    """All pairs of texts that meet under a key of the sorted table and that no bound rules out, block by block.

    A pair is one number, `larger id << 32 | smaller id`; it may come more than once.
    """
    shares = (threshold * np.arange(LONG + 1) / 2 - 1e-4).astype(np.float32)
    for start, end in _blocks(table["key"]):
        rows = {name: column[start:end] for name, column in table.items()}
        rows["n"] = lengths[rows["id"]].astype(np.uint8)
        yield _meetings(rows | {"share": shares[rows["n"]], "signature": signatures[rows["id"]]})


def _blocks(key: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Stretches of the sorted keys of about BLOCK rows that end where a key ends."""
    start = 0
    while start < len(key):
        end = min(start + BLOCK, len(key))
        end = int(np.searchsorted(key, key[end - 1], side="right"))
        yield start, end
        start = end


def _meetings(rows: Table) -> NDArray[np.uint64]:
    """The pairs of one block.

    `share` is half the threshold times the tokens of a text: a pair must share at least the sum of both. `room` is how
    many tokens may be shared from this key on.
    """
    key, share, room, a, b, n, ids = (rows[name] for name in ("key", "share", "room", "a", "b", "n", "id"))
    found = [np.empty(0, np.uint64)]
    one = np.arange(len(key) - 1)
    for distance in range(1, len(key)):
        one = one[: np.searchsorted(one, len(key) - distance)]
        one = one[key[one] == key[one + distance]]
        if not len(one):
            break
        need = share[one] + share[one + distance]
        x = np.flatnonzero(need <= np.minimum(room[one], room[one + distance]))
        x, need = one[x], need[x]
        y = x + distance
        between = np.minimum(a[x], a[y]) + np.minimum(b[x] - a[x], b[y] - a[y]) + np.minimum(n[x] - b[x], n[y] - b[y])
        x, need = x[need <= between], need[need <= between]
        y = x + distance
        unlike = np.bitwise_count(rows["signature"][x] ^ rows["signature"][y])
        x = x[2 * need <= n[x].astype(np.int16) + n[y] - unlike]
        pair = np.sort(np.stack([ids[x], ids[x + distance]]).astype(np.uint64), axis=0)
        found.append((pair[1] << np.uint64(32) | pair[0])[pair[0] != pair[1]])
    return np.unique(np.concatenate(found))


def score(corpus: Sequences, one: NDArray[Any], two: NDArray[Any], threshold: float) -> Edges:
    """Score the pairs; those below the threshold are left out."""
    from rapidfuzz.distance import LCSseq
    from rapidfuzz.process import cpdist

    codes = corpus.codes()
    parts: list[Edges] = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for start in range(0, len(one), CHUNK):
        left, right = one[start : start + CHUNK].astype(np.int64), two[start : start + CHUNK].astype(np.int64)
        common = cpdist(codes(left), codes(right), scorer=LCSseq.similarity, dtype=np.uint32, workers=-1)
        scores = fmeasure(common.astype(np.float64), corpus.lengths[left], corpus.lengths[right])
        good = scores >= threshold
        parts.append((left[good], right[good], scores[good]))
    left, right, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    return left, right, scores


def long_pairs(corpus: Sequences, threshold: float) -> Iterator[Edges]:
    """All pairs with a long sequence in them: each long one against all short ones and the long ones before it."""
    long = np.flatnonzero(corpus.lengths > LONG)
    if not len(long):
        return
    reachable = corpus.lengths >= np.floor(LONG * threshold / (2 - threshold))
    numbers = np.concatenate([np.flatnonzero(reachable & (corpus.lengths <= LONG)), long])
    index = NoveltyIndex(threshold, tokenizer="rouge", floor=threshold)
    for number in numbers.tolist():
        text = corpus.text(number)
        if corpus.lengths[number] > LONG:
            positions, scores = index.neighbours(text)
            yield numbers[positions], np.full(len(positions), number), scores
        index.add(text)


def close(pairs: Iterable[Edges], threshold: float, strict: bool) -> Edges:
    """All pairs too close to be kept together."""
    one, two, scores = (np.concatenate(column) for column in zip(*pairs, strict=True))
    near = scores >= threshold if strict else scores > threshold
    return one[near], two[near], scores[near]


def settle(
    unique: Iterable[int], first: Sequence[int] | NDArray[np.int64], edges: Edges, repeats_fail: bool
) -> Iterator[Removed | None]:
    """The verdict on each text in order: it is removed if it is too close to a text kept before it.

    `unique`, `first`: see `_Corpus`. `edges`: the pairs of sequences that are too close.
    """
    one, two, scores = edges
    owner, other = np.concatenate([one, two]), np.concatenate([two, one])
    order = np.argsort(owner, kind="stable")
    other, scores = other[order], np.concatenate([scores, scores])[order]
    starts = np.searchsorted(owner[order], np.arange(len(first) + 1))
    admitted = bytearray(len(first))
    for index, number in enumerate(unique):
        if number < 0:
            yield Removed(index, None, 0.0)
            continue
        if repeats_fail and admitted[number]:
            yield Removed(index, int(first[number]), 1.0)
            continue
        span = slice(starts[number], starts[number + 1])
        near = zip(scores[span].tolist(), other[span].tolist(), strict=True) if span.start < span.stop else ()
        best = max(((score, -int(first[u])) for score, u in near if admitted[u]), default=None)
        if best:
            yield Removed(index, -best[1], best[0])
        else:
            admitted[number] = True
            yield None
