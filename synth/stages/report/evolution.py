"""How the tasks evolved: rates by operator and generation, difficulty before and after, and a few whole lineages."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain as joined

from synth.engine.funnel import begun_stages
from synth.engine.ledger import LedgerReader
from synth.records import Record, Rejection, digest, record_of
from synth.stages.report.blocks import Piece, show

NUM_LINEAGES = 3
MAX_STEP_CHARS = 1200


@dataclass(slots=True)
class EvolutionFacts:
    """`tried` and `kept`: (operator, generation) -> children. `before`/`after`: grades of difficulty (1..10)."""

    tried: Counter[tuple[str, int]] = field(default_factory=Counter)
    kept: Counter[tuple[str, int]] = field(default_factory=Counter)
    words_added: Counter[int] = field(default_factory=Counter)
    before: Counter[int] = field(default_factory=Counter)
    after: Counter[int] = field(default_factory=Counter)
    lineages: list[list[Record]] = field(default_factory=list)


def collect_evolution(ledger: LedgerReader) -> EvolutionFacts:
    """Read the outcomes of the stages that evolve; all empty where there is none."""
    facts = EvolutionFacts()
    chains: list[tuple[bool, int, str, list[Record]]] = []
    for chain in _chains(ledger, facts):
        chains.append((_breadth(chain), -len(chain), digest(chain[0].id), chain))
        if len(chains) > 50:
            chains = sorted(chains, key=lambda one: one[:3])[:NUM_LINEAGES]
    best = sorted(chains, key=lambda one: one[:3])[:NUM_LINEAGES]
    facts.lineages = [chain for _, length, _, chain in best if length <= -2]
    return facts


def _breadth(chain: list[Record]) -> bool:
    """Is there a step that made a new task? Its difference in words says little, so such lineages come last."""
    return any(record.lineage.operator in ("breadth", "math_downward") for record in chain)


def _chains(ledger: LedgerReader, facts: EvolutionFacts) -> Iterator[list[Record]]:
    """Each root with the children that were kept one after the other; counts all children on the way."""
    chain: list[Record] = []
    names = [stage.name for stage in begun_stages(ledger) if stage.kind == "children"]
    for result in joined.from_iterable(ledger.results(name) for name in names):
        line = record_of(result).lineage
        if line.generation == 0:
            if chain:
                yield chain
            chain = [result] if isinstance(result, Record) else []
            continue
        _count(facts, result, (line.operator or "(unknown)", line.generation))
        if isinstance(result, Record) and chain and result.lineage.parents[:1] == (chain[-1].id,):
            chain.append(result)
    if chain:
        yield chain


def _count(facts: EvolutionFacts, result: Record | Rejection, key: tuple[str, int]) -> None:
    facts.tried[key] += 1
    if isinstance(result, Rejection):
        return
    facts.kept[key] += 1
    meta = result.meta
    if isinstance(meta.get("words_added"), int):
        facts.words_added[meta["words_added"]] += 1
    before, after = meta.get("complexity_before"), meta.get("complexity")
    if isinstance(before, int | float) and isinstance(after, int | float):
        facts.before[round(before)] += 1
        facts.after[round(after)] += 1


def word_difference(old: str, new: str) -> list[Piece]:
    """`new` in pieces: words it shares with `old`, words that are new, and between them the words that went."""
    one, two = (re.findall(r"\s+|\S+", show(text, MAX_STEP_CHARS)) for text in (old, new))
    pieces: list[Piece] = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(("same", "".join(two[j1:j2])))
            continue
        pieces += [("removed", "".join(one[i1:i2]))] if i2 > i1 else []
        pieces += [("added", "".join(two[j1:j2]))] if j2 > j1 else []
    return pieces
