"""One prompt that always gets an odd answer costs one item at most, whatever the answer is; all others are kept."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from workshop import answer_all, client, engine_over, tasks

from synth.engine.audit import ledger_problems
from synth.records import Record


def choice(message: Any, finish: Any = "stop", **more: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}).encode()


def said(content: Any, **more: Any) -> bytes:
    return choice({"role": "assistant", "content": content}, **more)


VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1e308,
    "",
    " ",
    "\x00",
    "\ud800",
    "x\udfff",
    [],
    {},
    [[]],
    [{}],
    {"a": []},
    "1" * 9999,
]
COUNTS: list[Any] = [10**30, -5, 1.5, "7", None, True, [], {}, 2**63, 2**31]
RAW = [
    b"",
    b"null",
    b"[]",
    b"7",
    b'"x"',
    b"{",
    b"{}",
    b"[" * 3000,
    b"\xff\xfe\x00",
    b"NaN",
    b'{"choices": NaN}',
    b"1" * 9000,
]
RAW += [b"<html>", b"data: {}\n\n", b'{"choices": []}', b'{"choices": [{}]}', b'{"choices": {"0": 1}}', b'{"error": 5}']
RAW += [b'{"error": {"code": 400, "message": 7}}', b'{"error": {"message": "\\ud800"}}', b'{"choices": [null]}']
BODIES = [
    *RAW,
    *(said(value) for value in VALUES),
    *(said("fine", usage={"prompt_tokens": count, "completion_tokens": count}) for count in COUNTS),
    *(said("fine", usage=value) for value in VALUES[:6]),
    *(said("fine", model=value) for value in VALUES),
    *(choice(value) for value in VALUES),
    *(said("fine", finish=None) if value is None else choice({"content": "fine"}, value) for value in VALUES[:6]),
    *(choice({"content": None, name: [{"function": 1}]}, name) for name in ("tool_calls", "function_call")),
    choice({"content": "half"}, "abort"),
    said("<think>never closed"),
    choice({"refusal": "no", "content": None}),
    choice({"content": [{"type": "text", "text": "parts"}, {"type": "image"}, 7]}),
    said("\x1b]0;title\x07\u202e backwards"),
    said("x" * 3_000_000),
]
STATUSES = (204, 206, 300, 302, 400, 404, 409, 413, 418, 422, 451, 500, 501, 503, 520, 599)


def test_there_are_more_than_eighty_kinds() -> None:
    assert len(set(BODIES)) + len(STATUSES) > 82


@pytest.mark.usefixtures("quick_retries")
def test_each_odd_answer_costs_its_own_item_at_most(tmp_path: Path) -> None:
    """Odd item n gets odd answer n at every attempt; each second item gets a good one."""
    kinds = [*((200, body, {}) for body in BODIES), *((status, said("x"), {}) for status in STATUSES)]
    kinds += [(200, gzip.compress(gzip.compress(b" " * 10**7)), {"content-encoding": "gzip, gzip"})]

    async def answer(request: web.Request) -> web.Response:
        data = await request.json()
        number = int(data["messages"][0]["content"].partition("number ")[2].split()[0])
        place, is_good = divmod(number, 2)
        if is_good:
            return web.json_response(json.loads(said("A good answer.")))
        status, body, headers = kinds[place]
        return web.Response(status=status, body=body, headers={"content-type": "application/json", **headers})

    async def main() -> list[Any]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            async with engine_over(tmp_path, client(url), max_attempts=2, slots=8, deadline_s=2.0) as engine:
                all_tasks = tasks(2 * len(kinds))
                # Twenty lost requests in a row stop a run: nine odd ones at a time keep two batches below that.
                batches = [all_tasks[start : start + 18] for start in range(0, len(all_tasks), 18)]
                return [result for batch in batches for result in await answer_all(engine, batch)]
        finally:
            await runner.cleanup()

    results = asyncio.run(main())
    assert len(results) == 2 * len(kinds)
    assert all(isinstance(result, Record) for result in results[1::2])
    assert ledger_problems(tmp_path) == []
