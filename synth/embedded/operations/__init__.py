"""All operations by name, in the order of their files."""

from __future__ import annotations

from synth.embedded.operations import lists, quantities, tables, texts
from synth.embedded.plan import Args, Operation

OPERATIONS: dict[str, Operation] = {
    operation.name: operation for module in (tables, lists, quantities, texts) for operation in module.OPERATIONS
}
OPPOSITES = {
    ">": "<=", "<": ">=", ">=": "<", "<=": ">", "yes": "no", "no": "yes", 
    "start": "not start", "not start": "start", "has": "has not", "has not": "has",
}  # fmt: skip
TURNED = ("cmp", "is_", "how")
"""The arguments that say which side of a filter is kept."""


def opposite(args: Args) -> Args:
    """The arguments of the filter that keeps exactly what this one drops."""
    return {name: OPPOSITES[value] if name in TURNED else value for name, value in args.items()}
