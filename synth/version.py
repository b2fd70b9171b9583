"""The version of the package, as in pyproject.toml, and the facts about an installation that a bug report needs."""

from __future__ import annotations

__version__ = "0.1.0"
RECIPE_SCHEMA = 1
"""Raised when a recipe that was right before would be refused or would mean something else."""
_PACKAGES = ("openai", "pydantic", "pyarrow", "torch", "transformers", "peft", "vllm")


def build_facts() -> dict[str, str]:
    """What `synth --version` prints: versions of synth, Python, SQLite and the packages it leans on; the commit of a
    checkout. Nothing is imported for it.
    """
    import platform
    import sqlite3
    from importlib.metadata import PackageNotFoundError, version

    facts = {"synth": __version__, "recipe schema": str(RECIPE_SCHEMA)}
    facts |= {"commit": commit} if (commit := _commit()) else {}
    facts |= {"python": platform.python_version(), "system": platform.platform(), "sqlite": sqlite3.sqlite_version}
    for name in _PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not installed"
    return facts


def _commit() -> str:
    """The commit of the checkout that this package lies in; "" for an installed package."""
    from pathlib import Path

    try:
        git = Path(__file__).parent.parent / ".git"
        if git.is_file():  # a worktree: the file names its folder
            git = Path(git.read_text("utf-8").removeprefix("gitdir:").strip())
        head = (git / "HEAD").read_text("utf-8").strip()
        if not head.startswith("ref: "):
            return head[:12]
        common = git / "commondir"
        base = git / common.read_text("utf-8").strip() if common.is_file() else git
        return (base / head[5:]).read_text("utf-8").strip()[:12]
    except OSError:
        return ""
