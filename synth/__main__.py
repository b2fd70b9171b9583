"""`synth` and `python -m synth`."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line."""
    gc.set_threshold(300_000)  # to look for garbage while modules are imported takes a twentieth of the start
    from synth.cli import app

    app()


if __name__ == "__main__":
    main()
