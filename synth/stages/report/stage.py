"""The report: a run folder becomes one HTML file that tells what was made, what was rejected and what it cost.

What draws the page is imported when it is drawn: a run that begins does not wait for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from synth.fileio import atomic_write
from synth.given import StrictSettings
from synth.stages.stage import RunFolder, Stage

FILE_NAME = "report.html"


class ReportSettings(StrictSettings):
    """What the page tells beyond the run's own numbers."""

    embeddings_path: str | None = Field(
        None, description="A .npy file of vectors of the final records, for the Vendi score; else words are hashed."
    )
    is_shaping: ClassVar[bool] = False


def report(run_dir: Path, settings: ReportSettings = ReportSettings()) -> Path:
    """Write report.html into the run folder and return its path.

    Works on unfinished runs too. Raises StorageError where there is no ledger or the folder cannot be written.
    """
    from synth.stages.report.facts import collect
    from synth.stages.report.page import render
    from synth.stages.report.sections import sections

    facts = collect(run_dir, settings.embeddings_path)
    lead = "What this run made, what it rejected and why, and what it cost."
    path = run_dir / FILE_NAME
    atomic_write(path, render(f"Run {facts.name}", lead, sections(facts)))
    return path


def run(folder: RunFolder, settings: ReportSettings) -> bool:
    """The stage: one page about the run."""
    folder.paths.append(report(folder.path, settings))
    return True


REPORT = Stage("report", ReportSettings, run, "folder", is_default=True, files=(FILE_NAME,))


def compare(one: Path, other: Path, path: Path) -> Path:
    """Write a page of what differs between two runs to `path`, and return it."""
    from synth.stages.report.comparison import differences
    from synth.stages.report.page import render

    names, parts = differences(one, other)
    lead = "What differs between the two runs; what is alike in both is left out."
    atomic_write(path, render(f"{names[0]} and {names[1]}", lead, parts))
    return path
