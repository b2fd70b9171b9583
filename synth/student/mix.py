"""Which records are trained on, and in what order: shares per source, a cap, a held-out part, easy before hard.

Works on records alone; tokens come later. Every choice is drawn from the seed and the records' ids, so it does not
depend on the order in which the records came.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from synth.errors import UsageError
from synth.records import Record, digest
from synth.student.presets import Order, TrainSettings

PARTS = 10
"""Parts of a curriculum by a measure that is different for nearly every record."""


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
    counts = allocate({name: len(group) for name, group in groups.items()}, shares)
    return [record for name, count in counts.items() for record in groups[name][:count]]


def selected(records: Sequence[Record], settings: TrainSettings) -> list[Record]:
    """The records to train on: in the shares wished for, and no more than `max_records`."""
    chosen = mixed(records, settings.shares, settings.seed) if settings.shares else list(records)
    return sample(chosen, settings.max_records, settings.seed) if settings.max_records else chosen


def allocate(sizes: Mapping[str, int], weights: Mapping[str, float], total: int | None = None) -> dict[str, int]:
    """How many to take of each group, exactly by weight: the parts that rounding leaves over go to the largest rests.

    Without `total` it is the largest number that keeps the weights' ratio. With it, what a small group cannot give is
    taken from the others by their weights, so that the sum is `total` as long as there are as many. Raises UsageError
    where a group with a weight is empty.
    """
    wanted = {name: weight for name, weight in weights.items() if weight > 0}
    missing = [name for name in wanted if not sizes.get(name)]
    if missing:
        raise UsageError(f"shares: there are no records of {', '.join(missing)}", "set those shares to 0")
    if total is None:
        scale = min(sizes[name] / weight for name, weight in wanted.items())
        return _rounded(wanted, int(scale * sum(wanted.values()) + 1e-9))
    taken: dict[str, int] = {}
    while wanted:
        parts = _rounded(wanted, total - sum(taken.values()))
        full = [name for name, count in parts.items() if count > sizes[name]]
        if not full:
            return {name: (taken | parts)[name] for name in weights if name in taken or name in parts}
        taken |= {name: sizes[name] for name in full}
        wanted = {name: weight for name, weight in wanted.items() if name not in taken}
    return taken


def _rounded(weights: Mapping[str, float], total: int) -> dict[str, int]:
    """`total` divided by weight with the method of the largest remainder; ties go by name."""
    whole = sum(weights.values())
    exact = {name: total * weight / whole for name, weight in weights.items()}
    counts = {name: int(value + 1e-9) for name, value in exact.items()}
    rests = sorted(exact, key=lambda name: (counts[name] - exact[name], name))
    for name in rests[: max(0, total - sum(counts.values()))]:
        counts[name] += 1
    return counts


def families(records: Sequence[Record]) -> dict[str, str]:
    """Record id -> the id of its family: records joined by lineage (one is made from the other, in any number of
    steps, or is another wording of it) or by an equal instruction. Seeds shown as examples to a bootstrap prompt do not
    join families.
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
    """The records in the parts that are trained one after the other: one when shuffled, one per generation or grade,
    PARTS of equal size by length or loss.

    A difficulty is the grade that a judge gave the task, `meta["complexity"]`; a loss is a student's, `meta["loss"]`.
    Records without one come first.
    """
    if order == "shuffled":
        return [drawn_order(records, seed)]
    ranked = easy_to_hard(records, order, seed)
    if order in ("length", "loss"):
        size = -(-len(ranked) // PARTS)
        return [ranked[at : at + size] for at in range(0, len(ranked), size or 1)]
    groups: dict[float, list[Record]] = defaultdict(list)
    for record in ranked:
        groups[_grade(record, order)].append(record)
    return list(groups.values())


def easy_to_hard(records: Sequence[Record], order: Order, seed: int) -> list[Record]:
    """The records by what `order` names, the least first; those alike, and shuffled ones, in drawn order."""
    drawn = drawn_order(records, seed)
    return drawn if order == "shuffled" else sorted(drawn, key=lambda record: _grade(record, order))


def _grade(record: Record, order: Order) -> float:
    if order == "generation":
        return record.lineage.generation
    if order == "length":
        return len(record.asked()) + len(record.output)
    grade = record.meta.get("complexity" if order == "difficulty" else "loss")
    return float(grade) if isinstance(grade, int | float) and not isinstance(grade, bool) else -1.0


def sample(records: Sequence[Record], number: int, seed: int) -> list[Record]:
    """`number` records drawn without putting back (all when there are fewer)."""
    ordered = drawn_order(records, seed)
    return random.Random(int(digest("sample", seed)[:16], 16)).sample(ordered, min(number, len(ordered)))
