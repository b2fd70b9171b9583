"""`synth` and `python -m synth`."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from synth.cli import app

    app()


if __name__ == "__main__":
    main()
