"""Short answers: yes or no, a choice, a score, a reason. What cannot be read is None, never the convenient answer."""

from __future__ import annotations

import re


def parse_yes_no(text: str) -> bool | None:
    """True or False where the reply's first word says yes or no, else None."""
    match = re.match(
        r"[\s\"'*_(\[#>-]*(?:(?:classification|answer|verdict)[*_]*\s*:\s*[*_\"']*)?(yes|no)\b", text, re.IGNORECASE
    )
    return None if match is None else match[1].lower() == "yes"


def parse_choice(text: str, name: str, choices: tuple[str, ...]) -> str | None:
    """The choice (as spelt in `choices`) after the last line `name: ...`; None where there is none or several."""
    found = _named(text, name, r"(.+)$")
    value = (found[-1] if found else text).strip().strip("*_.\"'`[]() ").casefold()
    exact = [choice for choice in choices if value == choice.casefold()]
    if exact or not found:
        return exact[0] if exact else None
    begun = [choice for choice in choices if re.match(rf"{re.escape(choice.casefold())}\b", value)]
    return begun[0] if len(begun) == 1 else None


def parse_score(text: str, name: str, low: int, high: int) -> int | None:
    """The whole number after the last line `name: ...`; None when it is missing or outside low..high."""
    found = _named(text, name, r"(-?\d{1,5})(?![\d.]{0,9}\d)")
    if not found and re.fullmatch(r"[\s*_\"']*-?\d{1,5}[\s*_\"'.]*", text):
        found = re.findall(r"-?\d+", text)
    value = int(found[-1]) if found else None
    return value if value is not None and low <= value <= high else None


def parse_reason(text: str) -> str:
    """What stands after `Reason:`, on one line, at most 300 characters."""
    found = _named(text, "Reason", r"(.+)$")
    return found[0].strip()[:300] if found else ""


def _named(text: str, name: str, value: str) -> list[str]:
    """The values of all lines `name: value`, whatever marks stand around the name."""
    marks = r"[*_ \t]{0,9}"
    pattern = rf"^[ \t*_#>-]{{0,12}}{re.escape(name)}{marks}:{marks}{value}"
    return re.findall(pattern, text, re.IGNORECASE | re.MULTILINE)
