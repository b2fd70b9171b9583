"""Money and tokens: prices by model, and a cap that holds at every instant.

Before a request leaves, its worst case is reserved: every byte of the prompt as a token, and all of `max_tokens`.
What is spent and reserved together never passes the cap, across stages and across restarts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from synth.errors import BudgetReached, UsageError
from synth.models.base import ChatModel, ChatRequest, Completion, Usage
from synth.records import canonical_json

UNBOUNDED_ANSWER = 16_384
"""Tokens reserved for an answer whose request sets no `max_tokens`."""
TOKENS_PER_MESSAGE, TOKENS_PER_REQUEST = 16, 64
"""What a chat template may add around a message, and around the whole."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars (or any one currency) per million tokens."""

    prompt: float = 0.0
    completion: float = 0.0

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The price of one request."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6

    def times(self, share: float) -> Price:
        """This share of it."""
        return Price(share * self.prompt, share * self.completion)


FREE = Price()


@dataclass(frozen=True, slots=True)
class Reservation:
    """Tokens and cost of one request: its worst case, or what it came to."""

    prompt_tokens: int
    completion_tokens: int
    cost: float

    @property
    def tokens(self) -> int:
        """Prompt and answer together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Reservation) -> Reservation:
        return Reservation(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
        )


NOTHING = Reservation(0, 0, 0.0)


class Budget:
    """Spent, reserved and the caps. None is no cap. Raises UsageError for a cap on money with an unknown price.

    `unpriced`: models that are paid for at a price that is not known; what they charge is counted as 0.
    """

    def __init__(
        self,
        prices: Mapping[str, Price],
        models: tuple[str, ...],
        max_cost: float | None,
        max_tokens: int | None,
        unpriced: Collection[str] = (),
    ) -> None:
        unknown = [model for model in models if model not in prices]
        if max_cost is not None and unknown:
            raise UsageError(
                f"max_cost is set but the price of {', '.join(unknown)} is unknown",
                "add --price MODEL=PROMPT/ANSWER (dollars per million tokens), or name a price file in SYNTH_PRICES",
            )
        self._prices, self.unpriced = prices, unpriced
        self.max_cost, self.max_tokens = max_cost, max_tokens
        self.spent_cost, self.spent_tokens = 0.0, 0
        self.reserved_cost, self.reserved_tokens = 0.0, 0
        self._under_way = 0
        self._waiting: list[asyncio.Future[None]] = []

    def worst_case(self, model: str, request: ChatRequest) -> Reservation:
        """An upper bound of what `request` can use and cost: no tokenizer makes more tokens than there are bytes."""
        text = sum(len(m.get("content", "").encode("utf-8", "replace")) + TOKENS_PER_MESSAGE for m in request.messages)
        text += TOKENS_PER_REQUEST + (len(canonical_json(request.schema)) if request.schema else 0)
        answer = (request.sampling.max_tokens or UNBOUNDED_ANSWER) * request.num_choices
        return self._priced(model, text, answer)

    def real(self, model: str, usage: Usage, worst: Reservation) -> Reservation:
        """What was used; a count the server did not give is taken at its worst."""
        prompt = worst.prompt_tokens if usage.prompt_tokens is None else usage.prompt_tokens
        answer = worst.completion_tokens if usage.completion_tokens is None else usage.completion_tokens
        return self._priced(model, prompt, answer)

    def already_spent(self, cost: float, tokens: int) -> None:
        """Count what earlier runs over the same folder have spent."""
        self.spent_cost += cost
        self.spent_tokens += tokens

    async def reserve(self, worst: Reservation) -> None:
        """Take `worst` out of the budget, waiting for others to settle where that may help; else BudgetReached."""
        while not self.try_reserve(worst):
            if not self._under_way:
                raise BudgetReached(self._message(worst), "raise the cap and type the same command again; all is kept")
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    def try_reserve(self, worst: Reservation) -> bool:
        """Take `worst` out of the budget if it is there now."""
        if not self._fits(worst):
            return False
        self._hold(worst, +1)
        return True

    def settle(self, worst: Reservation, real: Reservation) -> None:
        """Give `worst` back and count `real`."""
        self._hold(worst, -1)
        self.already_spent(real.cost, real.tokens)
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _priced(self, model: str, prompt: int, answer: int) -> Reservation:
        return Reservation(prompt, answer, self._prices.get(model, FREE).cost(prompt, answer))

    def _hold(self, worst: Reservation, sign: int) -> None:
        self._under_way += sign
        self.reserved_cost = self.reserved_cost + sign * worst.cost if self._under_way else 0.0
        self.reserved_tokens += sign * worst.tokens

    def _fits(self, worst: Reservation) -> bool:
        cost = self.spent_cost + self.reserved_cost + worst.cost
        tokens = self.spent_tokens + self.reserved_tokens + worst.tokens
        return (self.max_cost is None or cost <= self.max_cost) and (
            self.max_tokens is None or tokens <= self.max_tokens
        )

    def _message(self, worst: Reservation) -> str:
        if self.max_cost is not None and self.spent_cost + worst.cost > self.max_cost:
            return (
                f"budget reached: {self.spent_cost:.4f} of {self.max_cost} spent,"
                f" the next request may cost {worst.cost:.4f}"
            )
        return (
            f"budget reached: {self.spent_tokens} of {self.max_tokens} tokens used,"
            f" the next request may use {worst.tokens}"
        )


class CappedModel:
    """A model whose every request is reserved in `budget` before it is sent, where no engine does it."""

    def __init__(self, model: ChatModel, budget: Budget) -> None:
        self._model, self._budget = model, budget
        self.name, self.endpoint = model.name, model.endpoint

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    async def complete(self, request: ChatRequest) -> Completion:
        """See `ChatModel.complete`. Raises BudgetReached where the cap leaves no room."""
        worst, spent = self._budget.worst_case(self.name, request), NOTHING
        await self._budget.reserve(worst)
        try:
            answer = await self._model.complete(request)
            spent = self._budget.real(self.name, answer.usage, worst)
            return answer
        finally:
            self._budget.settle(worst, spent)

    async def close(self) -> None:
        """See `ChatModel.close`."""
        await self._model.close()
