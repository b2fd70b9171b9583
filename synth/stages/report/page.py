"""Blocks → one HTML file that needs nothing else: no script, no request and a policy that allows none."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from synth.stages.report.blocks import Section

FOLDER = Path(__file__).parent
CSS_FILE = "report.css"


def policy(css: str) -> str:
    """The Content-Security-Policy of a page whose only resource is its own style sheet."""
    sha256 = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{sha256}'; base-uri 'none'; form-action 'none'"


def stylesheet() -> str:
    """The style sheet, as it stands in the page and in its policy."""
    return (FOLDER / CSS_FILE).read_text("utf-8").strip()


def render(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The whole page."""
    css = stylesheet()
    values = {"title": title, "lead": lead, "sections": sections}
    page = environment().get_template("report.html.jinja").render(css=Markup(css), policy=policy(css), **values)
    return str(page).encode("utf-8", "replace").decode()


@cache
def environment() -> Any:
    """Jinja that escapes everything and refuses what is undefined."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["cell"] = cell
    made.tests["numeric"] = is_numeric
    return made


def is_numeric(value: Any) -> bool:
    """Is a cell a number, or a text that is nothing but one?"""
    return isinstance(value, int | float) or re.fullmatch(r"[-+]?[\d.,]+ ?%?", str(value)) is not None


def cell(value: Any) -> str:
    """A table's cell as text: whole numbers with separators, others with four digits."""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)
