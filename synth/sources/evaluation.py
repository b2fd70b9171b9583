"""Evaluation sets as they are published: MT-Bench, WizardLM's test set, HellaSwag, ARC, ShareGPT conversations."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth.records import Record
from synth.sources.chat import ROLES


@dataclass(frozen=True, slots=True)
class Question:
    """One item: its questions in order, the answers known to them, and the choices of a multiple choice.

    `right`: the place of the right choice, None where the item has none or does not tell.
    """

    questions: tuple[str, ...]
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    right: int | None = None
    group: str = ""

    def record(self) -> Record:
        """The item as a record to be answered; its answer and check are what is known.

        Of several questions whose earlier answers are not known, only the first one can be asked.
        """
        meta: dict[str, Any] = {"category": self.group} if self.group else {}
        if self.choices:
            letters = list(string.ascii_uppercase[: len(self.choices)])
            listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip(letters, self.choices, strict=True))
            answer = letters[self.right] if self.right is not None else ""
            meta |= {"check": {"kind": "label", "answer": answer, "labels": letters}} if answer else {}
            return Record(self.questions[0], listed, answer, meta=meta)
        if len(self.answers) < len(self.questions) - 1:
            return Record(self.questions[0], "", "".join(self.answers[:1]), meta=meta)
        history = tuple(zip(self.questions[:-1], self.answers, strict=False))
        answer = self.answers[len(history)] if len(self.answers) > len(history) else ""
        return Record(self.questions[-1], "", answer, history=history, meta=meta)


def question_of(row: Mapping[str, Any]) -> Question | None:
    """The item of a row in one of the published forms, None where it is in none of them. Keys in any case."""
    row = {key.lower(): value for key, value in row.items()}
    for read in (_mt_bench, _conversations, _hellaswag, _arc, _wizardlm):
        found = read(row)
        if found is not None and any(question.strip() for question in found.questions):
            return found
    return None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) and value and all(isinstance(one, str) for one in value) else ()


def _mt_bench(row: dict[str, Any]) -> Question | None:
    turns = _texts(row.get("turns"))
    return Question(turns, _texts(row.get("reference")), group=str(row.get("category") or "")) if turns else None


def _conversations(row: dict[str, Any]) -> Question | None:
    turns = row.get("conversations")
    if not isinstance(turns, list):
        return None
    said = [(ROLES.get(str(turn.get("from")).lower()), turn.get("value")) for turn in turns if isinstance(turn, dict)]
    users = tuple(text for role, text in said if role == "user" and isinstance(text, str))
    answers = tuple(text for role, text in said if role == "assistant" and isinstance(text, str))
    greets = bool(said) and said[0][0] == "assistant"
    return Question(users, answers[1:] if greets else answers)


def _hellaswag(row: dict[str, Any]) -> Question | None:
    context, endings = row.get("ctx"), _texts(row.get("endings"))
    if not isinstance(context, str):
        return None
    label = str(row.get("label", ""))
    right = int(label) if label.isdecimal() and int(label) < len(endings) else None
    answers = (endings[right],) if right is not None else ()
    return Question((context,), answers, endings, right, str(row.get("activity_label") or ""))


def _arc(row: dict[str, Any]) -> Question | None:
    given = row.get("question")
    within = given if isinstance(given, dict) else {"stem": given, "choices": row.get("choices")}
    question, choices = within.get("stem"), within.get("choices")
    texts, labels = _choices(choices)
    if not isinstance(question, str) or not texts:
        return None
    key = row.get("answerkey")
    right = labels.index(key) if key in labels else None
    return Question((question,), (texts[right],) if right is not None else (), texts, right)


def _choices(given: Any) -> tuple[tuple[str, ...], Sequence[Any]]:
    """(texts, labels) of choices as one object of lists, or as a list of objects."""
    if isinstance(given, dict):
        texts, labels = _texts(given.get("text")), given.get("label")
        return (texts, labels) if isinstance(labels, list) and len(labels) == len(texts) else ((), ())
    rows = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    return _texts([one.get("text") for one in rows]), [one.get("label") for one in rows]


def _wizardlm(row: dict[str, Any]) -> Question | None:
    instruction = row.get("instruction")
    if not isinstance(instruction, str) or not {"skill", "difficulty"} <= row.keys():
        return None
    return Question((instruction,), group=str(row["skill"]))
