"""A small OpenAI-compatible server on loopback that answers by script and misbehaves on purpose.

Run as a program it prints its port and serves until it is killed. The reply is a pure function of the body and the draw.
It lives on raw asyncio so that it costs a fraction of its client's CPU. What it does not do: judge, stream, check keys.

Faults, each with a rate per attempt: see FAULTS; `poison=0.01` is a 400 for ever for one request in a hundred.
`--refuse temperature` answers 400 to a request with that field; `--capacity 8` answers 429 above 8 requests at once, and
with `--queue` lets them wait. `GET /stats` tells what was asked; `POST /faults` takes new faults and
starts counting anew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import struct
import sys
import time
from collections import Counter
from contextlib import nullcontext
from hashlib import blake2b
from typing import Any

WORDS = [a + b + c for a in "bdfglmnprst" for b in ("a", "e", "io", "u") for c in ("lk", "nd", "rt", "vo", "sh", "mi")]


class Server:
    """What all connections share: settings, counters, the script."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.latency, self.spread = options.latency, options.spread
        self.capacity, self.retry_after = options.capacity, options.retry_after
        self.line = asyncio.Semaphore(options.capacity) if options.queue else None
        self.hang_s, self.drip_s = options.hang, options.drip
        self.faults = parse_faults(options.faults)
        self.refused = [name for name in options.refuse.split(",") if name]
        self.in_flight = 0
        self.forget()

    def forget(self) -> None:
        """Count from nothing."""
        self.counts: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.peak = 0
        self.first = self.last = self.busy_s = 0.0

    def stats(self) -> dict[str, Any]:
        """requests: all that came; again: repeats of a request that had been answered; busy_s: summed thinking time."""
        again = sum(count - 1 for count in self.answered.values())
        row = dict(self.counts) | {"distinct": len(self.seen), "again": again, "peak": self.peak}
        return row | {
            "span_s": self.last - self.first,
            "busy_s": self.busy_s,
            "cpu_s": time.process_time(),
            "first": self.first,
        }

    def fault(self, key: str, attempt: int) -> str | None:
        """Which fault strikes this attempt at this request."""
        for name, rate in self.faults.items():
            part = name if name == "poison" else f"{name}{attempt}"
            if draw(f"{part}:{key}") < rate:
                return name
        return None

    async def serve(self, body: bytes, x_draw: str, link: Link) -> None:
        """Answer one request on `link`."""
        now = time.monotonic()
        self.first = self.first or now
        self.counts["requests"] += 1
        key = blake2b(body + x_draw.encode(), digest_size=12).hexdigest()
        attempt = self.seen[key]
        self.seen[key] += 1
        if found := next((name for name in self.refused if f'"{name}"'.encode() in body), None):
            said = {"message": f"Unsupported parameter: '{found}' is not supported with this model.", "param": found}
            link.send(400, json.dumps({"error": said}).encode())
            return
        if self.capacity and self.in_flight >= self.capacity and not self.line:
            self.counts["throttled"] += 1
            wish = f"retry-after-ms: {round(self.retry_after * 1000)}\r\n" if self.retry_after else ""
            link.send(429, b'{"error": {"message": "too many at once"}}', wish)
            return
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            wait = self.latency * (1 + self.spread * (2 * draw(f"t{attempt}:{key}") - 1))
            async with self.line or nullcontext():
                if wait:
                    await asyncio.sleep(wait)
            self.busy_s += wait
            name = self.fault(key, attempt)
            if name:
                self.counts[name] += 1
                await FAULTS[name](self, link, answer(body, x_draw))
            else:
                self.answered[key] += 1
                self.counts["answered"] += 1
                link.send(200, answer(body, x_draw))
        finally:
            self.in_flight -= 1
            self.last = time.monotonic()


class Link(asyncio.Protocol):
    """One connection: HTTP/1.1 with keep-alive, one request at a time."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = b""
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        if self.task:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, mark, rest = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        path = lines[0].split()[1]
        if path.startswith("/v1/models"):
            self.send(200, b'{"data": [{"id": "m"}]}')
        elif path.startswith("/stats"):
            self.send(200, json.dumps(self.server.stats()).encode())
        elif path.startswith("/faults"):
            self.server.faults = parse_faults(rest[:length].decode())
            self.server.forget()
            self.send(200, b"{}")
        else:
            self.task = asyncio.create_task(self.server.serve(rest[:length], headers.get("x-draw", ""), self))

    def send(self, status: int, body: bytes, extra: str = "", kind: str = "application/json") -> None:
        """A whole response."""
        self.head(status, len(body), extra, kind)
        self.transport.write(body)

    def head(self, status: int, length: int, extra: str = "", kind: str = "application/json") -> None:
        """Status line and headers."""
        self.transport.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{extra}\r\n".encode()
        )

    def reset(self) -> None:
        """Close so that the client sees a reset."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


# -- the script --------------------------------------------------------------------------------------------------------


def draw(text: str) -> float:
    """A number in [0, 1) that depends on `text` alone."""
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big") / 2**48


def sentence(seed: str, length: int) -> str:
    """Words that depend on `seed` alone."""
    noise = blake2b(seed.encode(), digest_size=2 * min(length, 32)).digest()
    numbers = [int.from_bytes(noise[i : i + 2], "big") for i in range(0, len(noise), 2)]
    return " ".join(WORDS[number % len(WORDS)] for number in numbers).capitalize()


def answer(body: bytes, x_draw: str = "") -> bytes:
    """The body of a good reply."""
    asked = json.loads(body)
    turns = [message["content"] for message in asked.get("messages", ())] or [asked["prompt"]]
    prompt = "\n".join(turns)
    text = reply(turns[0], turns[-1], f"{prompt}{x_draw}")
    usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(text) // 4 + 1}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}, "text": text}
    return json.dumps({"model": asked["model"], "choices": [choice], "usage": usage}).encode()


def reply(first: str, last: str, seed: str) -> str:
    """What a willing teacher says to one of our prompts, known by the heading of its `first` message."""
    if first.startswith("# Compare two tasks"):
        tasks = last.rpartition("## First task")[2].split("## Second task")
        same = len({task.partition("```text")[2].partition("```")[0] for task in tasks}) == 1
        return "Verdict: equal" if same else "Verdict: different"
    if first.startswith("# New tasks"):
        count = re.search(r"(\d+) new tasks", last)
        parts = [
            f"### Instruction\nSay to the owner of the shop that {sentence(f'{n}{seed}', 12).lower()}.\n### Input\n{sentence(f'i{n}{seed}', 4)}"
            for n in range(int(count[1]) if count else 1)
        ]
        return parts[0] if len(parts) == 1 else "\n".join(f"## Task {n}\n{part}" for n, part in enumerate(parts, 1))
    if first.startswith(("# Rewrite a task", "# Invent a task")):
        parent = last.rpartition("### Instruction\n")[2].partition("\n### Input")[0]
        return f"### Instruction\n{parent} Then say {sentence(seed, 10).lower()}.\n### Input\nNone"
    return f"{sentence(seed, 30)}. {sentence('b' + seed, 30)}."


# -- faults ------------------------------------------------------------------------------------------------------------


async def throttle(server: Server, link: Link, good: bytes) -> None:
    link.send(429, b'{"error": {"message": "slow down"}}', "retry-after-ms: 50\r\n")


async def error(server: Server, link: Link, good: bytes) -> None:
    link.send(500, b'{"error": {"message": "broken"}}')


async def poison(server: Server, link: Link, good: bytes) -> None:
    link.send(400, b'{"error": {"message": "cannot be processed", "type": "BadRequestError"}}')


async def cut(server: Server, link: Link, good: bytes) -> None:
    link.send(200, good[: len(good) // 2])


async def html(server: Server, link: Link, good: bytes) -> None:
    link.send(200, b"<html>Please sign in</html>", kind="text/html")


async def error_object(server: Server, link: Link, good: bytes) -> None:
    link.send(200, b'{"error": {"message": "provider failed"}}')


async def no_choices(server: Server, link: Link, good: bytes) -> None:
    link.send(200, b'{"choices": []}')


async def null(server: Server, link: Link, good: bytes) -> None:
    link.send(200, b'{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}')


def changed(good: bytes, content: str | None, finish: str = "stop") -> bytes:
    """The good reply, its tokens billed as they were, with another content."""
    said = json.loads(good)
    said["choices"][0] |= {"message": {"role": "assistant", "content": content}, "finish_reason": finish}
    return json.dumps(said).encode()


async def empty(server: Server, link: Link, good: bytes) -> None:
    link.send(200, changed(good, ""))


async def tool_calls(server: Server, link: Link, good: bytes) -> None:
    link.send(200, changed(good, None, "tool_calls"))


async def abort(server: Server, link: Link, good: bytes) -> None:
    link.send(200, changed(good, "half of it", "abort"))


async def thoughts(server: Server, link: Link, good: bytes) -> None:
    link.send(200, changed(good, "<think>and on and on"))


async def filtered(server: Server, link: Link, good: bytes) -> None:
    link.send(200, changed(good, "", "content_filter"))


async def incredible(server: Server, link: Link, good: bytes) -> None:
    said = json.loads(good) | {"model": "m\ud800x", "usage": {"prompt_tokens": 10**30, "completion_tokens": 10**30}}
    link.send(200, json.dumps(said).encode())


async def charset(server: Server, link: Link, good: bytes) -> None:
    link.send(200, good.replace(b'"content": "', b'"content": "caf\xe9 '), kind="application/json; charset=latin-1")


async def twice(server: Server, link: Link, good: bytes) -> None:
    link.send(200, good + good)


async def unauthorized(server: Server, link: Link, good: bytes) -> None:
    link.send(401, b'{"error": {"message": "Incorrect API key provided"}}')


async def reset(server: Server, link: Link, good: bytes) -> None:
    link.head(200, len(good))
    link.transport.write(good[: len(good) // 2])
    await asyncio.sleep(0.005)
    link.reset()


async def hang(server: Server, link: Link, good: bytes) -> None:
    await asyncio.sleep(server.hang_s)


async def slow(server: Server, link: Link, good: bytes) -> None:
    link.head(200, len(good))
    for at in range(len(good)):
        link.transport.write(good[at : at + 1])
        await asyncio.sleep(server.drip_s)


async def huge(server: Server, link: Link, good: bytes) -> None:
    """64 MB and more, in pieces, until the client hangs up."""
    link.head(200, 80 * 2**20)
    for _ in range(80 * 16):
        link.transport.write(b" " * 2**16)
        await asyncio.sleep(0)
        while link.transport.get_write_buffer_size() > 2**20 and not link.transport.is_closing():
            await asyncio.sleep(0.001)


FAULTS = {
    f.__name__: f
    for f in (
        *(throttle, error, poison, cut, html, error_object, no_choices, null, charset, twice, unauthorized),
        *(empty, tool_calls, abort, thoughts, filtered, incredible),
    )
} | {"reset": reset, "hang": hang, "slow": slow, "huge": huge}


def parse_faults(text: str) -> dict[str, float]:
    """`"error=0.1,cut=0.05"` as a table."""
    return {name: float(rate) for name, _, rate in (part.partition("=") for part in text.split(",") if part)}


def options(arguments: list[str]) -> argparse.Namespace:
    """The settings of a server, from flags."""
    parser = argparse.ArgumentParser()
    for name, default in (("latency", 0.0), ("spread", 0.0), ("retry-after", 0.0), ("hang", 3600.0), ("drip", 1.0)):
        parser.add_argument(f"--{name}", type=float, default=default)
    parser.add_argument("--capacity", type=int, default=0)
    parser.add_argument("--queue", action="store_true")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", default="")
    parser.add_argument("--refuse", default="")
    return parser.parse_args(arguments)


async def main(arguments: list[str]) -> None:
    """Print the port and serve."""
    chosen = options(arguments)
    teacher, loop = Server(chosen), asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Link(teacher), chosen.host, chosen.port, backlog=1024)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
