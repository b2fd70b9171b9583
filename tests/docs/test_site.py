"""The documentation's site: built offline without a warning, and it asks the network for nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("mkdocs", reason="#### mkdocs-material is not installed: the documentation was NOT built ####")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built strictly: a broken link, a page that is not in the navigation or any other warning is an error."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    env = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loads = re.compile(
        r"<(?:script|img|iframe)[^>]+src=[\"']?(?:https?:)?//|<link[^>]+rel=[\"']?(?:stylesheet|preconnect|icon)[^>]+(?:https?:)?//"
    )
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        assert not loads.search(page.read_text("utf-8")), page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import", style.read_text("utf-8")), style.name


def test_the_reference_names_every_section_command_check_and_public_name(site: Path) -> None:
    import synth
    from synth.checks import CHECKS
    from synth.cli.app import COMMANDS
    from synth.recipe import recipe_model

    def text(name: str) -> str:
        return (site / "reference" / f"{name}.html").read_text("utf-8")

    assert all(f"<code>{name}</code>" in text("recipe") for name in recipe_model().model_fields)
    assert all(f"synth {one.__name__.rstrip('_').replace('_', '-')}" in text("commands") for one in COMMANDS)
    assert all(f'id="{name}"' in text("checks") for name in CHECKS)
    assert all(f'id="{name.lower()}"' in text("python") for name in synth.__all__ if name != "__version__")
