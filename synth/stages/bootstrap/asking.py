"""Asking a teacher that chats, or one that only continues a text (`api: completion`: base models without a template).

A model that continues texts is shown the worked examples as blocks of one text, gets the first heading of its reply
with the prompt, and is stopped where its block ends. A chat model needs neither, and gets neither.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from synth.engine.run import Ask
from synth.models.base import Completion, Sampling
from synth.prompts import BLOCK_END, Prompt


@dataclass(frozen=True, slots=True)
class Form:
    """How the reply to a prompt begins (`lead`, put after the prompt) and what would come after its end (`stop`)."""

    lead: str = ""
    stop: tuple[str, ...] = (f"\n{BLOCK_END}",)


YES_NO = Form("\n", ("\n", "Task:"))
"""Self-Instruct's stops for the question whether a task is classification."""


def list_form(shown: int, wanted: int) -> Form:
    """A numbered list that goes on at `shown + 1`. Self-Instruct's stops; its number counts at a line's start only."""
    return Form(f"\n{shown + 1}.", ("\n\n", f"\n{shown + wanted + 1}."))


def tasks_form(wanted: int) -> Form:
    """`wanted` tasks in headed sections."""
    return Form("\n### Instruction\n" if wanted == 1 else "\n## Task 1\n### Instruction\n")


def instances_form(first: str) -> Form:
    """An instance, the heading `first` first."""
    return Form(f"\n### {first}\n")


@dataclass(frozen=True, slots=True)
class Asker:
    """`ask` of the engine for a teacher that `completes` texts, or chats. Cut answers are wanted as they are."""

    ask: Ask
    completes: bool = False

    async def __call__(
        self,
        prompt: Prompt,
        sampling: Sampling,
        form: Form,
        *,
        schema: dict[str, Any] | None = None,
        draw: int = 0,
        logprobs: bool = False,
    ) -> Completion:
        """One answer; where the prompt gave its first headings, they stand before it."""
        ask = partial(self.ask, draw=draw, keep_cut=True, logprobs=logprobs)
        if not self.completes:
            return await ask(prompt, sampling, schema=schema)
        led = Prompt.of(prompt.text + form.lead, prompt.version)
        answer = await ask(led, replace(sampling, stop=sampling.stop or form.stop))
        head = form.lead.strip().split("\n")[0]
        repeated = answer.text.lstrip().startswith(head)
        return answer if repeated else replace(answer, text=form.lead.lstrip() + answer.text)
