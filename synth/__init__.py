"""synth: from a small pool of seed tasks to instruction data and a trained student."""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__"]
