"""A student that answers: batched greedy generation with a key-value cache, and the loss of given answers.

For evaluation on one machine. Serving is the work of vLLM or Transformers, which read the same folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synth.records import Record
from synth.student.encode import UNLEARNED, Encoder, prepare_tokenizer
from synth.student.memory import has_bfloat16
from synth.student.templates import Conversation, Template, Turn, template_named
from synth.student.weights import fit_vocabulary, load_model, load_tokenizer, quiet, refuse_unknown_id, threads

PORTION = 32
"""Tokens written at a time. Who has ended then leaves its batch, which would go on to the end of its longest answer."""
_MARK_WORDS = 2
"""The name of a template's part has so many words at most; what is longer is its preamble."""
MANIFEST = "train.json"  # written last into a student's folder: finished means that it is there


@dataclass(frozen=True, slots=True)
class Answer:
    """What the student wrote, up to where it ended or went on with the template's next part by itself, as bases do.

    `is_cut`: it had done neither after the allowed number of tokens.
    """

    text: str
    num_tokens: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Loss:
    """Cross-entropy of one record's answer: the sum over its tokens in nats, and their number."""

    total: float
    num_tokens: int


class Student:
    """A causal language model with the template it was trained with."""

    def __init__(self, model: Any, encoder: Encoder, num_threads: int | None = None) -> None:
        self.model = model.eval()
        self.encoder = encoder
        self._next_part = next_part(encoder.template)
        self.num_threads = num_threads

    @classmethod
    def load(cls, path: str, template: str | None = None, num_threads: int | None = None) -> Student:
        """A student's folder, or any model with the name of a template.

        Without `template` (or with "auto") the one named in the folder's manifest is used, else the model's own chat
        template, else alpaca.
        """
        with quiet():
            return cls._load(path, template, num_threads)

    @classmethod
    def _load(cls, path: str, template: str | None, num_threads: int | None) -> Student:
        import torch

        tokenizer = load_tokenizer(path)
        chosen = None if template == "auto" else template
        form = template_named(chosen or trained_template(path) or "auto", tokenizer)
        known = len(tokenizer)
        prepare_tokenizer(tokenizer, form)
        model = load_model(path, dtype=_precision(path))
        fit_vocabulary(model, tokenizer, known)
        model = model.to("cuda") if torch.cuda.is_available() else model
        return cls(model, Encoder(form, tokenizer), num_threads)

    def answers(
        self,
        conversations: Sequence[Conversation],
        max_tokens: int = 256,
        batch_tokens: int = 16_384,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Answer]:
        """One greedy answer for the last turn of each conversation, in their order.

        Prompts of like length share a batch of at most `batch_tokens` tokens (answers included), so memory is bounded
        and little is padded.
        """
        rows = [self.encoder.prompt(conversation) for conversation in conversations]
        self._refuse_unknown(rows)
        starts = [len(row) for row in rows]
        found: dict[int, Answer] = {}
        for begun in range(0, max_tokens, PORTION):
            portion = min(PORTION, max_tokens - begun)
            left = [index for index in range(len(rows)) if index not in found]
            for batch in batches([len(rows[index]) + portion for index in left], batch_tokens):
                chosen = [left[i] for i in batch]
                for index, ids in zip(chosen, self._generate([rows[i] for i in chosen], portion), strict=True):
                    rows[index] = rows[index] + ids
                    answer = self._read(rows[index][starts[index] :])
                    if not answer.is_cut or begun + portion == max_tokens:
                        found[index] = answer
                if progress:
                    progress(len(found), len(rows))
        return [found[index] for index in range(len(rows))]

    def losses(self, records: Sequence[Record], max_length: int = 2048, batch_tokens: int = 16_384) -> dict[str, Loss]:
        """Record id -> the loss of its answer. Records without an answer within `max_length` tokens are left out."""
        import torch

        rows = self.encoder.rows(records, max_length).rows
        self._refuse_unknown([row.ids for row in rows])
        found: dict[str, Loss] = {}
        with threads(self.num_threads), torch.no_grad():
            for batch in batches([len(row.ids) for row in rows], batch_tokens):
                ids, mask = self._padded([rows[i].ids for i in batch], is_left=False)
                labels, _ = self._padded([rows[i].labels for i in batch], is_left=False, fill=UNLEARNED)
                logits = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
                each = torch.nn.functional.cross_entropy(
                    logits.transpose(1, 2), labels[:, 1:], ignore_index=UNLEARNED, reduction="none"
                )
                counts = (labels[:, 1:] != UNLEARNED).sum(dim=1).tolist()
                for index, total, count in zip(batch, each.double().sum(dim=1).tolist(), counts, strict=True):
                    found[rows[index].record_id] = Loss(total, count)
        return found

    def likeliest(self, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]]) -> list[str]:
        """For each conversation the choice that is most probable as its last answer, its end included."""
        import torch

        from synth.student.loss import returning_loss

        found = []
        with threads(self.num_threads), torch.no_grad(), returning_loss(self.model, by_row=True):
            for asked, texts in zip(conversations, choices, strict=True):
                *before, last = asked.turns
                answered = [replace(asked, turns=(*before, replace(last, output=text))) for text in texts]
                each = [self._likelihood(*self.encoder.encode(one)) for one in answered]
                found.append(texts[each.index(max(each))])
        return found

    def _likelihood(self, ids: list[int], labels: list[int]) -> float:
        """The log-probability of the labels, inside `returning_loss`."""
        import torch

        self._refuse_unknown([ids])
        row, wanted = (torch.tensor([one], device=self.model.device) for one in (ids, labels))
        places = torch.arange(len(ids), device=self.model.device)[None]
        return float(self.model(input_ids=row, position_ids=places, labels=wanted))

    def _generate(self, prompts: list[list[int]], max_tokens: int) -> list[list[int]]:
        import torch

        ids, mask = self._padded(prompts, is_left=True)
        end, pad = self.encoder.eos, self.encoder.tokenizer.pad_token_id
        with threads(self.num_threads), torch.no_grad():
            written: list[list[int]] = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=max_tokens,
                do_sample=False,
                num_beams=1,
                eos_token_id=end,
                pad_token_id=pad,
            )[:, ids.shape[1] :].tolist()
        return written

    def _read(self, ids: list[int]) -> Answer:
        is_cut = self.encoder.eos not in ids
        kept = ids if is_cut else ids[: ids.index(self.encoder.eos)]
        text = self.encoder.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        found = self._next_part.search(text)
        return Answer(text[: found.start() if found else None].strip(), len(kept), is_cut and not found)

    def _refuse_unknown(self, rows: Sequence[Sequence[int]]) -> None:
        highest = max((token for row in rows for token in row), default=0)
        refuse_unknown_id(self.model, self.encoder.tokenizer, highest, "a text")

    def _padded(self, rows: list[list[int]], *, is_left: bool, fill: int | None = None) -> tuple[Any, Any]:
        import torch

        pad = self.encoder.tokenizer.pad_token_id if fill is None else fill
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            place = slice(width - len(row), width) if is_left else slice(0, len(row))
            ids[number, place] = torch.tensor(row)
            mask[number, place] = 1
        return ids.to(self.model.device), mask.to(self.model.device)


def _precision(path: str) -> Any:
    """bfloat16 where the machine is fast at it, else float32; on a CPU what was saved in float32 stays so.

    It is for `from_pretrained`: a model that is converted later has its tables of positions rounded, too.
    """
    import torch
    from transformers import AutoConfig

    if not has_bfloat16() or torch.cuda.is_available():
        return torch.bfloat16 if has_bfloat16() else torch.float32
    try:
        saved = AutoConfig.from_pretrained(path).dtype
    except (OSError, ValueError, KeyError):
        saved = None  # loading the model says what is wrong
    return torch.float32 if saved in (None, torch.float32) else torch.bfloat16


def next_part(template: Template) -> re.Pattern[str]:
    """What a template writes before its parts ("### Response:"), at the beginning of a line."""
    turn = Turn("a", "b", "c")
    frames = [part.text.strip() for part in template.segments(Conversation((turn, turn))) if part.kind == "frame"]
    marks = sorted({frame for frame in frames if frame.endswith(":") and len(frame.split()) <= _MARK_WORDS})
    return re.compile(rf"^[^\S\n]*(?:{'|'.join(map(re.escape, marks)) or '(?!)'})", re.MULTILINE)


def batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Indices in groups of like length, longest last; the longest of a group times its size is at most `batch_tokens`
    (a group of one may be longer).
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if groups and lengths[index] * (len(groups[-1]) + 1) <= batch_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def trained_template(path: str) -> str | None:
    """The name of the template in a student's manifest; None for a model that was not trained here."""
    try:
        manifest = json.loads((Path(path) / MANIFEST).read_text("utf-8"))
        return str(manifest["template"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
