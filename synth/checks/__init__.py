"""All checks by name, functions of a record and options; `build_checks` sets the options of those a recipe names.

    build_checks(["refusal", {"instruction_length": {"max_words": 300}}])

To add one: write the function in a file of this folder, and name it in that file's CHECKS; or anywhere else, and name
it as `module:name`. One that keeps something, or prepares something once, is a function of its options alone that gives
a check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any

from synth.checks import (
    answers,
    contamination,
    evolution,
    heuristics,
    improbable,
    language,
    novelty,
    privacy,
    stand_ins,
    tasks,
)
from synth.checks.base import Check, PairCheck, each_exchange
from synth.errors import UsageError
from synth.plugins import find, nearest

Spec = str | Mapping[str, Mapping[str, Any] | None]

SUBJECTS = {"record", "parent", "child"}
"""What a check looks at; its other parameters are options."""

CHECKS: dict[str, Callable[..., Any]] = {
    **heuristics.CHECKS,
    **tasks.CHECKS,
    **improbable.CHECKS,
    **answers.CHECKS,
    **stand_ins.CHECKS,
    **language.CHECKS,
    **novelty.CHECKS,
    **contamination.CHECKS,
    **privacy.CHECKS,
}

EACH_EXCHANGE = {*answers.CHECKS, *heuristics.CHECKS, *stand_ins.CHECKS} - {
    "instruction_length",
    "repeated_task",
    "asks_back",
}
"""The checks that look at every exchange of a conversation. The others look at its last one, or at all of it at once;
asking back is wrong only where nobody replies."""

TASK_CHECKS = (
    "not_a_task",
    "missing_input",
    "double_input",
    "answering_input",
    "gibberish",
    "mixed_language",
    "needs_person",
    "prompt_leak",
)
"""What every task that a model wrote is checked for, new or evolved: small models made it necessary."""

EVOLUTION_CHECKS: dict[str, Callable[..., Any]] = evolution.EVOLUTION_CHECKS


def build_checks(specs: Sequence[Spec]) -> list[tuple[str, Check]]:
    """The checks a recipe names, each a name or `{name: options}`, in its order.

    Raises UsageError for a check or an option that does not exist, naming the nearest one that does.
    """
    made = [(name, _make(CHECKS, name, options)) for name, options in map(_named, specs)]
    return [(name, each_exchange(check) if name in EACH_EXCHANGE else check) for name, check in made]


def build_pair_checks(specs: Sequence[Spec] | None = None) -> list[tuple[str, PairCheck]]:
    """The checks of an evolved record against its parent; None for all of them with their defaults."""
    wanted = list(EVOLUTION_CHECKS) if specs is None else specs
    return [(name, _make(EVOLUTION_CHECKS, name, options)) for name, options in map(_named, wanted)]


def _named(spec: Spec) -> tuple[str, dict[str, Any]]:
    if isinstance(spec, str):
        return spec, {}
    if isinstance(spec, Mapping) and len(spec) == 1:
        ((name, options),) = spec.items()
        if options is None or isinstance(options, Mapping):
            return str(name), dict(options or {})
    raise UsageError(f"checks: {spec!r} is neither a name nor one name with options", "Write - name or - name: {...}.")


def _make(known: Mapping[str, Callable[..., Any]], name: str, options: dict[str, Any]) -> Any:
    make: Callable[..., Any] = find(known, name, "check")
    parameters = [one for one in signature(make).parameters if one not in SUBJECTS]
    for option in options:
        if option not in parameters:
            raise UsageError(f'checks: "{name}" has no option "{option}"', nearest(option, parameters))
    try:
        return partial(make, **options) if SUBJECTS & {*signature(make).parameters} else make(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(f'checks: the options of "{name}" cannot be used: {error}') from error
