"""A real browser, and the source of axe-core, for the tests of pages. Skips loudly where there is none."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("SYNTH_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
AXE_PACKAGE, AXE_SHA256 = "axe-core@4.14.1", "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """For one file: while a browser is open its event loop runs, and no other test can run one of its own."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the page was NOT opened")
    if not Path(CHROMIUM).is_file():
        pytest.skip(f"there is no {CHROMIUM} (Debian: apt-get install chromium): the page was NOT opened in a browser")
    with api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from SYNTH_AXE (a path) or from the npm registry."""
    named = os.environ.get("SYNTH_AXE")
    if named:
        return Path(named).read_text("utf-8")
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm to fetch axe-core with, and SYNTH_AXE is not set: accessibility was NOT checked")
    try:
        subprocess.run([npm, "pack", AXE_PACKAGE, "--silent"], cwd=folder, check=True, timeout=60, capture_output=True)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"axe-core could not be fetched ({error}): accessibility was NOT checked")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        source = member.read()
    assert hashlib.sha256(source).hexdigest() == AXE_SHA256
    return source.decode()
