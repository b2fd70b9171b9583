"""Conversations become token ids and labels: the loss mask, the end tokens, and an account of every row.

Nothing is dropped or cut without being listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from synth.errors import UsageError
from synth.records import Record
from synth.student.templates import Conversation, Segment, Template, conversation_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNLEARNED = -100  # the label that PyTorch's cross-entropy leaves out


@dataclass(frozen=True, slots=True)
class Row:
    """One training example. `labels[i]` is `ids[i]` where the loss is taken and UNLEARNED elsewhere."""

    record_id: str
    ids: list[int]
    labels: list[int]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The rows to train on, and the ids of records that were cut (still in `rows`) or left out because all of the
    answer lay beyond the limit or there was no answer. kept + left out = what came in.
    """

    rows: list[Row]
    truncated: list[str] = field(default_factory=list)
    unlearnable: list[str] = field(default_factory=list)

    @property
    def num_tokens(self) -> int:
        """All tokens of the rows."""
        return sum(len(row.ids) for row in self.rows)

    @property
    def num_learned(self) -> int:
        """The tokens with a label."""
        return sum(label != UNLEARNED for row in self.rows for label in row.labels)


class Encoder:
    """One template over one tokenizer (which must have been through `prepare_tokenizer`)."""

    def __init__(self, template: Template, tokenizer: PreTrainedTokenizerBase) -> None:
        self.template = template
        self.tokenizer = tokenizer
        self.eos: int = tokenizer.eos_token_id
        empty = tokenizer("")["input_ids"]
        self.start: list[int] = [
            token for token in empty if token != self.eos
        ]  # a beginning-of-sequence token, or none

    def encode(self, conversation: Conversation) -> tuple[list[int], list[int]]:
        """(ids, labels) of a whole conversation, not cut."""
        ids, labels = list(self.start), [UNLEARNED] * len(self.start)
        for segment in self.template.segments(conversation):
            new = self._ids(segment)
            ids += new
            labels += new if segment.is_learned else [UNLEARNED] * len(new)
        return ids, labels

    def prompt(self, conversation: Conversation) -> list[int]:
        """The ids that the last answer is generated after: a prefix of those of `encode`, token for token."""
        return self.start + [token for segment in self.template.prompt(conversation) for token in self._ids(segment)]

    def rows(self, records: Iterable[Record], max_length: int) -> Encoded:
        """Encode records, cutting the end of those longer than `max_length` tokens."""
        encoded = Encoded([])
        for record in records:
            ids, labels = self.encode(conversation_of(record))
            row = Row(record.id, ids[:max_length], labels[:max_length])
            if not record.output.strip() or all(label == UNLEARNED for label in row.labels):
                encoded.unlearnable.append(record.id)
                continue
            if len(ids) > max_length:
                encoded.truncated.append(record.id)
            encoded.rows.append(row)
        return encoded

    def _ids(self, segment: Segment) -> list[int]:
        if segment.kind == "end":
            return [self.eos]
        text_only = segment.kind == "content"
        ids: list[int] = self.tokenizer(segment.text, add_special_tokens=False, split_special_tokens=text_only)[
            "input_ids"
        ]
        return ids


def prepare_tokenizer(tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    """Give the tokenizer the end token that `template` wants and a padding token of its own, right padding.

    A padding token equal to the end token would teach students never to stop. Raises UsageError where there is no end
    token at all. New tokens need rows in the model: see `weights.fit_vocabulary`.
    """
    if template.end_token and tokenizer.eos_token != template.end_token:
        tokenizer.add_special_tokens({"eos_token": template.end_token})
    if tokenizer.eos_token_id is None:
        raise UsageError(
            "the model's tokenizer has no end-of-sequence token, so a student could not learn to stop",
            "set eos_token in its tokenizer_config.json, or choose a template that brings one, such as chatml",
        )
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    if template.name == "chatml":
        tokenizer.add_special_tokens(
            {"additional_special_tokens": ["<|im_start|>"]}, replace_extra_special_tokens=False
        )
    tokenizer.padding_side = "right"
