"""The report's part on conversations counts turns, their lengths and who won, and shows hostile text as text."""

from __future__ import annotations

from synth.records import Record
from synth.stages.report.blocks import Samples, Table
from synth.stages.report.talks import TalkFacts, talk_blocks


def test_turns_lengths_and_shares_of_wins_are_counted() -> None:
    facts = TalkFacts()
    for number in range(4):
        facts.add(Record("And now?", "", "Now it is.", "", (("One two three", "a b"),) * number))
    facts.add(Record("Who?", "", "Me.", meta={"category": "open", "compared": {"won": 2, "lost": 1, "tied": 4}}))
    turns, lengths, whole, wins = talk_blocks(facts)
    assert isinstance(turns, Table) and list(turns.rows) == [(1, 2), (2, 1), (3, 1), (4, 1)]
    assert isinstance(lengths, Table) and next(iter(lengths.rows)) == (1, 3, 3.0, 2.0)
    assert isinstance(whole, Samples) and len(whole.samples) == 3
    assert isinstance(wins, Table) and list(wins.rows) == [("open", 2, 1, 4, "67%")]


def test_a_very_long_talk_is_shown_by_its_beginning() -> None:
    facts = TalkFacts()
    facts.add(Record("The last?", "", "One two three four.", "", tuple((f"Q{n}", "a") for n in range(29))))
    _, lengths, whole = talk_blocks(facts)
    assert isinstance(lengths, Table) and list(lengths.rows)[-1] == (20, 1, 1.0, 1.0)
    assert isinstance(whole, Samples) and whole.samples[0][1].endswith("assistant: a\n\n(20 messages more)")


def test_a_run_without_talks_has_nothing_to_tell_and_hidden_characters_are_shown() -> None:
    facts = TalkFacts()
    facts.add(Record("Who?", "", "Me."))
    assert talk_blocks(facts) == []
    facts.add(Record("x\u202ey", "", "\x1b[2J", "", (("a", "b"),)))
    (block,) = [one for one in talk_blocks(facts) if isinstance(one, Samples)]
    assert "\u202e" not in repr(block.samples) and "\x1b" not in block.samples[0][1]
