"""Texts for benchmarks: real instructions where they are at hand, and any number of made ones that behave like them.

The made ones are no data set: they only have the lengths, word frequencies, near-duplicates and new names of one.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SHARES = {"chain of 1 word": 0.40, "chain of 2 words": 0.30, "edited": 0.15, "recombined": 0.15}
NEW_NAMES = 400_000
NEW_NAME_SHARE = 0.03


def instructions(name: str = "alpaca_52k_instructions.jsonl.gz") -> list[str]:
    """The instructions of a file of the data folder, in its order; FileNotFoundError where there is none."""
    with gzip.open(DATA / name, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["instruction"] for line in lines]


def synthesised(real: list[str], seed: int = 0) -> Iterator[str]:
    """Texts without end: word chains trained on `real`, edits of 1 to 3 words, halves of two, and 3 % new names."""
    rng = random.Random(seed)
    words = [text.split() for text in real]
    chains = [_chain(words, 1), _chain(words, 2)]
    kinds, weights = list(SHARES), list(SHARES.values())
    while True:
        kind = rng.choices(kinds, weights)[0]
        if kind.startswith("chain"):
            made = _walk(chains[kinds.index(kind)], rng)
        elif kind == "edited":
            made = _edited(rng.choice(words), rng)
        else:
            front, back = rng.choice(words), rng.choice(words)
            made = front[: len(front) // 2] + back[len(back) // 2 :]
        yield " ".join(_name(rng) if rng.random() < NEW_NAME_SHARE else word for word in made)


Chain = dict[tuple[str, ...], list[str]]


def _chain(words: list[list[str]], order: int) -> Chain:
    chain: Chain = defaultdict(list)
    for text in words:
        padded = [""] * order + text + [""]
        for at in range(len(text) + 1):
            chain[tuple(padded[at : at + order])].append(padded[at + order])
    return chain


def _walk(chain: Chain, rng: random.Random) -> list[str]:
    order = len(next(iter(chain)))
    made: list[str] = []
    state = ("",) * order
    while (word := rng.choice(chain[state])) and len(made) < 60:
        made.append(word)
        state = (*state[1:], word)
    return made


def _edited(text: list[str], rng: random.Random) -> list[str]:
    made = list(text)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(made) + 1)
        if rng.random() < 0.4 or at == len(made):
            made.insert(at, _name(rng))
        elif rng.random() < 0.5:
            made[at] = _name(rng)
        elif len(made) > 1:
            del made[at]
    return made


def _name(rng: random.Random) -> str:
    """A name that nobody has, some far more frequent than others (log-uniform)."""
    return f"name{int(NEW_NAMES ** rng.random())}"
