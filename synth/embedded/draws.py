"""Choices drawn from a digest: the same on every Python version, in every process, at any order of calls.

Only `random.Random.random()` is used, whose sequence Python promises to keep; `sample` and `shuffle` may change.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

from synth.records import digest

T = TypeVar("T")


class Draw:
    """A stream of choices that is a function of `parts` alone (JSON values)."""

    __slots__ = ("_next",)

    def __init__(self, *parts: Any) -> None:
        self._next = random.Random(int(digest(*parts)[:16], 16)).random

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._next() * (high - low + 1))

    def chance(self, share: float) -> bool:
        return self._next() < share

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self._next() * len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different positions of `items` in random order; all of them if there are fewer."""
        rest = list(items)
        for place in range(min(count, len(rest))):
            other = place + int(self._next() * (len(rest) - place))
            rest[place], rest[other] = rest[other], rest[place]
        return rest[:count]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self.some(items, len(items))
