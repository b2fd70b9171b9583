"""Names from recipes and flags → objects: one of ours by its name, or anybody's by `module:name`.

A module is looked for as Python does, and in the working folder last. It is imported, so it runs: name only your own.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Iterable, Mapping
from typing import TypeVar

from synth.errors import UsageError

Found = TypeVar("Found")


def is_reference(name: str) -> bool:
    """Is `name` of the form `module:name`?"""
    module, colon, attribute = name.partition(":")
    return bool(colon) and all(part.isidentifier() for part in [*module.split("."), attribute])


def find(known: Mapping[str, Found], name: str, what: str) -> Found:
    """`known[name]`, or the object that `module:name` names; `what` says what is looked for, for the error.

    Raises UsageError where there is none, with the nearest known name, or why the module cannot be imported.
    """
    if name in known:
        return known[name]
    if not is_reference(name):
        raise UsageError(f"there is no {what} {name!r}", f"{nearest(name, known)} (your own: module:name)")
    return load(name, what)


def load(reference: str, what: str) -> Found:  # type: ignore[type-var]
    """The object that `module:name` names. Raises UsageError where it cannot be had."""
    module_name, _, attribute = reference.partition(":")
    if "" not in sys.path:
        sys.path.append("")  # where the process is now; "." would stay where it was at the first import
    importlib.invalidate_caches()  # the module may have been written a moment ago
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        message = f"{what} {reference}: the module {module_name} cannot be imported ({type(error).__name__}: {error})"
        raise UsageError(message, "install it, or run from the folder it is in") from error
    try:
        found: Found = getattr(module, attribute)
    except AttributeError:
        raise UsageError(
            f"{what} {reference}: {module_name} has no {attribute!r}", nearest(attribute, dir(module))
        ) from None
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the known name nearest to `name`, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"choose one of: {', '.join(known) or 'none'}"
