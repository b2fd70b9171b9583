"""The opposite of a filter: what must be left out so that the rest stays."""

from __future__ import annotations

from synth.embedded.operations.rows import OPPOSITE, OPPOSITE_DAY
from synth.embedded.operations.wordlists import OPPOSITE_LETTER
from synth.embedded.plan import Args

_OPPOSITES: dict[str, tuple[str, dict[str, str]]] = {
    "keep_by_number": ("cmp", OPPOSITE),
    "keep_by_size": ("cmp", OPPOSITE),
    "keep_by_length": ("cmp", OPPOSITE),
    "keep_by_category": ("is_", {"yes": "no", "no": "yes"}),
    "keep_by_date": ("rel", OPPOSITE_DAY),
    "keep_parity": ("parity", {"even": "odd", "odd": "even"}),
    "keep_by_letter": ("how", OPPOSITE_LETTER),
}
"""Operation to the argument that is turned and how."""


def opposite(op: str, args: Args) -> Args:
    """The arguments of the filter that keeps exactly what this one drops."""
    name, turned = _OPPOSITES[op]
    return args | {name: turned[args[name]]}
