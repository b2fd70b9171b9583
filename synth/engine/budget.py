"""Money and tokens: prices by model, and a cap that holds at every instant.

Before a request leaves, its worst case is reserved: every byte of the prompt counted as a token, and all of `max_tokens`.
What is spent and reserved together never passes the cap, across stages and across restarts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from synth.errors import BudgetReached, UsageError
from synth.models.base import ChatRequest, Usage

UNBOUNDED_ANSWER = 16_384
"""Tokens reserved for an answer whose request sets no `max_tokens`."""
TOKENS_PER_MESSAGE = 16


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars (or any one currency) per million tokens."""

    prompt: float = 0.0
    completion: float = 0.0

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The price of one request."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


@dataclass(frozen=True, slots=True)
class Reservation:
    """The worst case of one request: tokens and cost."""

    prompt_tokens: int
    completion_tokens: int
    cost: float

    @property
    def tokens(self) -> int:
        """Prompt and answer together."""
        return self.prompt_tokens + self.completion_tokens


class Budget:
    """Spent, reserved and the caps. None is no cap. Raises UsageError for a cap on money with an unknown price."""

    def __init__(
        self, prices: Mapping[str, Price], models: tuple[str, ...], max_cost: float | None, max_tokens: int | None
    ) -> None:
        unknown = [model for model in models if model not in prices]
        if max_cost is not None and unknown:
            raise UsageError(
                f"max_cost is set but the price of {', '.join(unknown)} is unknown",
                "give it under `prices:` in the recipe, or with --price MODEL=PROMPT/COMPLETION per million tokens",
            )
        self._prices = prices
        self.max_cost, self.max_tokens = max_cost, max_tokens
        self.spent_cost, self.spent_tokens = 0.0, 0
        self.reserved_cost, self.reserved_tokens = 0.0, 0
        self._changed = asyncio.Condition() if self.capped else None

    @property
    def capped(self) -> bool:
        """Is there any cap?"""
        return self.max_cost is not None or self.max_tokens is not None

    def worst_case(self, model: str, request: ChatRequest) -> Reservation:
        """An upper bound of what `request` can use and cost."""
        text = sum(len(m.get("content", "").encode("utf-8", "replace")) + TOKENS_PER_MESSAGE for m in request.messages)
        answer = (request.sampling.max_tokens or UNBOUNDED_ANSWER) * request.num_choices
        return Reservation(text, answer, self._prices.get(model, Price()).cost(text, answer))

    def real(self, model: str, usage: Usage, worst: Reservation) -> Reservation:
        """What was used; a count the server did not give is taken at its worst."""
        prompt = worst.prompt_tokens if usage.prompt_tokens is None else usage.prompt_tokens
        answer = worst.completion_tokens if usage.completion_tokens is None else usage.completion_tokens
        return Reservation(prompt, answer, self._prices.get(model, Price()).cost(prompt, answer))

    def already_spent(self, cost: float, tokens: int) -> None:
        """Count what earlier runs over the same folder have spent."""
        self.spent_cost += cost
        self.spent_tokens += tokens

    async def reserve(self, worst: Reservation) -> None:
        """Take `worst` out of the budget, waiting for others to settle where that may help; else BudgetReached."""
        if self._changed is None:
            self._hold(worst, +1)
            return
        async with self._changed:
            while not self._fits(worst):
                if not self.reserved_tokens:
                    raise BudgetReached(
                        self._message(worst), "raise the cap and type the same command again; all is kept"
                    )
                await self._changed.wait()
            self._hold(worst, +1)

    async def settle(self, worst: Reservation, real: Reservation | None) -> None:
        """Give `worst` back and count `real` (None: nothing was used)."""
        self._hold(worst, -1)
        if real:
            self.already_spent(real.cost, real.tokens)
        if self._changed is not None:
            async with self._changed:
                self._changed.notify_all()

    def _hold(self, worst: Reservation, sign: int) -> None:
        self.reserved_cost += sign * worst.cost
        self.reserved_tokens += sign * worst.tokens

    def _fits(self, worst: Reservation) -> bool:
        cost = self.spent_cost + self.reserved_cost + worst.cost
        tokens = self.spent_tokens + self.reserved_tokens + worst.tokens
        return (self.max_cost is None or cost <= self.max_cost) and (
            self.max_tokens is None or tokens <= self.max_tokens
        )

    def _message(self, worst: Reservation) -> str:
        if self.max_cost is not None and self.spent_cost + worst.cost > self.max_cost:
            return f"budget reached: {self.spent_cost:.4f} of {self.max_cost} spent, the next request may cost {worst.cost:.4f}"
        return f"budget reached: {self.spent_tokens} of {self.max_tokens} tokens used, the next request may use {worst.tokens}"
