"""Parts of the report by themselves: nearness, differences of words, texts as shown, charts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

sys.path.append(str(Path(__file__).parents[1]))

from synth.metrics import rouge_l
from synth.stages.report import charts
from synth.stages.report.blocks import show
from synth.stages.report.evolution import word_difference
from synth.stages.report.similarity import nearest, nearest_within

TEXTS = st.lists(st.text(alphabet="abc de 漢字", max_size=20), min_size=1, max_size=8)


@given(TEXTS, TEXTS)
def test_fast_nearness_equals_the_plain_one(texts: list[str], others: list[str]) -> None:
    found = nearest(texts, others, {})
    assert found == pytest.approx([max(rouge_l(text, other) for other in others) for text in texts], abs=1e-6)
    if len(texts) > 1:
        plain = [max(rouge_l(t, o) for j, o in enumerate(texts) if j != i) for i, t in enumerate(texts)]
        assert nearest_within(texts, {}) == pytest.approx(plain, abs=1e-6)


@given(st.text(max_size=80), st.text(max_size=80))
def test_word_differences_hold_both_texts(old: str, new: str) -> None:
    pieces = word_difference(old, new)
    assert "".join(text for kind, text in pieces if kind != "added") == show(old)
    assert "".join(text for kind, text in pieces if kind != "removed") == show(new)


@given(st.text())
def test_shown_text_hides_nothing_and_is_valid_utf8(text: str) -> None:
    shown = show(text)
    shown.encode("utf-8")
    assert not set(shown) & {"\x00", "\x1b", "\u202e", "\u2028", "\u200b"}


def drawings() -> Iterator[Markup]:
    evil = "<script>pwned=1</script>\x00'\"&\ud800"
    yield charts.bars(evil, [(evil, {evil: 3.0, "b": 0.0})], evil)
    yield charts.histogram(evil, [(evil, {evil: 2.0}), ("x", {evil: 0.0})], evil)
    yield charts.sunburst(evil, [(evil, [(evil, 5), ("b", 1)])])
    yield charts.lines(evil, {evil: [0.0, 2.0], "b": [1.0, 1.0]}, (evil, evil), [0.5])
    yield charts.intervals(evil, [(evil, 0.5, 0.4, 0.6)], 0, 1)
    yield charts.bars("none", [])
    yield charts.histogram("none", [], "")
    yield charts.lines("none", {}, ("", ""))


def test_charts_are_well_formed_and_escape_what_they_show() -> None:
    import xml.etree.ElementTree as ElementTree

    for drawing in drawings():
        drawing.encode("utf-8")
        ElementTree.fromstring(str(drawing))
        assert "<script" not in drawing


def test_a_full_circle_is_still_drawn() -> None:
    drawing = charts.sunburst("one", [("write", [("poem", 9)])])
    assert "A160.0 160.0" in drawing or "A160 160" in drawing
