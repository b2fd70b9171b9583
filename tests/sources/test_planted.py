"""Twenty of each kind of bad row or reply among 2,000 real ones: no good one is lost, nothing changes in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import planted_replies
from benchmarks.planted_rows import ALPACA, CHAT, DATA, EACH, GOOD, TABLE, measure

needs_rows = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real rows of {DATA} are not on this machine")


@needs_rows
def test_planted_rows_are_read_right_or_refused_with_their_reason_and_line(tmp_path: Path) -> None:
    for name, counts in measure(tmp_path).items():
        assert counts.pop("good rows").read == GOOD, name
        assert len(counts) == len({"alpaca": ALPACA, "messages": CHAT, "csv": TABLE}[name])
        for kind, one in counts.items():
            assert one.read + one.refused == EACH and not one.wrong and not one.silent, f"{name}: {kind}"


@needs_rows
def test_planted_replies_are_read_right_or_refused_with_their_reason() -> None:
    good = {part.name for part, _ in planted_replies.PARTS}
    for name, one in planted_replies.measure().items():
        assert one.read + one.refused == (GOOD if name in good else EACH), name
        assert not one.wrong and not one.silent and not (one.refused and name in good), name
