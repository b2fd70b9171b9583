"""Where a row comes from, as columns: added to the rows of any format on request."""

from __future__ import annotations

import json
import math
from typing import Any

from synth.records import Record

COLUMNS: dict[str, str] = {
    "id": "str",
    "origin": "str",
    "parents": "list[str]",
    "operator": "str",
    "generation": "int",
    "teacher": "str",
    "prompt_version": "str",
    "date": "date",
    "licence": "str",
    "scores": "str",
}


def provenance(record: Record, date: str, licence: str) -> dict[str, Any]:
    """The columns of one record; `scores` is the JSON text of the numbers among its notes, NaN and infinity as null."""
    line = record.lineage
    return {
        "id": record.id,
        "origin": line.origin,
        "parents": list(line.parents),
        "operator": line.operator or "",
        "generation": line.generation,
        "teacher": line.model or "",
        "prompt_version": line.prompt or "",
        "date": date,
        "licence": licence,
        "scores": json.dumps(scores(record.meta), sort_keys=True, allow_nan=False),
    }


def scores(meta: dict[str, Any]) -> dict[str, float | None]:
    """The numbers among a record's notes; those one level down are named with a dot."""
    found: dict[str, float | None] = {}
    for key, value in meta.items():
        inner = {f"{key}.{name}": one for name, one in value.items()} if isinstance(value, dict) else {key: value}
        for name, one in inner.items():
            if isinstance(one, int | float) and not isinstance(one, bool):
                found[name] = one if math.isfinite(one) else None
    return found
