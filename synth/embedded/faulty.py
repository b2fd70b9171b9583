"""The embedded teacher with faults and without a server."""

from __future__ import annotations

import json
from collections import Counter

from synth.embedded import wire
from synth.embedded.faults import Faults, request_digest
from synth.errors import RetryableError, SynthError
from synth.models.base import ChatModel, ChatRequest, Completion


class FaultyModel:
    """A ChatModel that spoils another's answers without a socket: what a client would have seen is what comes back."""

    def __init__(self, model: ChatModel, faults: Faults) -> None:
        self.name, self.endpoint = model.name, model.endpoint
        self._model, self._faults = model, faults
        self._attempts: Counter[str] = Counter()

    async def complete(self, request: ChatRequest) -> Completion:
        """The spoiled answer, or the error that a client makes of a transport fault."""
        identity = request_digest(self.name, request)
        attempt = self._attempts[identity]
        self._attempts[identity] += 1
        found = self._faults.wire_fault(request, identity, attempt)
        answer = self._faults.spoil(await self._model.complete(request), request, identity, attempt)
        body = json.dumps(wire.chat_body(answer, request, self.name, identity)).encode()
        name, sent = "", wire.Wire(body)
        if found is not None:
            name, function, rng = found
            sent = function(body, rng)
        outcome = _received(sent, request, name)
        if isinstance(outcome, SynthError):
            raise outcome
        return outcome

    async def close(self) -> None:
        """Close the model; the label file stays open for its owner."""
        await self._model.close()


def _received(sent: wire.Wire, request: ChatRequest, name: str) -> Completion | SynthError:
    from synth.models.openai_replies import Asked, read_failure, read_reply

    asked = Asked("embedded", "embedded", "OPENAI_API_KEY")
    if (
        sent.manner in ("reset", "hang", "slow", "silent")
        or len(sent.body) > 2**26
        or "content-encoding" in sent.headers
    ):
        return RetryableError(f"the transport failed: {name}", "connection")
    if sent.status == 200:
        return read_reply(sent.body, request, asked)
    try:
        said = json.loads(sent.body)
    except ValueError:
        said = sent.body.decode("utf-8", "replace")
    return read_failure(sent.status, said, sent.headers, asked)
