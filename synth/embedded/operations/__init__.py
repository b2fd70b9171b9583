"""All operations by name, in the order of their files."""

from __future__ import annotations

from synth.embedded.operations import (
    days,
    figures,
    forms,
    groups,
    joins,
    numbers,
    programs,
    quantities,
    rows,
    texts,
    wordlists,
)
from synth.embedded.plan import Operation

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for module in (rows, figures, groups, joins, numbers, quantities, days, wordlists, texts, programs, forms)
    for operation in module.OPERATIONS
}
