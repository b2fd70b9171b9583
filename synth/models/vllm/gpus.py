"""The NVIDIA GPUs of this machine that this process may use."""

from __future__ import annotations

import os
import re
from pathlib import Path


def visible_gpus() -> list[str]:
    """Their names, as in CUDA_VISIBLE_DEVICES."""
    there = [path for path in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    named = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(len(there))))).split(",")
    return [name.strip() for name in named if name.strip() not in ("", "-1")][: len(there)]


def count_gpus() -> int:
    """How many; 0 where there is none (or only one of another make)."""
    return len(visible_gpus())
