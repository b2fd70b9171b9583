"""The batch API of an OpenAI-compatible server: `/files` and `/batches`, and rows in and out of files.

A batch is a file of requests that is answered within a day for about half the price. What is told here is one HTTP
request each; who waits, tries again and keeps account is `synth.engine.batches`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import IO, Any, Protocol

from synth.errors import CredentialsError, RetryableError, SynthError, UsageError
from synth.models.base import ChatRequest, Completion
from synth.models.openai_replies import Asked, read_failure
from synth.models.transport import Access, Server, open_server, read_key

TIMEOUT_S, TRANSFER_S = 60.0, 1800.0
"""Seconds for a question about a batch, and for a file to go or to come."""
MAX_FILE_BYTES = 2**30
"""A file of answers that is bigger is not read."""
PAGE, MAX_PAGES = 100, 1000
OVER = ("completed", "expired", "cancelled", "failed")
"""Where a batch ends; from the first three there are rows."""


class Rows(Protocol):
    """A model whose requests can be rows of a batch."""

    name: str

    def batch_row(self, request: ChatRequest) -> tuple[str, dict[str, Any]]:
        """Path below the base URL, and body."""
        ...

    def read_row(self, request: ChatRequest, status: int, said: Any, asked: Asked) -> Completion | SynthError:
        """What a row with this status and body comes to."""
        ...


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch as the server tells it. `files`: those with its rows. `code`, `words`: why it failed as a whole."""

    id: str
    status: str
    files: tuple[str, ...] = ()
    code: str = ""
    words: str = ""

    @property
    def is_over(self) -> bool:
        """Is it over, so that nothing more will come?"""
        return self.status in OVER


class BatchApi:
    """The batch API of one server. Raises RetryableError, RequestRefused, CredentialsError, and UsageError where the
    server has none.
    """

    def __init__(self, server: Server, model: Rows) -> None:
        self._server, self._model = server, model

    def line(self, name: str, request: ChatRequest) -> tuple[str, bytes]:
        """The path that `request` goes to, and its line in a file; its row will have this `name`."""
        path, body = self._model.batch_row(request)
        row = {"custom_id": name, "method": "POST", "url": f"/v1{path}", "body": body}
        return path, json.dumps(row).encode() + b"\n"

    async def upload(self, file: IO[bytes]) -> str:
        """Send a file of lines; its id."""
        import httpx2

        file.seek(0)
        call = self._server.client.post(
            "/files",
            cast_to=httpx2.Response,
            body={"purpose": "batch"},
            files=[("file", ("requests.jsonl", file, "application/jsonl"))],
            options={"headers": {"Content-Type": "multipart/form-data"}},
        )
        return self._id(await self._told(call, TRANSFER_S))

    async def create(self, file_id: str, path: str, metadata: Mapping[str, str]) -> str:
        """Have the lines of a file answered; the batch's id. After a RetryableError see `find`."""
        import httpx2

        body = {"input_file_id": file_id, "endpoint": f"/v1{path}", "completion_window": "24h"}
        call = self._server.client.post("/batches", cast_to=httpx2.Response, body=body | {"metadata": dict(metadata)})
        return self._id(await self._told(call, TIMEOUT_S))

    async def find(self, metadata: Mapping[str, str]) -> str | None:
        """The id of the batch that was made with this metadata, None if there is none."""
        after, seen = "", set[str]()
        for _ in range(MAX_PAGES):
            said = await self.page(PAGE, after)
            rows = [row for row in said.get("data") or () if isinstance(row, dict)]
            for row in rows:
                if isinstance(about := row.get("metadata"), dict) and metadata.items() <= about.items():
                    return self._id(row)
            after = str(rows[-1].get("id")) if rows else ""
            if not said.get("has_more") or not after or after in seen:
                return None
            seen.add(after)
        return None

    async def page(self, limit: int, after: str = "") -> dict[str, Any]:
        """A page of the account's batches, the newest first."""
        return await self._get("/batches", {"limit": limit} | ({"after": after} if after else {}))

    async def look(self, batch_id: str) -> BatchState:
        """How a batch is doing."""
        said = await self._get(f"/batches/{batch_id}")
        files = [said.get("output_file_id"), said.get("error_file_id")]
        named = tuple(one for one in files if isinstance(one, str) and one)
        reason = _first_error(said.get("errors"))
        return BatchState(
            batch_id, str(said.get("status")), named, str(reason.get("code")), self._server.asked.quote(reason)
        )

    async def cancel(self, batch_id: str) -> None:
        """Have a batch ended; the rows that are done are kept and billed."""
        import httpx2

        await self._told(self._server.client.post(f"/batches/{batch_id}/cancel", cast_to=httpx2.Response), TIMEOUT_S)

    async def rows(self, file_id: str) -> list[tuple[str, bool, bytes]]:
        """(name, is it an answer, line) of every line of a file that can be read."""
        import httpx2

        call = self._server.client.get(f"/files/{file_id}/content", cast_to=httpx2.Response)
        content = await self._response(call, TRANSFER_S)
        found = (_row(line) for line in content.splitlines())
        return [row for row in found if row is not None]

    def read(self, line: bytes, request: ChatRequest) -> Completion | SynthError:
        """The answer of a row, or why there is none; b"" is a row that did not come.

        What went wrong with one row is no matter of the server's state: it is asked again at once, by the next batch.
        """
        asked = self._server.asked
        row = json.loads(line) if line else {}
        response = row.get("response")
        if isinstance(response, dict) and isinstance(response.get("status_code"), int):
            outcome = self._model.read_row(request, response["status_code"], response.get("body"), asked)
        else:
            error = row.get("error")
            why, code = (asked.quote(error), "row_failed") if error else ("no row came back for it", "no_row")
            outcome = RetryableError(f"{asked.url}, in a batch: {why}", code)
        if isinstance(outcome, RetryableError):
            return RetryableError(outcome.message, outcome.reason, retry_after=0.0, billed=outcome.billed)
        return outcome

    async def close(self) -> None:
        """Close the connections."""
        await self._server.client.close()

    async def _get(self, path: str, query: Mapping[str, Any] = {}) -> dict[str, Any]:
        import httpx2

        options: Any = {"params": dict(query)}
        return await self._told(self._server.client.get(path, cast_to=httpx2.Response, options=options), TIMEOUT_S)

    async def _told(self, call: Any, timeout_s: float) -> dict[str, Any]:
        """The JSON object of a response."""
        content = await self._response(call, timeout_s)
        try:
            said = json.loads(content)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise RetryableError(f"{self._server.asked.url} sent what is no JSON object about a batch", "bad_body")
        return said

    async def _response(self, call: Any, timeout_s: float) -> bytes:
        """The body of a good response. Raises what a bad one means."""
        response = await self._server.response(call, timeout_s)
        if isinstance(response, SynthError):
            raise response
        if response.is_success:
            return bytes(response.content)
        try:
            said = response.json()
        except (ValueError, RecursionError):
            said = response.text
        error = read_failure(response.status_code, said, response.headers, self._server.asked)
        if isinstance(error, CredentialsError) and error.is_address:
            raise UsageError(
                f"{self._server.asked.url} has no batch API, or not this batch any more ({error.message})",
                "take `api: chat` for this model; every answer that came is kept",
            )
        raise error

    def _id(self, said: dict[str, Any]) -> str:
        found = said.get("id")
        if not isinstance(found, str) or not found.replace("-", "").replace("_", "").isalnum():
            raise RetryableError(f"{self._server.asked.url} gave a file or a batch no id that can be used", "bad_body")
        return found


def open_batches(model: Rows, url: str, api_key_env: str, access: Access) -> BatchApi:
    """The batch API at `url`, with connections of its own: files are bigger than answers."""
    big = replace(access, max_answer_bytes=MAX_FILE_BYTES)
    return BatchApi(open_server(url, model.name, read_key(api_key_env, [url]), big), model)


def _first_error(errors: Any) -> dict[str, Any]:
    found = errors.get("data") if isinstance(errors, dict) else None
    return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}


def _row(line: bytes) -> tuple[str, bool, bytes] | None:
    try:
        row = json.loads(line)
        name, response = row["custom_id"], row.get("response")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    status = response.get("status_code") if isinstance(response, dict) else None
    return (name, isinstance(status, int) and 200 <= status < 300, line) if isinstance(name, str) else None
