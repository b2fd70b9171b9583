"""The recipe of a run as a report shows it: a value that looks like a secret is not shown."""

from __future__ import annotations

import re
from typing import Any

import yaml

from synth.checks.privacy import mask
from synth.errors import UsageError
from synth.given import parse_yaml

HIDDEN = "[hidden]"
_NAME = re.compile(r"(?:.*[_-])?(?:key|token|secret|password|passwd|authorization|credentials?|cookie|signature)")
_FORMS = ("key",)
"""The kinds of the check `privacy` by which a value is told by its form alone."""


def shown_recipe(text: str) -> str:
    """`text`; where it holds what looks like a secret, by its name or its form, written anew with HIDDEN in its place.

    `$NAME` stays: it names a variable of the environment and is no secret.
    """
    try:
        data = parse_yaml(text, "the recipe")[0]
    except UsageError:
        return mask(text, _FORMS)
    hidden = _hidden(data, "")
    return text if hidden == data else yaml.safe_dump(hidden, sort_keys=False, allow_unicode=True)


def _hidden(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(inner, _snake(str(key))) for key, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner, name) for inner in value]
    if not isinstance(value, str) or value.startswith("$"):
        return value
    return HIDDEN if len(value) >= 6 and _NAME.fullmatch(name) else mask(value, _FORMS)


def _snake(name: str) -> str:
    """`apiKey` as `api_key`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name[:200]).lower()
