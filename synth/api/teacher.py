"""A teacher by name: for one question, and for the functions that run one stage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from synth.api.loops import blocking
from synth.engine.retry import with_retries
from synth.given import load_env
from synth.models import connect, parse_teacher
from synth.models.base import ChatRequest, Completion, Sampling
from synth.recipe import ModelSettings, validated


@dataclass(frozen=True, slots=True)
class Teacher:
    """A model in a role, not yet connected. `settings` are those of a recipe's section `teacher`."""

    settings: ModelSettings

    def ask(
        self,
        question: str,
        *,
        system: str = "",
        temperature: float | None = None,
        max_tokens: int | None = None,
        seed: int | None = None,
    ) -> str:
        """The answer to one question. It is not stored, so the same question is paid for again.

        Temporary failures are tried again for two minutes. Raises RequestFailed or CredentialsError, UsageError where
        the model cannot be connected. May be called in a notebook's cell.
        """
        work = self.aask(question, system=system, temperature=temperature, max_tokens=max_tokens, seed=seed)
        return blocking(partial(asyncio.run, work))

    async def aask(
        self,
        question: str,
        *,
        system: str = "",
        temperature: float | None = None,
        max_tokens: int | None = None,
        seed: int | None = None,
    ) -> str:
        """As `ask`, for code that runs in an event loop."""
        before = [{"role": "system", "content": system}] if system else []
        sampling = Sampling(temperature, max_tokens=max_tokens or self.settings.max_tokens, seed=seed)
        messages = (*before, {"role": "user", "content": question})
        return (await self._complete(ChatRequest(messages, sampling, kind=self.settings.kind))).text.strip()

    async def _complete(self, request: ChatRequest) -> Completion:
        model = connect(self.settings.backend, self.settings.options)
        try:
            return await with_retries(partial(model.complete, request), seed=0, max_attempts=5, deadline_s=120)
        finally:
            await model.close()


TeacherLike = Teacher | Mapping[str, Any] | str
"""A teacher, its settings, or BACKEND:MODEL such as "openai:gpt-4.1-mini"."""


def teacher(name: str, **settings: Any) -> Teacher:
    """The teacher of that name, BACKEND:MODEL, with settings of its backend: `base_url`, `extra_body`, `max_tokens` ...

    The key comes from the environment or from `.env`, never from an argument. Nothing is sent yet. Raises UsageError or
    InputError for an unknown backend or setting.
    """
    backend, model = parse_teacher(name)
    return as_teacher({"backend": backend} | ({"model": model} if model else {}) | settings)


def as_teacher(given: TeacherLike) -> Teacher:
    """The teacher of any form. Raises as `teacher` does."""
    if isinstance(given, Teacher):
        return given
    if isinstance(given, str):
        return teacher(given)
    load_env(Path(), given)
    return Teacher(validated(ModelSettings, dict(given), "teacher"))
