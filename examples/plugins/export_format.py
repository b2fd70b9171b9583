"""An export format of your own. A recipe or `--format` names it `export_format:CARDS`."""

from __future__ import annotations

from synth import ExportFormat, Record


def card(record: Record) -> dict[str, str]:
    """A card for learning by heart."""
    return {"front": record.question, "back": record.output}


CARDS = ExportFormat(card, "cards.csv", {"front": "str", "back": "str"})
