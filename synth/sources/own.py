"""Rows of our own: records as a run writes them, and seed tasks in Self-Instruct's schema."""

from __future__ import annotations

from typing import Any, get_args

from synth.records import Lineage, Origin, Record, canonical_json
from synth.sources.rows import Fields, Row

_KEYS = ("id", "instruction", "input", "output", "system", "history", "messages", "others", "lineage", "meta")


def records(fields: Fields, require_output: bool) -> list[Record]:
    """Records of a run. The stored id is not read: it is the hash of the content."""
    fields.used |= set(_KEYS)
    fields.text("instruction")
    fields.text("input", may_be_empty=True)
    fields.text("output", may_be_empty=not require_output)
    if fields.num_bad:
        return []
    record = _record({"input": "", "output": "", "meta": {}} | fields.row.value)
    if record is None:
        fields.bad("`lineage`, `meta`, `system`, `history` or `others` is not as synth writes it; export the row anew")
        return []
    return [record]


def _record(row: dict[str, Any]) -> Record | None:
    try:
        record = Record.from_dict(row)
        canonical_json(record.meta)
        is_sound = record.lineage.origin in get_args(Origin) and isinstance(record.meta, dict)
        is_sound = is_sound and isinstance(record.lineage.generation, int)
        is_sound = is_sound and all(isinstance(m["content"], str) for m in record.earlier())
        return record if is_sound and all(isinstance(other.output, str) for other in record.others) else None
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def self_instruct(fields: Fields, require_output: bool) -> list[Record]:
    """One record for each instance; the seed's id is its parent."""
    instruction = fields.text("instruction")
    pairs = instances(fields, require_output)
    keys = ("name", "category", "language", "is_classification", "check")
    meta = {key: value for key in keys if (value := fields.get(key)) is not None}
    seed_id = fields.get("id")
    lineage = Lineage("seed", (seed_id,) if isinstance(seed_id, str) else ())
    return [Record(instruction, one, answer, lineage=lineage, meta=dict(meta)) for one, answer in pairs]


def instances(fields: Fields, require_output: bool = True) -> list[tuple[str, str]]:
    """(input, output) of each instance of a Self-Instruct row."""
    found = fields.get("instances")
    if not isinstance(found, list) or not found:
        fields.bad('`instances` must be a list with at least one {"input": "...", "output": "..."}')
        return []
    pairs = []
    for number, instance in enumerate(found, 1):
        if not isinstance(instance, dict):
            fields.bad(f'instance {number} is not an object; write {{"input": "...", "output": "..."}}')
            continue
        inner = Fields(Row(f"{fields.row.where}: instance {number}", instance), fields.reading)
        if not isinstance(instance.get("input"), str):
            inner.bad('`input` is missing or not a text; write "" where the instruction stands alone')
        pairs.append((inner.text("input", may_be_empty=True) if inner.num_bad == 0 else "",
                      inner.text("output", may_be_empty=not require_output)))  # fmt: skip
        fields.num_bad += inner.num_bad
    return pairs
