"""What a student is examined on: items made of seed tasks or records, without those that its training gave away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from synth.metrics import ngrams, tokens
from synth.records import AS_GOOD, Record, SeedTask, digest
from synth.student.templates import Conversation, Turn, conversation_of

# Shared runs of words that count as given away: GPT-3's rule (Brown et al. 2020, appendix C) for what is not a set
# phrase.
SHARED_RUN = 13


@dataclass(frozen=True, slots=True)
class EvalItem:
    """One question with what is known about its answer.

    `check` (see `synth.verify`) decides where there is one, else the text is compared with `reference` ("" if there
    is none); `references` are further right ones. `group` is a category or kind of task, for tables. `conversation`
    is asked for its last answer. `scoring`: further marks, see `synth.student.superni` and `safety`.
    """

    id: str
    conversation: Conversation
    reference: str = ""
    check: dict[str, Any] | None = None
    group: str = ""
    references: tuple[str, ...] = ()
    scoring: str = ""

    @property
    def question(self) -> str:
        """All that is asked, as a user would type it; turns before the last included."""
        return "\n".join(turn.user_text for turn in self.conversation.turns)


def items_from(source: Iterable[SeedTask | Record | EvalItem]) -> list[EvalItem]:
    """One item for each instance of a task and for each record. A task's check belongs to its first instance."""
    items: list[EvalItem] = []
    for one in source:
        if isinstance(one, EvalItem):
            items.append(one)
        elif isinstance(one, SeedTask):
            items += _task_items(one)
        else:
            conversation = conversation_of(one)
            last = conversation.turns[-1]
            group = str(one.meta.get("category") or one.meta.get("requested_category") or one.lineage.operator or "")
            asked = Conversation((*conversation.turns[:-1], Turn(last.instruction, last.input)), conversation.system)
            further = tuple(other.output for other in one.others if other.grade == AS_GOOD)
            items.append(EvalItem(one.id, asked, last.output, one.meta.get("check"), group, further))
    return items


def _task_items(task: SeedTask) -> list[EvalItem]:
    return [
        EvalItem(
            task.id if number == 0 else f"{task.id}#{number}",
            Conversation((Turn(task.instruction, instance.input),)),
            instance.output,
            task.check if number == 0 else None,
            task.category or "",
        )
        for number, instance in enumerate(task.instances)
    ]


def given_away(items: Sequence[EvalItem], training: Iterable[Record]) -> dict[str, str]:
    """Item id -> id of a training record that gives it away.

    That is: the same task with the same input (case, spacing and punctuation aside), or a run of SHARED_RUN words in
    common with what the item works on: its input, or its instruction where it has no input. Equal wording of the
    instruction alone is not counted where there is an input: other inputs are other questions.
    """
    whole: dict[str, str] = {}
    runs: dict[tuple[str, ...], str] = {}
    for record in training:
        for turn in conversation_of(record).turns:
            whole.setdefault(_plain(turn), record.id)
            for text in (turn.instruction, turn.input, turn.output):
                for run in ngrams(tokens(text), SHARED_RUN):
                    runs.setdefault(run, record.id)
    found: dict[str, str] = {}
    for item in items:
        last = item.conversation.turns[-1]
        hits = [whole.get(_plain(last))]
        hits += [runs.get(run) for run in ngrams(tokens(last.input or last.instruction), SHARED_RUN)]
        hit = next((hit for hit in hits if hit is not None), None)
        if hit is not None:
            found[item.id] = hit
    return found


def _plain(turn: Turn) -> str:
    words = [re.findall(r"\S", text.casefold()) for text in (turn.instruction, turn.input)]
    return digest(*("".join(letters) for letters in words))
