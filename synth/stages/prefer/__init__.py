"""Prefer: how it is set (`settings`), where answers come from, how they are ranked, and how the judge is tried."""

from synth.stages.prefer.settings import PreferSettings
from synth.stages.prefer.stage import NOTE, PREFER, prefer

__all__ = ["NOTE", "PREFER", "PreferSettings", "prefer"]
