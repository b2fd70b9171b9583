"""A request as the ledger stores it: one row with its whole account, and a checksum over every column."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from typing import Any

from synth.engine.budget import Reservation
from synth.models.base import Completion, Usage
from synth.records import canonical_json


def checksum(*values: object) -> str:
    """What `synth verify` compares: 16 hex digits over the columns of a row."""
    return blake2b("\x1f".join(map(str, values)).encode("utf-8", "replace"), digest_size=8).hexdigest()


def request_key(endpoint: str, model: str, request: str) -> str:
    """SHA-256 of the canonical JSON of `[endpoint, model, request]`; `request` is given as its canonical JSON."""
    whole = f"[{json.dumps(endpoint)},{json.dumps(model)},{request}]"
    return hashlib.sha256(whole.encode()).hexdigest()


def question_of(endpoint: str, model: str, request: str) -> int:
    """A 64-bit hash that requests share which differ in `max_tokens` alone."""
    asked, _ = split_cap(request)
    whole = canonical_json([endpoint, model, asked])
    return int.from_bytes(blake2b(whole.encode(), digest_size=8).digest(), "big", signed=True)


def split_cap(request: str) -> tuple[dict[str, Any], int | None]:
    """A request in canonical JSON without its `max_tokens`, and that."""
    asked = json.loads(request)
    return asked, asked["sampling"].pop("max_tokens", None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table `requests`; the fields are its columns, in order.

    `cost` and `tokens` are what all attempts that came back were billed; `resent` counts those that left and never came
    back because the process died. `reserved_…` is the worst case of one attempt. Times are seconds since 1970.
    """

    key: str
    stage: str
    item: str
    role: str
    model: str
    endpoint: str
    request: str
    question: int
    state: str = "planned"
    text: str | None = None
    reasoning: str | None = None
    choices: str | None = None
    finish_reason: str | None = None
    answered_by: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float = 0.0
    tokens: int = 0
    reserved_cost: float = 0.0
    reserved_tokens: int = 0
    attempts: int = 0
    resent: int = 0
    sent_at: float | None = None
    answered_at: float | None = None
    error: str | None = None
    mean_logprob: float | None = None

    @property
    def values(self) -> tuple[Any, ...]:
        """The columns, without the checksum."""
        return tuple(getattr(self, name) for name in COLUMNS)

    @property
    def row(self) -> tuple[Any, ...]:
        """The columns, the checksum last."""
        return (*self.values, proof_of(self.values))

    def planned(self, worst: Reservation) -> Entry:
        """The entry before another try."""
        return replace(self, state="planned", reserved_cost=worst.cost, reserved_tokens=worst.tokens)

    def answered(
        self, answer: Completion, spent: Reservation, attempts: int, left_at: float | None, now: float
    ) -> Entry:
        """The entry with its answer; `spent` by `attempts`, the last of which left at `left_at`."""
        entry = self._spent("answered", spent, attempts, left_at, now)
        return replace(
            entry,
            text=answer.text,
            reasoning=answer.reasoning,
            choices=json.dumps(answer.choices),
            finish_reason=answer.finish_reason,
            answered_by=answer.model,
            prompt_tokens=answer.usage.prompt_tokens,
            completion_tokens=answer.usage.completion_tokens,
            mean_logprob=answer.mean_logprob,
        )

    def failed(self, why: str, spent: Reservation, attempts: int, left_at: float | None, now: float) -> Entry:
        """The entry without an answer; the next run asks it again. Without an attempt it stays planned."""
        state = "failed" if attempts else "planned"
        words = why[:500].encode("utf-8", "replace").decode()
        return replace(self._spent(state, spent, attempts, left_at, now), error=words)

    def _spent(self, state: str, spent: Reservation, attempts: int, left_at: float | None, now: float) -> Entry:
        return replace(
            self,
            state=state,
            cost=self.cost + spent.cost,
            tokens=self.tokens + spent.tokens,
            attempts=self.attempts + attempts,
            sent_at=left_at or self.sent_at,
            answered_at=now,
            error=None,
        )

    def answer(self) -> Completion | None:
        """The stored answer, None where there is none."""
        if self.state != "answered":
            return None
        usage = Usage(self.prompt_tokens, self.completion_tokens)
        texts = (self.text or "", self.finish_reason, usage, self.answered_by or "", self.reasoning or "")
        choices = tuple(json.loads(self.choices or "[]"))
        return Completion(*texts, choices, self.key, self.mean_logprob)  # type: ignore[arg-type]

    def also_answers(self, request: str) -> bool:
        """Would this answer be the same under the `max_tokens` of `request`? It ended by itself below that cap."""
        (asked, cap), (wanted, own) = split_cap(self.request), split_cap(request)
        if asked != wanted or self.finish_reason == "length":
            return False
        length = self.completion_tokens if self.completion_tokens is not None else cap
        return own is None or (length is not None and length <= own)


COLUMNS = tuple(field.name for field in fields(Entry))
SELECT_ENTRY = f"SELECT {', '.join(COLUMNS)}, checksum FROM requests"
SAVE_ENTRY = (
    f"INSERT INTO requests({', '.join(COLUMNS)}, checksum) VALUES({', '.join('?' * (len(COLUMNS) + 1))})"
    f" ON CONFLICT(key) DO UPDATE SET {', '.join(f'{name}=excluded.{name}' for name in (*COLUMNS[1:], 'checksum'))}"
)


def read_entry(row: Sequence[Any]) -> Entry | None:
    """The entry of a row of SELECT_ENTRY, None where it is damaged."""
    *values, proof = row
    return Entry(*values) if proof == proof_of(values) else None


def proof_of(values: Sequence[Any]) -> str:
    """The checksum of a row. Rows from before the last column came have none over it, and no value in it."""
    return checksum(*(values if values[-1] is not None else values[:-1]))
