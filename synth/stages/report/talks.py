"""The page's part on conversations: how many turns they have, how long those are, and a few of them whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from synth.metrics import count_words
from synth.records import Record
from synth.stages.report.blocks import Block, Samples, Table, show

WHOLE = 3
"""Talks shown whole, the first ones."""
MAX_TURNS = 20


@dataclass(slots=True)
class TalkFacts:
    """`turns`: questions in a record → records. `words`: number of an exchange → [talks, words of user, of assistant].

    `compared`: category → how often the answers that the records came with won, lost or tied before a judge.
    """

    turns: Counter[int] = field(default_factory=Counter)
    words: dict[int, list[int]] = field(default_factory=dict)
    compared: dict[str, Counter[str]] = field(default_factory=dict)
    whole: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Count one record."""
        self.turns[len(record.history) + 1] += 1
        if record.history and len(self.whole) < WHOLE:
            self.whole.append(record)
        pairs = [*record.history, (record.question, record.output)][:MAX_TURNS]
        for number, (user, assistant) in enumerate(pairs if record.history else (), 1):
            sums = self.words.setdefault(number, [0, 0, 0])
            sums[:] = [sums[0] + 1, sums[1] + count_words(user), sums[2] + count_words(assistant)]
        counts = record.meta.get("compared")
        if isinstance(counts, dict):
            category = str(record.meta.get("category") or record.meta.get("requested_category") or "(not noted)")
            self.compared.setdefault(category, Counter()).update(
                {name: n for name, n in counts.items() if isinstance(n, int)}
            )


def talk_blocks(facts: TalkFacts) -> list[Block]:
    """Turns per talk, lengths by turn, talks whole, and which answers won; nothing where there is nothing of it."""
    blocks: list[Block] = []
    if facts.words:
        turns = sorted(facts.turns.items())
        blocks.append(Table("Questions in a record", ("questions", "records"), turns))
        rows = [
            (n, count, round(a / count, 1), round(b / count, 1)) for n, (count, a, b) in sorted(facts.words.items())
        ]
        header = ("exchange", "talks that have it", "mean words of the user", "mean words of the assistant")
        blocks.append(Table("Lengths by turn", header, rows))
        blocks.append(Samples("Talks, whole", [(show(one.instruction, 100), _said(one)) for one in facts.whole]))
    if facts.compared:
        columns = ("category", "won", "lost", "tied", "share won, without ties")
        blocks.append(
            Table("The answers that came first, before a judge", columns, [*map(_row, facts.compared.items())])
        )
    return blocks


def _row(item: tuple[str, Counter[str]]) -> tuple[str, int, int, int, str]:
    category, counts = item
    decided = counts["won"] + counts["lost"]
    share = f"{counts['won'] / decided:.0%}" if decided else "-"
    return show(category, 100), counts["won"], counts["lost"], counts["tied"], share


def _said(record: Record) -> str:
    turns = record.messages()
    more = [f"({len(turns) - 2 * MAX_TURNS} messages more)"] if len(turns) > 2 * MAX_TURNS else []
    return "\n\n".join([f"{turn['role']}: {show(turn['content'])}" for turn in turns[: 2 * MAX_TURNS]] + more)
