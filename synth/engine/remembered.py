"""What a stage found of its items in an earlier process, in order: for stages that decide as they go, such as checks.

It holds as long as the items come as they came then. From the first one that does not, nothing is remembered: what a
check decides may depend on all it has seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from synth.engine.ledger import LedgerReader, Outcome, Result, results_from_json
from synth.engine.stage_run import PAGE, input_mark
from synth.engine.work import Item


class Remembered:
    """The stored results of `stage`, to be asked for item by item from the first one on."""

    def __init__(self, ledger: LedgerReader, stage: str) -> None:
        self._rows: Iterator[tuple[str, Outcome]] | None = _rows(ledger, stage)

    def results(self, item: Item) -> list[Result] | None:
        """The results of the next item, None from the first item on that is not the one stored in its place."""
        if self._rows is None:
            return None
        item_id, stored = next(self._rows, ("", None))
        if stored is None or item_id.partition("#")[0] != item.id or stored.input != input_mark(item.value):
            self._rows = None
            return None
        return results_from_json(stored.results)


def _rows(ledger: LedgerReader, stage: str) -> Iterator[tuple[str, Outcome]]:
    """(item, outcome) in order, in pages: no reading transaction stays open while a stage waits for answers."""
    start = 0
    while outcomes := ledger.outcomes(stage, start, PAGE):
        for item_id, outcome in outcomes:
            if outcome.ordinal != start or not outcome.final:
                return
            yield item_id, outcome
            start += 1
