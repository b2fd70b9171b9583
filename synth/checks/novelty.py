"""Novelty: the check that rejects a record too close to one kept before, and the novel part of a whole data set.

The rule is Self-Instruct's (arXiv 2212.10560): reject what scores above 0.7 in ROUGE-L; see `rouge_index.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from synth.checks.base import Check
from synth.checks.prefix_join import Subset, subset
from synth.checks.rouge_index import FLOOR, THRESHOLD, NoveltyIndex, Verdict, fmeasure
from synth.records import Record

__all__ = ["NoveltyIndex", "Subset", "Verdict", "fmeasure", "novel_subset", "novelty"]


def novel_subset(
    texts: Sequence[str], *, threshold: float = THRESHOLD, strict: bool = False, tokenizer: str = "unicode"
) -> Subset:
    """What `NoveltyIndex.add_if_novel` admits of `texts`, one after the other, found by one join over all of them."""
    return subset(texts, threshold=threshold, strict=strict, tokenizer=tokenizer)


class Novelty:
    """The check: refuses a record whose instruction is too close to a record kept before, or to a given pool text.

    A kept record gets `meta["most_similar"] = {"id", "score"}` when a nearest one lies above the floor.
    """

    def __init__(self, index: NoveltyIndex, pool: Iterable[tuple[str, str]] = (), *, with_input: bool = False) -> None:
        self._index, self._with_input = index, with_input
        self._ids: list[str] = []
        self._last: tuple[str, Verdict] | None = None
        for identity, text in pool:
            self._index.add(text)
            self._ids.append(identity)

    def __call__(self, record: Record) -> str | None:
        verdict = self._index.score(self._text(record))
        self._last = (record.id, verdict)
        if verdict.no_tokens:
            return "no_tokens"
        if verdict.novel:
            return None
        assert verdict.nearest is not None
        return f"too_similar: {verdict.score:.3f} to {self._ids[verdict.nearest]}"

    def admitted(self, record: Record) -> Record | None:
        """Adds the record to the pool and notes its nearest neighbour."""
        same = self._last is not None and self._last[0] == record.id
        verdict = self._last[1] if same and self._last else self._index.score(self._text(record))
        self._index.add(self._text(record))
        self._ids.append(record.id)
        if verdict.nearest is None:
            return None
        note = {"id": self._ids[verdict.nearest], "score": round(verdict.score, 6)}
        return replace(record, meta=record.meta | {"most_similar": note})

    def recalled(self, record: Record) -> None:
        """Adds to the pool a record that was kept before."""
        self._index.add(self._text(record))
        self._ids.append(record.id)

    def _text(self, record: Record) -> str:
        return record.asked() if self._with_input else record.task()


def novelty(
    threshold: float = THRESHOLD,
    strict: bool = False,
    tokenizer: str = "unicode",
    floor: float = FLOOR,
    with_input: bool = False,
    pool: Sequence[Sequence[str]] = (),
) -> Novelty:
    """Settings of `NoveltyIndex`; `with_input`: compare the input too; `pool`: [id, text] pairs to start with."""
    index = NoveltyIndex(threshold, strict=strict, tokenizer=tokenizer, floor=floor)
    return Novelty(index, [(str(identity), str(text)) for identity, text in pool], with_input=with_input)


CHECKS: dict[str, Callable[..., Check]] = {"novelty": novelty}
