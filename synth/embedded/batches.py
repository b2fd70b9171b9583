"""The server's batch API: files of requests, answered after a while in files of rows, with the faults of such APIs.

A batch works by itself, whoever looks at it; its rows suffer the same faults as single requests do.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from aiohttp import BodyPartReader, web

from synth.embedded.wire import error_body
from synth.errors import UsageError
from synth.records import digest


def refusal(
    status: int,
    message: str,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | int | None = None,
) -> web.Response:
    """An error as the API has it; its code is the status where there is no other."""
    body = error_body(message, kind, status if code is None else code, param)
    return web.Response(body=body, status=status, content_type="application/json")


Answer = Callable[[Any, str, str, bool], tuple[int, dict[str, Any]]]
"""Body, path and draw of a request, and will its row be lost? → status and body of its answer."""
FAULTS = ("shuffled", "twice", "missing", "broken", "expired", "failed", "absent")
PAGE = 100
TURN = 50
"""Requests answered before others get a turn."""


def parse_batch_faults(text: str) -> dict[str, float]:
    """`"twice=0.1,missing=0.02,expired=2"` → numbers by name; without a number 1. Raises UsageError.

    Shares of the rows: `twice`, `missing`, `broken` (no JSON). `shuffled`: in any order. `expired`, `failed`: the batch
    with this number ends half-way, or is refused as a whole. `absent`: there is no batch API.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        if name not in FAULTS or not (value or "1").replace(".", "", 1).isdigit():
            raise UsageError(f"no batch fault {part!r}", f"one of {', '.join(FAULTS)}, with a number: missing=0.02")
        found[name] = float(value or 1)
    return found


@dataclass(slots=True)
class Batch:
    """One batch. `about` is the object of the API; `go` ends the time it waits."""

    number: int
    about: dict[str, Any]
    lines: list[bytes]
    go: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    output: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Batches:
    """Files and batches, in memory. `seconds`: what a batch takes, beside the work."""

    def __init__(self, answer: Answer, faults: dict[str, float], seconds: float) -> None:
        self._answer, self._faults, self.seconds = answer, faults, seconds
        self.made: dict[str, Batch] = {}
        self._files: dict[str, bytes] = {}

    async def __call__(self, request: web.BaseRequest, path: str) -> web.Response:
        kind, *rest = path.strip("/").split("/")
        if "absent" in self._faults:
            return web.json_response({"detail": "Not Found"}, status=404)
        match (request.method, kind, *rest):
            case ("POST", "files"):
                return await self._upload(request)
            case ("GET", "files", name, "content") if name in self._files:
                return web.Response(body=self._files[name], content_type="application/octet-stream")
            case ("POST", "batches"):
                return self._create(json.loads(await request.read()))
            case ("GET", "batches"):
                return web.json_response(self._list(request.query))
            case ("GET", "batches", name) if name in self.made:
                return web.json_response(self.made[name].about)
            case ("POST", "batches", name, "cancel") if name in self.made:
                self.made[name].about["status"] = "cancelling"
                self.made[name].go.set()
                return web.json_response(self.made[name].about)
        return refusal(404, f"Nothing is at {path}")

    async def _upload(self, request: web.BaseRequest) -> web.Response:
        parts: dict[str | None, bytearray] = defaultdict(bytearray)
        async for part in await request.multipart():
            while isinstance(part, BodyPartReader) and (chunk := await part.read_chunk(2**18)):
                parts[part.name] += chunk
        if parts["purpose"] != b"batch":
            return refusal(400, "A file for a batch has this purpose")
        name = f"file-{len(self._files)}"
        self._files[name] = bytes(parts["file"])
        return web.json_response({"id": name, "object": "file", "bytes": len(self._files[name]), "purpose": "batch"})

    def _create(self, data: dict[str, Any]) -> web.Response:
        content = self._files.get(data.get("input_file_id", ""))
        if content is None or data.get("completion_window") != "24h":
            return refusal(400, "A batch needs the id of an uploaded file and a completion_window of 24h")
        lines = content.splitlines()
        number = len(self.made) + 1
        about: dict[str, Any] = {
            "id": f"batch-{number}",
            "object": "batch",
            "status": "in_progress",
            "created_at": number,
        }
        about |= {name: data.get(name) for name in ("endpoint", "input_file_id", "completion_window", "metadata")}
        about |= {"output_file_id": None, "error_file_id": None, "errors": None}
        about |= {"request_counts": {"total": len(lines), "completed": 0, "failed": 0}}
        batch = self.made[about["id"]] = Batch(number, about, lines)
        if self._faults.get("failed") == number:
            error = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None}
            about |= {"status": "failed", "errors": {"object": "list", "data": [error]}}
        else:
            batch.task = asyncio.create_task(self._work(batch))
        return web.json_response(about)

    def _list(self, query: Any) -> dict[str, Any]:
        names = list(reversed(self.made))
        start = names.index(query["after"]) + 1 if query.get("after") in names else 0
        page = names[start : start + min(PAGE, int(query.get("limit", 20)))]
        more = start + len(page) < len(names)
        return {"object": "list", "data": [self.made[name].about for name in page], "has_more": more}

    async def _work(self, batch: Batch) -> None:
        """Answer its rows, each once; half of them where it is to expire."""
        expires = self._faults.get("expired") == batch.number
        stop = len(batch.lines) // 2 if expires else len(batch.lines)
        with suppress(TimeoutError):
            await asyncio.wait_for(batch.go.wait(), self.seconds)
        for at, line in enumerate(batch.lines[:stop]):
            if batch.about["status"] == "cancelling":
                stop = at
                break
            self._row(batch, json.loads(line))
            if at % TURN == 0:
                await asyncio.sleep(0)
        for line in batch.lines[stop:]:
            error = {"code": "batch_expired", "message": "This request could not be executed before it expired."}
            row = {"custom_id": json.loads(line)["custom_id"], "response": None, "error": error}
            batch.errors.append(json.dumps(row))
        cancelled = batch.about["status"] == "cancelling"
        self._finish(batch, "cancelled" if cancelled else "expired" if expires else "completed")

    def _row(self, batch: Batch, asked: dict[str, Any]) -> None:
        name = asked["custom_id"]
        draw = name.rpartition("-")[2] if "-" in name else "0"
        fault = self._row_fault(name, batch.number)
        path, is_lost = asked["url"].removeprefix("/v1"), fault in ("missing", "broken")
        status, body = self._answer(asked["body"], path, draw, is_lost)
        row = {"id": f"row-{name}", "custom_id": name, "response": {"status_code": status, "body": body}, "error": None}
        line = json.dumps(row)
        counts = batch.about["request_counts"]
        counts["completed" if status == 200 else "failed"] += 1
        rows = batch.output if status == 200 else batch.errors
        rows.extend({"missing": [], "broken": [line[: len(line) // 2]], "twice": [line, line]}.get(fault, [line]))

    def _row_fault(self, name: str, number: int) -> str:
        point = int(digest("row", name, number)[:13], 16) / 16**13
        for fault in ("missing", "broken", "twice"):
            point -= self._faults.get(fault, 0.0)
            if point < 0:
                return fault
        return ""

    def _finish(self, batch: Batch, status: str) -> None:
        for kind, rows in (("output_file_id", batch.output), ("error_file_id", batch.errors)):
            if rows:
                if "shuffled" in self._faults:
                    Random(batch.number).shuffle(rows)
                batch.about[kind] = f"{kind.partition('_')[0]}-{batch.number}"
                self._files[batch.about[kind]] = ("\n".join(rows) + "\n").encode()
        batch.about["status"] = status
        batch.lines, batch.output, batch.errors = [], [], []
