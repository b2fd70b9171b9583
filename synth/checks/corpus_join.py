"""Novelty of a corpus beyond memory: the prefix join in partitions, through files, to the same answer as in memory.

`prefix_join` says what is joined and why that is exact. Here nothing of the size of the join is ever in memory:

1. The texts are read once. Their tokens go to a file as numbers; repeats are found by a hash of 128 bits.
2. Blocks of texts write the rows of the join, each sorted by the partition that its key (a pair of rare tokens) is in.
3. Each partition gathers its rows from all blocks, sorts them, and drops the keys that only one text has.
4. Each partition writes the pairs of texts that meet there and that no bound rules out.
5. Each block of texts gathers the pairs whose later text it holds, and scores them.
6. One walk in order over all texts tells which of them stay.

The parts of a step know nothing of each other: `run` says where they are done, one after the other, in processes, or on
Ray. What stays in memory is the vocabulary and, for each text, some 60 bytes and the pairs that are too close. Texts of
more than 48 tokens, and those of half that length and more that they may be close to, are compared in memory too.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.checks import prefix_join as join
from synth.checks.prefix_join import Removed, Sequences
from synth.checks.rouge_index import THRESHOLD, NoveltyIndex
from synth.tokens import TOKENIZERS, Tokenizer

BLOCK = 100_000
"""Texts of a block, and texts for which there is one partition more."""
ROW = (("key", "<u8"), ("id", "<i4"), ("a", "u1"), ("b", "u1"), ("room", "u1"))
EDGE = (("one", "<i4"), ("two", "<i4"), ("score", "<f8"))

Run = Callable[[Callable[[int], int], Iterable[int]], Iterable[int]]
"""As `map` over the numbers of parts; the results may come in any order."""


def novel_in_corpus(
    texts: Iterable[str],
    folder: Path,
    *,
    threshold: float = THRESHOLD,
    strict: bool = False,
    tokenizer: str = "unicode",
    run: Run = map,
) -> Iterator[Removed | None]:
    """The verdict on each text, in order, None where it is kept: those of `novel_subset`, for any number of texts.

    `texts` are read once. `folder` is where files of about 1 KB a text are kept meanwhile; with `run` on other hosts
    all of them must see it under the same name. Raises UsageError for settings out of range.
    """
    index = NoveltyIndex(threshold, strict=strict, tokenizer=tokenizer, floor=threshold)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dedup-", dir=folder.resolve()) as place:
        corpus = _read(texts, Path(place), TOKENIZERS[tokenizer])
        edges = _edges(corpus, threshold, strict, run) if 2 * corpus.num_long <= corpus.num_sequences else None
        if edges is None:
            yield from join.streamed(corpus.retold(), index)
        else:
            yield from join.settle(corpus.unique(), corpus.first(), edges, strict or threshold < 1)


@contextmanager
def in_processes(count: int) -> Iterator[Run]:
    """Do the parts in `count` processes; in this one where that is 1."""
    if count == 1:
        yield map
        return
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        yield pool.map


def on_ray(work: Callable[[int], int], parts: Iterable[int]) -> Iterable[int]:
    """Do the parts as tasks of Ray Data, in the Ray that this process is connected to. All its hosts see the folder."""
    import ray

    rows = [{"part": part} for part in parts]
    data = ray.data.from_items(rows, override_num_blocks=len(rows))
    return [int(row["found"]) for row in data.map(lambda row: {"found": work(int(row["part"]))}).iter_rows()]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The files of a corpus: cheap to send to another process. `block`: texts of a block."""

    folder: Path
    block: int
    num_sequences: int
    num_single: int
    num_long: int

    @property
    def blocks(self) -> range:
        """Numbers of the blocks of sequences; partitions of the keys have the same."""
        return range(1 + self.num_sequences // self.block)

    def load(self, name: str) -> Any:
        """An array, read from disk as it is used."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")

    def save(self, name: str, values: NDArray[Any]) -> None:
        """Keep an array."""
        np.save(self.folder / f"{name}.npy", values)

    def drop(self, *names: str) -> None:
        """Remove what is not read again."""
        for name in names:
            for path in self.folder.glob(f"{name}-*.npy"):
                path.unlink()

    def sequences(self, start: int = 0, end: int | None = None) -> Sequences:
        """The sequences of these numbers; all of them stay on disk where no end is given."""
        lengths, starts, flat = self.load("lengths")[start:end], self.load("starts"), self._flat()
        end = self.num_sequences if end is None else min(end, self.num_sequences)
        tokens = flat[starts[start] : starts[end]]
        return Sequences(lengths.astype("i8"), tokens, self.num_single)

    def chosen(self, numbers: NDArray[np.int64]) -> Sequences:
        """The sequences of these numbers, in memory."""
        lengths = self.load("lengths")[numbers].astype("i8")
        before = np.cumsum(lengths) - lengths
        at = np.repeat(self.load("starts")[numbers] - before, lengths) + np.arange(int(lengths.sum()))
        return Sequences(lengths, self._flat()[at], self.num_single)

    def _flat(self) -> NDArray[np.uint32]:
        path = self.folder / "flat"
        return np.memmap(path, "<u4", "r") if path.stat().st_size else np.empty(0, "<u4")

    def unique(self) -> Iterator[int]:
        """The number of each text's sequence, -1 without tokens."""
        whole = self.load("unique")
        for start in range(0, len(whole), self.block):
            yield from whole[start : start + self.block].tolist()

    def first(self) -> NDArray[np.int64]:
        """The first text that has each sequence."""
        found: NDArray[np.int64] = self.load("first")[:]
        return found

    def retold(self) -> Iterator[str]:
        """Texts that are to each other as those read."""
        whole = self.sequences()
        return ("" if number < 0 else whole.text(number) for number in self.unique())


# -- reading -----------------------------------------------------------------------------------------------------------


def _read(texts: Iterable[str], folder: Path, tokenize: Tokenizer) -> Corpus:
    """Write the tokens of all texts, then those of the distinct sequences, by rank."""
    lengths, hashes, num_words = _tokens(texts, folder, tokenize)
    unique, first = _distinct(lengths, hashes)
    ends, path = np.cumsum(lengths, dtype="i8"), folder / "tokens"
    tokens = np.memmap(path, "<u4", "r") if path.stat().st_size else np.empty(0, "<u4")
    uses, is_first = np.zeros(num_words, "i8"), np.zeros(len(lengths), bool)
    is_first[first] = True
    spans = [(n, min(n + BLOCK, len(lengths))) for n in range(0, len(lengths), BLOCK)]
    parts = [(slice(n, end), slice(int(ends[n] - lengths[n]), int(ends[end - 1]))) for n, end in spans]
    for rows, place in parts:
        uses += np.bincount(tokens[place][np.repeat(is_first[rows], lengths[rows])], minlength=num_words)
    rank = join.ranks(uses).astype("<u4")
    with (folder / "flat").open("wb") as out:
        for rows, place in parts:
            out.write(rank[tokens[place][np.repeat(is_first[rows], lengths[rows])]].tobytes())
    sizes = lengths[first]
    corpus = Corpus(folder, BLOCK, len(first), int((uses == 1).sum()), int((sizes > join.LONG).sum()))
    starts = np.concatenate([[0], np.cumsum(sizes, dtype="i8")])
    for name, values in (("unique", unique), ("first", first), ("lengths", sizes), ("starts", starts)):
        corpus.save(name, values)
    np.memmap(folder / "signatures", "<u8", "w+", shape=(max(1, len(first)),))
    path.unlink()
    return corpus


def _tokens(
    texts: Iterable[str], folder: Path, tokenize: Tokenizer
) -> tuple[NDArray[np.uint32], NDArray[np.uint64], int]:
    """Write each text as numbers of words to the file `tokens`; lengths, hashes of 128 bits, and how many words."""
    words: dict[str, int] = {}
    lengths, hashes, waiting = array("I"), bytearray(), array("I")
    with (folder / "tokens").open("wb") as out:
        for text in texts:
            numbers = array("I", [words.setdefault(token, len(words)) for token in tokenize(text)])
            lengths.append(len(numbers))
            hashes += blake2b(numbers.tobytes(), digest_size=16).digest()
            waiting.extend(numbers)
            if len(waiting) > 1_000_000:
                waiting.tofile(out)
                waiting = array("I")
        waiting.tofile(out)
    return np.array(lengths, "<u4"), np.frombuffer(hashes, "<u8").reshape(-1, 2), len(words)


def _distinct(lengths: NDArray[np.uint32], hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The number of each text's sequence, in order of first use, -1 without tokens; and the first text of each."""
    order = np.lexsort((hashes[:, 0], hashes[:, 1]))  # stable: the first text of equal ones comes first
    ordered = hashes[order]
    heads = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))[: len(order)]
    leader = np.empty(len(order), "i8")
    leader[order] = order[np.maximum.accumulate(np.where(heads, np.arange(len(order)), 0))]
    is_first = (leader == np.arange(len(order))) & (lengths > 0)
    number = np.cumsum(is_first) - 1
    return np.where(lengths > 0, number[leader], -1).astype("i4"), np.flatnonzero(is_first)


# -- the steps of the join ---------------------------------------------------------------------------------------------


def _edges(corpus: Corpus, threshold: float, strict: bool, run: Run) -> join.Edges | None:
    """All pairs of sequences that are too close; None where there are too many to join."""
    for _ in run(partial(_write_rows, corpus, threshold), corpus.blocks):
        pass
    met = sum(run(partial(_sort_rows, corpus), corpus.blocks))
    corpus.drop("rows", "ends")
    if met > join.MEETINGS_PER_TEXT * corpus.num_sequences:
        return None
    if sum(run(partial(_meet, corpus, threshold), corpus.blocks)) > _most_pairs(corpus):
        return None
    for _ in run(partial(_score, corpus, threshold, strict), corpus.blocks):
        pass
    parts = [corpus.load(f"edges-{block}") for block in corpus.blocks]
    short = tuple(np.concatenate([part[name] for part in parts]) for name in ("one", "two", "score"))
    return join.close([short, *join.long_pairs(corpus.sequences(), threshold)], threshold, strict)  # type: ignore[list-item]


def _most_pairs(corpus: Corpus) -> int:
    return join.PAIRS_PER_TEXT * corpus.num_sequences


def _write_rows(corpus: Corpus, threshold: float, block: int) -> int:
    """The rows of one block of texts, by partition, and where each partition ends; their number."""
    start = block * corpus.block
    texts = corpus.sequences(start, start + corpus.block)
    if len(texts.lengths):
        signatures = np.memmap(corpus.folder / "signatures", "<u8", "r+")
        signatures[start : start + len(texts.lengths)] = texts.signatures()
    parts = []
    for table in join.keys(texts, threshold):
        rows = np.empty(len(table["key"]), list(ROW))
        for name, _ in ROW:
            rows[name] = table[name] + (start if name == "id" else 0)
        parts.append(rows)
    rows = np.concatenate(parts)
    partition = (rows["key"] % np.uint64(len(corpus.blocks))).astype("i8")
    order = np.argsort(partition, kind="stable")
    corpus.save(f"rows-{block}", rows[order])
    corpus.save(f"ends-{block}", np.cumsum(np.bincount(partition, minlength=len(corpus.blocks))))
    return len(rows)


def _sort_rows(corpus: Corpus, partition: int) -> int:
    """The rows of one partition from all blocks, sorted; how many pairs of rows have a key in common."""
    parts = []
    for block in corpus.blocks:
        ends = corpus.load(f"ends-{block}")
        parts.append(corpus.load(f"rows-{block}")[0 if partition == 0 else ends[partition - 1] : ends[partition]])
    rows = np.concatenate(parts)
    table, met = join.shared_keys({name: rows[name] for name, _ in ROW})
    kept = np.empty(len(table["key"]), list(ROW))
    for name, _ in ROW:
        kept[name] = table[name]
    corpus.save(f"sorted-{partition}", kept)
    return round(met)


def _meet(corpus: Corpus, threshold: float, partition: int) -> int:
    """The pairs of texts that meet in one partition; how many. With far too many it stops."""
    rows = corpus.load(f"sorted-{partition}")[:]
    signatures = np.memmap(corpus.folder / "signatures", "<u8", "r")
    found, size = [np.empty(0, np.uint64)], 0
    for pairs in join.meetings({name: rows[name] for name, _ in ROW}, corpus.load("lengths"), signatures, threshold):
        found.append(pairs)
        size += len(pairs)
        if size > _most_pairs(corpus):
            break
    corpus.save(f"pairs-{partition}", np.unique(np.concatenate(found)))
    return size


def _score(corpus: Corpus, threshold: float, strict: bool, block: int) -> int:
    """Score the pairs whose later text is in one block; how many are too close."""
    bounds = np.array([block * corpus.block << 32, (block + 1) * corpus.block << 32], np.uint64)
    parts = []
    for partition in corpus.blocks:
        pairs = corpus.load(f"pairs-{partition}")
        start, end = np.searchsorted(pairs, bounds)
        parts.append(pairs[start:end])
    pairs = np.unique(np.concatenate(parts))
    one, two = (pairs & np.uint64(0xFFFFFFFF)).astype("i8"), (pairs >> np.uint64(32)).astype("i8")
    numbers = np.unique(np.concatenate([one, two]))
    places = np.searchsorted(numbers, one), np.searchsorted(numbers, two)
    scored = join.close([join.score(corpus.chosen(numbers), *places, threshold)], threshold, strict)
    edges = np.empty(len(scored[0]), list(EDGE))
    edges["one"], edges["two"], edges["score"] = numbers[scored[0]], numbers[scored[1]], scored[2]
    corpus.save(f"edges-{block}", edges)
    return len(edges)
