"""Serves the review of a run folder on this machine alone, at the wished port or the next free one."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from synth.errors import UsageError
from synth.review.app import application
from synth.review.desk import Desk
from synth.review.meaning import Meaning

TRIES = 100
"""Ports tried, one after the other."""


def serve(run_dir: Path, port: int, reviewer: str, ready: Callable[[str], None], model: str | None = None) -> None:
    """Serve until interrupted; `ready` is called with the address. `model`: a model2vec folder, for meanings.

    Raises StorageError where there is no run, UsageError where no port is free or the model cannot be loaded.
    """
    desk = Desk(run_dir)
    try:
        with _socket(port) as listening:
            found = listening.getsockname()[1]
            meaning = Meaning(desk, model) if model else None
            app = application(desk, found, secrets.token_urlsafe(24), reviewer, meaning)
            config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
            desk.start()
            ready(f"http://127.0.0.1:{found}/")
            uvicorn.Server(config).run([listening])
    finally:
        desk.close()


def _socket(port: int) -> socket.socket:
    """A listening socket of 127.0.0.1. Port 0 takes any."""
    for number in range(port, port + TRIES if port else 1):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", number))
            listening.listen(128)
            return listening
        except (OSError, OverflowError):
            listening.close()
    raise UsageError(f"no port from {port} to {port + TRIES - 1} is free", "name another one with --port")
