"""Instruction-following difficulty (Li et al. 2023, arXiv 2308.12032): how little the instruction helps the answer.

IFD = loss of the answer after its instruction / loss of the answer alone, both a mean over the answer's tokens, by a
causal language model on this machine. Near 0: the instruction gives the answer away; near 1: it hardly helps; above 1:
it misleads. Which model is asked matters less than that it has seen language (Superfiltering, arXiv 2402.00530, finds
a small one ranks as a large one does). As in the published code, the end token is no part of the answer, exactly 1 is
kept, and a share is one of the rows of at most 1. Three differences from it: the task is framed by `template` (alpaca
and wizardlm are its two), where it takes wizardlm; the answer alone follows the start token, where it puts
"### Response:" before it; a share is rounded up, not down. One record at a time, on the CPU unless CUDA is there.
"""

from __future__ import annotations

import asyncio
from typing import Any

from synth.records import Record
from synth.stages.select.settings import IfdSettings


class Ifd:
    """The measure by one model, which is loaded at the first record."""

    def __init__(self, settings: IfdSettings) -> None:
        self.settings = settings
        self._student: Any = None
        self._lock = asyncio.Lock()

    async def measure(self, record: Record) -> float | None:
        """The IFD of a record to 4 digits; None without an answer, or where the instruction leaves no room for it."""
        async with self._lock:
            return await asyncio.to_thread(self.now, record)

    def now(self, record: Record) -> float | None:
        """The same, here and now."""
        from synth.student.encode import UNLEARNED
        from synth.student.generate import Student
        from synth.student.templates import conversation_of

        if not record.output.strip():
            return None
        if self._student is None:
            self._student = Student.load(self.settings.model, self.settings.template, self.settings.num_threads)
        encoder = self._student.encoder
        conversation = conversation_of(record)
        ids, labels = encoder.encode(conversation)
        asked = len(encoder.prompt(conversation))
        labels = [UNLEARNED] * asked + labels[asked:]  # of a talk the last answer alone is measured
        labels = [UNLEARNED if label == encoder.eos else label for label in labels]
        ids, labels = ids[: self.settings.max_tokens], labels[: self.settings.max_tokens]
        answer = [label for label in labels if label != UNLEARNED]
        if not answer:
            return None
        start = encoder.start or [encoder.eos]
        alone = self._loss(start + answer, [UNLEARNED] * len(start) + answer)
        return round(self._loss(ids, labels) / alone, 4) if alone > 0 else None

    def _loss(self, ids: list[int], labels: list[int]) -> float:
        """Mean loss, in nats a token, of the tokens that have a label."""
        import torch

        from synth.student.weights import threads

        model = self._student.model
        with threads(self.settings.num_threads), torch.no_grad():
            batch = torch.tensor([ids], device=model.device)
            logits = model(input_ids=batch, use_cache=False).logits[0, :-1].float()
            wanted = torch.tensor(labels[1:], device=model.device)
            return float(torch.nn.functional.cross_entropy(logits, wanted))
