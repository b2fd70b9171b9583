"""Files that come with the package. In a checkout they are at the top, in a wheel in the package (see setup.py)."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def _shipped(name: str) -> Path:
    installed = _PACKAGE / "seed_tasks" / name
    return installed if installed.is_file() else _PACKAGE.parent / "seed_tasks" / name


SEED_FILE = _shipped("seed_tasks.jsonl")
"""The 175 seed tasks."""
EVAL_FILE = _shipped("eval_tasks.jsonl")
"""The held-out tasks that students are examined on."""
