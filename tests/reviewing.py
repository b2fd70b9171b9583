"""`synth review` as its own process, asked the way a browser asks it, for tests."""

from __future__ import annotations

import http.client
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands import Command


class Review:
    """A server over a run folder at a port of its own."""

    def __init__(self, folder: Path, port: int = 0, *options: str) -> None:
        self.process = Command("review", folder, "--port", str(port), "--by", "anna", *options)
        self.line = self.process.until(lambda text: "\n" in text and text.splitlines()[0])
        self.url = re.search(r"http://\S+", self.line)[0]  # type: ignore[index]
        self.port = int(self.url.rstrip("/").rpartition(":")[2])

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, str, dict[str, str]]:
        """(status, text, headers) of a GET, or of a POST where there is a body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is None:
            connection.request("GET", path, headers=named)
        else:
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"} | named)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text, {name.lower(): value for name, value in answer.getheaders()}

    def token(self) -> str:
        """The token of this server's pages."""
        return re.search(r'name="token" content="([^"]+)"', self.ask("/thresholds")[1])[1]  # type: ignore[index]

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """(status, JSON) of a POST as the page's own script makes it."""
        status, text, _ = self.ask(path, body, x_review_token=self.token())
        return status, json.loads(text)

    def wait(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The counters once they are so."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request("GET", "/events")
        answer = connection.getresponse()
        while True:
            line = answer.readline().decode()
            if line.startswith("data: ") and is_so(found := json.loads(line[6:])):
                answer.close()
                connection.close()
                return dict(found)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait()


@contextmanager
def reviewed(folder: Path, port: int = 0) -> Iterator[Review]:
    """A server that has read the whole ledger."""
    server = Review(folder, port)
    try:
        server.wait(lambda found: not found["behind"])
        yield server
    finally:
        server.kill()


def keys_of(text: str) -> list[str]:
    """The keys of the rows on a review page."""
    return re.findall(r'data-row="([0-9a-f]{16})"', text)


def links(text: str) -> list[str]:
    """The addresses of the rows in a list."""
    return re.findall(r'<p class="task"><a href="([^"]+)"', text)


def until(is_so: Callable[[], bool], seconds: float = 300) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
