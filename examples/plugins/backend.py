"""A backend of your own: an object with `Settings` and `connect`. A flag names it `--teacher backend:ECHO:loud`."""

from __future__ import annotations

from dataclasses import dataclass

from synth import ChatModel, ChatRequest, Completion


@dataclass(frozen=True)
class EchoSettings:
    """`model`: "loud" answers in capitals."""

    model: str = "plain"


class EchoModel:
    """Answers with the question."""

    def __init__(self, settings: EchoSettings) -> None:
        self.name = settings.model
        self.endpoint = "echo"  # who answers; with name and request it is the key of a stored answer

    async def complete(self, request: ChatRequest) -> Completion:
        """Answer once. What went wrong is raised as one of the errors in synth.errors."""
        text = request.messages[-1]["content"]
        return Completion(text.upper() if self.name == "loud" else text, model=self.name)

    async def close(self) -> None:
        """Nothing to close."""


class Echo:
    """What `backend:ECHO` names."""

    Settings = EchoSettings

    @staticmethod
    def connect(settings: EchoSettings) -> ChatModel:
        """The model with these settings."""
        return EchoModel(settings)


ECHO = Echo()
