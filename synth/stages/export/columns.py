"""Rows of the exported files, and the types of their columns: str, date, int, float, bool, list[str] and those here."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

Row = dict[str, Any]
TURNS = "turns"
"""A list of chat turns."""
TALK = "talk"
"""An object with such a list under `messages`."""
PAIRS = "list[list[str]]"
COMPLETIONS = "completions"
"""A list of answers, each with its model and its score."""


def features(columns: dict[str, str], turn_keys: tuple[str, str]) -> list[dict[str, Any]]:
    """The columns in Hugging Face's words, so that no loader has to guess the types. `turn_keys`: of a chat turn."""
    turns = {"list": [{"name": name, "dtype": "string"} for name in turn_keys]}
    scored = {"model": "string", "response": "string", "overall_score": "float64"}
    kinds: dict[str, dict[str, Any]] = {
        "str": {"dtype": "string"},
        "date": {"dtype": "string"},
        "int": {"dtype": "int32"},
        "float": {"dtype": "float64"},
        "bool": {"dtype": "bool"},
        "list[str]": {"list": "string"},
        PAIRS: {"list": {"list": "string"}},
        TURNS: turns,
        TALK: {"struct": [{"name": "messages", **turns}]},
        COMPLETIONS: {"list": [{"name": name, "dtype": dtype} for name, dtype in scored.items()]},
    }
    return [{"name": name} | deepcopy(kinds[kind]) for name, kind in columns.items()]  # YAML would alias a shared one
