"""Conversations become token ids and labels: the loss mask, the end tokens, and an account of every row.

A conversation is written out as one text and tokenised as a whole, as a server does; the mask is laid over the tokens
by their places in the text. Tokenising piece by piece would give other ids wherever a token reaches over a border.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from synth.errors import UsageError
from synth.records import Record
from synth.student.templates import Conversation, Segment, Template, Turn, control_tokens, conversation_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNLEARNED = -100  # the label that PyTorch's cross-entropy leaves out
AT_ONCE = 512  # conversations tokenised in one call

Tokens = tuple[list[int], list[int]]  # ids, and for each where in the text it begins, or its label


@dataclass(frozen=True, slots=True)
class Row:
    """One training example. `labels[i]` is `ids[i]` where the loss is taken and UNLEARNED elsewhere."""

    record_id: str
    ids: list[int]
    labels: list[int]

    @property
    def num_learned(self) -> int:
        """Tokens with a label that a loss is taken on: the first token has nothing to be predicted from."""
        return sum(label != UNLEARNED for label in self.labels[1:])

    @property
    def parts(self) -> tuple[Row, ...]:
        """The texts in it that do not see each other."""
        return (self,)


@dataclass(frozen=True, slots=True)
class Encoded:
    """The rows to train on, and the ids of records that were cut (still in `rows`) or left out because all of the
    answer lay beyond the limit or there was no answer. kept + left out = what came in. `folded`: ids of those whose
    system text was put into the first user turn, since the template has no place for it.
    """

    rows: list[Row]
    truncated: list[str] = field(default_factory=list)
    unlearnable: list[str] = field(default_factory=list)
    folded: list[str] = field(default_factory=list)


class Encoder:
    """One template over one tokenizer (which must have been through `prepare_tokenizer`)."""

    def __init__(self, template: Template, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.is_fast:
            raise UsageError(
                "the model's tokenizer cannot tell where in a text its tokens lie",
                "use a model with a tokenizer.json",
            )
        self.template = template
        self.tokenizer = tokenizer
        self.eos: int = tokenizer.eos_token_id
        alone = [] if template.writes_start else tokenizer("")["input_ids"]
        self.start: list[int] = [
            token for token in alone if token != self.eos
        ]  # a beginning-of-sequence token, or none
        controls = control_tokens(tokenizer)
        self._controls = re.compile("|".join(map(re.escape, controls)) or r"(?!)")
        self._control_ids = frozenset(tokenizer.convert_tokens_to_ids(controls)) - {tokenizer.unk_token_id}

    def encode(self, conversation: Conversation) -> tuple[list[int], list[int]]:
        """(ids, labels) of a whole conversation, not cut."""
        return self._labelled([self._with_ends(self.template.segments(conversation))])[0]

    def prompt(self, conversation: Conversation) -> list[int]:
        """The ids that the last answer is generated after: those a server makes of the same messages."""
        ((ids, _),) = self._tokenise([self._with_ends(self.template.prompt(conversation))])
        return self.start + ids

    def chat_template(self) -> str:
        """The form as a Jinja chat template that gives a server the ids of training."""
        if not self.start:
            return self.template.jinja("")
        bos = self.tokenizer.decode(self.start)
        text = "".join(part.text for part in self.template.prompt(Conversation((Turn("Go"),))))
        wanted = self.start + self.tokenizer(text, add_special_tokens=False)["input_ids"]
        for lead in ("", " "):  # some tokenizers put a space before the first word, but not after a control token
            if self.tokenizer(bos + lead + text, add_special_tokens=False)["input_ids"] == wanted:
                return self.template.jinja(bos + lead)
        return self.template.jinja(bos)

    def rows(self, records: Iterable[Record], max_length: int) -> Encoded:
        """Encode records, cutting the end of those longer than `max_length` tokens: after an answer where one ends.

        Raises UsageError with the record's id where the template cannot write it.
        """
        encoded = Encoded([])
        everything = list(records)
        for first in range(0, len(everything), AT_ONCE):
            some = everything[first : first + AT_ONCE]
            labelled = self._labelled([self._written(record, encoded) for record in some])
            for record, (ids, labels) in zip(some, labelled, strict=True):
                end = _end(labels, max_length)
                row = Row(record.id, ids[:end], labels[:end])
                if not record.output.strip() or not row.num_learned:
                    encoded.unlearnable.append(record.id)
                    continue
                if len(ids) > max_length:
                    encoded.truncated.append(record.id)
                encoded.rows.append(row)
        return encoded

    def _written(self, record: Record, encoded: Encoded) -> list[Segment]:
        conversation = conversation_of(record)
        if conversation.system and self.template.folds_system:
            encoded.folded.append(record.id)
        try:
            return self._with_ends(self.template.segments(conversation))
        except UsageError as error:
            raise UsageError(f"record {record.id}: {error.message}", error.hint) from error

    def _labelled(self, written: Sequence[Sequence[Segment]]) -> list[Tokens]:
        """(ids, labels) of each text."""
        found = []
        for segments, (ids, starts) in zip(written, self._tokenise(written), strict=True):
            pairs = zip(ids, _inside(starts, segments), strict=True)
            labels = [token if is_learned else UNLEARNED for token, is_learned in pairs]
            found.append((self.start + ids, [UNLEARNED] * len(self.start) + labels))
        return found

    def _with_ends(self, segments: Sequence[Segment]) -> list[Segment]:
        end = str(self.tokenizer.eos_token)
        return [Segment(end, "frame", part.is_learned) if part.kind == "end" else part for part in segments]

    def _tokenise(self, written: Sequence[Sequence[Segment]]) -> list[Tokens]:
        """Each text as a whole. Where data hold what looks like a control token, see `_apart`."""
        texts = ["".join(part.text for part in segments) for segments in written]
        if not texts:
            return []
        encodings = self.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True).encodings
        return [
            self._apart(segments) if self._poses(text, segments) else (encoding.ids, _starts(encoding))
            for text, segments, encoding in zip(texts, written, encodings, strict=True)
        ]

    def _poses(self, text: str, segments: Sequence[Segment]) -> bool:
        """Are there control tokens in the text beyond those that the template wrote?"""
        of_frame = sum(len(self._controls.findall(part.text)) for part in segments if part.kind == "frame")
        return len(self._controls.findall(text)) != of_frame

    def _apart(self, segments: Sequence[Segment]) -> Tokens:
        """The stretches between the template's control tokens, each tokenised as text and nothing else."""
        stretches: list[tuple[str, bool]] = [("", False)]
        for part in segments:
            found = self._controls.split(part.text) if part.kind == "frame" else [part.text]
            controls = self._controls.findall(part.text) if part.kind == "frame" else []
            stretches[-1] = (stretches[-1][0] + found[0], False)
            for control, text in zip(controls, found[1:], strict=True):
                stretches += [(control, True), (text, False)]
        ids: list[int] = []
        starts: list[int] = []
        place = 0
        for text, is_control in stretches:
            for piece in [text] if is_control else self._harmless(text):
                encoding = self._encoding(piece, is_control)
                ids += encoding.ids
                starts += [place + start for start in _starts(encoding)]
                place += len(piece)
        return ids, starts

    def _harmless(self, text: str) -> list[str]:
        """The text, cut within what looks like a control token where the tokenizer would make one of it even so.

        Unigram models do: to them a control token is a word like any other.
        """
        if not self._control_ids.intersection(self._encoding(text, False).ids):
            return [text]
        cuts = [0, *(match.start() + 1 for match in self._controls.finditer(text)), len(text)]
        return [text[start:end] for start, end in pairwise(cuts)]

    def _encoding(self, text: str, is_control: bool) -> Any:
        options = {"add_special_tokens": False, "split_special_tokens": not is_control}
        return self.tokenizer([text], return_offsets_mapping=True, **options).encodings[0]


def _end(labels: Sequence[int], max_length: int) -> int:
    """Where a row ends: the last end of an answer within `max_length`, or the limit if the first answer is longer."""
    if len(labels) <= max_length:
        return len(labels)
    ends = (at for at in range(max_length, 0, -1) if labels[at - 1] != UNLEARNED == labels[at])
    return next(ends, max_length)


def _starts(encoding: Any) -> list[int]:
    """Where each token begins. Byte-level tokenizers report a token without the space that it begins with."""
    starts, before = [], 0
    for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
        starts.append(before if token.startswith("Ġ") else start)
        before = end
    return starts


def _inside(starts: Sequence[int], segments: Sequence[Segment]) -> list[bool]:
    """Which tokens begin in a learned segment. A token that begins before an answer is the prompt's."""
    borders: list[tuple[int, bool]] = []
    place = 0
    for part in segments:
        place += len(part.text)
        borders.append((place, part.is_learned))
    inside, number = [], 0
    for start in starts:
        while number < len(borders) - 1 and start >= borders[number][0]:
            number += 1
        inside.append(borders[number][1])
    return inside


def prepare_tokenizer(tokenizer: PreTrainedTokenizerBase, template: Template) -> None:
    """Give the tokenizer the end token that `template` wants and a padding token of its own, right padding.

    A padding token equal to the end token would make trainers mask the end, and students would never stop. Raises
    UsageError where there is no end token at all. New tokens need rows in the model: see `weights.fit_vocabulary`.
    """
    if template.end_token and tokenizer.eos_token != template.end_token:
        tokenizer.add_special_tokens({"eos_token": template.end_token})
    if tokenizer.eos_token_id is None:
        raise UsageError(
            "the model's tokenizer has no end-of-sequence token, so a student could not learn to stop",
            "set eos_token in its tokenizer_config.json; or choose template chatml, which brings one, with method full",
        )
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        known = tokenizer.unk_token
        tokenizer.add_special_tokens({"pad_token": known if known not in (None, tokenizer.eos_token) else "<|pad|>"})
    if template.name == "chatml":
        tokenizer.add_special_tokens(
            {"additional_special_tokens": ["<|im_start|>"]}, replace_extra_special_tokens=False
        )
    tokenizer.padding_side = "right"
