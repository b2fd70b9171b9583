"""A stand-in for vLLM that the tests of its backend start as a real process."""

import sys
from pathlib import Path

import pytest

FAKE = Path(__file__).parent / "fake_vllm.py"


@pytest.fixture
def vllm(tmp_path: Path) -> str:
    """An environment folder with the stand-in as its `vllm`."""
    path = tmp_path / "env" / "bin" / "vllm"
    path.parent.mkdir(parents=True)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" "$@"\n')
    path.chmod(0o755)
    return str(tmp_path / "env")
