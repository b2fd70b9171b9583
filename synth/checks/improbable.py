"""Nonsense that no list of words can tell: a task whose words the very teacher that wrote it found improbable.

A small model at a high temperature writes sentences of real words that mean nothing. How probable each token was to it
comes with its reply (`Completion.mean_logprob`); where the server does not tell, nothing is rejected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synth.models.base import Completion
from synth.records import Record

NOTE = "mean_logprob"
"""The key in `meta`, of a task and of its rejection."""
MIN_LOGPROB = -2.2


def likeliness(answer: Completion) -> dict[str, float]:
    """The note for the tasks of a reply; empty where the server did not tell."""
    return {} if answer.mean_logprob is None else {NOTE: answer.mean_logprob}


def improbable(record: Record, min_logprob: float = MIN_LOGPROB) -> str | None:
    """Rejects tasks from a reply whose tokens had a lower mean log-probability, in nats, when the teacher drew them."""
    found = record.meta.get(NOTE)
    is_low = isinstance(found, int | float) and found < min_logprob
    return f"improbable: {found:.2f} nats a token" if is_low else None


CHECKS: dict[str, Callable[..., Any]] = {"improbable": improbable}
