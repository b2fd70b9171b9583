"""Report: a run folder as one page, or what differs between two. It reads a folder and changes nothing else there."""

from __future__ import annotations

from synth.stages.report.stage import ReportSettings, compare, report

__all__ = ["ReportSettings", "compare", "report"]
