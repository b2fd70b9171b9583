"""Vectors of texts from any OpenAI-compatible `/embeddings` server.

It is asked through the engine, text by text, so its answers lie in the run's ledger like all others and are never paid
for twice; `EmbeddingModel` puts those that wait at the same time into one request.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from synth.errors import RequestFailed, RetryableError, SynthError
from synth.models.base import ChatRequest, Completion, Sampling, Usage
from synth.models.batch_api import BatchApi, open_batches
from synth.models.openai_replies import UNKNOWN, Asked, read_failure
from synth.models.transport import Access, check_url, open_server, read_key

TIMEOUT_S = 120.0
MAX_BYTES = 64 * 2**20
"""A batch of vectors in JSON is some ten bytes a number."""
GATHER_S, GATHER_AGAIN_S = 0.01, 1.0
"""How long the first text of a request waits for others; longer after a failure, since retries come one by one."""


def embedding_request(text: str) -> ChatRequest:
    """The request that asks for the vector of one text; `read_vector` reads its answer.

    `max_tokens` is for the budget: no answer of many tokens has to be reserved for.
    """
    return ChatRequest(({"role": "user", "content": text},), Sampling(max_tokens=1))


def read_vector(text: str) -> Any:
    """The numbers in a stored answer: little-endian float32 in base64."""
    import numpy as np

    return np.frombuffer(base64.b64decode(text), np.dtype("<f4"))


async def ask_vectors(texts: Sequence[str], ask: Callable[[ChatRequest], Awaitable[Completion]]) -> list[Any]:
    """The vectors of texts, asked for all at once; in place of one that could not be had, its RequestFailed."""
    answers = await asyncio.gather(*(ask(embedding_request(text)) for text in texts), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, RequestFailed):
            raise answer
    return [answer if isinstance(answer, BaseException) else read_vector(answer.text) for answer in answers]


@dataclass(slots=True)
class _Waiting:
    text: str
    vector: asyncio.Future[Completion]


class EmbeddingModel:
    """A ChatModel whose answer to a text is its vector, as base64 of float32.

    `batches`: the settings of batches, where its requests are to go in those (see `synth.engine.batches`).
    """

    def __init__(self, model: str, base_url: str, api_key_env: str, batch_size: int, batches: Any = None) -> None:
        url = check_url(base_url)
        self.batches = batches
        self._access = Access(api_key_env, max_answer_bytes=MAX_BYTES)
        self._server = open_server(url, model, read_key(api_key_env, [url]), self._access)
        self.name, self.endpoint = model, f"{self._server.asked.url}/embeddings"
        self._batch_size = batch_size
        self._gather_s = GATHER_S
        self._waiting: list[_Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def complete(self, request: ChatRequest) -> Completion:
        """The vector of the request's one text. Raises RetryableError, RequestRefused or CredentialsError."""
        mine = _Waiting(request.messages[0]["content"], asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        if len(self._waiting) >= self._batch_size:
            self._start(0.0)
        elif len(self._waiting) == 1:
            self._start(self._gather_s)
        return await mine.vector

    def batch_api(self) -> BatchApi:
        """The server's batch API."""
        return open_batches(self, self._server.asked.url, self._access.api_key_env, self._access)

    def batch_row(self, request: ChatRequest) -> tuple[str, dict[str, Any]]:
        """Path and body of a text as a row of a batch."""
        return "/embeddings", {"model": self.name, "input": request.messages[0]["content"]}

    def read_row(self, request: ChatRequest, status: int, said: Any, asked: Asked) -> Completion | SynthError:
        """The vector of a row, or why there is none."""
        if not 200 <= status < 300:
            return read_failure(status, said, {}, asked)
        found = _read(json.dumps(said).encode(), [request.messages[0]["content"]], self.name, self.endpoint)
        return found[0] if isinstance(found, list) else found

    def _start(self, delay: float) -> None:
        task = asyncio.create_task(self._send(delay))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, delay: float) -> None:
        await asyncio.sleep(delay)
        batch, self._waiting = self._waiting[: self._batch_size], self._waiting[self._batch_size :]
        if not batch:
            return
        outcome = await self._asked([one.text for one in batch])
        self._gather_s = GATHER_AGAIN_S if isinstance(outcome, SynthError) else GATHER_S
        for number, one in enumerate(batch):
            if one.vector.done():
                continue
            if isinstance(outcome, SynthError):
                one.vector.set_exception(outcome)
            else:
                one.vector.set_result(outcome[number])
        if self._waiting:
            self._start(0.0)

    async def _asked(self, texts: list[str]) -> list[Completion] | SynthError:
        """One request; an error is returned, not raised, since several texts wait for it."""
        response = await self._server.post("/embeddings", {"model": self.name, "input": texts}, TIMEOUT_S)
        if isinstance(response, SynthError):
            return response
        if not response.is_success:
            return read_failure(response.status_code, _said(response), response.headers, self._server.asked)
        return _read(response.content, texts, self.name, self.endpoint)

    async def close(self) -> None:
        """Close the connections."""
        for task in self._tasks:
            task.cancel()
        await self._server.client.close()


def _said(response: Any) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return response.text


def _read(body: bytes, texts: Sequence[str], model: str, where: str) -> list[Completion] | RetryableError:
    """A vector for each text, in their order; the tokens of the whole request are spread over them."""
    import numpy as np

    try:
        data = json.loads(body)
        rows = sorted(data["data"], key=lambda row: int(row["index"]))
        given = [row["embedding"] for row in rows]
        vectors = [read_vector(one) if isinstance(one, str) else np.asarray(one, dtype="<f4") for one in given]
        usable = [vector.ndim == 1 and vector.size > 0 and bool(np.isfinite(vector).all()) for vector in vectors]
    except (ValueError, KeyError, TypeError, RecursionError):
        return RetryableError(f"{where} sent a body of another shape than embeddings have", "bad_body", billed=UNKNOWN)
    if len(vectors) != len(texts) or not all(usable) or len({vector.size for vector in vectors}) > 1:
        return RetryableError(f"{where} sent {len(vectors)} vectors for {len(texts)} texts", "bad_body", billed=UNKNOWN)
    total = (data.get("usage") or {}).get("prompt_tokens")
    bills = [Usage()] * len(texts)
    if isinstance(total, int) and total >= 0:
        bills = [Usage((n + 1) * total // len(texts) - n * total // len(texts), 0) for n in range(len(texts))]
    return [
        Completion(base64.b64encode(vector.tobytes()).decode(), usage=bill, model=model)
        for vector, bill in zip(vectors, bills, strict=True)
    ]
