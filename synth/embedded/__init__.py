"""The embedded teacher: a chat model of typed plans, standard library only, whose answers are known to be right.

It answers the pipeline's own prompts and the tasks it has itself proposed, and declines everything else. It is no
language model and no source of instruction data: it is a bench on which the pipeline runs without a key, a GPU or a
network. A reply is a function of (model, messages, sampling, draw, choice) and of the settings, of nothing else.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from synth.embedded import evolve, judge, optimiser, propose, talk
from synth.embedded.answer import answer, with_steps
from synth.embedded.draws import Draw
from synth.embedded.generate import Wish, draw_task
from synth.embedded.operations import OPERATIONS
from synth.embedded.recognise import Prompt, recognise
from synth.embedded.values import Unfit
from synth.errors import RequestRefused, UsageError
from synth.models.base import ChatModel, ChatRequest, Completion, FinishReason, Sampling, Usage

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Settings:
    """`operations`: use only these (see `operations.OPERATIONS`), all if empty. `max_steps`: length of the chains, 1 to 3.

    `short`: small material, for a tiny student. `faults`: a profile of `faults`, off if empty. `latency_ms`: time to
    wait before each reply.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    model: str = "embedded"
    operations: tuple[str, ...] = ()
    max_steps: int = 3
    short: bool = False
    faults: str = ""
    latency_ms: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.operations if name not in OPERATIONS]
        if unknown:
            said = f"the embedded teacher has no operation {', '.join(unknown)}"
            raise UsageError(said, f"It has {', '.join(OPERATIONS)}.")
        if not 1 <= self.max_steps <= 3:
            raise UsageError(f"max_steps is {self.max_steps}", "Take 1, 2 or 3.")


STEPS_HEADING = "\n\n# How to answer\n"
"""In a request for worked steps this ends the task."""


def reply(request: ChatRequest, settings: Settings) -> Completion:
    """The reply to a request. Raises RequestRefused (reason "unsupported") for what is outside the grammar."""
    prompt = recognise(request.messages)
    whole = [_text(prompt, request, settings, choice) for choice in range(request.num_choices)]
    texts = tuple(shortened(text, request.sampling) for text in whole)
    is_cut = texts[0] != shortened(whole[0], replace(request.sampling, max_tokens=None))
    reason: FinishReason = "length" if is_cut else "stop"
    asked = sum(count_tokens(message.get("content", "")) for message in request.messages)
    usage = Usage(asked, sum(map(count_tokens, texts)))
    return Completion(texts[0], reason, usage, settings.model, choices=texts if len(texts) > 1 else ())


def shortened(text: str, sampling: Sampling) -> str:
    """The text up to the first stop string and at most `max_tokens` long."""
    ends = [text.find(stop) for stop in sampling.stop if stop and stop in text]
    text = text[: min(ends)].rstrip() if ends else text
    if sampling.max_tokens is None or sampling.max_tokens >= len(text):
        return text
    tokens = itertools.islice(_TOKEN.finditer(text), sampling.max_tokens)
    end = max((token.end() for token in tokens), default=0)
    return text if text[end:].isspace() else text[:end]


def _text(prompt: Prompt, request: ChatRequest, settings: Settings, choice: int) -> str:
    draw = Draw(settings.model, list(request.messages), request.sampling.to_dict(), request.draw, choice)
    wish = Wish(operations=settings.operations, max_steps=settings.max_steps, short=settings.short)
    writers: dict[str, Callable[[], str]] = {
        "tasks": lambda: propose.propose(prompt, draw, wish, request.schema),
        "list": lambda: propose.go_on(prompt, draw, wish, as_chat=request.kind == "chat"),
        "instances": lambda: propose.instances(prompt, draw),
        "labels": lambda: propose.labels(prompt, draw),
        "classify": lambda: propose.is_classification(prompt),
        "rewrite": lambda: evolve.rewrite(prompt, draw),
        "rephrase": lambda: evolve.rephrase(prompt, draw),
        "invent": lambda: evolve.invent(prompt, draw, wish),
        "compare": lambda: judge.compare(prompt),
        "grade": lambda: judge.grade(prompt),
        "criticise": lambda: judge.criticise(prompt),
        "revise": lambda: judge.revise(prompt),
        "rate": lambda: judge.rate(prompt),
        "prefer": lambda: judge.prefer(prompt),
        "find faults": lambda: optimiser.find_faults(prompt),
        "improve": lambda: optimiser.improve(prompt, draw),
        "user turn": lambda: talk.user_turn(prompt, draw, wish),
        "answer": lambda: _answer([(message["role"], message["content"]) for message in request.messages]),
    }
    if request.kind == "completion" and prompt.text.strip() == "<|im_start|>user":
        return talk.written(draw_task(draw, wish))
    try:
        return writers[prompt.kind]()
    except Unfit as error:
        raise RequestRefused(f"the embedded teacher cannot do this: {error}", "unsupported") from error


def _answer(turns: list[tuple[str, str]]) -> str:
    text, wants_steps, _ = turns[-1][1].partition(STEPS_HEADING)
    found = talk.reply([*turns[:-1], ("user", text)], with_steps if wants_steps else answer)
    if found is None:
        said, advice = "the task is outside the embedded teacher's grammar", "take a real teacher for your own tasks"
        raise RequestRefused(said, "unsupported", advice)
    return found


def count_tokens(text: str) -> int:
    """Words and punctuation marks, as an estimate of tokens."""
    return len(_TOKEN.findall(text))


class EmbeddedTeacher:
    endpoint = "embedded"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = settings.model

    async def complete(self, request: ChatRequest) -> Completion:
        """The reply, after the latency of the settings. Raises RequestRefused where it declines."""
        if self.settings.latency_ms:
            await asyncio.sleep(self.settings.latency_ms / 1000)
        return reply(request, self.settings)

    async def close(self) -> None:
        """Nothing to let go of."""


def connect(settings: Settings) -> ChatModel:
    """The teacher for these settings, spoiled by the faults they name."""
    teacher = EmbeddedTeacher(settings)
    if not settings.faults:
        return teacher
    from synth.embedded.faults import Faults, FaultyModel

    return FaultyModel(teacher, Faults(settings.faults))


def serve(
    model: str,
    on_ready: Callable[[str], None],
    *,
    faults: str = "",
    fault_seed: int = 0,
    label_path: Path | None = None,
    **settings: Any,
) -> None:
    """Serve the teacher as an OpenAI-compatible server until SIGINT or SIGTERM; `settings`: see `server.ServeSettings`.

    `on_ready` gets the base URL once requests are taken. Raises UsageError for faults that do not exist, OSError for a
    port that is taken.
    """
    from synth.embedded.faults import Faults
    from synth.embedded.server import ServeSettings, TeacherServer
    from synth.embedded.server import serve as run

    teacher, options, spoiler = Settings(model=model), ServeSettings(**settings), Faults(faults, fault_seed, label_path)
    handler = TeacherServer(model, lambda request: reply(request, teacher), spoiler, options)
    try:
        asyncio.run(run(handler, options.port, on_ready))
    finally:
        spoiler.close()
