"""One `vllm serve` process: start it, wait until it answers, look at its log, end it. Asks it nothing but its health.

The server is the leader of its own process group, so that Ctrl-C reaches synth alone and nothing of vLLM survives it.
It listens on a free port of the loopback address, and wants a key that is made for it.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from synth.errors import SynthError
from synth.models.vllm import traces
from synth.models.vllm.settings import Settings, command_line, fingerprint, is_cpu, server_environment

POLL_S, SAY_EVERY_S = 0.25, 10.0
UNREADY_TERM_S = 1.0
"""Seconds for a server that never answered to end by itself: it has nothing to finish."""
PORTS = 3
"""Ports tried for a server, as one that is free may be taken by another process before vLLM listens there."""
TAIL_LINES, TAIL_BYTES = 15, 64 * 1024
CPU_NICENESS = 10
"""Added to our own niceness for a server that computes on the CPU. Its processes spin while they wait for each other;
with the same niceness they kept the run, which asks them, waiting for a core for up to ten seconds at a time."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_ADVICE = {
    r"out of memory|OutOfMemory": "lower gpu_memory_utilization or max_model_len, or choose a quantized model",
    r"free memory on device|desired GPU memory": "end what else uses the GPU, or lower gpu_memory_utilization",
    r"available KV cache|cache block": "lower max_model_len, raise gpu_memory_utilization (or VLLM_CPU_KVCACHE_SPACE)",
    r"died unexpectedly \(exit code: -4\)": "SIGILL: a kernel needs an instruction that this CPU lacks."
    " Set dtype: float32, or enforce_eager: false to have the kernels compiled for this CPU",
    r"died unexpectedly \(exit code: -9\)": "SIGKILL, most likely out of memory: lower max_model_len or"
    " max_num_seqs, or set VLLM_CPU_KVCACHE_SPACE under env",
    r"died unexpectedly \(exit code: -\d+\)": "a signal ended vLLM's worker: set dtype: float32, or try"
    " another version of vLLM",
    r"Unsupported CPU attention": "vLLM's CPU build has no kernel for this model's head size: take another model",
    r"gated repo|401 Client Error|restricted": "ask for access to the model on its page and set HF_TOKEN",
    r"not a valid model id|Repository Not Found|does not appear to have a file": "check the name of the model",
    r"outgoing traffic has been disabled|LocalEntryNotFound|offline mode": "the model is not here yet: download it",
    r"unrecognized arguments|invalid choice": "this vLLM does not know a flag: compare with `vllm serve --help`",
    r"No package metadata was found for vllm": "install vLLM under its own name (a CPU build may need that as well)",
    r"ModuleNotFoundError|ImportError": "the environment of vLLM is not whole: install it again",
}
"""What a log says (a pattern) and what to do about it; the first that is found counts."""


_CAUSE = re.compile(r"\b[A-Z]\w*(?:Error|Exception)\b[^:]{0,20}: \S")
_CONSEQUENCE = re.compile(r"EngineDead|root cause|\[shutdown\]", re.I)
_HARMLESS = re.compile(r"\b(INFO|WARNING)\b")
_NOISE = re.compile(r"\[shutdown\]|resource_tracker|warnings\.warn|Application shutdown|Finished server process")


class ServerEnded(SynthError):
    """The server process ended, or did not become ready. The message holds the last lines of its log."""


class Server:
    """A running vLLM process, started here or taken over from a run that was killed."""

    def __init__(self, trace: traces.Trace, key: str, process: subprocess.Popen[bytes] | None = None) -> None:
        self.trace, self.key, self.process = trace, key, process
        self.url = f"http://127.0.0.1:{trace.port}/v1"
        self.log_path = Path(trace.log_path)
        atexit.register(self._end_now)

    @property
    def is_alive(self) -> bool:
        """Does the process still run?"""
        if self.process is not None:
            return self.process.poll() is None
        return traces.identity(self.trace.pid) == self.trace.identity

    async def is_healthy(self) -> bool:
        """Does `/health` answer 200 within two seconds?"""
        return await asyncio.to_thread(_answers, f"http://127.0.0.1:{self.trace.port}/health")

    async def wait_ready(self, timeout_s: float, say: Callable[[str], None]) -> None:
        """Wait until the server answers; tell how it goes every 10 s. Raises ServerEnded, with the server ended."""
        started = said = time.monotonic()
        while not await self.is_healthy():
            now = time.monotonic()
            if not self.is_alive:
                raise self.ended("vllm serve ended before it was ready")
            if now - started > timeout_s:
                error = self.ended(f"vllm serve was not ready after {timeout_s:.0f} s", "raise start_timeout_s")
                await self.end(keep_log=True)
                raise error
            if now - said >= SAY_EVERY_S:
                said = now
                say(f"starting {self.trace.model} ({now - started:.0f} s): {''.join(self.tail(1))[:120]}")
            await asyncio.sleep(POLL_S)

    def ended(self, what: str, hint: str = "") -> ServerEnded:
        """The error for a server that is no more, with its last lines and, where they tell, what to do."""
        code = self.process.poll() if self.process is not None else None
        how = "" if code is None else f" (killed by signal {-code})" if code < 0 else f" (exit code {code})"
        lines = self.tail(400)
        bad = [line for line in lines if re.search("error|exception", line, re.I) and not _HARMLESS.search(line)]
        advice = next((_ADVICE[p] for p in _ADVICE if any(re.search(p, line, re.I) for line in bad)), hint)
        causes = [line for line in bad if _CAUSE.search(line) and not _CONSEQUENCE.search(line)]
        telling = [line for line in lines if not _NOISE.search(line)] or lines
        shown = "\n  ".join([*causes[-1:], *telling[-TAIL_LINES:]])
        return ServerEnded(f"{what}{how}. The end of its log:\n  {shown}", advice or f"the whole log: {self.log_path}")

    def tail(self, count: int = TAIL_LINES) -> list[str]:
        """The last lines of the log, without control characters and without the key."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - TAIL_BYTES))
                text = log.read().decode("utf-8", "replace")
        except OSError:
            return []
        lines = [plain(line.replace(self.key, "[key]")) for line in text.splitlines() if line.strip()]
        return lines[-count:]

    async def end(self, keep_log: bool = False, term_s: float = traces.TERM_S) -> None:
        """End the process and its group, `term_s` seconds after it was asked to at the latest, and remove its log."""
        await asyncio.to_thread(self._end_now, term_s)
        if not keep_log:
            self.log_path.unlink(missing_ok=True)

    def _end_now(self, term_s: float = traces.TERM_S) -> None:
        atexit.unregister(self._end_now)
        traces.end(self.trace, term_s)
        if self.process is not None:
            self.process.wait()


def plain(line: str) -> str:
    """A line of a log as text that does nothing to a terminal."""
    line = _ANSI.sub("", line).replace("\t", " ")
    return "".join(char if char.isprintable() else "�" for char in line)[:300]


def say_on_stderr(text: str) -> None:
    """One line about the server for the person at the terminal."""
    print(f"vllm: {text}", file=sys.stderr, flush=True)


async def start(settings: Settings, say: Callable[[str], None] = say_on_stderr, ports: int = PORTS) -> Server:
    """A server for `settings` that answers: an orphan with the same arguments, or a new one. Other orphans are ended.

    `ports`: how many to try, where another process takes them before vLLM does. Raises UsageError and ServerEnded;
    nothing is left running then, nor when the wait is cancelled.
    """
    server = await asyncio.to_thread(_take_over, settings, say)
    if server is None:
        server = _launch(settings)
        say(f"starting {settings.model}, log {server.log_path}")
    started = time.monotonic()
    try:
        await server.wait_ready(settings.start_timeout_s, say)
    except BaseException as error:
        await server.end(keep_log=isinstance(error, ServerEnded), term_s=UNREADY_TERM_S)
        if ports > 1 and isinstance(error, ServerEnded) and "address already in use" in error.message.lower():
            return await start(settings, say, ports - 1)
        raise
    say(f"{settings.model} is ready after {time.monotonic() - started:.0f} s")
    return server


def _take_over(settings: Settings, say: Callable[[str], None]) -> Server | None:
    wanted = fingerprint(settings)
    found: Server | None = None
    with traces.only_one():
        for trace in traces.orphans():
            key = traces.key_of(trace)
            if found is None and trace.fingerprint == wanted and key and _answers(_health(trace.port)):
                say(f"using the server of a run that was killed (process {trace.pid})")
                found = Server(traces.adopt(trace), key)
            else:
                say(f"ending the server that a killed run left behind (process {trace.pid}, {plain(trace.model)})")
                traces.end(trace)
    return found


def _launch(settings: Settings) -> Server:
    port, key = free_port(), secrets.token_urlsafe(24)
    log_path = traces.folder() / f"{port}-{secrets.token_hex(4)}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command_line(settings, port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=server_environment(settings, key),
            start_new_session=True,
        )
    if is_cpu(settings):
        _give_way(process.pid)
    trace = traces.leave(process.pid, port, fingerprint(settings), settings.model, log_path)
    return Server(trace, key, process)


def _give_way(pid: int) -> None:
    """Make a process nicer than ours. Where Linux groups processes by session it is the niceness of the group."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):  # without it the run waits longer for its server, no more
            os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + CPU_NICENESS)
        with suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(CPU_NICENESS))


def free_port() -> int:
    """A port on the loopback address that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _health(port: int) -> str:
    return f"http://127.0.0.1:{port}/health"


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return int(response.status) == 200
    except (OSError, ValueError, urllib.error.URLError):
        return False
