"""The one way to talk to a model: a ChatModel takes a ChatRequest and gives a Completion.

Backends live beside this file, one module each. Nothing here knows any of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

FinishReason = Literal["stop", "length", "content_filter", "unsupported"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw an answer. None leaves a value to the server. `max_tokens` is in tokens of the answer."""

    temperature: Annotated[float | None, Field(description="0 takes the likeliest word; higher is more varied.")] = None
    top_p: Annotated[float | None, Field(description="Draw among the likeliest words that make up this share.")] = None
    max_tokens: Annotated[int | None, Field(description="Longest answer, in tokens.")] = None
    presence_penalty: Annotated[float | None, Field(description="Discourage words that were used.")] = None
    frequency_penalty: Annotated[float | None, Field(description="Discourage words the more they were used.")] = None
    stop: Annotated[tuple[str, ...], Field(description="Texts that end an answer.")] = ()
    seed: Annotated[int | None, Field(description="Seed that is sent to the server.")] = None

    def to_dict(self) -> dict[str, Any]:
        """Only what is set, in the spelling of the OpenAI API."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["stop"] = list(self.stop) or None
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """All that determines an answer, and whether it is to be told how probable its words were (`logprobs`).

    `messages`: OpenAI chat messages; a completions endpoint (`kind="completion"`) gets their `text`. `schema`: a JSON
    schema the answer must fit. `draw`: 0, 1, ... for independent answers to the same request. `num_choices`: answers
    wanted in one reply. `extra_body`: fields of the server's own. `logprobs` changes no answer, so it is no part of
    `to_dict`; a server that cannot tell them is not asked again.
    """

    messages: tuple[dict[str, str], ...]
    sampling: Sampling = Sampling()
    schema: dict[str, Any] | None = None
    draw: int = 0
    kind: Literal["chat", "completion"] = "chat"
    num_choices: int = 1
    extra_body: dict[str, Any] = field(default_factory=dict)
    logprobs: bool = False

    @property
    def text(self) -> str:
        """The messages as one text, for a completions endpoint; several are written as a transcript."""
        if len(self.messages) == 1:
            return self.messages[0]["content"]
        said = "".join(f"{message['role'].capitalize()}: {message['content']}\n\n" for message in self.messages)
        return f"{said}Assistant:"

    def to_dict(self) -> dict[str, Any]:
        """A JSON object with all that determines the answer; what is at its default is left out."""
        row: dict[str, Any] = {"messages": list(self.messages), "sampling": self.sampling.to_dict()}
        rest = {"schema": self.schema, "draw": self.draw, "extra_body": self.extra_body}
        row |= {name: value for name, value in rest.items() if value}
        row |= {"kind": self.kind} if self.kind != "chat" else {}
        return row | ({"num_choices": self.num_choices} if self.num_choices != 1 else {})

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> ChatRequest:
        """The inverse of `to_dict`."""
        sampling = dict(row["sampling"])
        sampling["stop"] = tuple(sampling.get("stop", ()))
        rest = {name: value for name, value in row.items() if name not in ("messages", "sampling")}
        return cls(tuple(row["messages"]), Sampling(**sampling), **rest)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them; None where it did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. `reasoning` (a separate field or a <think> block) is never part of `text`.

    `key` is the request's key in the ledger; the engine fills it in. `choices` holds all texts when `num_choices` > 1.
    `mean_logprob`: the mean log-probability that the model gave to each token it wrote, in nats; None where the server
    does not say. vLLM tells what the model thought before temperature and the like; others (SGLang) may count them in.
    """

    text: str
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()
    model: str = ""
    reasoning: str = ""
    choices: tuple[str, ...] = ()
    key: str = ""
    mean_logprob: float | None = None


class ChatModel(Protocol):
    """A teacher, judge or student that answers.

    `name` is the model's name, `endpoint` identifies who answers (both enter the request key, no secret in them).
    `complete` raises `RetryableError`, `RequestRefused` or `CredentialsError` (see `synth.errors`), nothing else.
    """

    name: str
    endpoint: str

    async def complete(self, request: ChatRequest) -> Completion:
        """Answer once, without retrying."""
        ...

    async def close(self) -> None:
        """Close connections and processes."""
        ...
