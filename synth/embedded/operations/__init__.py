"""All operations by name, in the order of their files."""

from __future__ import annotations

from synth.embedded.operations import quantities, tables, texts
from synth.embedded.plan import Args, Operation

OPERATIONS: dict[str, Operation] = {
    operation.name: operation for module in (tables, quantities, texts) for operation in module.OPERATIONS
}
OPPOSITES = {">": "<=", "<": ">=", ">=": "<", "<=": ">", "yes": "no", "no": "yes"}


def opposite(args: Args) -> Args:
    """The arguments of the filter that keeps exactly what this one drops."""
    return {name: OPPOSITES[value] if name in ("cmp", "is_") else value for name, value in args.items()}
