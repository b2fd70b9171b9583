"""What the documentation says of the code is so: messages, links, make targets, the size of README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SOURCE = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "synth").rglob("*.py"))).lower()
MESSAGES = [
    quoted
    for heading in re.findall(r"^### (.*)$", (ROOT / "docs/troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    for quoted in re.findall("`([^`]+)`", heading)
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_of_the_troubleshooting_page_is_one_of_the_code(message: str) -> None:
    assert message.lower() in SOURCE


def test_readme_is_short_and_names_the_two_commands() -> None:
    assert len(README.splitlines()) <= 100
    assert "$ make demo" in README and "$ make test" in README


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_pages_outside_the_site_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text("utf-8")):
        assert (ROOT / target).is_file(), target


def test_contributing_names_every_make_target_that_people_type() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(r"`make ([a-z-]+)`", text)
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(targets) - set(named) == {"clean"}
