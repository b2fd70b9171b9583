"""The yardstick: a plain AsyncOpenAI-on-aiohttp loop that sends the requests of a finished run, and does nothing else.

No ledger, no retries, no parsing, no order. `python bare_client.py RUN_DIR BASE_URL SLOTS` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from typing import Any


async def main(run_dir: str, base_url: str, slots: int) -> dict[str, Any]:
    """Send every request of the run's ledger once, `slots` at a time."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    rows = sqlite3.connect(f"file:{run_dir}/ledger.sqlite?mode=ro", uri=True).execute("SELECT request FROM requests")
    bodies = iter([json.loads(text) for (text,) in rows])
    client = AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, http_client=DefaultAioHttpClient())
    sent = 0

    async def worker() -> None:
        nonlocal sent
        for body in bodies:
            answer = await client.chat.completions.create(
                model="m",
                messages=body["messages"],
                **body["sampling"],
                extra_headers={"x-draw": str(body["draw"])} if "draw" in body else None,
            )
            assert answer.choices[0].message.content
            sent += 1

    started, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(slots)))
    seconds, used = time.monotonic() - started, time.process_time() - cpu
    await client.close()
    return {"requests": sent, "seconds": seconds, "loop_cpu_s": used}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
