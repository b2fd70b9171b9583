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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synth.checks.rouge_index import NoveltyIndex, fmeasure
from synth.tokens import TOKENIZERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Edges = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

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
        return _streamed(texts, index)
    try:
        pairs = [_short_pairs(corpus, threshold), *_long_pairs(corpus, threshold, tokenizer)]
    except _TooDense:
        return _streamed(texts, index)
    return _settle(corpus, _passing(pairs, threshold, strict), repeats_fail=strict or threshold < 1)


class _TooDense(Exception):
    """Too many pairs to hold."""


def _streamed(texts: Sequence[str], index: NoveltyIndex) -> Subset:
    """The same, one text at a time."""
    result = Subset([], [])
    for number, text in enumerate(texts):
        verdict = index.add_if_novel(text)
        if verdict.novel:
            result.kept.append(number)
        else:
            nearest = None if verdict.nearest is None else result.kept[verdict.nearest]
            result.removed.append(Removed(number, nearest, verdict.score))
    return result


class _Corpus:
    """The distinct token sequences of the texts, as one flat array of token ranks: 0 is the rarest.

    `unique[i]` is the number of text i's sequence, -1 without tokens; `first[u]` the first text that has sequence u.
    """

    def __init__(self, texts: Sequence[str], tokenize: Callable[[str], list[str]]) -> None:
        import numpy as np

        self.texts = texts
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
        self.lengths = np.fromiter(map(len, seen), np.int64, len(seen))
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        flat = np.fromiter((t for sequence in seen for t in sequence), np.int64, int(self.starts[-1]))
        uses = np.bincount(flat, minlength=len(vocabulary))
        rank = np.empty(len(vocabulary), np.int64)
        rank[np.argsort(uses, kind="stable")] = np.arange(len(vocabulary))
        self.flat = rank[flat]
        self.num_single = int((uses == 1).sum())  # ranks below it occur once, so they match nothing

    def signatures(self) -> NDArray[np.uint64]:
        """For each sequence, 64 bits of which each token flips one."""
        import numpy as np

        spread = (self.flat.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(58)
        return np.bitwise_xor.reduceat(np.uint64(1) << spread, self.starts[:-1])

    def codes(self) -> Callable[[NDArray[np.int64]], list[Any]]:
        """A function from numbers of sequences to what rapidfuzz compares: tokens that occur once are left out."""
        import numpy as np

        repeated = self.flat >= self.num_single
        starts = np.concatenate([[0], np.cumsum(repeated)])[self.starts].tolist()
        flat = self.flat[repeated] - self.num_single
        if len(flat) and flat.max() > 0x10FFFF:  # more words than characters: lists of numbers, slower
            whole: Any = flat.tolist()
        else:
            whole = flat.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
        return lambda numbers: [whole[starts[n] : starts[n + 1]] for n in numbers.tolist()]


def _need(threshold: float, m: Any, n: Any) -> Any:
    """At most the number of shared tokens at which m and n tokens reach the threshold."""
    import numpy as np

    return np.ceil(threshold * (m + n) / 2 - 1e-9)


def _keys(corpus: _Corpus, threshold: float) -> Iterator[dict[str, NDArray[Any]]]:
    """The rows of the join: for each text and each ordered pair of its rare tokens, where they stand."""
    import numpy as np

    signatures = corpus.signatures()
    for length in range(1, LONG + 1):
        numbers = np.flatnonzero(corpus.lengths == length)
        tokens = corpus.flat[corpus.starts[numbers][:, None] + np.arange(length)]
        by_rarity = np.argsort(tokens, axis=1, kind="stable")
        shortest = np.ceil(threshold * length / (2 - threshold) - 1e-9)
        prefix = min(length, length - int(_need(threshold, length, shortest)) + 2)
        same = {"n": length, "share": threshold * length / 2 - 1e-4}
        for rank in range(1, prefix):
            rows = _rows(corpus, tokens, by_rarity[:, :rank], by_rarity[:, rank : rank + 1])
            yield _filled(rows, numbers, signatures, same | {"room": length - rank + 1})
        if length + 1 <= 2 / threshold + 1e-9:  # one shared token may be enough: file under single tokens too
            for place in range(length):
                at = np.full((len(numbers), 1), place)
                rows = _rows(corpus, tokens, at, at)
                rows["key"] |= np.uint64(1 << 63)
                yield _filled(rows, numbers, signatures, same | {"room": length})


def _rows(
    corpus: _Corpus, tokens: NDArray[np.int64], rarer: NDArray[np.int64], place: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Keys of the tokens at `place` with each of the `rarer` ones of the same text; `id` is the row in `tokens`."""
    import numpy as np

    one, two = np.minimum(rarer, place), np.maximum(rarer, place)
    rows = np.arange(len(tokens))[:, None]
    earlier, later = tokens[rows, one], tokens[rows, two]
    useful = (earlier >= corpus.num_single) & (later >= corpus.num_single)
    key = earlier[useful].astype(np.uint64) << np.uint64(31) | later[useful].astype(np.uint64)
    owner = np.broadcast_to(rows, useful.shape)[useful]
    return {"key": key, "id": owner, "a": one[useful].astype(np.uint8), "b": two[useful].astype(np.uint8)}


def _filled(
    rows: dict[str, NDArray[Any]], numbers: NDArray[np.int64], signatures: NDArray[np.uint64], same: dict[str, float]
) -> dict[str, NDArray[Any]]:
    """The rows with the numbers of their sequences, their signatures, and what is the same in all of them."""
    import numpy as np

    owner = numbers[rows["id"]]
    types = {"n": np.uint8, "room": np.uint8, "share": np.float32}
    constant = {name: np.full(len(owner), value, types[name]) for name, value in same.items()}
    return rows | constant | {"id": owner.astype(np.int32), "signature": signatures[owner]}


def _short_pairs(corpus: _Corpus, threshold: float) -> Edges:
    """All pairs of short sequences that reach the threshold, scored."""
    import numpy as np

    parts, size = [np.empty(0, np.uint64)], 0
    passes = 1 + len(corpus.lengths) // TEXTS_PER_PASS
    for number in range(passes):
        table = _sorted_table(corpus, threshold, number, passes)
        for start, end in _blocks(table["key"]):
            parts.append(_meetings({name: column[start:end] for name, column in table.items()}))
            size += len(parts[-1])
            if size > PAIRS_PER_TEXT * len(corpus.lengths):
                raise _TooDense
    pairs = np.unique(np.concatenate(parts))
    return _score(corpus, pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF), threshold)


def _sorted_table(corpus: _Corpus, threshold: float, number: int, passes: int) -> dict[str, NDArray[Any]]:
    """The rows of the join whose key falls to this pass, sorted by key; keys that only one row has are left out."""
    import numpy as np

    columns: dict[str, list[NDArray[Any]]] = {}
    for rows in _keys(corpus, threshold):
        mine = rows["key"] % np.uint64(passes) == number
        for name, column in rows.items():
            columns.setdefault(name, []).append(column[mine] if passes > 1 else column)
    key = np.concatenate(columns.pop("key"))
    order = np.argsort(key, kind="stable")
    key = key[order]
    heads = np.append(True, key[1:] != key[:-1])[: len(key)]
    shared = ~(heads & np.append(heads[1:], True)[: len(key)])
    uses = np.diff(np.append(np.flatnonzero(heads), len(key)))
    if (uses.astype(np.float64) ** 2).sum() / 2 > MEETINGS_PER_TEXT * len(corpus.lengths):
        raise _TooDense
    order = order[shared]
    return {"key": key[shared]} | {name: np.concatenate(columns.pop(name))[order] for name in list(columns)}


def _blocks(key: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Stretches of the sorted keys of about BLOCK rows that end where a key ends."""
    import numpy as np

    start = 0
    while start < len(key):
        end = min(start + BLOCK, len(key))
        end = int(np.searchsorted(key, key[end - 1], side="right"))
        yield start, end
        start = end


def _meetings(rows: dict[str, NDArray[Any]]) -> NDArray[np.uint64]:
    """All pairs of texts under one key that no bound rules out, as numbers `smaller id << 32 | larger id`.

    `share` is half the threshold times the tokens of a text: a pair must share at least the sum of both. `room` is how
    many tokens may be shared from this key on.
    """
    import numpy as np

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
        found.append((pair[0] << np.uint64(32) | pair[1])[pair[0] != pair[1]])
    return np.unique(np.concatenate(found))


def _score(corpus: _Corpus, one: NDArray[Any], two: NDArray[Any], threshold: float) -> Edges:
    """Score the pairs; those below the threshold are left out."""
    import numpy as np
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


def _long_pairs(corpus: _Corpus, threshold: float, tokenizer: str) -> Iterator[Edges]:
    """All pairs with a long sequence in them: each long one against all short ones and the long ones before it."""
    import numpy as np

    long = np.flatnonzero(corpus.lengths > LONG)
    if not len(long):
        return
    reachable = corpus.lengths >= np.floor(LONG * threshold / (2 - threshold))
    numbers = np.concatenate([np.flatnonzero(reachable & (corpus.lengths <= LONG)), long])
    index = NoveltyIndex(threshold, tokenizer=tokenizer, floor=threshold)
    for number in numbers.tolist():
        text = corpus.texts[corpus.first[number]]
        if corpus.lengths[number] > LONG:
            positions, scores = index.neighbours(text)
            yield numbers[positions], np.full(len(positions), number), scores
        index.add(text)


def _passing(pairs: Sequence[Edges], threshold: float, strict: bool) -> Edges:
    """All pairs too close to be kept together."""
    import numpy as np

    one, two, scores = (np.concatenate(column) for column in zip(*pairs, strict=True))
    close = scores >= threshold if strict else scores > threshold
    return one[close], two[close], scores[close]


def _settle(corpus: _Corpus, edges: Edges, *, repeats_fail: bool) -> Subset:
    """Walk the texts in order: one is removed if it is too close to a text kept before it."""
    import numpy as np

    one, two, scores = edges
    owner, other = np.concatenate([one, two]), np.concatenate([two, one])
    order = np.argsort(owner, kind="stable")
    other, scores = other[order], np.concatenate([scores, scores])[order]
    starts = np.searchsorted(owner[order], np.arange(len(corpus.first) + 1)).tolist()
    admitted = [False] * len(corpus.first)
    result = Subset([], [])
    for index, number in enumerate(corpus.unique):
        if number < 0:
            result.removed.append(Removed(index, None, 0.0))
            continue
        if repeats_fail and admitted[number]:
            result.removed.append(Removed(index, corpus.first[number], 1.0))
            continue
        span = slice(starts[number], starts[number + 1])
        near = zip(scores[span].tolist(), other[span].tolist(), strict=True)
        close = max(((score, -corpus.first[u]) for score, u in near if admitted[u]), default=None)
        if close:
            result.removed.append(Removed(index, -close[1], close[0]))
        else:
            admitted[number] = True
            result.kept.append(index)
    return result
