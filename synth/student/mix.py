"""Which records are trained on, and in what order: shares per source, a cap, a held-out part, easy before hard.

Works on records alone; tokens come later. Every choice is drawn from the seed and the records' ids, so it does not
depend on the order in which the records came.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from synth.errors import UsageError
from synth.records import Record, digest
from synth.student.presets import Order


def drawn_order(records: Sequence[Record], seed: int) -> list[Record]:
    """The records in an order drawn from `seed`; equal records in any order give an equal result."""
    return sorted(records, key=lambda record: digest("order", seed, record.id, record.output))


def source_of(record: Record, shares: dict[str, float]) -> str | None:
    """The name in `shares` that the record falls under: its generation's, else its origin's, else none."""
    for name in (f"generation_{record.lineage.generation}", record.lineage.origin):
        if name in shares:
            return name
    return None


def mixed(records: Sequence[Record], shares: dict[str, float], seed: int) -> list[Record]:
    """The largest set with the wanted shares and no record twice; sources without a share are left out.

    Raises UsageError where a wanted source has no record.
    """
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in drawn_order(records, seed):
        name = source_of(record, shares)
        if name is not None:
            groups[name].append(record)
    wanted = {name: share for name, share in shares.items() if share > 0}
    missing = [name for name in wanted if name not in groups]
    if missing:
        raise UsageError(f"shares: there are no records of {', '.join(missing)}", "set those shares to 0")
    scale = min(len(groups[name]) / share for name, share in wanted.items())
    return [record for name, share in wanted.items() for record in groups[name][: max(1, int(scale * share + 1e-9))]]


def families(records: Sequence[Record]) -> dict[str, str]:
    """Record id -> the id of its family: records joined by lineage (one is made from the other, in any number of
    steps) or by an equal instruction. Seeds shown as examples to a bootstrap prompt do not join families.
    """
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for record in records:
        kin = list(record.lineage.parents) if record.lineage.origin == "evolve" else []
        for name in [*kin, digest("instruction", record.task())]:
            one, other = sorted((find(record.id), find(name)))
            root[other] = one
    return {record.id: find(record.id) for record in records}


def split_off(records: Sequence[Record], share: float, seed: int) -> tuple[list[Record], list[Record]]:
    """(training, held out): whole families, in drawn order, until `share` of the records is held out."""
    family = families(records)
    names = sorted(set(family.values()), key=lambda name: digest("held out", seed, name))
    size: dict[str, int] = defaultdict(int)
    for record in records:
        size[family[record.id]] += 1
    held: set[str] = set()
    count = 0
    for name in names:
        if count + size[name] <= share * len(records):
            held.add(name)
            count += size[name]
    kept = [record for record in records if family[record.id] not in held]
    return kept, [record for record in records if family[record.id] in held]


def phases(records: Sequence[Record], order: Order, seed: int) -> list[list[Record]]:
    """The records in the parts that are trained one after the other: one when shuffled, one per generation or grade.

    A difficulty is the grade that a judge gave the task, `meta["complexity"]`; ungraded records come first.
    """
    if order == "shuffled":
        return [drawn_order(records, seed)]
    groups: dict[float, list[Record]] = defaultdict(list)
    for record in drawn_order(records, seed):
        groups[_grade(record, order)].append(record)
    return [groups[grade] for grade in sorted(groups)]


def _grade(record: Record, order: Order) -> float:
    if order == "generation":
        return record.lineage.generation
    grade = record.meta.get("complexity")
    return float(grade) if isinstance(grade, int | float) and not isinstance(grade, bool) else -1.0


def sample(records: Sequence[Record], number: int, seed: int) -> list[Record]:
    """`number` records drawn without putting back (all when there are fewer)."""
    ordered = drawn_order(records, seed)
    return random.Random(int(digest("sample", seed)[:16], 16)).sample(ordered, min(number, len(ordered)))
