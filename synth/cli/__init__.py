"""The command line: one command per stage, prints and exit codes, nothing else.

Exit codes: 0 ok, 1 error, 2 usage, 3 finished but some items were quarantined, 4 budget reached, 5 disk or lock,
6 credentials or quota, 130/143 signals. Heavy imports happen inside the commands, so that `synth --help` is quick.
"""

from __future__ import annotations

from synth.cli.app import app

__all__ = ["app"]
