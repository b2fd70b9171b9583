"""What the server that forks commands does once, before it forks: imports, the command line, the shipped prompts.

A third of what a small run costs is done here. Not a test itself, and not imported by tests.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path

import typer.main

from synth.cli.app import app
from synth.prompts import version

MODULES = """
synth.recipe synth.pipeline synth.embedded synth.models.openai synth.checks synth.stages.order
openai aiohttp anyio.abc h11 httpcore2 truststore jinja2.sandbox pandas pyarrow rapidfuzz.process rich.live rich.table starlette uvicorn
"""
for name in MODULES.split():
    importlib.import_module(name)
typer.main.get_command = functools.cache(typer.main.get_command)
typer.main.get_command(app)
for path in (Path(__file__).parents[1] / "synth" / "prompts").glob("*.jinja"):
    version(path.stem)
