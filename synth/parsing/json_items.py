"""JSON in a reply: the whole, in a fence or in the middle of talk; and what can be saved of JSON that is broken.

Nothing is executed: what Python would print is read by `ast.literal_eval`, which knows literals only.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

BROKEN = "broken_json"
OPENING = ("{", "[")
MAX_LITERAL = 200_000
"""Characters beyond which Python's notation is not tried: its parser needs much memory."""
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\\|\Z))|,(?=\s*+[}\]])', re.DOTALL)


def find_json(text: str) -> Any:
    """The first JSON object or array in `text`: the whole, a fenced block or a balanced span; None without one."""
    fences = re.findall(r"```(?:json)?\s*\n(.*?)```", text, re.DOTALL | re.IGNORECASE)
    for candidate in (text.strip(), *fences, *_spans(text)):
        value = _load(candidate)
        if isinstance(value, dict | list):
            return value
    return None


def json_rows(text: str, first_key: str) -> list[Any] | None:
    """The rows of a reply in JSON, None where it is none. A row that cannot be read is the string BROKEN.

    Rows stand in a list, in an object's first list, or are the object itself. `first_key`: a key that every row has; in
    JSON that is broken, rows are saved one by one.
    """
    if not re.match(r"\s*(?:```(?:json)?\s*)?[\[{]", text) and f'"{first_key}"' not in text:
        return None
    value = find_json(text)
    if isinstance(value, dict) and first_key not in value:
        value = next((inner for inner in value.values() if isinstance(inner, list)), [value])
    elif isinstance(value, dict):
        value = [value] if text.count(f'"{first_key}"') <= 1 else None
    if isinstance(value, list):
        return value
    return list(_saved(text, first_key)) or None


def _load(text: str) -> Any:
    """`text`, an object or an array, as JSON, with trailing commas, or as Python prints it; None where it is none."""
    if text.lstrip()[:1] not in OPENING:
        return None
    for reading in (text, _TRAILING_COMMA.sub(lambda match: match[1] or "", text).rstrip().rstrip(",")):
        try:
            return json.loads(reading, strict=False)
        except (ValueError, RecursionError):
            continue
    if "'" in text and len(text) <= MAX_LITERAL:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            pass
    return None


def _spans(text: str) -> Iterator[str]:
    for opening, closing in ("{}", "[]"):
        start, end = text.find(opening), text.rfind(closing)
        if 0 <= start < end:
            yield text[start : end + 1]


def _saved(text: str, first_key: str) -> Iterator[Any]:
    """Every object with the key `first_key` that can be read, and BROKEN for every one that cannot."""
    heads = [match.start() for match in re.finditer(rf"\{{\s*[\"']{first_key}[\"']\s*:", text)]
    decoder = json.JSONDecoder(strict=False)
    for begin, end in itertools.pairwise([*heads, len(text)]):
        try:
            yield decoder.raw_decode(text[begin:end])[0]
        except (ValueError, RecursionError):
            close = text.rfind("}", begin, end)
            value = _load(text[begin : close + 1]) if close > begin else None
            yield value if isinstance(value, dict) else BROKEN
