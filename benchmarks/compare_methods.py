"""The three bootstrap methods with one teacher, as a Markdown table: `synth compare-methods --markdown` from a file.

    python benchmarks/compare_methods.py --run /tmp/compare --num-tasks 200 [--teacher openai:NAME --base-url URL]

Without a teacher it is the embedded one, whose figures speak of the pipeline alone. Each method works in a run folder
of its own, so that a broken-off comparison goes on where it stopped.
"""

from __future__ import annotations

import sys

import typer

from synth.cli.compare_methods import compare_methods

if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(compare_methods)
    app([*sys.argv[1:], "--markdown"])
