"""vLLM servers that someone else runs: they are used, asked for their models, and left running."""

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from vllm_client import ask, pid_of, using, wait_for

from synth.errors import CredentialsError, RetryableError
from synth.models.base import Completion
from synth.models.vllm import VllmModel
from synth.models.vllm.server import free_port

FAKE = Path(__file__).parent / "fake_vllm.py"


@contextlib.contextmanager
def started(port: int) -> Iterator[str]:
    """The address of a server that someone else starts, with the key `right`."""

    def is_up() -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            return True
        return False

    command = [sys.executable, str(FAKE), "serve", "org/model", "--port", str(port)]
    command += ["--served-model-name", "org/model"]
    process = subprocess.Popen(command, env=os.environ | {"VLLM_API_KEY": "right"}, stdout=subprocess.DEVNULL)
    try:
        wait_for(is_up, 60)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def running() -> Iterator[str]:
    with started(free_port()) as url:
        yield url


def test_a_running_server_is_used_and_left_running(running: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "right")

    async def work(found: VllmModel) -> Completion:
        assert (await found.facts())["server"] == "running"
        return await found.complete(ask())

    answer = using({"base_url": running}, work)
    os.kill(int(answer.text.split()[0]), 0)


def test_a_running_server_is_asked_for_its_models_and_checks_the_key(
    running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CredentialsError) as raised:
        using({"base_url": running}, pid_of)
    assert "$VLLM_API_KEY" in raised.value.hint
    monkeypatch.setenv("VLLM_API_KEY", "right")
    with pytest.raises(CredentialsError) as raised:
        using({"base_url": running, "model": "other"}, pid_of)
    assert "no model 'other'; it has: org/model" in raised.value.message


def test_a_server_not_there_yet_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()

    async def work(found: VllmModel) -> None:
        with pytest.raises(RetryableError):
            await found.complete(ask())
        with started(port):
            await found.complete(ask())

    monkeypatch.setenv("VLLM_API_KEY", "right")
    using({"base_url": f"http://127.0.0.1:{port}/v1"}, work)
