"""What pydantic refuses, in words for whoever wrote a recipe or a flag: one mistake for each value."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

_BRANCH = re.compile(r"[\w-]*[\[({].*|constrained-\w+|(int|float|str|bool|list|dict|none|tuple|path)", re.I)
"""A part of an error's place that names a branch of a type, and no key."""
KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "a text", "list": "a list"}
KINDS |= {"dict": "a mapping", "model": "a mapping", "tuple": "a list", "path": "a path", "none": "null"}
BOUNDS: dict[str, tuple[str, str]] = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "too_short": ("min_length", "at least as long as"),
    "string_too_short": ("min_length", "at least as long as"),
    "too_long": ("max_length", "at most as long as"),
}
WORDS: dict[str, Callable[[Any], str]] = {
    "missing": lambda _: "it is missing",
    "literal_error": lambda error: f"it must be {error['ctx']['expected']}",
    "string_pattern_mismatch": lambda error: f"it does not fit the pattern {error['ctx']['pattern']}",
    "finite_number": lambda _: "it must be a finite number",
}


def plain(errors: Sequence[Any]) -> list[tuple[list[str], str, str]]:
    """(place, kind of error, words) for each value that is refused; what the branches of its type want is one."""
    found: dict[tuple[str, ...], tuple[str, list[str]]] = {}
    for error in errors:
        place = tuple(str(part) for n, part in enumerate(error["loc"]) if n == 0 or not _BRANCH.fullmatch(str(part)))
        _, words = found.setdefault(place, (error["type"], []))
        said = plain_words(error)
        words += [said] if said not in words else []
    return [(list(place), kind, _either(words)) for place, (kind, words) in found.items()]


def plain_words(error: Any) -> str:
    """What one error of pydantic says, without its inner words."""
    kind, context = error["type"], error.get("ctx") or {}
    if kind in BOUNDS and BOUNDS[kind][0] in context:
        name, words = BOUNDS[kind]
        return f"it must be {words} {context[name]}"
    if kind in WORDS:
        return WORDS[kind](error)
    wanted = KINDS.get(kind.partition("_")[0])
    if wanted and kind.endswith(("_type", "_parsing", "_from_float", "_mapping")):
        return f"it must be {wanted}"
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _either(words: Sequence[str]) -> str:
    if all(one.startswith("it must be ") for one in words):
        return "it must be " + " or ".join(one.removeprefix("it must be ") for one in words)
    return "; ".join(words)
