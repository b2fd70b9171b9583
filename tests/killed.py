"""A command that is killed before one of the steps by which it makes files, or counts them. Not a test itself."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def counted(left: int) -> None:
    """Run `synth`, killed before step number `left`; say at the end how many steps there were."""
    steps = 0

    def step(event: str, args: Any) -> None:
        nonlocal steps
        is_written = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if is_written or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"):
            steps += 1
            if steps == left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.dont_write_bytecode = True  # a module that is compiled on its first import would be a step of one run only
    from synth.cli.app import app

    sys.addaudithook(step)
    try:
        app()
    finally:
        print(f"steps {steps}", file=sys.stderr)
